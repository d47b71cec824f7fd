//! See `instructions --help`.

use std::process::ExitCode;

use clap::Parser as _;
use instructions::command::{Arguments, execute};

fn main() -> anyhow::Result<ExitCode> {
    execute(&Arguments::parse())
}
