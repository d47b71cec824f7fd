//! kill -9 of bridge and runtime in the middle of a feed: every quote has one outcome, every decision is published, and
//! consumers see what the ledger says.

use anyhow::{Context as _, ensure};
use e2e::{
    broker::{Broker, Kind},
    checker, mqtt,
    mqtt::Subscriber,
    quotes::{Quote, Shape},
    seed,
    system::{Process, Settings, System},
    wait,
};
use rand::{RngExt as _, rngs::ChaCha8Rng};

/// Quotes that are on their way at once.
const BURST: i64 = 400;
/// How often each process has to be hit in the middle of a burst.
const HITS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_when_quotes_are_numbered() -> anyhow::Result<()> {
    kills_lose_and_repeat_nothing(Kind::Mosquitto, Shape::Numbered).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_when_quotes_have_ids() -> anyhow::Result<()> {
    kills_lose_and_repeat_nothing(Kind::Mosquitto, Shape::WithId).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_when_quotes_have_neither() -> anyhow::Result<()> {
    kills_lose_and_repeat_nothing(Kind::Mosquitto, Shape::Bare).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_with_the_embedded_broker() -> anyhow::Result<()> {
    kills_lose_and_repeat_nothing(Kind::Embedded, Shape::Numbered).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_with_the_embedded_broker_and_bare_quotes() -> anyhow::Result<()> {
    kills_lose_and_repeat_nothing(Kind::Embedded, Shape::Bare).await
}

async fn kills_lose_and_repeat_nothing(kind: Kind, shape: Shape) -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    kill_at_random(kind, shape, random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn kill_at_random(kind: Kind, shape: Shape, mut random: ChaCha8Rng) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(kind, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let mut system = System::start(folder.path(), Settings::busy("default/crashes", &broker.url())).await?;
    let mut published = 0;
    let (mut bridge_hits, mut runtime_hits) = (0, 0);
    while bridge_hits < HITS || runtime_hits < HITS {
        let victim = if random.random() { Process::Bridge } else { Process::Runtime };
        let split = random.random_range(1..BURST);
        let burst = Quote::range(shape, published + 1, published + BURST);
        let messages: Vec<_> = burst.iter().map(Quote::message).collect();
        let (first, rest) = messages.split_at(usize::try_from(split)?);
        published += BURST;
        // Either in full flight, or after a moment's standstill, in which quotes pile up before and in the victim: a
        // machine that is fast or busy would otherwise be through with the burst before it is hit.
        if random.random() {
            let strike = async {
                system.decided(published - BURST + split).await?;
                system.kill(victim)
            };
            tokio::try_join!(mqtt::publish_all(broker.port(), &None, &messages), strike)?;
        } else {
            mqtt::publish_all(broker.port(), &None, first).await?;
            system.freeze(victim)?;
            mqtt::publish_all(broker.port(), &None, rest).await?;
            system.kill(victim)?;
        }
        let hits = if victim == Process::Bridge { &mut bridge_hits } else { &mut runtime_hits };
        *hits += usize::from(system.ledger()?.progress()?.outcomes < published);
        system.restart(victim).await?;
    }
    system.settled(published).await?;
    let quotes = Quote::range(shape, 1, published);
    let ledger = system.ledger()?;
    checker::check_outcomes(&ledger, &quotes)?;
    let decisions = checker::audit(&ledger)?;
    checker::check_published(&decisions, &consumer.decisions(decisions.len()).await?)?;
    ensure!(ledger.gaps()?.is_empty(), "{:?}", ledger.gaps()?);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_whose_ledger_was_taken_over_appends_nothing_more() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let mut system = System::start(folder.path(), Settings::busy("default/crashes", &broker.url())).await?;
    publish(&broker, 1, 50).await?;
    system.settled(50).await?;
    let before = system.ledger()?.journal()?;
    // A second runtime on the same folder, as if the first had been taken for dead.
    let mut second = System::prepare(folder.path(), Settings::busy("default/crashes", &broker.url()))?;
    second.start_runtime().await?;
    publish(&broker, 51, 100).await?;
    wait::until("the older runtime says why it writes no more", async || {
        Ok(system.runtime_log()?.contains("taken over").then_some(()))
    })
    .await?;
    ensure!(system.ledger()?.journal()? == before, "the older runtime appended something");
    // With the bridge turned to the newer one everything goes on.
    system.kill(Process::Bridge)?;
    second.start_bridge()?;
    second.settled(100).await?;
    let ledger = second.ledger()?;
    checker::check_outcomes(&ledger, &Quote::range(Shape::Numbered, 1, 100))?;
    let decisions = checker::audit(&ledger)?;
    checker::check_published(&decisions, &consumer.decisions(decisions.len()).await?)?;
    second.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_was_frozen_and_replaced_decides_nothing_again() -> anyhow::Result<()> {
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let mut system = System::start(folder.path(), Settings::busy("default/crashes", &broker.url())).await?;
    // The bridge holds quotes that have nothing but their packet ids, and stops where it stands.
    system.kill(Process::Runtime)?;
    let quotes = Quote::range(Shape::Bare, 1, 100);
    let messages: Vec<_> = quotes.iter().map(Quote::message).collect();
    mqtt::publish_all(broker.port(), &None, &messages).await?;
    system.bridge_holds(100).await?;
    system.freeze(Process::Bridge)?;
    system.start_runtime().await?;
    let mut second = system.beside(elsewhere.path())?;
    second.start_bridge()?;
    system.decided(100).await?;
    system.thaw(Process::Bridge)?;
    // The messages of its dead connection are left to the next one, or were seen before.
    system.bridge_holds(0).await?;
    let ledger = system.ledger()?;
    checker::check_outcomes(&ledger, &quotes)?;
    checker::audit(&ledger)?;
    second.stop_bridge().await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_another_one_supersedes_leaves_broker_and_runtime_to_it() -> anyhow::Result<()> {
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let mut system = System::start(folder.path(), Settings::busy("default/crashes", &broker.url())).await?;
    let mut second = system.beside(elsewhere.path())?;
    second.start_bridge()?;
    wait::until("the first bridge has stood down", async || {
        let lacks = system.bridge_lacks().await?;
        let says = |part: &str, reason: &str| lacks.iter().any(|lack| lack.0 == part && lack.1 == reason);
        let down = says("runtime", "Superseded") && says("broker", "TakenOver") && says("publisher", "TakenOver");
        Ok(down.then_some(()))
    })
    .await?;
    second.bridge_ready().await?;
    publish(&broker, 1, 50).await?;
    system.settled(50).await?;
    checker::check_outcomes(&system.ledger()?, &Quote::range(Shape::Numbered, 1, 50))?;
    second.stop_bridge().await?;
    system.stop().await
}

async fn publish(broker: &Broker, first: i64, last: i64) -> anyhow::Result<()> {
    let messages: Vec<_> = Quote::range(Shape::Numbered, first, last).iter().map(Quote::message).collect();
    mqtt::publish_all(broker.port(), &None, &messages).await
}
