//! What the broker does not allow: nothing is lost, the reason shows, and it goes on once it is allowed.

use anyhow::ensure;
use e2e::{
    checker,
    mosquitto::{Config, Mosquitto},
    mqtt,
    mqtt::Subscriber,
    quotes::{Quote, Shape},
    system::{Settings, System},
    wait,
};

const ALL_BUT_DECISIONS: &str = "topic readwrite quotes\ntopic read intuition/#\n\
                                 topic write intuition/default/denied/state\n\
                                 topic write intuition/default/denied/dead-letter\n";
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
