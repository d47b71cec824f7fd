//! The broker goes away: in order, with everything saved, or at once, with everything lost.

use anyhow::{Context as _, ensure};
use e2e::{
    broker::{Broker, Kind},
    checker, mqtt,
    mqtt::Subscriber,
    quotes::{CHANNEL, Quote, SOURCE, Shape},
    seed,
    system::{Process, Settings, System},
    wait,
};
use rand::{RngExt as _, rngs::ChaCha8Rng};

const BURST: i64 = 200;
const ROUNDS: i64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_saves_its_queues_loses_nothing_when_quotes_are_numbered() -> anyhow::Result<()> {
    stops_lose_nothing(Shape::Numbered).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_saves_its_queues_loses_nothing_when_quotes_have_ids() -> anyhow::Result<()> {
    stops_lose_nothing(Shape::WithId).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_saves_its_queues_loses_nothing_when_quotes_have_neither() -> anyhow::Result<()> {
    stops_lose_nothing(Shape::Bare).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_mosquitto_lost_is_reported_as_gaps_and_the_cash_is_exact() -> anyhow::Result<()> {
    losses_are_reported(Kind::Mosquitto).await
}

#[tokio::test(flavor = "multi_thread")]
async fn loss_by_a_restarted_embedded_broker_is_gaps_and_cash_is_exact() -> anyhow::Result<()> {
    losses_are_reported(Kind::Embedded).await
}

async fn stops_lose_nothing(shape: Shape) -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    stop_in_between(shape, random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn stop_in_between(shape: Shape, mut random: ChaCha8Rng) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = Broker::start(Kind::PersistentMosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let mut system = System::start(folder.path(), Settings::busy("default/restarts", &broker.url())).await?;
    for round in 0..ROUNDS {
        // A frozen process keeps a part of the burst on its way while the broker goes.
        let frozen = if random.random() { Process::Bridge } else { Process::Runtime };
        let split = random.random_range(1..BURST);
        let burst = Quote::range(shape, round * BURST + 1, (round + 1) * BURST);
        let messages: Vec<_> = burst.iter().map(Quote::message).collect();
        let (first, second) = messages.split_at(usize::try_from(split)?);
        mqtt::publish_all(broker.port(), &None, first).await?;
        system.freeze(frozen)?;
        mqtt::publish_all(broker.port(), &None, second).await?;
        let Broker::Mosquitto(mosquitto) = &mut broker else { anyhow::bail!("only mosquitto saves its queues") };
        mosquitto.stop().await?;
        mosquitto.start_again().await?;
        system.thaw(frozen)?;
    }
    let published = ROUNDS * BURST;
    system.settled(published).await?;
    let ledger = system.ledger()?;
    checker::check_outcomes(&ledger, &Quote::range(shape, 1, published))?;
    let decisions = checker::audit(&ledger)?;
    ensure!(ledger.gaps()?.is_empty(), "{:?}", ledger.gaps()?);
    checker::check_published(&decisions, &consumer.decisions(decisions.len()).await?)?;
    system.stop().await
}

async fn losses_are_reported(kind: Kind) -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    lose_in_between(kind, random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn lose_in_between(kind: Kind, mut random: ChaCha8Rng) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = Broker::start(kind, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let mut system = System::start(folder.path(), Settings::busy("default/losses", &broker.url())).await?;
    for round in 0..ROUNDS {
        let burst = Quote::range(Shape::Numbered, round * BURST + 1, (round + 1) * BURST);
        let messages: Vec<_> = burst.iter().map(Quote::message).collect();
        // The last quote is published again until it arrives. The one before it is lost in any case.
        let (early, late) = messages.split_at(usize::try_from(random.random_range(2..BURST - 1))?);
        let (first, second) = early.split_at(random.random_range(1..early.len()));
        mqtt::publish_all(broker.port(), &None, first).await?;
        // Messages from here on wait in the broker and go with it, or have reached the bridge's socket.
        system.freeze(Process::Bridge)?;
        mqtt::publish_all(broker.port(), &None, second).await?;
        let connections = consumer.subscriptions();
        broker.lose_everything().await?;
        // No session waits for these.
        mqtt::publish_all(broker.port(), &None, late).await?;
        system.thaw(Process::Bridge)?;
        consumer.subscribed(connections + 1).await?;
        lost_broker_noticed(&system, broker.port(), (round + 1) * BURST).await?;
    }
    system.settled(1).await?;
    let ledger = system.ledger()?;
    let last = ledger.mark(CHANNEL, SOURCE)?.context("nothing was numbered")?;
    checker::check_outcomes_or_gaps(&ledger, &Quote::range(Shape::Numbered, 1, ROUNDS * BURST))?;
    ensure!(last >= ROUNDS * BURST, "the last quote has no outcome");
    ensure!(!ledger.gaps()?.is_empty(), "nothing was lost, so that nothing is proved");
    let decisions = checker::audit(&ledger)?;
    checker::check_nothing_invented(&decisions, &consumer.json("decisions")?)?;
    if let Broker::Mosquitto(mosquitto) = &broker {
        // The consumer may have missed what the dying broker had taken; its log has not.
        let taken = mosquitto.received_on("intuition/default/losses/decisions");
        ensure!(taken >= decisions.len(), "{} decisions, mosquitto took {taken}", decisions.len());
    }
    system.stop().await
}

/// Publishes the round's last quote again until the bridge, subscribed anew, brings it to the ledger. Whoever numbers
/// quotes may repeat them.
async fn lost_broker_noticed(system: &System, port: u16, last: i64) -> anyhow::Result<()> {
    let again = Quote { shape: Shape::Numbered, number: last }.message();
    wait::until("the quotes behind the loss arrive", async || {
        mqtt::publish_all(port, &None, std::slice::from_ref(&again)).await?;
        Ok((system.ledger()?.mark(CHANNEL, SOURCE)? >= Some(last)).then_some(()))
    })
    .await
}
