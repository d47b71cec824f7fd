//! The limits of the machine and its broker, without an account.

use std::sync::Arc;

use anyhow::Context as _;

use super::Extent;
use crate::{
    consumer::{Consumer, Expected},
    progress::Progress,
    publisher::{self, Amount, Load},
    quotes, rate,
    relay::{self, Relay},
    report::{Figures, Unit, names},
    stage::Stage,
};

/// See [`super::Part::Limit`].
pub async fn limit(stage: &Stage, extent: Extent, figures: &mut Figures) -> anyhow::Result<()> {
    let rate = through(stage, extent.quotes, false).await?;
    figures.record(names::LIMIT, Unit::PerSecond, rate);
    Ok(())
}

/// See [`super::Part::Relay`].
pub async fn relay(stage: &Stage, extent: Extent, figures: &mut Figures) -> anyhow::Result<()> {
    let rate = through(stage, extent.quotes, true).await?;
    figures.record(names::RELAY, Unit::PerSecond, rate);
    Ok(())
}

/// Quotes a second, with the same publisher, bound and consumer as a run of an account.
async fn through(stage: &Stage, quotes: u64, is_relayed: bool) -> anyhow::Result<f64> {
    let folder = stage.fresh()?;
    let mut broker = stage.broker(folder.path()).await?;
    let port = broker.port();
    let progress = Arc::new(Progress::default());
    progress.want(quotes);
    let (topic, marker) =
        if is_relayed { (relay::TOPIC, quotes::IN_DECISION) } else { (quotes::CHANNEL, quotes::IN_QUOTE) };
    let consumer = Consumer::start(&Expected { port, topic, marker, progress: &progress, schedule: None })?;
    let relay = is_relayed.then(|| Relay::start(port, quotes)).transpose()?;
    let load = Load { port, amount: Amount::Quotes(quotes), symbols: 1, ahead: Some(super::ours::AHEAD) };
    publisher::run(&progress, move |progress| publisher::flood(&load, progress)).await?;
    let received = consumer.join().await?;
    if let Some(relay) = relay {
        relay.join().await?;
    }
    received.tally.check(quotes)?;
    broker.stop().await?;
    rate::quotes_per_second(&received.marks).context("the run is too short for a rate")
}
