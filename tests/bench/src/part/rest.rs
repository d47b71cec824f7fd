//! An idle account, and its start.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use e2e::system::Process;

use super::Extent;
use crate::{
    consumer::{Consumer, Expected},
    progress::Progress,
    publisher::{self, Amount, Load},
    quotes,
    report::{Figures, Unit, names},
    run,
    stage::{Algorithm, DECISIONS, Decided, Running, Stage},
};

/// See [`super::Part::Rest`].
pub async fn measure(stage: &Stage, extent: Extent, figures: &mut Figures) -> anyhow::Result<()> {
    let running = stage.account(Algorithm::BuiltIn(Decided::Every)).await?;
    let meters = [("the bridge", Process::Bridge), ("algo-runtime", Process::Runtime)];
    let mut before = Vec::new();
    for (_, process) in meters {
        before.push(running.system.meter(process)?.processor_time()?);
    }
    tokio::time::sleep(extent.idle).await;
    for ((process, part), before) in meters.into_iter().zip(before) {
        let meter = running.system.meter(part)?;
        let spent = meter.processor_time()?.saturating_sub(before);
        let name = if part == Process::Bridge { names::REST_BRIDGE } else { names::REST_RUNTIME };
        figures.record(name, Unit::Mebibytes, run::mebibytes(meter)?);
        let part = spent.as_secs_f64() / extent.idle.as_secs_f64() * 1_000.0;
        figures.record(&format!("at rest, processor time of {process}"), Unit::MilliCpu, part);
    }
    running.stop().await?;
    figures.record("start to first decision", Unit::Seconds, first_decision(stage).await?);
    Ok(())
}

/// Seconds from the start of algo-runtime, and of the bridge once that is ready, to the first decision. Its quote waits
/// in the session of an account that has run before.
async fn first_decision(stage: &Stage) -> anyhow::Result<f64> {
    let Running { mut broker, mut system, folder, .. } = stage.account(Algorithm::BuiltIn(Decided::Every)).await?;
    system.stop().await?;
    let port = broker.port();
    let progress = Arc::new(Progress::default());
    progress.want(1);
    let consumer = Consumer::start(&Expected {
        port,
        topic: DECISIONS,
        marker: quotes::IN_DECISION,
        progress: &progress,
        schedule: None,
    })?;
    let load = Load { port, amount: Amount::Quotes(1), symbols: 1, ahead: None };
    publisher::run(&progress, move |progress| publisher::flood(&load, progress)).await?;
    let start = Instant::now();
    system.start_runtime().await?;
    system.start_bridge()?;
    let received = consumer.join().await?;
    received.tally.check(1).context("the first decision")?;
    system.stop().await?;
    broker.stop().await?;
    drop(folder);
    Ok(received.last.duration_since(start).as_secs_f64())
}
