//! Running `kubectl`, `helm` and what else a person would type, to the end.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

/// No command takes longer, building apart.
const LIMIT: Duration = Duration::from_mins(10);
/// How long building a release may take.
pub const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// Runs `program` and gives its standard output. An error says what was run and what it said.
pub async fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    run_within(LIMIT, program, arguments).await
}

/// [`run`] with a deadline of its own.
pub async fn run_within(limit: Duration, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    execute(limit, program, arguments, "").await
}

/// [`run`] with something on its standard input.
pub async fn feed(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    execute(LIMIT, program, arguments, input).await
}

async fn execute(limit: Duration, program: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let line = format!("{program} {}", arguments.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command
        .spawn()
        .with_context(|| format!("starting `{line}`: run `make cluster-up` first, and the tests by `make e2e`"))?;
    let output = tokio::time::timeout(limit, communicate(child, input)).await;
    let output = output.with_context(|| format!("`{line}` does not end"))?.with_context(|| line.clone())?;
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "`{line}` ended with {}:\n{said}{complained}", output.status);
    Ok(said.into_owned())
}

async fn communicate(mut child: Child, input: &str) -> std::io::Result<std::process::Output> {
    if let Some(mut stdin) = child.stdin.take() {
        // A command that failed before it read everything says so by its exit code.
        drop(stdin.write_all(input.as_bytes()).await);
    }
    child.wait_with_output().await
}
