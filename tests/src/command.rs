//! Running one of our binaries to its end.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::{process, wait};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; `None`: by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs `binary` with arguments separated by spaces, in `folder`, and waits for its end.
pub async fn run(binary: &str, arguments: &str, folder: &Path) -> anyhow::Result<Ended> {
    let mut command = tokio::process::Command::from(Command::new(process::binary(binary)?));
    command.args(arguments.split_whitespace()).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(wait::PATIENCE * 2, command.output()).await;
    let output = output.with_context(|| format!("{binary} {arguments} does not end"))??;
    Ok(Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}
