//! The binary `algo-runtime`: see [`algo_runtime`].

use std::process::ExitCode;

use algo_runtime::{
    args::{Cli, Command},
    process,
};

fn main() -> ExitCode {
    let Cli { command, serve } = match intuition_common::args::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match command {
        Some(Command::Verify { data_dir }) => process::verify(&data_dir),
        None => process::serve(&serve),
    }
}
