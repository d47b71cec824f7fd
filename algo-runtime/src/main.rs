//! The binary `algo-runtime`: see [`algo_runtime`].

use std::process::ExitCode;

use algo_runtime::{
    args::{Cli, Command},
    maintenance, process,
};

fn main() -> ExitCode {
    let Cli { command, serve } = match intuition_common::args::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match command {
        Some(Command::Verify { data_dir }) => maintenance::verify(&data_dir),
        Some(Command::Backup { data_dir, to }) => maintenance::backup(&data_dir, &to),
        Some(Command::Restore { data_dir, from, force, keep_format }) => {
            maintenance::restore(&data_dir, &from, force, keep_format)
        }
        Some(Command::Archive { data_dir, to, from, through }) => {
            maintenance::archive(&data_dir, &to, from, through.unwrap_or(u64::MAX))
        }
        Some(Command::Salvage { data_dir }) => maintenance::salvage(&data_dir),
        None => process::serve(&serve),
    }
}
