//! The end of a bridge: quotes that are under way are brought to their end.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    time::{Duration, Instant},
};

use crate::{
    DECISIONS, STATE,
    broker::{Action, Broker, Packet, Received, polite, wire},
    brokers::{self, QUOTES, quote},
    client::Client,
    mosquitto::Mosquitto,
    prices,
    running::{Running, eventually, price},
    runtime::Scripted,
};

fn publication<'a>(received: &'a Received, topic: &str) -> Option<&'a [u8]> {
    match &received.packet {
        Packet::Publish(publish) if publish.topic == topic => Some(&publish.payload),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_under_way_at_the_end_is_waited_for_and_confirmed() {
    let broker = Broker::start(|received| match &received.packet {
        Packet::Publish(publish) if publish.topic == DECISIONS => {
            vec![Action::SendAfter(Duration::from_millis(300), wire::puback(publish.packet_id, 0))]
        }
        _ => polite(received),
    })
    .await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    assert!(broker.act(QUOTES, quote(7, 42)));
    eventually("the decision is under way", || {
        broker.count(|received| publication(received, DECISIONS).is_some()) == 1
    })
    .await;
    assert_eq!(runtime.memory().published_through, 0);
    bridge.stop().await;
    assert_eq!(runtime.memory().published_through, 1, "confirmed before the end");
    let received = broker.received();
    let place = |fits: &dyn Fn(&Received) -> bool| received.iter().rposition(fits).expect("it was received");
    let acknowledged = place(&|received| matches!(received.packet, Packet::Puback { packet_id: 7, code: 0 }));
    let offline = place(&|received| {
        publication(received, STATE).is_some_and(|payload| crate::field(payload, "state") == "offline")
    });
    let [quotes, decisions] = [QUOTES, brokers::DECISIONS].map(|client_id| {
        place(&|received| received.client_id == client_id && matches!(received.packet, Packet::Disconnect { code: 0 }))
    });
    assert!(acknowledged < quotes && offline < decisions, "{received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn end_has_a_bound_where_neither_broker_nor_runtime_answers() {
    let broker = Broker::start(polite).await;
    let runtime = Scripted::start(&["quotes"]).await;
    let bridge = Running::start(&broker.url, &runtime.url);
    bridge.ready().await;
    broker.follow(|_| vec![]);
    runtime.memory().mute = true;
    assert!(broker.act(QUOTES, quote(7, 42)));
    eventually("it is at the runtime", || runtime.memory().deliveries.len() == 1).await;
    let begun = Instant::now();
    bridge.stop().await;
    // 5 seconds, and a machine that is slow.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(broker.count(|received| matches!(received.packet, Packet::Puback { .. })), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bridge_that_ends_under_load_repeats_no_quote_and_no_decision() {
    const COUNT: usize = 6_000;
    const ENDS: usize = 4;
    let (broker, runtime) = (Mosquitto::start(), Scripted::start(&["quotes"]).await);
    let mut consumer = Client::connect(&broker.url(), "consumer").await;
    consumer.subscribe(DECISIONS).await;
    let bridge = Running::start(&broker.url(), &runtime.url);
    bridge.ready().await;
    bridge.stop().await;
    let lines = (1..=COUNT).fold(String::new(), |mut lines, price| {
        writeln!(lines, r#"{{"a":{price}}}"#).unwrap();
        lines
    });
    std::thread::scope(|scope| {
        scope.spawn(|| broker.publish_lines("quotes", 1, &lines));
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for _ in 0..ENDS {
                    let before = runtime.memory().deliveries.len();
                    let bridge = Running::start(&broker.url(), &runtime.url);
                    eventually("it is at work", || runtime.memory().deliveries.len() > (before + 500).min(COUNT - 1))
                        .await;
                    bridge.stop().await;
                }
                let bridge = Running::start(&broker.url(), &runtime.url);
                eventually("all are decided", || {
                    let memory = runtime.memory();
                    let decided: BTreeSet<String> = memory.deliveries.iter().map(price).collect();
                    decided.len() == COUNT && memory.published_through == memory.outbox.len() as u64
                })
                .await;
                bridge.ready().await;
                bridge.stop().await;
            });
        });
    });
    let decided: Vec<String> = runtime.memory().deliveries.iter().map(price).collect();
    let expected: Vec<String> = (1..=COUNT).map(|price| price.to_string()).collect();
    assert_eq!(decided.len(), COUNT, "{} came again", decided.len() - COUNT);
    assert_eq!(decided, expected);
    let messages = consumer.until(|messages| messages.len() >= COUNT).await;
    assert_eq!(prices(&messages, DECISIONS), expected, "each decision once, in order");
}
