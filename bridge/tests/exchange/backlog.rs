//! Backlogs at the broker, and messages that come faster than the runtime decides.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    ops::RangeInclusive,
    time::Duration,
};

use bridge::BROKER;
use intuition_api::{capability, v1::Acknowledged};

use crate::{
    client::Client,
    mosquitto::Mosquitto,
    proxy::Proxy,
    running::{self, Running, eventually},
    runtime::Scripted,
};

/// Quotes with these prices, a message each.
fn quotes(prices: RangeInclusive<usize>, more: &str) -> String {
    prices.fold(String::new(), |mut lines, price| {
        writeln!(lines, r#"{{"sid":"A","quote":{price},"more":"{more}"}}"#).unwrap();
        lines
    })
}

/// Has the bridge's session subscribed, and messages wait in it.
async fn let_wait(broker: &Mosquitto, runtime: &Scripted, lines: &str) {
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    bridge.stop().await;
    broker.publish_lines("quotes", 1, lines);
}

fn acknowledging(runtime: &Scripted) {
    let mut memory = runtime.memory();
    memory.passive = true;
    memory.capabilities = vec![capability::ACKNOWLEDGED.to_owned()];
}

/// The last confirmation that the runtime got.
fn confirmed(runtime: &Scripted) -> Option<Acknowledged> {
    runtime.memory().acknowledged.last().map(|(_, acknowledged)| *acknowledged)
}

#[tokio::test(flavor = "multi_thread")]
async fn backlog_drains_within_the_bound_and_every_acknowledgement_is_confirmed() {
    const COUNT: usize = 40_000;
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    acknowledging(&runtime);
    let_wait(&broker, &runtime, &quotes(1..=COUNT, "")).await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    let mut most = 0;
    eventually("all are confirmed", || {
        most = most.max(bridge.metrics.unacknowledged.get());
        confirmed(&runtime).is_some_and(|last| last.through == COUNT as u64)
    })
    .await;
    assert!(most > 0 && most <= 32_768, "{most}");
    bridge.ready().await;
    bridge.stop().await;
    let memory = runtime.memory();
    let prices: Vec<String> = memory.deliveries.iter().map(running::price).collect();
    assert_eq!(prices, (1..=COUNT).map(|price| price.to_string()).collect::<Vec<_>>(), "each once, in order");
    assert!(memory.acknowledged.is_sorted_by_key(|(_, acknowledged)| acknowledged.through));
    assert_eq!(memory.opens.last().unwrap().client_id, "intuition.default.test");
    assert_eq!(memory.opens.last().unwrap().capabilities, capability::OF_BRIDGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_confirmed_and_no_more_than_the_bound_comes_again_after_a_cut() {
    const PART: usize = 4_000;
    const CUTS: usize = 3;
    // Room for a message of 10,000 ticks is kept free: so many others are in flight at most.
    const BOUND: usize = 1_000;
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let proxy = Proxy::start(broker.port()).await;
    acknowledging(&runtime);
    let bridge = Running::start_with(&proxy.url, &runtime.url, |config| {
        config.limits.unacknowledged.ticks = bridge::message::MAX_TICKS + BOUND;
    });
    bridge.ready().await;
    proxy.set_slow(true);
    let mut count = 0;
    for cut in 1..=CUTS {
        // Large ones, so that they come more slowly than they are published.
        let more = "x".repeat(400);
        let publish = |count: usize| broker.publish_lines("quotes", 1, &quotes(count + 1..=count + PART, &more));
        publish(count);
        let connection = cut as u64;
        eventually("some are confirmed", || confirmed(&runtime).is_some_and(|last| last.connection == connection))
            .await;
        let before = runtime.memory().deliveries.len();
        publish(count + PART);
        count += 2 * PART;
        eventually("more are on their way", || runtime.memory().deliveries.len() > before + PART / 4).await;
        proxy.cut();
    }
    proxy.set_slow(false);
    eventually("the last is confirmed", || {
        let memory = runtime.memory();
        let last =
            memory.deliveries.iter().rev().take(1_000).find(|delivery| running::price(delivery) == count.to_string());
        let through = memory.acknowledged.last().map_or(0, |(_, last)| last.through);
        last.is_some_and(|delivery| through >= delivery.number)
    })
    .await;
    bridge.stop().await;
    let memory = runtime.memory();
    let mut through = BTreeMap::new();
    for (_, acknowledged) in &memory.acknowledged {
        through.insert(acknowledged.connection, acknowledged.through);
    }
    let (mut seen, mut settled, mut again) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for delivery in &memory.deliveries {
        let price = running::price(delivery);
        assert!(!settled.contains(&price), "{price} came again although its acknowledgement was confirmed");
        if through.get(&delivery.connection).is_some_and(|through| delivery.number <= *through) {
            settled.insert(price.clone());
        }
        if !seen.insert(price) {
            *again.entry(delivery.connection).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), count, "none is lost");
    assert_eq!(through.len(), CUTS + 1, "{through:?}");
    // PUBACKs that were cut off with the connection come on top of the bridge's count.
    assert!(again.values().all(|count| *count <= 2 * BOUND), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn backlog_longer_than_the_keep_alive_costs_no_connection() {
    const COUNT: usize = 12_000;
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let proxy = Proxy::start(broker.port()).await;
    acknowledging(&runtime);
    // Far more than fits into the sockets: the answer to a PINGREQ waits behind it.
    let_wait(&broker, &runtime, &quotes(1..=COUNT, &"x".repeat(1_000))).await;
    proxy.set_slow(true);
    let bridge = Running::start_with(&proxy.url, &runtime.url, |config| {
        config.mqtt.keep_alive = Duration::from_secs(2);
    });
    eventually("all came", || runtime.memory().deliveries.len() >= COUNT).await;
    bridge.ready().await;
    assert_eq!(proxy.accepted(), 2, "one connection for quotes and one for decisions");
    assert_eq!(runtime.memory().deliveries.len(), COUNT);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_stream_is_told_the_last_confirmation_and_an_old_runtime_none() {
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    acknowledging(&runtime);
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    let mut feed = Client::connect(&broker.url(), "feed").await;
    feed.publish("quotes", r#"{"a":1}"#).await;
    let first = Acknowledged { through: 1, connection: 1 };
    eventually("it is confirmed", || confirmed(&runtime) == Some(first)).await;
    runtime.end_streams();
    eventually("it is told again", || runtime.memory().acknowledged.last() == Some(&(2, first))).await;
    runtime.memory().capabilities.clear();
    runtime.end_streams();
    eventually("a third stream", || runtime.memory().opens.len() == 3).await;
    feed.publish("quotes", r#"{"a":2}"#).await;
    eventually("the second came", || runtime.memory().deliveries.len() == 2).await;
    acknowledging(&runtime);
    runtime.end_streams();
    let second = Acknowledged { through: 2, connection: 1 };
    eventually("a fourth stream is told", || confirmed(&runtime) == Some(second)).await;
    assert!(runtime.memory().acknowledged.iter().all(|(stream, _)| *stream != 3));
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flood_without_room_costs_no_connection_and_a_lost_one_is_noticed() {
    let (mut broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let bridge = Running::start_with(&broker.url(), &runtime.url, |config| {
        config.limits.unacknowledged.ticks = bridge::message::MAX_TICKS;
        config.mqtt.keep_alive = Duration::from_secs(1);
    });
    bridge.ready().await;
    runtime.memory().mute = true;
    let mut feed = Client::connect(&broker.url(), "feed").await;
    feed.publish("quotes", r#"{"a":1}"#).await;
    broker.flood("quotes", r#"{"a":2}"#, 5_000);
    let pings = |log: &str| log.matches("Received PINGREQ from intuition.default.test\n").count();
    let before = pings(&broker.log());
    eventually("the keep alive goes on", || pings(&broker.log()) >= before + 4).await;
    assert!(!broker.log().contains("Client intuition.default.test closed"));
    assert_eq!(runtime.memory().deliveries.len(), 1, "there is room for one message");
    broker.stop();
    bridge.lacks(BROKER, "Unreachable").await;
    broker.launch();
    runtime.memory().mute = false;
    runtime.end_streams();
    bridge.ready().await;
    let mut feed = Client::connect(&broker.url(), "feed").await;
    feed.publish("quotes", r#"{"a":3}"#).await;
    eventually("it goes on", || runtime.memory().deliveries.iter().any(|delivery| running::price(delivery) == "3"))
        .await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_session_is_counted_once_and_a_first_one_is_not() {
    let (mut broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    assert_eq!(bridge.metrics.sessions_lost.get(), 0);
    broker.kill();
    broker.launch();
    eventually("a stream without session", || runtime.memory().opens.len() == 2).await;
    bridge.ready().await;
    assert_eq!(bridge.metrics.sessions_lost.get(), 1);
    bridge.stop().await;
    // The next run knows it from the runtime.
    broker.kill();
    std::fs::remove_file(broker.path("mosquitto.db")).unwrap_or_default();
    broker.launch();
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    assert_eq!(bridge.metrics.sessions_lost.get(), 1);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bridges_with_one_client_id_are_told_so() {
    let broker = Mosquitto::start();
    let runtimes = (Scripted::start(&["quotes"]).await, Scripted::start(&["quotes"]).await);
    let (one, other) = (Running::start(&broker.url(), &runtimes.0.url), Running::start(&broker.url(), &runtimes.1.url));
    let told = |bridge: &Running| {
        bridge.message(BROKER).contains("another process uses the client id \"intuition.default.test\"")
    };
    eventually("one of them is told", || told(&one) || told(&other)).await;
    one.stop().await;
    other.stop().await;
}
