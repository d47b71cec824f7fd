//! Backlogs at the broker that are longer than every window of the runtime: each quote is decided once, whatever breaks
//! while they drain, and neither process holds them all in memory. Ignored tests move several hundred thousand quotes more;
//! `make nightly` runs them.

use std::{ops::Range, time::Duration};

use anyhow::{Context as _, ensure};
use e2e::{
    checker,
    mosquitto::{Config, Mosquitto},
    mqtt,
    proxy::Proxy,
    quotes::{Quote, Shape},
    seed,
    system::{Process, Settings, System},
};
use rand::{RngExt as _, rngs::ChaCha8Rng, seq::SliceRandom as _};

/// More than twice the 65,536 outcomes that the runtime keeps at hand, and more than the packet identifiers that MQTT has.
const BACKLOG: i64 = 150_000;
/// More than the outcomes that the runtime keeps at hand and all that is in flight together.
const SHORT_BACKLOG: i64 = 100_000;
/// When the bridge is killed at last: the broker has written the whole backlog by then, and delivers again more of it than
/// the runtime keeps at hand.
const LATE: Range<i64> = 110_000..140_000;
/// Quotes that the broker takes before the next are published.
const CHUNK: i64 = 10_000;
/// How long a backlog may take to drain on a busy machine, with unoptimised binaries.
const DRAIN: Duration = Duration::from_mins(5);
/// The memory that each process may hold. A process that keeps a whole backlog holds more.
const MEMORY: u64 = 256 << 20;

/// A fault while the backlog drains.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillBridge,
    StopBridge,
    KillRuntime,
    ResetConnection,
}

const FAULTS: [Fault; 4] = [Fault::KillBridge, Fault::StopBridge, Fault::KillRuntime, Fault::ResetConnection];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute of two cores: make nightly"]
async fn faults_while_a_backlog_of_numbered_quotes_drains_repeat_no_decision() -> anyhow::Result<()> {
    faults_repeat_nothing(Shape::Numbered).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute of two cores: make nightly"]
async fn faults_while_a_backlog_of_quotes_with_ids_drains_repeat_no_decision() -> anyhow::Result<()> {
    faults_repeat_nothing(Shape::WithId).await
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_while_a_backlog_of_bare_quotes_drains_repeat_no_decision() -> anyhow::Result<()> {
    faults_repeat_nothing(Shape::Bare).await
}

async fn faults_repeat_nothing(shape: Shape) -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    drain_with_faults(shape, random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn drain_with_faults(shape: Shape, mut random: ChaCha8Rng) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), &Config::quiet()).await?;
    let proxy = Proxy::start(broker.port()).await?;
    let mut system = System::start(folder.path(), quotes_settings(&proxy.url())).await?;
    system.stop_bridge().await?;
    publish(broker.port(), shape, 1, BACKLOG).await?;

    let mut faults = FAULTS;
    faults.shuffle(&mut random);
    let mut points: Vec<i64> = faults.iter().map(|_| random.random_range(0..LATE.start)).collect();
    points.sort_unstable();
    let faults = faults.into_iter().chain([Fault::KillBridge]);
    points.push(random.random_range(LATE));
    system.start_bridge()?;
    let mut memory = Memory::default();
    for (fault, point) in faults.zip(points) {
        system.decided_within(DRAIN, point).await?;
        memory.note(&mut system)?;
        apply(fault, &mut system, &proxy).await.with_context(|| format!("{fault:?} at {point}"))?;
    }
    finish(&mut system, broker.port(), shape, BACKLOG).await?;
    memory.note(&mut system)?;
    memory.check()?;
    system.stop().await
}

