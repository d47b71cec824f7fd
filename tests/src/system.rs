//! One account: its algo-runtime and its bridge, as processes that can be killed and started again.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    http,
    ledger::Ledger,
    meter::Meter,
    ports,
    process::{self, Daemon},
    wait,
};

/// How the two processes are started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `<namespace>/<name>`.
    pub account: String,
    /// Broker as given to the bridge.
    pub broker: String,
    /// Further arguments of algo-runtime.
    pub runtime_args: Vec<String>,
    /// Further arguments of the bridge.
    pub bridge_args: Vec<String>,
    /// Release of algo-runtime, for example `v0.1.0`; `None`: this one.
    pub runtime_release: Option<&'static str>,
    /// Release of the bridge.
    pub bridge_release: Option<&'static str>,
    /// Folder of both binaries, instead of a release.
    pub binaries: Option<PathBuf>,
}

impl Settings {
    /// `random`, buying for 1.23 at about every second quote, out of more cash than any test spends.
    pub fn busy(account: &str, broker: &str) -> Self {
        let args = "--algorithm random --threshold 0.5 --seed 7 --starting-cash 100000 \
                    --portfolio fixed-amount --amount 1.23";
        Self::new(account, broker, args)
    }

    /// With these arguments for algo-runtime, separated by spaces.
    pub fn new(account: &str, broker: &str, runtime_args: &str) -> Self {
        Self {
            account: account.to_owned(),
            broker: broker.to_owned(),
            runtime_args: runtime_args.split_whitespace().map(str::to_owned).collect(),
            bridge_args: Vec::new(),
            runtime_release: None,
            bridge_release: None,
            binaries: None,
        }
    }

    /// With algo-runtime and bridge of these releases; `None`: this one.
    #[must_use]
    pub fn of_releases(self, runtime: Option<&'static str>, bridge: Option<&'static str>) -> Self {
        Self { runtime_release: runtime, bridge_release: bridge, ..self }
    }

    fn binary(&self, name: &str, release: Option<&str>) -> anyhow::Result<PathBuf> {
        match (&self.binaries, release) {
            (Some(folder), _) => Ok(folder.join(name)),
            (None, Some(version)) => process::released(version, name),
            (None, None) => process::binary(name),
        }
    }
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// algo-runtime.
    Runtime,
    /// The bridge.
    Bridge,
}

/// A process and where it tells how it is.
struct Part {
    name: &'static str,
    http: u16,
    daemon: Option<Daemon>,
    log: PathBuf,
}

impl Part {
    fn start(&mut self, mut command: Command) -> anyhow::Result<()> {
        command.args(["--http-addr", &format!("127.0.0.1:{}", self.http)]);
        self.daemon = Some(Daemon::start(self.name, command, self.log.clone())?);
        Ok(())
    }

    fn running(&mut self) -> anyhow::Result<&mut Daemon> {
        self.daemon.as_mut().with_context(|| format!("{} was never started", self.name))
    }

    async fn ready(&mut self, limit: Duration) -> anyhow::Result<()> {
        let (http, what) = (self.http, format!("{} is ready", self.name));
        let daemon = self.running()?;
        wait::until_within(limit, &what, async || {
            daemon.check_alive()?;
            Ok(http::get(http, "/readyz").await?.filter(|(status, _)| *status == 200))
        })
        .await
        .map(drop)
    }
}

/// The two processes of an account.
pub struct System {
    settings: Settings,
    data: PathBuf,
    grpc: u16,
    runtime: Part,
    bridge: Part,
}

impl System {
    /// Starts both, with data and logs below `folder`, and waits until both are ready.
    pub async fn start(folder: &Path, settings: Settings) -> anyhow::Result<Self> {
        let mut system = Self::prepare(folder, settings)?;
        system.start_runtime().await?;
        system.start_bridge()?;
        system.bridge_ready().await?;
        Ok(system)
    }

