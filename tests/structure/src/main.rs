//! `make lint`: fails on a file that is too long, and on files that import each other in a circle.

use std::{path::Path, process::ExitCode};

use structure::{findings, sources};

fn main() -> ExitCode {
    match sources(Path::new(".")) {
        Ok(crates) => {
            let found = findings(&crates);
            for finding in &found {
                eprintln!("error: {finding}");
            }
            if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
