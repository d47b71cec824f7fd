//! Topics that the broker denies. Decisions wait, and their reason shows, until they are allowed. Dead letters are given up
//! and counted, and trading goes on.

use std::time::Duration;

use anyhow::ensure;
use e2e::{
    checker,
    mosquitto::{Config, Mosquitto},
    mqtt,
    mqtt::{Message, Subscriber},
    quotes::{Quote, Shape},
    system::{Settings, System},
    wait,
};

const ALL_BUT_DECISIONS: &str = "topic readwrite quotes\ntopic read intuition/#\n\
                                 topic write intuition/default/denied/state\n\
                                 topic write intuition/default/denied/dead-letter\n";
const ALL_BUT_DEAD_LETTERS: &str = "topic readwrite quotes\ntopic read intuition/#\n\
                                    topic write intuition/default/denied/state\n\
                                    topic write intuition/default/denied/decisions\n";
const ALL: &str = "topic readwrite #\n";
const QUOTES: i64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn denied_decisions_wait_in_the_outbox_until_the_broker_allows_them() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = Config { acl: Some(ALL_BUT_DECISIONS.to_owned()), ..Config::default() };
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), &config).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let mut system = System::start(folder.path(), Settings::busy("default/denied", &url)).await?;
    let quotes = Quote::range(Shape::Numbered, 1, QUOTES);
    let messages: Vec<_> = quotes.iter().map(Quote::message).collect();
    mqtt::publish_all(broker.port(), &None, &messages).await?;

    system.decided(QUOTES).await?;
    wait::until("the bridge says what it lacks", async || {
        let lacks = system.bridge_lacks().await?;
        Ok(lacks.contains(&("publishing".to_owned(), "NotAuthorized".to_owned())).then_some(()))
    })
    .await?;
    let held_back = system.ledger()?.progress()?;
    ensure!(held_back.unpublished >= held_back.decisions && held_back.decisions > 0, "{held_back:?}");
    ensure!(consumer.received("decisions").is_empty(), "a denied decision was seen");

    broker.change_acl(ALL)?;
    system.settled(QUOTES).await?;
    system.bridge_ready().await?;
    let ledger = system.ledger()?;
    checker::check_outcomes(&ledger, &quotes)?;
    let decisions = checker::audit(&ledger)?;
    checker::check_published(&decisions, &consumer.decisions(decisions.len()).await?)?;
    system.stop().await
}

/// A minute until the first letters are given up, and the reconnections of mosquitto 2.0.11 on top.
const UNTIL_GIVEN_UP: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread")]
async fn denied_dead_letters_are_given_up_and_trading_goes_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = Config { acl: Some(ALL_BUT_DEAD_LETTERS.to_owned()), ..Config::default() };
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), &config).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let mut system = System::start(folder.path(), Settings::busy("default/denied", &url)).await?;
    let quotes = Quote::range(Shape::Numbered, 1, QUOTES);
    let mut messages: Vec<_> = quotes.iter().map(Quote::message).collect();
    for (place, bad) in ["nonsense", "[]", "{}"].into_iter().enumerate() {
        messages.insert(20 * place, Message::new("quotes", bad));
    }
    mqtt::publish_all(broker.port(), &None, &messages).await?;

    // Decisions do not wait for the letters.
    system.decided(QUOTES + 3).await?;
    let ledger = system.ledger()?;
    let decisions = usize::try_from(ledger.progress()?.decisions)?;
    checker::check_published(&checker::audit(&ledger)?, &consumer.decisions(decisions).await?)?;
    wait::until_within(UNTIL_GIVEN_UP, "the letters are given up", async || {
        let progress = system.ledger()?.progress()?;
        Ok((progress.unpublished == 0).then_some(()))
    })
    .await?;
    let ledger = system.ledger()?;
    ensure!(ledger.counter("undeliverable", "NotAuthorized")? == 3, "each letter is counted");
    ensure!(consumer.count("dead-letter") == 0, "a denied letter was seen");
    system.bridge_ready().await?;
    checker::check_outcomes(&ledger, &quotes)?;
    system.stop().await
}
