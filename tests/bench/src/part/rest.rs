//! An idle account, and its start.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use bytes::Bytes;
use e2e::system::{Process, System};

use super::Extent;
use crate::{
    client::Connection,
    consumer::{Consumer, Expected},
    progress::Progress,
    quotes,
    report::{Figures, Unit, names},
    run,
    stage::{self, Algorithm, DECISIONS, Decided, Stage},
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

/// Seconds from the start of algo-runtime, and of the bridge once that is ready, to the first decision. Its quote is retained, so
/// that the broker sends it as soon as the bridge subscribes.
async fn first_decision(stage: &Stage) -> anyhow::Result<f64> {
    let folder = stage.fresh()?;
    let mut broker = stage.broker(folder.path()).await?;
    let mut publisher = Connection::open(broker.port(), "bench-publisher")?;
    let mut payload = Vec::new();
    quotes::write(&mut payload, 1, 1);
    publisher.writer.publish_retained(&Bytes::from_static(quotes::CHANNEL.as_bytes()), &payload)?;
    publisher.writer.flush()?;
    publisher.reader.acknowledgements()?;
    let progress = Arc::new(Progress::default());
    progress.want(1);
    let expected = Expected {
        port: broker.port(),
        topic: DECISIONS,
        marker: quotes::IN_DECISION,
        progress: &progress,
        schedule: None,
    };
    let consumer = Consumer::start(&expected)?;
    let start = Instant::now();
    let settings = stage.settings(&broker, &stage::built_in(Decided::Every));
    let mut system = System::start(folder.path(), settings).await?;
    let received = consumer.join().await?;
    received.tally.check(1).context("the first decision")?;
    let took = received.last.duration_since(start).as_secs_f64();
    system.stop().await?;
    broker.stop().await?;
    Ok(took)
}
