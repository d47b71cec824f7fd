//! The bridge as a process of its own.

use std::process::ExitCode;

use clap::Parser as _;
use intuition_common::{exit, telemetry};

mod args;

#[tokio::main]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    if let Err(error) = telemetry::init(&args.log) {
        return exit::report(&error, exit::USAGE);
    }
    match args::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, if error.is_usage() { exit::USAGE } else { 1 }),
    }
}
