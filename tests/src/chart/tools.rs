//! Where the programs are that `tests/chart/tools` brings, and running them.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The folder that `tests/cluster` keeps its programs and schemas in.
pub fn cache() -> anyhow::Result<PathBuf> {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let shared = || variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = variable("CLUSTER_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| shared().or_else(home).map(|folder| folder.join("intuition/cluster")));
    cache.context("neither CLUSTER_CACHE nor XDG_CACHE_HOME nor HOME is set")
}

/// Whether a variable of the environment is set to something.
pub fn is_set(name: &str) -> bool {
    variable(name).is_some()
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// How a program ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Whether with 0.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard output of a success; a failure is an error with both outputs.
    pub fn successful(self) -> anyhow::Result<String> {
        ensure!(self.success, "{}{}", self.stdout, self.stderr);
        Ok(self.stdout)
    }
}

/// Runs one of the programs with `arguments` and `input`, to its end.
pub fn run(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<Ended> {
    let path = cache()?.join("bin").join(program);
    ensure!(path.exists(), "{} is not there: run tests/chart/tools first", path.display());
    let mut child = Command::new(&path)
        .args(arguments)
        .current_dir(repository())
        // Never the cluster of whoever runs the tests: a chart is rendered without one.
        .env("KUBECONFIG", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} does not start", path.display()))?;
    let mut stdin = child.stdin.take().context("a child without a standard input")?;
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    // A program may end without having read everything; what it says then counts.
    drop(writer.join());
    Ok(Ended {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}
