//! The command `intuition`: checks manifests, and runs them on this machine with no cluster.
//!
//! - [`args`]: the flags.
//! - [`manifest`], [`validate`]: reads manifests, says everything that is wrong with them.

mod args;
mod manifest;
mod validate;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Validate(arguments) => validate::command(&arguments),
    }
}
