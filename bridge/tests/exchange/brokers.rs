//! The bridge against brokers that do not do everything, or do it their own way.

use bridge::{BROKER, PUBLISHER};

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
    let is_farewell = |received: &Received| matches!(received.packet, Packet::Disconnect { code: 0 });
    eventually("both connections say farewell", || broker.count(is_farewell) == 2).await;
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
