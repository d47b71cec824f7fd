//! The stage of a run: a folder on the measured disk, a broker, the binaries beside this one, and remote algorithms.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use e2e::{
    mosquitto::{Config, Mosquitto},
    process::Daemon,
    system::{Settings, System},
    wait,
};
use tempfile::TempDir;

/// The account of all runs.
pub const ACCOUNT: &str = "bench/bench";
/// Topic of its decisions.
pub const DECISIONS: &str = "intuition/bench/bench/decisions";

/// Settings of the broker. Each has an effect on the figures: the limit of unacknowledged messages for a client (20 by
/// default), and small packets that go out at once, as in the chart's mosquitto.
pub const BROKER: &str = "max_inflight_messages 1000\nset_tcp_nodelay true\n";

/// Where runs take place.
#[derive(Debug, Clone)]
pub struct Stage {
    folder: PathBuf,
    binaries: PathBuf,
    python: PathBuf,
}

/// A remote algorithm of the examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// `examples/rust`, which buys and sells in turns here. It publishes a message beside each signal.
    Rust,
    /// `examples/python/random_algo.py`, with the SDK.
    Python,
}

/// Quotes that become decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// Each.
    Every,
    /// About every second one, by random numbers.
    Half,
    /// None.
    None,
}

/// The algorithm of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// The built-in `random`.
    BuiltIn(Decided),
    /// Out of process, at a Unix socket.
    Remote(Remote),
}

/// Everything that runs for an account. Its files go when it is dropped.
pub struct Running {
    /// The broker.
    pub broker: Mosquitto,
    /// Runtime and bridge.
    pub system: System,
    /// The remote algorithm.
    pub backend: Option<Daemon>,
    /// Broker, ledger and logs.
    pub folder: TempDir,
}

impl Stage {
    /// With data in `folder`, which is made. Without a folder of binaries they are beside this one, and without a
    /// Python it is that of `make test-sdk`.
    pub fn new(folder: &Path, binaries: Option<PathBuf>, python: Option<PathBuf>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let own = std::env::current_exe()?;
        let beside = own.parent().context("this binary has no folder")?;
        let target = beside.parent().context("this binary is in no target folder")?;
        let binaries = binaries.unwrap_or_else(|| beside.to_owned());
        let python = python.unwrap_or_else(|| target.join("sdk-python/bin/python"));
        Ok(Self { folder: std::path::absolute(folder)?, binaries, python })
    }

    /// The folder of all runs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new folder for one run.
    pub fn fresh(&self) -> anyhow::Result<TempDir> {
        Ok(TempDir::with_prefix_in("run-", &self.folder)?)
    }

    /// Whether a remote algorithm can be started here: Python needs the SDK's environment.
    pub fn has(&self, remote: Remote) -> bool {
        remote == Remote::Rust || self.python.exists()
    }

    /// A broker with its files in `folder`.
    pub async fn broker(&self, folder: &Path) -> anyhow::Result<Mosquitto> {
        Mosquitto::start(&folder.join("broker"), &Config { further: BROKER, ..Config::quiet() }).await
    }

    /// Starts everything for an account with this algorithm.
    pub async fn account(&self, algorithm: Algorithm) -> anyhow::Result<Running> {
        let folder = self.fresh()?;
        let broker = self.broker(folder.path()).await?;
        let socket = folder.path().join("algorithm.sock");
        let (backend, arguments) = match algorithm {
            Algorithm::BuiltIn(decided) => (None, built_in(decided)),
            Algorithm::Remote(remote) => {
                (Some(self.remote(remote, folder.path(), &socket).await?), out_of_process(remote, &socket))
            }
        };
        let system = System::start(folder.path(), self.settings(&broker.url(), &arguments)).await?;
        Ok(Running { broker, system, backend, folder })
    }

    /// Settings of runtime and bridge. The account has cash for a billion decisions.
    pub fn settings(&self, broker_url: &str, algorithm: &str) -> Settings {
        let portfolio = "--starting-cash 1000000000 --portfolio fixed-amount --amount 1 --channel quotes";
        Settings {
            binaries: Some(self.binaries.clone()),
            ..Settings::new(ACCOUNT, broker_url, &format!("{algorithm} {portfolio}"))
        }
    }

    async fn remote(&self, remote: Remote, folder: &Path, socket: &Path) -> anyhow::Result<Daemon> {
        let mut command = match remote {
            Remote::Rust => Command::new(self.binaries.join("breakout")),
            Remote::Python => {
                let mut command = Command::new(&self.python);
                command.arg(root().join("examples/python/random_algo.py"));
                command
            }
        };
        command.arg("--addr").arg(format!("unix:{}", socket.display()));
        let mut daemon = Daemon::start("algorithm", command, folder.join("algorithm.log"))?;
        wait::until("the algorithm listens", async || {
            daemon.check_alive()?;
            Ok(socket.exists().then_some(()))
        })
        .await?;
        Ok(daemon)
    }
}

/// Arguments of algo-runtime for the built-in `random`.
pub fn built_in(decided: Decided) -> String {
    let threshold = match decided {
        Decided::Every => "0",
        Decided::Half => "0.5",
        Decided::None => "1",
    };
    format!("--algorithm random --seed 7 --threshold {threshold}")
}

fn out_of_process(remote: Remote, socket: &Path) -> String {
    let parameters = match remote {
        Remote::Rust => "--param entry=1 --param exit=1",
        Remote::Python => "--seed 7",
    };
    format!("--algorithm-address unix:{} --threshold 0 {parameters}", socket.display())
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Running {
    /// Ends everything in order, and leaves the folder.
    pub async fn stop(mut self) -> anyhow::Result<TempDir> {
        self.system.stop().await?;
        if let Some(mut backend) = self.backend {
            let status = backend.terminate().await?;
            ensure!(status.code().is_some(), "the algorithm ended by a signal: {status}");
        }
        self.broker.stop().await?;
        Ok(self.folder)
    }
}
