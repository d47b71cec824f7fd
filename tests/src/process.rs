//! Child processes whose output is kept, and shown when a test fails.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, ensure};

use crate::{meter::Meter, wait};

/// Lines of the log that a failed test shows of each process.
const SHOWN_LINES: usize = 60;

/// The path of one of our binaries, built beside the test executable.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let tests = std::env::current_exe()?;
    // target/<profile>/deps/<test>
    let folder = tests.parent().and_then(Path::parent).context("the test executable is not in a target folder")?;
    let path = folder.join(name);
    ensure!(
        path.exists(),
        "{} is not built: run `make test`, or `cargo build -p algo-runtime -p bridge -p feed -p intuition-cli` first",
        path.display()
    );
    Ok(path)
}

/// The path of a binary of an earlier release, which `make test` builds.
pub fn released(version: &str, name: &str) -> anyhow::Result<PathBuf> {
    let path = release_folder(version)?.join("debug").join(name);
    ensure!(path.exists(), "{} is not built: run `tests/releases/build {version}` first", path.display());
    Ok(path)
}

/// Whether an earlier release could be built here: a downloaded archive of this one has no history to build it from.
pub fn is_released_here(version: &str) -> anyhow::Result<bool> {
    let is_missing = release_folder(version)?.join("not-in-history").exists();
    if is_missing {
        show(&format!("{version} is not in the history here: a test that runs it is left out"));
    }
    Ok(!is_missing)
}

fn release_folder(version: &str) -> anyhow::Result<PathBuf> {
    // target/<profile>/<name>
    let ours = binary("bridge")?;
    let target = ours.parent().and_then(Path::parent).context("the binary is not in a target folder")?;
    Ok(target.join("releases").join(version))
}

/// A running child process. Killed when dropped.
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
    /// Its end was meant: nothing to be told about.
    ended: bool,
}

impl Daemon {
    /// Starts `command`, both outputs going to the end of `log`.
    pub fn start(name: &str, mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log, ended: false })
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.ended = true;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal by its name, for example `TERM`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        ensure!(status.success(), "kill -{name} {}: {status}", self.name);
        Ok(())
    }

    /// SIGTERM, and waits until it has ended by itself.
    pub async fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.ended = true;
        self.signal("TERM")?;
        let what = format!("{} ends after SIGTERM", self.name);
        wait::until(&what, async || Ok(self.child.try_wait()?)).await
    }

    /// Reads its memory and processor time.
    pub fn meter(&self) -> Meter {
        Meter::new(self.child.id())
    }

    /// An error with the log if it has ended.
    pub fn check_alive(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            anyhow::bail!("{} ended ({status}):\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let skipped = log.lines().count().saturating_sub(SHOWN_LINES);
        log.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Either may fail because it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
        if self.ended {
            return;
        }
        // Shown only when the test fails: cargo keeps what passing tests print.
        show(&format!("--- {}\n{}\n", self.name, self.log_tail()));
    }
}

#[expect(clippy::print_stderr, reason = "cargo test shows it where the test fails")]
fn show(text: &str) {
    eprintln!("{text}");
}