async fn apply(fault: Fault, system: &mut System, proxy: &Proxy) -> anyhow::Result<()> {
    match fault {
        Fault::KillBridge => {
            system.kill(Process::Bridge)?;
            system.start_bridge()
        }
        Fault::StopBridge => {
            system.stop_bridge().await?;
            system.start_bridge()
        }
        Fault::KillRuntime => {
            system.kill(Process::Runtime)?;
            system.start_runtime().await
        }
        Fault::ResetConnection => {
            proxy.reset();
            Ok(())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_on_a_slow_link_is_decided_once() -> anyhow::Result<()> {
    /// A backlog of some 10 MB takes several times the second after which acknowledgements are confirmed.
    const PACE: u32 = 1_500_000;
    let folder = tempfile::tempdir()?;
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), &Config::quiet()).await?;
    let proxy = Proxy::slow(broker.port(), PACE).await?;
    let mut system = System::start(folder.path(), quotes_settings(&proxy.url())).await?;
    system.stop_bridge().await?;
    publish(broker.port(), Shape::WithId, 1, SHORT_BACKLOG).await?;
    system.start_bridge()?;
    system.decided_within(DRAIN, SHORT_BACKLOG / 2).await?;
    proxy.reset();
    finish(&mut system, broker.port(), Shape::WithId, SHORT_BACKLOG).await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_in_a_flood_repeat_no_decision() -> anyhow::Result<()> {
    let (seed, mut random) = seed::pick()?;
    let folder = tempfile::tempdir()?;
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), &Config::quiet()).await?;
    let proxy = Proxy::start(broker.port()).await?;
    let mut system = System::start(folder.path(), quotes_settings(&proxy.url())).await?;
    let flood = publish(broker.port(), Shape::Bare, 1, SHORT_BACKLOG);
    let resets = async {
        for share in 1..=4 {
            let point = SHORT_BACKLOG / 5 * share - random.random_range(0..CHUNK);
            system.decided_within(DRAIN, point).await?;
            proxy.reset();
        }
        anyhow::Ok(())
    };
    tokio::try_join!(flood, resets).with_context(|| format!("E2E_SEED={seed} repeats this run"))?;
    finish(&mut system, broker.port(), Shape::Bare, SHORT_BACKLOG)
        .await
        .with_context(|| format!("E2E_SEED={seed} repeats this run"))?;
    system.stop().await
}

/// `random` decides about one quote in ten.
fn quotes_settings(broker: &str) -> Settings {
    let args =
        "--algorithm random --threshold 0.9 --seed 7 --starting-cash 100000 --portfolio fixed-amount --amount 1.23";
    Settings::new("default/backlog", broker, args)
}

async fn publish(port: u16, shape: Shape, first: i64, last: i64) -> anyhow::Result<()> {
    for first in (first..=last).step_by(usize::try_from(CHUNK)?) {
        let quotes = Quote::range(shape, first, last.min(first + CHUNK - 1));
        let messages: Vec<_> = quotes.iter().map(Quote::message).collect();
        mqtt::publish_all(port, &None, &messages).await?;
    }
    Ok(())
}

/// Waits for the backlog's end. The broker keeps the order, so a quote published now comes behind everything that it had
/// to deliver again.
async fn finish(system: &mut System, port: u16, shape: Shape, backlog: i64) -> anyhow::Result<()> {
    system.decided_within(DRAIN, backlog).await?;
    publish(port, shape, backlog + 1, backlog + 1).await?;
    system.decided_within(DRAIN, backlog + 1).await?;
    system.bridge_holds(0).await?;
    system.settled(backlog + 1).await?;
    let ledger = system.ledger()?;
    checker::check_decided_once(&ledger, &Quote::range(shape, 1, backlog + 1))?;
    checker::audit(&ledger).map(drop)
}

/// The most that each process held.
#[derive(Debug, Default)]
struct Memory {
    runtime: u64,
    bridge: u64,
}

impl Memory {
    fn note(&mut self, system: &mut System) -> anyhow::Result<()> {
        self.runtime = self.runtime.max(system.meter(Process::Runtime)?.memory()?);
        self.bridge = self.bridge.max(system.meter(Process::Bridge)?.memory()?);
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.runtime < MEMORY && self.bridge < MEMORY, "{self:?}, and each may hold {MEMORY} bytes");
        Ok(())
    }
}
