//! The bridge against brokers that do not do everything, or do it their own way.

use std::time::Duration;

use bridge::{BROKER, PUBLISHER, PUBLISHING};

use crate::{
    broker::{Action, Broker, Packet, Received, polite, wire},
    running::{Running, eventually, price},
    runtime::Scripted,
};

/// The client id of the connection that quotes come on.
pub(crate) const QUOTES: &str = "intuition.default.test";
/// The client id of the connection that decisions go out on.
pub(crate) const DECISIONS: &str = "intuition.default.test.pub";

/// A message of one quote with `QoS` 1.
pub(crate) fn quote(packet_id: u16, price: u32) -> Action {
    Action::Send(wire::publish(0b10, "quotes", packet_id, &[], format!(r#"{{"a":{price}}}"#).as_bytes()))
}

fn is_puback(received: &Received) -> bool {
    matches!(received.packet, Packet::Puback { code: 0, .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn quote_from_a_scripted_broker_is_decided_published_and_acknowledged() {
    let (broker, runtime) = (Broker::start(polite).await, Scripted::start(&["quotes"]).await);
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    assert!(broker.act(QUOTES, quote(7, 42)));
    eventually("it is acknowledged", || broker.count(is_puback) == 1).await;
    assert_eq!(price(&runtime.memory().deliveries[0]), "42");
    let published = |received: &Received| {
        received.client_id == DECISIONS
            && matches!(&received.packet, Packet::Publish(publish) if publish.topic.ends_with("/decisions"))
    };
    assert_eq!(broker.count(published), 1);
    bridge.stop().await;
    let is_disconnect = |received: &Received| matches!(received.packet, Packet::Disconnect { code: 0 });
    eventually("both connections send DISCONNECT", || broker.count(is_disconnect) == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn session_taken_over_shows_in_both_forms_of_disconnect() {
    let broker = Broker::start(|received| match &received.packet {
        Packet::Connect(_) => {
            let is_short = received.client_id == QUOTES;
            let disconnect = if is_short { vec![0xe0, 1, 0x8e] } else { vec![0xe0, 2, 0x8e, 0] };
            vec![Action::Send(wire::connack(false, 0, &[])), Action::Send(disconnect)]
        }
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.lacks(BROKER, "SessionTakenOver").await;
    bridge.lacks(PUBLISHER, "SessionTakenOver").await;
    bridge.stop().await;
}

fn is_to(received: &Received, ending: &str) -> bool {
    matches!(&received.packet, Packet::Publish(publish) if publish.topic.ends_with(ending))
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_cut_at_every_byte_are_read_whole() {
    let (broker, runtime) = (Broker::start(polite).await, Scripted::start(&["quotes"]).await);
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    let properties = [0x0b, 1, 0x26, 0, 1, b'a', 0, 1, b'b'];
    let cut = wire::publish(0b10, "quotes", 7, &properties, br#"{"a":42}"#);
    assert!(broker.act(QUOTES, Action::Trickle(cut)));
    eventually("it is acknowledged", || broker.count(is_puback) == 1).await;
    assert_eq!(price(&runtime.memory().deliveries[0]), "42");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn puback_with_an_unknown_refusal_ends_no_connection() {
    let broker = Broker::start(|received| match &received.packet {
        Packet::Publish(publish) if publish.topic.ends_with("/decisions") => {
            vec![Action::Send(vec![
                0x40,
                3,
                publish.packet_id.to_be_bytes()[0],
                publish.packet_id.to_be_bytes()[1],
                0x95,
            ])]
        }
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    assert!(broker.act(QUOTES, quote(7, 42)));
    bridge.lacks(PUBLISHING, "PacketTooLarge").await;
    assert_eq!(broker.accepted(), 2, "both connections are the first ones");
    broker.follow(polite);
    eventually("it is acknowledged", || broker.count(is_puback) == 1).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suback_that_comes_late_is_waited_for_before_the_next_subscribe() {
    let filters: Vec<String> = (0..25).map(|number| format!("quotes/{number}")).collect();
    let broker = Broker::start(|received| match &received.packet {
        // Receive Maximum 5.
        Packet::Connect(_) => vec![Action::Send(wire::connack(false, 0, &[0x21, 0, 5]))],
        Packet::Subscribe(subscribe) => {
            vec![Action::SendAfter(Duration::from_millis(2), wire::suback(subscribe.packet_id, 1))]
        }
        _ => polite(received),
    })
    .await;
    let names: Vec<&str> = filters.iter().map(String::as_str).collect();
    let runtime = Scripted::start(&names).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    assert_eq!(broker.count(|received| matches!(received.packet, Packet::Subscribe(_))), 25);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_of_mqtt_3_is_refused_with_a_reason() {
    let broker = Broker::start(|received| match &received.packet {
        Packet::Connect(_) => vec![Action::Send(vec![0x20, 2, 0, 1]), Action::Close],
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.lacks(BROKER, "UnsupportedProtocolVersion").await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_stray_pubacks_change_nothing() {
    let broker = Broker::start(|received| match &received.packet {
        Packet::Publish(publish) => {
            let (own, other) = (publish.packet_id, publish.packet_id.wrapping_add(1_000));
            [other, own, own].map(|packet_id| Action::Send(wire::puback(packet_id, 0))).to_vec()
        }
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    for packet_id in 1..=20 {
        assert!(broker.act(QUOTES, quote(packet_id, 42)));
    }
    eventually("all are acknowledged", || broker.count(is_puback) == 20).await;
    assert_eq!(broker.count(|received| is_to(received, "/decisions")), 20);
    bridge.stop().await;
}

/// Requests of this bridge may be without an answer for half a second.
fn hurried(broker: &Broker, runtime: &Scripted) -> Running {
    Running::start_with(&broker.url, &runtime.url, |config| {
        config.mqtt.answer_timeout = Duration::from_millis(500);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn puback_that_never_comes_resets_the_connection() {
    let broker = Broker::start(|received| match &received.packet {
        Packet::Publish(publish) if publish.topic.ends_with("/decisions") => vec![],
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = hurried(&broker, &runtime);
    bridge.ready().await;
    assert!(broker.act(QUOTES, quote(7, 42)));
    bridge.lacks(PUBLISHER, "NoAnswer").await;
    broker.follow(polite);
    eventually("it is acknowledged", || broker.count(is_puback) == 1).await;
    bridge.ready().await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suback_that_never_comes_resets_the_connection() {
    let broker = Broker::start(|received| match &received.packet {
        Packet::Subscribe(_) => vec![],
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = hurried(&broker, &runtime);
    bridge.lacks(BROKER, "NoAnswer").await;
    broker.follow(polite);
    bridge.ready().await;
    bridge.stop().await;
}

/// User property `dead-letter` of another account, in its bytes.
const MARK: &[u8] = b"\x26\0\x0bdead-letter\0\x09default/b";

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_on_a_subscribed_topic_is_acknowledged_and_not_read() {
    let (broker, runtime) = (Broker::start(polite).await, Scripted::start(&["quotes"]).await);
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    let letter = wire::publish(0b10, "quotes", 6, MARK, br#"{"a":41}"#);
    assert!(broker.act(QUOTES, Action::Send(letter)));
    assert!(broker.act(QUOTES, quote(7, 42)));
    eventually("both are acknowledged", || broker.count(is_puback) == 2).await;
    assert_eq!(bridge.metrics.dead_letters_passed.get(), 1);
    let prices: Vec<String> = runtime.memory().deliveries.iter().map(price).collect();
    assert_eq!(prices, ["42"]);
    let inbound = bridge.metrics.inbound.clone();
    assert_eq!((inbound.messages.get(), inbound.bytes.get(), inbound.redelivered.get()), (2, 16, 0));
    let again = wire::publish(0b1010, "quotes", 8, &[], br#"{"a":43}"#);
    assert!(broker.act(QUOTES, Action::Send(again)));
    eventually("the third is acknowledged", || broker.count(is_puback) == 3).await;
    assert_eq!(inbound.redelivered.get(), 1, "it came with the flag DUP");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_that_throttles_gets_every_decision_once_and_in_order() {
    // One PUBLISH at a time, each answered late.
    let broker = Broker::start(|received| match &received.packet {
        Packet::Connect(_) => vec![Action::Send(wire::connack(false, 0, &[0x21, 0, 1]))],
        Packet::Publish(publish) => {
            vec![Action::SendAfter(Duration::from_millis(10), wire::puback(publish.packet_id, 0))]
        }
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = hurried(&broker, &runtime);
    bridge.ready().await;
    for packet_id in 1..=60 {
        assert!(broker.act(QUOTES, quote(packet_id, packet_id.into())));
    }
    // 60 answers take longer than one answer may.
    eventually("all are acknowledged", || broker.count(is_puback) == 60).await;
    assert_eq!(broker.accepted(), 2, "both connections are the first ones");
    let received = broker.received().clone();
    let published = received.iter().filter_map(|received| match &received.packet {
        Packet::Publish(publish) if is_to(received, "/decisions") => Some(crate::field(&publish.payload, "price")),
        _ => None,
    });
    let expected: Vec<String> = (1..=60).map(|price: u32| price.to_string()).collect();
    assert_eq!(published.collect::<Vec<String>>(), expected);
    bridge.stop().await;
}
