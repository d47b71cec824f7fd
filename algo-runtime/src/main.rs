//! The binary `algo-runtime`: see [`algo_runtime`].

use std::process::ExitCode;

use algo_runtime::{
    args::{Cli, Command},
    process,
};
use clap::Parser as _;

fn main() -> ExitCode {
    let Cli { command, serve } = Cli::parse();
    match command {
        Some(Command::Verify { data_dir }) => process::verify(&data_dir),
        None => process::serve(&serve),
    }
}