    /// Starts nothing yet.
    pub fn prepare(folder: &Path, settings: Settings) -> anyhow::Result<Self> {
        let part = |name: &'static str| -> anyhow::Result<Part> {
            Ok(Part { name, http: ports::free()?, daemon: None, log: folder.join(format!("{name}.log")) })
        };
        Ok(Self {
            settings,
            data: folder.join("data"),
            grpc: ports::free()?,
            runtime: part("algo-runtime")?,
            bridge: part("bridge")?,
        })
    }

    /// Another bridge for the same runtime and ledger, not started yet.
    pub fn beside(&self, folder: &Path) -> anyhow::Result<Self> {
        let other = Self::prepare(folder, self.settings.clone())?;
        Ok(Self { grpc: self.grpc, data: self.data.clone(), ..other })
    }

    /// Starts algo-runtime and waits until it is ready.
    pub async fn start_runtime(&mut self) -> anyhow::Result<()> {
        self.start_runtime_within(wait::PATIENCE).await
    }

    /// [`System::start_runtime`] with a limit of its own, for a large ledger.
    pub async fn start_runtime_within(&mut self, limit: Duration) -> anyhow::Result<()> {
        let mut command = Command::new(self.settings.binary("algo-runtime", self.settings.runtime_release)?);
        command.args(["--addr", &format!("127.0.0.1:{}", self.grpc), "--account", &self.settings.account]);
        command.arg("--data-dir").arg(&self.data).args(&self.settings.runtime_args);
        self.runtime.start(command)?;
        self.runtime.ready(limit).await
    }

    /// Starts the bridge.
    pub fn start_bridge(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(self.settings.binary("bridge", self.settings.bridge_release)?);
        command.args(["-m", &self.settings.broker, "-r", &format!("http://127.0.0.1:{}", self.grpc)]);
        command.args(["--algo", &self.settings.account]).args(&self.settings.bridge_args);
        self.bridge.start(command)
    }

    /// Waits until the bridge has everything: broker, runtime, subscriptions.
    pub async fn bridge_ready(&mut self) -> anyhow::Result<()> {
        self.bridge.ready(wait::PATIENCE).await
    }

    /// What the bridge's `/readyz` says is missing: part and reason.
    pub async fn bridge_lacks(&self) -> anyhow::Result<Vec<(String, String)>> {
        let Some((_, body)) = http::get(self.bridge.http, "/readyz").await? else { return Ok(Vec::new()) };
        let page: Value = serde_json::from_str(&body)?;
        let missing = page.get("missing").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |part: &Value, name| part.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(missing.iter().map(|part| (text(part, "part"), text(part, "reason"))).collect())
    }

    /// Waits until the bridge holds that many quotes without an acknowledgement.
    pub async fn bridge_holds(&self, quotes: i64) -> anyhow::Result<()> {
        let line = format!("tradingalgo_bridge_unacknowledged_ticks {quotes}");
        wait::until(&line, async || {
            let page = self.metrics(Process::Bridge).await?;
            Ok(page.filter(|body| body.lines().any(|found| found == line)).map(drop))
        })
        .await
    }

    /// SIGTERM to the bridge alone.
    pub async fn stop_bridge(&mut self) -> anyhow::Result<()> {
        self.bridge.running()?.terminate().await.map(drop)
    }

    /// SIGTERM to both, bridge first.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.bridge.running()?.terminate().await?;
        self.runtime.running()?.terminate().await?;
        Ok(())
    }

    /// SIGTERM to algo-runtime alone.
    pub async fn stop_runtime(&mut self) -> anyhow::Result<()> {
        self.runtime.running()?.terminate().await.map(drop)
    }

    /// Stops a process where it stands (SIGSTOP), with everything that it holds.
    pub fn freeze(&mut self, part: Process) -> anyhow::Result<()> {
        self.part(part).running()?.signal("STOP")
    }

    /// Lets it go on.
    pub fn thaw(&mut self, part: Process) -> anyhow::Result<()> {
        self.part(part).running()?.signal("CONT")
    }

    /// kill -9.
    pub fn kill(&mut self, part: Process) -> anyhow::Result<()> {
        self.part(part).running()?.kill()
    }

    /// Reads the memory and processor time of a process.
    pub fn meter(&self, part: Process) -> anyhow::Result<Meter> {
        let part = self.part_ref(part);
        Ok(part.daemon.as_ref().with_context(|| format!("{} was never started", part.name))?.meter())
    }

    /// The page `/metrics` of a process; `None` while it does not answer.
    pub async fn metrics(&self, part: Process) -> anyhow::Result<Option<String>> {
        Ok(http::get(self.part_ref(part).http, "/metrics").await?.map(|(_, page)| page))
    }

    /// Starts a killed one again.
    pub async fn restart(&mut self, part: Process) -> anyhow::Result<()> {
        match part {
            Process::Runtime => self.start_runtime().await,
            Process::Bridge => self.start_bridge(),
        }
    }

    const fn part(&mut self, part: Process) -> &mut Part {
        match part {
            Process::Runtime => &mut self.runtime,
            Process::Bridge => &mut self.bridge,
        }
    }

    const fn part_ref(&self, part: Process) -> &Part {
        match part {
            Process::Runtime => &self.runtime,
            Process::Bridge => &self.bridge,
        }
    }

    /// What the bridge logged.
    pub fn bridge_log(&mut self) -> anyhow::Result<String> {
        Ok(self.bridge.running()?.log())
    }

    /// What algo-runtime logged.
    pub fn runtime_log(&mut self) -> anyhow::Result<String> {
        Ok(self.runtime.running()?.log())
    }

    /// Other arguments from the next start on.
    pub const fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Where the ledger is.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The ledger's file, as it is on disk now.
    pub fn ledger(&self) -> anyhow::Result<Ledger> {
        Ledger::open(&self.data)
    }

    /// Waits until the ledger has outcomes for `quotes` quotes and everything that came of them is published.
    pub async fn settled(&mut self, quotes: i64) -> anyhow::Result<()> {
        let what = format!("{quotes} quotes have outcomes and their decisions are published");
        let done = wait::until(&what, async || {
            let progress = self.ledger()?.progress()?;
            Ok((progress.outcomes >= quotes && progress.unpublished == 0).then_some(()))
        })
        .await;
        done.with_context(|| self.diagnosis())
    }

    /// Waits until the ledger has outcomes for that many quotes.
    pub async fn decided(&self, quotes: i64) -> anyhow::Result<()> {
        self.decided_within(wait::PATIENCE, quotes).await
    }

    /// [`System::decided`] with a limit of its own, for more quotes than usual.
    pub async fn decided_within(&self, limit: Duration, quotes: i64) -> anyhow::Result<()> {
        let what = format!("{quotes} quotes have outcomes");
        let decided = async || Ok((self.ledger()?.progress()?.outcomes >= quotes).then_some(()));
        wait::until_within(limit, &what, decided).await.with_context(|| self.diagnosis())
    }

    fn diagnosis(&self) -> String {
        let progress = self.ledger().and_then(|ledger| ledger.progress());
        format!("the ledger stands at {progress:?}")
    }
}
