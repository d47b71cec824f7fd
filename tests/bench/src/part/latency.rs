//! Latency by a schedule.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use e2e::system::Process;

use super::Extent;
use crate::{
    consumer::{Consumer, Expected, Received},
    disk,
    latency::{self, Schedule},
    progress::Progress,
    publisher, quotes,
    rate::float,
    report::{Figures, Unit, names},
    stage::{Algorithm, DECISIONS, Decided, Stage},
};

/// Quotes a second.
const RATES: [u32; 4] = [100, 1_000, 5_000, 10_000];
/// Until the first quote.
const LEAD: Duration = Duration::from_millis(200);
/// Seconds at the start. Their latencies do not count.
const WARM_UP: u64 = 1;

/// See [`super::Part::Latency`]. Before each rate, the disk alone and the broker alone are measured.
pub async fn measure(stage: &Stage, extent: Extent, figures: &mut Figures) -> anyhow::Result<()> {
    for rate in RATES {
        let syncs = disk::syncs(stage.folder())?;
        figures.record(names::SYNC, Unit::Micros, latency::percentile(&syncs, 50.0));
        figures.record("fdatasync of 4 KiB, p99", Unit::Micros, latency::percentile(&syncs, 99.0));
        let name = format!("mosquitto alone at {rate}/s");
        histogram(figures, &name, &broker_alone(stage, rate, extent.paced).await?)?;
        account(stage, rate, extent.paced, figures).await?;
    }
    Ok(())
}

async fn broker_alone(stage: &Stage, rate: u32, length: Duration) -> anyhow::Result<Received> {
    let folder = stage.fresh()?;
    let mut broker = stage.broker(folder.path()).await?;
    let received = paced(broker.port(), quotes::CHANNEL, quotes::IN_QUOTE, rate, length).await?;
    broker.stop().await?;
    Ok(received)
}

async fn account(stage: &Stage, rate: u32, length: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let running = stage.account(Algorithm::BuiltIn(Decided::Every)).await?;
    let (bridge, runtime) = (running.system.meter(Process::Bridge)?, running.system.meter(Process::Runtime)?);
    let before = bridge.processor_time()? + runtime.processor_time()?;
    let received = paced(running.broker.port(), DECISIONS, quotes::IN_DECISION, rate, length).await?;
    let after = bridge.processor_time()? + runtime.processor_time()?;
    let name = format!("latency at {rate}/s");
    histogram(figures, &name, &received)?;
    let cost = after.saturating_sub(before).as_secs_f64() * 1e6 / float(received.tally.received());
    figures.record(&format!("{name}, processor time of both"), Unit::MicrosPerQuote, cost);
    running.stop().await?;
    Ok(())
}

async fn paced(port: u16, topic: &str, marker: &'static [u8], rate: u32, length: Duration) -> anyhow::Result<Received> {
    let quotes = u64::from(rate) * (length.as_secs() + WARM_UP);
    let schedule = Schedule { start: Instant::now() + LEAD, rate, warm_up: u64::from(rate) * WARM_UP };
    let progress = Arc::new(Progress::default());
    progress.want(quotes);
    let consumer = Consumer::start(&Expected { port, topic, marker, progress: &progress, schedule: Some(schedule) })?;
    publisher::run(&progress, move |_| publisher::by_schedule(port, quotes, schedule)).await?;
    let received = consumer.join().await?;
    received.tally.check(quotes)?;
    Ok(received)
}

fn histogram(figures: &mut Figures, name: &str, received: &Received) -> anyhow::Result<()> {
    let latency = received.latency.as_ref().context("the consumer measured no latency")?;
    for percent in [50.0, 90.0, 99.0, 99.9] {
        figures.record(&format!("{name}, p{percent}"), Unit::Micros, latency.percentile(percent));
    }
    figures.record(&format!("{name}, longest"), Unit::Micros, latency.max());
    Ok(())
}
