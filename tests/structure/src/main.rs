//! `make lint`: fails on a file that is too long, on files that import each other in a circle, on a function whose name is too long,
//! and on a dependency without a use.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use structure::{findings, long_names, sources, unused};

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(".");
    let mut found = findings(&sources(root)?);
    found.extend(unused(root)?);
    found.extend(long_names(root)?);
    let mut output = io::stderr().lock();
    for finding in &found {
        writeln!(output, "error: {finding}")?;
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
