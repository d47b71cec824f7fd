//! Entries that the broker refuses, runtimes with send queues, and the room for entries.

use std::{collections::BTreeSet, time::Duration};

use bridge::{Config, PUBLISHING, RUNTIME, outbox::Deadlines};
use tokio::time::{Instant, timeout};

use crate::{
    DEAD_LETTERS, DECISIONS, STATE,
    broker::{Action, Broker, Packet, polite, wire},
    brokers::{QUOTES, quote},
    client::Client,
    field,
    mosquitto::Mosquitto,
    prices,
    running::{Running, eventually},
    runtime::Scripted,
};

const DATA: &str = "intuition/default/test/data/echo";
const DEADLINES: Deadlines = Deadlines {
    give_up: Duration::from_millis(1_200),
    once: Duration::from_millis(200),
    trial_pause: Duration::from_millis(600),
};

fn impatient(config: &mut Config) {
    config.limits.deadlines = DEADLINES;
}

/// A broker with access rules that deny a topic, and a runtime with send queues.
async fn denying(topic: &str) -> (Mosquitto, Scripted) {
    let broker = Mosquitto::with_acl(&format!("topic readwrite #\ntopic deny {topic}\n"));
    let runtime = Scripted::start(&["quotes"]).await;
    {
        let mut memory = runtime.memory();
        memory.with_queues();
        memory.publishing = true;
    }
    (broker, runtime)
}

