//! The feed as a process of its own.

use std::process::ExitCode;

use intuition_common::{exit, telemetry};

mod args;

// One thread: socket and driver wait for each other at every quote.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match intuition_common::args::parse::<args::Args>() {
        Ok(args) => args,
        Err(code) => return code,
    };
    if let Err(error) = telemetry::init(&args.log) {
        return exit::report(&error, exit::USAGE);
    }
    match args::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, if error.is_usage() { exit::USAGE } else { 1 }),
    }
}
