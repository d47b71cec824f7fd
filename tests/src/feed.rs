//! A feed as a process that can be killed and started again, and the quotes that it publishes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    http,
    mqtt::Received,
    ports,
    process::{self, Daemon},
    wait,
};

/// The file with the URL of the database, in the folder of the feed.
pub const POSTGRES_URL: &str = "postgres-url";

/// A feed, `desk/test`.
pub struct Feed {
    broker: String,
    folder: PathBuf,
    http: u16,
    daemon: Daemon,
}

impl Feed {
    /// Starts a feed with this spec, its files in `folder`.
    pub fn start(folder: &Path, broker: &str, spec: &Value) -> anyhow::Result<Self> {
        fs::write(folder.join("feed.json"), spec.to_string())?;
        let http = ports::free()?;
        let daemon = launch(folder, broker, Some(http))?;
        Ok(Self { broker: broker.to_owned(), folder: folder.to_owned(), http, daemon })
    }

    /// Starts it again after its end.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.daemon = launch(&self.folder, &self.broker, Some(self.http))?;
        Ok(())
    }

    /// kill -9.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.daemon.check_alive()?;
        self.daemon.kill()
    }

    /// SIGTERM, and the exit code.
    pub async fn stop(&mut self) -> anyhow::Result<Option<i32>> {
        self.daemon.check_alive()?;
        Ok(self.daemon.terminate().await?.code())
    }

    /// Waits for `/readyz` to have this status, and gives its text.
    pub async fn page(&mut self, status: u16, part: &str) -> anyhow::Result<String> {
        let (http, daemon) = (self.http, &mut self.daemon);
        wait::until(&format!("/readyz has the status {status} and {part}"), async || {
            daemon.check_alive()?;
            let page = http::get(http, "/readyz").await?;
            Ok(page.filter(|(found, text)| *found == status && text.contains(part)).map(|(_, text)| text))
        })
        .await
    }

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let (_, text) = http::get(self.http, "/metrics").await?.context("the feed serves no metrics")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("there is no {name}"))?.parse()?)
    }
}

/// The command line of a feed.
pub fn command(folder: &Path, broker: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(process::binary("feed")?);
    command.args(["--mqtt", broker, "--feed", "desk/test", "--settings"]).arg(folder.join("feed.json"));
    command.arg("--files-dir").arg(folder).arg("--postgres-url-file").arg(folder.join(POSTGRES_URL));
    Ok(command)
}

fn launch(folder: &Path, broker: &str, http: Option<u16>) -> anyhow::Result<Daemon> {
    let mut command = command(folder, broker)?;
    if let Some(http) = http {
        command.args(["--http-addr", &format!("127.0.0.1:{http}")]);
    }
    Daemon::start("feed", command, folder.join("feed.log"))
}

/// A quote as a subscriber saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its number.
    pub seq: u64,
    /// Its price.
    pub price: String,
    /// Whether it had the mark of a quote that may come twice.
    pub is_replay: bool,
}

/// The quotes of each source, in the order in which they came.
pub fn by_source(received: &[Received]) -> anyhow::Result<BTreeMap<String, Vec<Seen>>> {
    let mut sources: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for message in received {
        let quote: Value = serde_json::from_slice(&message.payload)?;
        let text =
            |name: &str| quote.get(name).and_then(Value::as_str).with_context(|| format!("{quote} has no {name}"));
        let seq = quote.get("seq").and_then(Value::as_u64).with_context(|| format!("{quote} has no seq"))?;
        let is_replay = message.user_properties.iter().any(|(name, value)| name == "replay" && value == "true");
        let seen = Seen { seq, price: text("quote")?.to_owned(), is_replay };
        sources.entry(text("source")?.to_owned()).or_default().push(seen);
    }
    Ok(sources)
}

/// Checks that all numbers from 1 on came, as [`check_from`] does. Gives the last one.
pub fn check_complete(source: &str, seen: &[Seen]) -> anyhow::Result<u64> {
    check_from(source, 1, seen)
}

/// Checks that all numbers from `first` on came, each for the first time behind the number before it, each time with the same price,
/// and with its mark where a number goes back. Gives the last one.
pub fn check_from(source: &str, first: u64, seen: &[Seen]) -> anyhow::Result<u64> {
    let before = first.checked_sub(1).context("numbers begin at 1")?;
    let mut prices: Vec<&str> = Vec::new();
    for Seen { seq, price, is_replay } in seen {
        let known = before + u64::try_from(prices.len())?;
        if *seq == known + 1 {
            prices.push(price);
            continue;
        }
        ensure!(*seq <= known, "{source}: {seq} came behind {known}");
        ensure!(*is_replay, "{source}: {seq} came behind {known} without its mark");
        let place = seq.checked_sub(first).with_context(|| format!("{source}: {seq} came before {first}"))?;
        let first = prices.get(usize::try_from(place)?);
        ensure!(first == Some(&price.as_str()), "{source}: {seq} has the prices {first:?} and {price}");
    }
    Ok(before + u64::try_from(prices.len())?)
}
