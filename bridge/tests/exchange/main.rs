//! The bridge between a real mosquitto and a scripted runtime.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic, and so may their helpers")]

mod backlog;
mod broker;
mod brokers;
mod capabilities;
mod client;
mod credentials;
mod indicators;
mod link;
mod mosquitto;
mod outbox;
mod proxy;
mod running;
mod runtime;
mod shutdown;
mod swap;

use bridge::{BROKER, PUBLISHING, SUBSCRIPTIONS};
use client::Client;
use intuition_api::v1::Input;
use mosquitto::Mosquitto;
use running::{Running, eventually};
use runtime::Scripted;
use serde_json::Value;

const DECISIONS: &str = "intuition/default/test/decisions";
const DEAD_LETTERS: &str = "intuition/default/test/dead-letter";
const STATE: &str = "intuition/default/test/state";

fn prices(messages: &[(String, Vec<u8>)], topic: &str) -> Vec<String> {
    let of_topic = messages.iter().filter(|(name, _)| name == topic);
    of_topic.map(|(_, payload)| field(payload, "price")).collect()
}

fn field(payload: &[u8], name: &str) -> String {
    let value: Value = serde_json::from_slice(payload).unwrap();
    value[name].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_in_both_shapes_become_decisions_and_bad_ones_dead_letters() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe("intuition/#").await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    consumer.publish("quotes", r#"{"sid":"GOOG","quote":"345"}"#).await;
    consumer.publish("quotes", r#"{"goog": 3.45}"#).await;
    consumer.publish("quotes", "nonsense").await;
    consumer.publish("quotes", &"x".repeat(1 << 20)).await;
    let letters = |messages: &[(String, Vec<u8>)]| messages.iter().filter(|(topic, _)| topic == DEAD_LETTERS).count();
    let messages = consumer.until(|messages| prices(messages, DECISIONS).len() == 2 && letters(messages) == 2).await;
    assert_eq!(prices(&messages, DECISIONS), ["345", "3.45"]);
    let letter = &messages.iter().find(|(topic, _)| topic == DEAD_LETTERS).unwrap().1;
    assert_eq!((field(letter, "payload"), field(letter, "topic")), ("nonsense".to_owned(), "quotes".to_owned()));
    eventually("everything published is confirmed", || runtime.memory().published_through == 4).await;
    bridge.stop().await;
    let messages = consumer.until(|messages| messages.last().is_some_and(|(topic, _)| topic == STATE)).await;
    assert_eq!(field(&messages.last().unwrap().1, "state"), "offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_by_the_inputs_that_came_with_the_channels() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes", "sensors/+"]).await);
    let sensors =
        Input { topic: "sensors/+".to_owned(), symbols: vec!["gold".to_owned(), "last".to_owned()], format: None };
    runtime.memory().inputs = vec![sensors];
    let mut feed = Client::connect(&broker.url(), "feed").await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    feed.publish("sensors/1", r#"{"gold":1,"ts":17}"#).await;
    feed.publish("quotes", r#"{"gold":2,"ts":17}"#).await;
    // Without a price now: acknowledged in its turn, and not shown to the runtime.
    feed.publish("quotes", r#"{"gold":null}"#).await;
    feed.publish("sensors/2", r#"{"last":3}"#).await;
    eventually("three are confirmed", || runtime.memory().published_through == 3).await;
    runtime.memory().inputs.clear();
    runtime.want(&["quotes", "sensors/+"]);
    eventually("the second version is marked", || runtime.memory().marked == 2).await;
    feed.publish("sensors/2", r#"{"last":4}"#).await;
    eventually("the last one is confirmed", || runtime.memory().published_through == 4).await;
    bridge.stop().await;
    let memory = runtime.memory();
    let shown: Vec<_> =
        memory.deliveries.iter().map(|delivery| (delivery.ticks.len(), running::price(delivery))).collect();
    let expected =
        [(1, "1"), (1, "NotAQuote"), (1, "3"), (1, "NotAQuote")].map(|(ticks, price)| (ticks, price.to_owned()));
    assert_eq!(shown, expected);
    let hashes = memory
        .deliveries
        .iter()
        .all(|delivery| delivery.envelope_sha256.len() == 32 && delivery.envelope_sha256 != delivery.payload_sha256);
    assert!(hashes && memory.deliveries.iter().all(|delivery| delivery.ticks[0].ordinal == Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_unacknowledged_quotes_are_redelivered() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let mut feed = Client::connect(&broker.url(), "feed").await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    feed.publish("quotes", r#"{"a":1}"#).await;
    eventually("the first is confirmed", || runtime.memory().published_through == 1).await;
    runtime.memory().mute = true;
    feed.publish("quotes", r#"{"b":2}"#).await;
    eventually("the second is at the runtime", || runtime.memory().deliveries.len() == 2).await;
    bridge.stop().await;
    runtime.memory().mute = false;
    let bridge = Running::start(&broker.url(), &runtime.url);
    eventually("the second came again", || runtime.memory().published_through == 2).await;
    bridge.ready().await;
    bridge.stop().await;
    let memory = runtime.memory();
    let seen: Vec<_> = memory.deliveries.iter().map(|delivery| (delivery.duplicate, delivery.packet_id)).collect();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(!seen[1].0 && seen[2].0 && seen[1].1 == seen[2].1, "{seen:?}");
    assert!(!memory.opens[0].session_present && memory.opens[1].session_present);
}

#[tokio::test(flavor = "multi_thread")]
async fn reopened_stream_gets_deliveries_without_outcome_under_their_numbers() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let mut feed = Client::connect(&broker.url(), "feed").await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    runtime.memory().mute = true;
    feed.publish("quotes", r#"{"a":1}"#).await;
    eventually("it is at the runtime", || runtime.memory().deliveries.len() == 1).await;
    runtime.memory().mute = false;
    runtime.end_streams();
    eventually("it is decided and published", || runtime.memory().published_through == 1).await;
    bridge.stop().await;
    let memory = runtime.memory();
    assert_eq!(memory.deliveries.len(), 2);
    assert_eq!(memory.deliveries[0], memory.deliveries[1]);
    assert_eq!(memory.opens.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_prices_and_overlapping_filters_count_once_at_most() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes/#", "quotes/+", "quotes/goog"]).await);
    let mut feed = Client::connect(&broker.url(), "feed").await;
    feed.publish_retained("quotes/goog", r#"{"goog":1}"#).await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    feed.publish("quotes/goog", r#"{"goog":2}"#).await;
    feed.publish("quotes/aapl", r#"{"aapl":3}"#).await;
    feed.publish("quotes/aapl/l2", r#"{"aapl":4}"#).await;
    eventually("three are confirmed", || runtime.memory().published_through == 3).await;
    // Another channel leaves, and with it nothing else.
    runtime.want(&["quotes/+", "quotes/goog"]);
    eventually("two are held", || runtime.memory().held.len() == 2).await;
    eventually("the second version is marked", || runtime.memory().marked == 2).await;
    bridge.ready().await;
    feed.publish("quotes/goog", r#"{"goog":5}"#).await;
    feed.publish("quotes/aapl/l2", r#"{"aapl":6}"#).await;
    feed.publish("quotes/aapl", r#"{"aapl":7}"#).await;
    eventually("two more are confirmed", || runtime.memory().published_through == 5).await;
    let prices: Vec<String> = runtime.memory().deliveries.iter().map(running::price).collect();
    assert_eq!(prices, ["2", "3", "4", "5", "7"]);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_with_its_state_loses_nothing() {
    let (mut broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let mut feed = Client::connect(&broker.url(), "feed").await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    runtime.memory().mute = true;
    for price in 1..=50 {
        feed.publish("quotes", &format!(r#"{{"a":{price}}}"#)).await;
    }
    eventually("some are at the runtime", || !runtime.memory().deliveries.is_empty()).await;
    broker.stop();
    bridge.lacks(BROKER, "Unreachable").await;
    broker.launch();
    runtime.memory().mute = false;
    runtime.end_streams();
    bridge.ready().await;
    eventually("all were decided", || {
        let memory = runtime.memory();
        let decided: std::collections::BTreeSet<_> = memory.deliveries.iter().map(running::price).collect();
        decided.len() == 50 && memory.published_through == memory.outbox.len() as u64
    })
    .await;
    assert!(runtime.memory().opens.iter().skip(1).all(|open| open.session_present));
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lost_the_session_is_reported_to_the_runtime() {
    let (mut broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    broker.kill();
    broker.launch();
    eventually("a stream without session", || runtime.memory().opens.len() == 2).await;
    assert!(!runtime.memory().opens[1].session_present);
    bridge.ready().await;
    let mut feed = Client::connect(&broker.url(), "feed").await;
    feed.publish("quotes", r#"{"a":1}"#).await;
    eventually("it is subscribed again", || runtime.memory().published_through == 1).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_shows() {
    let broker = Mosquitto::start_with("allow_anonymous false\n");
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.lacks(BROKER, "NotAuthorized").await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_topics_are_not_subscribed_to() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["intuition/+/test/decisions"]).await);
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.lacks(SUBSCRIPTIONS, "OwnTopic").await;
    runtime.want(&["quotes"]);
    bridge.ready().await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_decisions_topic_holds_everything_back_until_it_is_allowed() {
    let denied = format!("topic readwrite #\ntopic deny {DECISIONS}\n");
    let broker = Mosquitto::with_acl(&denied);
    let runtime = Scripted::start(&["quotes"]).await;
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe(DECISIONS).await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    for price in 1..=20 {
        consumer.publish("quotes", &format!(r#"{{"a":{price}}}"#)).await;
    }
    bridge.lacks(PUBLISHING, "NotAuthorized").await;
    eventually("all are decided", || runtime.memory().outbox.len() == 20).await;
    assert_eq!(runtime.memory().published_through, 0);
    broker.set_acl("topic readwrite #\n");
    bridge.ready().await;
    let messages = consumer.until(|messages| prices(messages, DECISIONS).len() >= 20).await;
    let expected: Vec<String> = (1..=20).map(|price: u32| price.to_string()).collect();
    assert_eq!(prices(&messages, DECISIONS), expected);
    eventually("all are confirmed", || runtime.memory().published_through == 20).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_room_for_one_message_all_are_decided_in_order() {
    let broker = Mosquitto::start_with("allow_anonymous true\nmax_inflight_messages 500\n");
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start_with(&broker.url(), &runtime.url, |config| config.limits.unacknowledged.ticks = 10_000);
    bridge.ready().await;
    let mut feed = Client::connect(&broker.url(), "feed").await;
    for price in 1..=200 {
        feed.publish("quotes", &format!(r#"{{"a":{price}}}"#)).await;
    }
    eventually("all are confirmed", || runtime.memory().published_through == 200).await;
    bridge.stop().await;
    let prices: Vec<String> = runtime.memory().deliveries.iter().map(running::price).collect();
    let expected: Vec<String> = (1..=200).map(|price: u32| price.to_string()).collect();
    assert_eq!(prices, expected);
}