/// Publishes quotes with these prices, and a bad message behind each.
async fn feed(client: &mut Client, prices: impl Iterator<Item = u32>) {
    for price in prices {
        client.publish("quotes", &format!(r#"{{"a":{price}}}"#)).await;
        client.publish("quotes", "nonsense").await;
    }
}

/// The prices of decisions without repetitions, in order: mosquitto 2.0.11 ends the connection after a refusal, and
/// decisions that were under way are published again.
fn decided(messages: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    prices(messages, DECISIONS).into_iter().filter(|price| seen.insert(price.clone())).collect()
}

fn numbers(last: usize) -> Vec<String> {
    (1..=last).map(|price| price.to_string()).collect()
}

/// Every message has its acknowledgement, and the broker knows.
fn all_acknowledged(bridge: &Running, runtime: &Scripted, deliveries: usize) -> bool {
    runtime.memory().outcomes.len() == deliveries && bridge.metrics.unacknowledged.get() == 0
}

fn on<'a>(messages: &'a [(String, Vec<u8>)], topic: &'a str) -> impl Iterator<Item = &'a Vec<u8>> {
    messages.iter().filter(move |(name, _)| name == topic).map(|(_, payload)| payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_dead_letters_are_given_up_and_trading_goes_on() {
    let (broker, runtime) = denying(DEAD_LETTERS).await;
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe("intuition/#").await;
    let bridge = Running::start_with(&broker.url(), &runtime.url, impatient);
    bridge.ready().await;
    feed(&mut consumer, 1..=10).await;
    let messages = consumer.until(|messages| decided(messages).len() == 10).await;
    assert_eq!(decided(&messages), numbers(10));
    eventually("all are acknowledged", || all_acknowledged(&bridge, &runtime, 20)).await;
    eventually("the runtime knows of all", || runtime.memory().published_through == 30).await;
    let warning = bridge.warning(PUBLISHING, "Undeliverable").unwrap();
    assert!(warning.contains(DEAD_LETTERS) && warning.contains("NotAuthorized"), "{warning}");
    let given_up = ["tradingalgo_bridge_undeliverable_total", DEAD_LETTERS, "NotAuthorized"];
    assert_eq!(bridge.metric(&given_up), 10);
    {
        let memory = runtime.memory();
        assert_eq!(memory.given_up.len(), 10);
        assert!(memory.given_up.iter().all(|entry| entry.topic == DEAD_LETTERS && entry.reason == "NotAuthorized"));
    }
    // The process stays ready, and the topic recovers with the first letter that the broker takes.
    bridge.ready().await;
    broker.set_acl("topic readwrite #\n");
    // Letters between two trials are not sent (ADR 0029).
    let is_letter = |messages: &[(String, Vec<u8>)]| on(messages, DEAD_LETTERS).count() > 0;
    let until = Instant::now() + Duration::from_secs(30);
    let messages = loop {
        assert!(Instant::now() < until, "no letter is taken after the rule was mended");
        consumer.publish("quotes", "nonsense").await;
        let received = timeout(DEADLINES.trial_pause, consumer.until(is_letter)).await;
        if let Ok(messages) = received {
            break messages;
        }
    };
    assert_eq!(field(on(&messages, DEAD_LETTERS).next().unwrap(), "payload"), "nonsense");
    eventually("no warning is left", || bridge.warning(PUBLISHING, "Undeliverable").is_none()).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_publications_are_given_up_and_the_rest_goes_on() {
    let (broker, runtime) = denying("intuition/default/test/data/#").await;
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe("intuition/#").await;
    let bridge = Running::start_with(&broker.url(), &runtime.url, impatient);
    bridge.ready().await;
    feed(&mut consumer, 1..=10).await;
    consumer.until(|messages| decided(messages).len() == 10 && on(messages, DEAD_LETTERS).count() >= 10).await;
    eventually("all are acknowledged", || all_acknowledged(&bridge, &runtime, 20)).await;
    eventually("the runtime knows of all", || runtime.memory().published_through == 30).await;
    assert!(runtime.memory().given_up.iter().all(|entry| entry.topic == DATA && entry.reason == "NotAuthorized"));
    assert_eq!(runtime.memory().given_up.len(), 10);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_decisions_hold_back_themselves_alone() {
    let (broker, runtime) = denying(DECISIONS).await;
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe("intuition/#").await;
    let bridge = Running::start_with(&broker.url(), &runtime.url, impatient);
    bridge.ready().await;
    feed(&mut consumer, 1..=10).await;
    bridge.lacks(PUBLISHING, "NotAuthorized").await;
    let messages =
        consumer.until(|messages| on(messages, DATA).count() == 10 && on(messages, DEAD_LETTERS).count() == 10).await;
    assert_eq!(on(&messages, DECISIONS).count(), 0);
    // Positions 2 and 3, 5 and 6 and so on are published; 1, 4 and so on are the decisions.
    eventually("the runtime knows of the others", || runtime.memory().done.iter().count() == 10).await;
    assert_eq!(runtime.memory().published_through, 0);
    assert!(bridge.metrics.unacknowledged.get() > 0 && bridge.warning(PUBLISHING, "Undeliverable").is_none());
    runtime.end_streams();
    eventually("another stream", || runtime.memory().opens.len() == 2).await;
    broker.set_acl("topic readwrite #\n");
    let messages = consumer.until(|messages| decided(messages).len() == 10).await;
    assert_eq!(decided(&messages), numbers(10));
    eventually("all are acknowledged", || all_acknowledged(&bridge, &runtime, 20)).await;
    eventually("the runtime knows of all", || runtime.memory().published_through == 30).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_state_holds_back_nothing() {
    let (broker, runtime) = denying(STATE).await;
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe("intuition/#").await;
    let bridge = Running::start_with(&broker.url(), &runtime.url, impatient);
    bridge.ready().await;
    feed(&mut consumer, 1..=10).await;
    eventually("all are acknowledged", || all_acknowledged(&bridge, &runtime, 20)).await;
    eventually("the runtime knows of all", || runtime.memory().published_through == 30).await;
    assert_eq!(runtime.memory().given_up, []);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_everything_costs_letters_and_publications_alone() {
    // Nothing else brings a PUBACK: the refusals, and the state that is published again, show that the broker is well.
    let (broker, runtime) = denying("intuition/#").await;
    runtime.memory().publishing = false;
    let bridge = Running::start_with(&broker.url(), &runtime.url, impatient);
    bridge.ready().await;
    let mut feed = Client::connect(&broker.url(), "feed").await;
    for _ in 0..5 {
        feed.publish("quotes", "nonsense").await;
    }
    eventually("all are acknowledged", || all_acknowledged(&bridge, &runtime, 5)).await;
    // The report and the PUBACKs go out on different connections.
    eventually("the runtime knows that all were given up", || runtime.memory().given_up.len() == 5).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letter_that_is_too_large_for_the_broker_goes_without_its_payload() {
    // By the broker's refusal of a message, and by its CONNACK.
    for bound in ["message_size_limit 40000\n", "max_packet_size 40000\n"] {
        let broker = Mosquitto::start_with(&format!("allow_anonymous true\n{bound}"));
        let runtime = Scripted::start(&["quotes"]).await;
        runtime.memory().with_queues();
        let mut consumer = Client::connect(&broker.url(), "consumer").await;
        consumer.subscribe("intuition/#").await;
        let bridge = Running::start_with(&broker.url(), &runtime.url, impatient);
        bridge.ready().await;
        // As JSON it is six times as large.
        consumer.publish("quotes", &"\u{1}".repeat(30_000)).await;
        consumer.publish("quotes", r#"{"a":1}"#).await;
        let messages = consumer
            .until(|messages| on(messages, DEAD_LETTERS).count() == 1 && prices(messages, DECISIONS).len() == 1)
            .await;
        let letter: serde_json::Value = serde_json::from_slice(on(&messages, DEAD_LETTERS).next().unwrap()).unwrap();
        assert_eq!((letter["size"].as_u64(), letter["payload"].as_str()), (Some(30_000), None), "{letter}");
        eventually("all are acknowledged", || all_acknowledged(&bridge, &runtime, 2)).await;
        eventually("the runtime knows of both", || runtime.memory().published_through == 2).await;
        assert_eq!(runtime.memory().given_up, []);
        bridge.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundred_messages_of_64_kib_become_letters_within_the_room_for_entries() {
    let broker = Mosquitto::start_with("allow_anonymous true\nmax_queued_messages 0\n");
    let runtime = Scripted::start(&["quotes"]).await;
    runtime.memory().with_queues();
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe(DEAD_LETTERS).await;
    let bridge = Running::start_with(&broker.url(), &runtime.url, |config| config.limits.outbox_bytes = 1 << 20);
    bridge.ready().await;
    for number in 0..100 {
        consumer.publish("quotes", &format!("{number:05}{}", "\u{1}".repeat(65_531))).await;
    }
    let messages = consumer.until(|messages| on(messages, DEAD_LETTERS).count() == 100).await;
    let began = |payload: &Vec<u8>| field(payload, "payload").get(..5).map(str::to_owned);
    let letters: BTreeSet<_> = on(&messages, DEAD_LETTERS).map(began).collect();
    assert_eq!(letters, (0..100).map(|number| Some(format!("{number:05}"))).collect());
    eventually("all are acknowledged", || all_acknowledged(&bridge, &runtime, 100)).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_come_as_far_as_there_is_room_and_the_rest_when_they_leave() {
    const COUNT: usize = 5_000;
    let (broker, runtime) = denying(DECISIONS).await;
    runtime.memory().publishing = false;
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe(DECISIONS).await;
    let bridge = Running::start_with(&broker.url(), &runtime.url, |config| config.limits.outbox_bytes = 1 << 20);
    bridge.ready().await;
    // A broker has few unacknowledged messages under way; a message has many quotes.
    let members: Vec<String> = (1..=COUNT).map(|price| format!(r#""s{price:05}":{price}"#)).collect();
    consumer.publish("quotes", &format!("{{{}}}", members.join(","))).await;
    eventually("all are decided", || runtime.memory().outbox.len() == COUNT).await;
    bridge.lacks(PUBLISHING, "NotAuthorized").await;
    let held = bridge.metrics.unpublished.get();
    assert!(held > 100 && held < 2_000, "{held} entries in 1 MiB");
    broker.set_acl("topic readwrite #\n");
    let messages = consumer.until(|messages| messages.len() >= COUNT && decided(messages).len() == COUNT).await;
    assert_eq!(decided(&messages), numbers(COUNT));
    eventually("it is acknowledged", || all_acknowledged(&bridge, &runtime, 1)).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_that_went_back_begins_the_outbox_anew_and_is_warned_of() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    runtime.memory().with_queues();
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe(DECISIONS).await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    for price in 1..=3 {
        consumer.publish("quotes", &format!(r#"{{"a":{price}}}"#)).await;
    }
    eventually("three are confirmed", || runtime.memory().published_through == 3).await;
    {
        let mut memory = runtime.memory();
        memory.outbox.truncate(1);
        memory.published_through = 0;
        memory.ledger_id = "0badf00e".to_owned();
    }
    runtime.end_streams();
    eventually("another stream", || runtime.memory().opens.len() == 2).await;
    let open = runtime.memory().opens[1].clone();
    assert_eq!((open.ledger_id.as_str(), open.published.map(|published| published.through)), ("0badf00d", Some(3)));
    assert!(open.pages);
    eventually("it is warned of", || bridge.warning(RUNTIME, "LedgerWentBack").is_some()).await;
    bridge.ready().await;
    consumer.publish("quotes", r#"{"a":4}"#).await;
    // The first decision is published again, under the same id; the other two are lost with the ledger.
    let messages = consumer.until(|messages| prices(messages, DECISIONS).len() == 5).await;
    assert_eq!(prices(&messages, DECISIONS), ["1", "2", "3", "1", "4"]);
    eventually("both are confirmed", || runtime.memory().published_through == 2).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letter_over_which_the_broker_ends_the_connection_is_given_up() {
    // Payload format invalid.
    let broker = Broker::start(move |received| match &received.packet {
        Packet::Publish(publish) if publish.topic == DEAD_LETTERS => {
            vec![Action::Send(vec![0xe0, 1, 0x99]), Action::Close]
        }
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    runtime.memory().with_queues();
    let bridge = Running::start_with(&broker.url, &runtime.url, impatient);
    bridge.ready().await;
    let bad = wire::publish(0b10, "quotes", 7, &[], b"nonsense");
    assert!(broker.act(QUOTES, Action::Send(bad)));
    assert!(broker.act(QUOTES, quote(8, 42)));
    eventually("all are acknowledged", || all_acknowledged(&bridge, &runtime, 2)).await;
    // The report and the PUBACKs go out on different connections.
    eventually("the runtime knows of the letter", || !runtime.memory().given_up.is_empty()).await;
    let reasons: Vec<String> = runtime.memory().given_up.iter().map(|entry| entry.reason.clone()).collect();
    assert_eq!(reasons, ["PayloadFormatInvalid"]);
    bridge.ready().await;
    bridge.stop().await;
}
