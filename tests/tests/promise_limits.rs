//! The two limits of "a quote is decided once" that docs/delivery-guarantees.md states. These tests show that they are
//! where the page puts them, and no nearer.

use anyhow::ensure;
use e2e::{
    mosquitto::{Config, Mosquitto},
    mqtt,
    mqtt::Message,
    quotes::{CHANNEL, Quote, Shape},
    system::{Process, Settings, System},
    wait,
};

/// Outcomes by id that the runtime keeps for a publisher's own repetitions.
const WINDOW: i64 = 65_536;
/// Ticks of one message.
const BATCH: i64 = 4_096;

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_may_repeat_an_id_until_65_536_others_have_come() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), &Config::default()).await?;
    let settings = Settings::new("default/limits", &broker.url(), "--algorithm random --threshold 1 --seed 7");
    let mut system = System::start(folder.path(), settings).await?;
    let first = Quote { shape: Shape::WithId, number: 1 };
    publish(&broker, &[first.message()]).await?;
    publish(&broker, &batches(2, WINDOW)).await?;
    system.decided(WINDOW).await?;
    // 65,535 others have come.
    publish(&broker, &[first.message()]).await?;
    duplicates(&system, 1).await?;
    publish(&broker, &batches(WINDOW + 1, WINDOW + 1)).await?;
    system.decided(WINDOW + 1).await?;
    publish(&broker, &[first.message()]).await?;
    system.decided(WINDOW + 2).await?;
    ensure!(system.ledger()?.counter("duplicates", "")? == 1, "the repetition was recognised beyond the window");
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_broker_with_an_older_file_repeats_bare_quotes_alone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let files = folder.path().join("mosquitto");
    let mut broker = Mosquitto::start(&files, &Config { persistence: true, ..Config::default() }).await?;
    let settings = Settings::new("default/limits", &broker.url(), "--algorithm random --threshold 1 --seed 7");
    let mut system = System::start(folder.path(), settings).await?;
    system.stop_bridge().await?;
    let quotes = [Quote { shape: Shape::Bare, number: 1 }, Quote { shape: Shape::Numbered, number: 2 }];
    publish(&broker, &quotes.map(|quote| quote.message())).await?;
    // The broker's file has both as messages that were never sent.
    broker.save().await?;
    system.start_bridge()?;
    system.settled(2).await?;
    system.bridge_holds(0).await?;
    broker.kill()?;
    broker.start_again().await?;
    system.decided(3).await?;
    duplicates(&system, 1).await?;
    let bare = system.ledger()?.window()?.into_iter().filter(|row| row.class == "packet").count();
    ensure!(bare == 2, "the bare quote has {bare} outcomes");
    system.kill(Process::Bridge)?;
    system.stop_runtime().await
}

/// Quotes with ids as arrays.
fn batches(first: i64, last: i64) -> Vec<Message> {
    let starts = (first..=last).step_by(usize::try_from(BATCH).unwrap_or(1));
    let batch = |first: i64| {
        let quotes = Quote::range(Shape::WithId, first, last.min(first + BATCH - 1));
        let payloads: Vec<_> = quotes.iter().map(Quote::payload).collect();
        Message::new(CHANNEL, format!("[{}]", payloads.join(",")))
    };
    starts.map(batch).collect()
}

async fn publish(broker: &Mosquitto, messages: &[Message]) -> anyhow::Result<()> {
    mqtt::publish_all(broker.port(), &None, messages).await
}

async fn duplicates(system: &System, count: i64) -> anyhow::Result<()> {
    wait::until("the repetition is counted", async || {
        Ok((system.ledger()?.counter("duplicates", "")? >= count).then_some(()))
    })
    .await
}
