//! `make lint`: fails on a file that is too long, and on files that import each other in a circle.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use structure::{findings, sources};

fn main() -> anyhow::Result<ExitCode> {
    let found = findings(&sources(Path::new("."))?);
    let mut output = io::stderr().lock();
    for finding in &found {
        writeln!(output, "error: {finding}")?;
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
