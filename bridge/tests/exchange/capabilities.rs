//! The bridge at brokers that support a part of MQTT 5 alone, and the warnings that show it.

use bridge::{BROKER, PUBLISHER, SUBSCRIPTIONS};
use intuition_api::v1::Filter;

use crate::{
    broker::{Action, Broker, Packet, Received, polite, wire},
    brokers::{DECISIONS, QUOTES, quote},
    running::{Running, eventually, price},
    runtime::Scripted,
};

/// A broker whose CONNACK has these properties, and which is polite otherwise.
async fn with_properties(properties: &'static [u8]) -> Broker {
    Broker::start(move |received| match received.packet {
        Packet::Connect(_) => vec![Action::Send(wire::connack(false, 0, properties))],
        _ => polite(received),
    })
    .await
}

fn is_to(received: &Received, ending: &str) -> bool {
    matches!(&received.packet, Packet::Publish(publish) if publish.topic.ends_with(ending))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_subscription_identifiers_overlapping_filters_are_a_warning() {
    let broker = with_properties(&[0x29, 0]).await;
    let runtime = Scripted::start(&["quotes", "other", "quotes/#"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    let message = bridge.warns(SUBSCRIPTIONS, "OverlapUnresolved").await;
    assert!(message.starts_with("`quotes` and `quotes/#` overlap"), "{message}");
    let identified = |received: &Received| matches!(&received.packet, Packet::Subscribe(subscribe) if subscribe.subscription_id.is_some());
    assert_eq!(broker.count(identified), 0);
    assert!(broker.act(QUOTES, quote(7, 42)));
    eventually("it is decided", || runtime.memory().published_through == 1).await;
    runtime.want(&["quotes", "other"]);
    eventually("the warning is cleared", || bridge.warnings().is_empty()).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_retained_messages_there_is_no_state_and_a_warning() {
    let broker = with_properties(&[0x25, 0]).await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    bridge.warns(PUBLISHER, "RetainUnavailable").await;
    assert!(broker.act(QUOTES, quote(7, 42)));
    eventually("it is decided", || runtime.memory().published_through == 1).await;
    bridge.stop().await;
    assert_eq!(broker.count(|received| is_to(received, "/state")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_that_takes_qos_0_alone_gets_no_publication() {
    let broker = with_properties(&[0x24, 0]).await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.lacks(PUBLISHER, "QoSNotSupported").await;
    assert!(bridge.message(PUBLISHER).contains("raise the Maximum QoS"));
    eventually("it is subscribed", || broker.count(|received| matches!(received.packet, Packet::Subscribe(_))) == 1)
        .await;
    assert!(broker.act(QUOTES, quote(7, 42)));
    eventually("it is at the runtime", || runtime.memory().outbox.len() == 1).await;
    assert!(broker.connection_of(DECISIONS).is_some(), "the connection stays");
    assert_eq!(broker.accepted(), 2, "both connections are the first ones");
    bridge.stop().await;
    assert_eq!(broker.count(|received| matches!(received.packet, Packet::Publish(_))), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn granted_qos_0_and_a_shorter_session_are_warnings_that_end() {
    let grant = |code: u8| {
        move |received: &Received| match &received.packet {
            Packet::Connect(_) => {
                // A session of an hour, or as long as it was asked for.
                let properties: &[u8] = if code == 0 { &[0x11, 0, 0, 14, 16] } else { &[] };
                vec![Action::Send(wire::connack(code != 0, 0, properties))]
            }
            Packet::Subscribe(subscribe) => vec![Action::Send(wire::suback(subscribe.packet_id, code))],
            _ => polite(received),
        }
    };
    let broker = Broker::start(grant(0)).await;
    let runtime = Scripted::start(&["quotes", "more"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    let message = bridge.warns(SUBSCRIPTIONS, "QosTooLow").await;
    assert!(message.starts_with("the broker granted QoS 0 for `quotes`, `more`"), "{message}");
    let message = bridge.warns(BROKER, "SessionExpiryShortened").await;
    assert!(message.contains("for 3600 s") && message.contains("86400 s"), "{message}");
    broker.follow(grant(1));
    assert!(broker.act(QUOTES, Action::Close));
    eventually("the warnings are void", || bridge.warnings().is_empty()).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn session_lost_before_the_first_connection_of_a_process_is_a_warning() {
    let (broker, runtime) = (Broker::start(polite).await, Scripted::start(&["quotes"]).await);
    // A process before this one subscribed.
    runtime.memory().held = vec![Filter { filter: "quotes".to_owned(), subscription_id: 1 }];
    let bridge = Running::start(&broker.url, &runtime.url);
    let message = bridge.warns(BROKER, "SessionLost").await;
    assert!(message.contains("messages that waited there are gone"), "{message}");
    bridge.ready().await;
    assert_eq!(bridge.metrics.sessions_lost.get(), 1);
    assert!(broker.act(QUOTES, Action::Close));
    eventually("the second loss is counted", || bridge.metrics.sessions_lost.get() == 2).await;
    bridge.ready().await;
    assert!(broker.act(QUOTES, quote(7, 42)));
    eventually("it is subscribed again", || runtime.memory().deliveries.iter().map(price).any(|price| price == "42"))
        .await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_session_of_an_account_is_no_loss() {
    let (broker, runtime) = (Broker::start(polite).await, Scripted::start(&["quotes"]).await);
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    assert_eq!((bridge.metrics.sessions_lost.get(), bridge.warnings()), (0, vec![]));
    bridge.stop().await;
}
