//! The link alone, against a scripted broker.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use intuition_mqtt::{Credentials, Event, Events, Link, Message, Options};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::broker::{Action, Broker, Packet, polite, wire};

const PATIENCE: Duration = Duration::from_secs(30);

/// A link and the broker's end of its connection, which is accepted.
async fn connected() -> (Link, Events, TcpStream, TaskTracker) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let tasks = TaskTracker::new();
    let (link, mut events) = Link::start(Options::new(url.parse().unwrap(), "test".to_owned()), &tasks).unwrap();
    let accept = tokio::task::spawn_blocking(move || {
        let mut broker = listener.accept().unwrap().0;
        broker.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
        broker
    });
    let broker = accept.await.unwrap();
    assert!(matches!(next(&mut events).await, Some(Event::Connected { epoch: 1, .. })));
    (link, events, broker, tasks)
}

async fn next(events: &mut Events) -> Option<Event> {
    timeout(PATIENCE, events.recv()).await.expect("an event in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_from_a_broker_that_reads_nothing_and_shutdown_ends() {
    let (link, mut events, mut broker, tasks) = connected().await;
    for token in 0..2_000 {
        link.publish(1, token, Message::new("a".to_owned(), vec![0; 20_000].into()));
    }
    broker.write_all(&[0x30, 5, 0, 1, b'q', 0, b'x']).unwrap();
    let Some(Event::Message(message)) = next(&mut events).await else { panic!("the message") };
    assert_eq!((&message.payload[..], message.epoch), (&b"x"[..], 1));
    link.disconnect();
    assert!(next(&mut events).await.is_none(), "the task ends");
    tasks.close();
    timeout(PATIENCE, tasks.wait()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_go_out_one_at_a_time() {
    let (link, mut events, mut broker, _tasks) = connected().await;
    for token in 1..=25 {
        link.subscribe(1, token, format!("q/{token}"), 1);
    }
    let answers = tokio::task::spawn_blocking(move || {
        let mut connect = [0; 2];
        broker.read_exact(&mut connect).unwrap();
        broker.read_exact(&mut vec![0; usize::from(connect[1])]).unwrap();
        for _ in 1..=25 {
            let mut packet = [0; 1024];
            let count = broker.read(&mut packet).unwrap();
            let length = usize::from(packet[1]) + 2;
            assert_eq!((packet[0], count), (0x82, length), "one SUBSCRIBE and nothing behind it");
            broker.write_all(&[0x90, 4, packet[2], packet[3], 0, 1]).unwrap();
        }
        broker
    });
    for expected in 1..=25 {
        let Some(Event::Subscribed { token, code }) = next(&mut events).await else { panic!("an answer") };
        assert_eq!((token, code.name), (expected, "Granted"));
    }
    drop(answers.await.unwrap());
    assert!(matches!(next(&mut events).await, Some(Event::Disconnected(_))));
}

/// Makes a request of the first connection.
type Ask = fn(&Link);

/// A link that the broker has accepted.
async fn linked(broker: &Broker, change: impl FnOnce(&mut Options)) -> (Link, Events, TaskTracker) {
    let tasks = TaskTracker::new();
    let mut options = Options::new(broker.url.parse().unwrap(), "test".to_owned());
    change(&mut options);
    let (link, mut events) = Link::start(options, &tasks).unwrap();
    assert!(matches!(next(&mut events).await, Some(Event::Connected { epoch: 1, .. })));
    (link, events, tasks)
}

/// The text of the error that ends the connection.
async fn end(events: &mut Events) -> (&'static str, String) {
    let event = next(events).await;
    let error = if let Some(Event::Disconnected(error)) = event { Ok(error) } else { Err(event) };
    let error = error.expect("the end of the connection");
    (error.reason(), error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn request_without_an_answer_ends_the_connection_by_its_name() {
    // It answers the PINGREQs alone.
    let broker = Broker::start(|received| match received.packet {
        Packet::Connect(_) | Packet::Pingreq => polite(received),
        _ => vec![],
    })
    .await;
    let requests: [(Ask, &str); 3] = [
        (|link| link.publish(1, 1, Message::new("a".to_owned(), "x".into())), "answered a PUBLISH to `a`"),
        (|link| link.subscribe(1, 1, "q/#".to_owned(), 1), "answered a SUBSCRIBE to `q/#`"),
        (|link| link.unsubscribe(1, 1, "q/+".to_owned()), "answered an UNSUBSCRIBE from `q/+`"),
    ];
    for (ask, expected) in requests {
        let (link, mut events, _tasks) =
            linked(&broker, |options| options.answer_timeout = Duration::from_millis(50)).await;
        ask(&link);
        let (reason, message) = end(&mut events).await;
        assert_eq!(reason, "NoAnswer");
        assert!(message.contains(expected) && message.contains("for 0.05 s"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_that_stops_reading_ends_the_connection() {
    let broker = Broker::start(polite).await;
    let (link, mut events, _tasks) =
        linked(&broker, |options| options.answer_timeout = Duration::from_millis(200)).await;
    broker.stop_reading();
    for token in 0..2_000 {
        link.publish(1, token, Message::new("a".to_owned(), vec![0; 20_000].into()));
    }
    let (reason, message) = end(&mut events).await;
    assert_eq!(reason, "NoAnswer");
    // A few PUBLISH packets fit into the socket.
    assert!(
        message.contains("not answered a PUBLISH") || message.contains("not read from the connection"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_stray_answers_leave_the_connection_as_it_is() {
    let broker = Broker::start(|received| match &received.packet {
        Packet::Publish(publish) => {
            let id = publish.packet_id;
            let stray = wire::puback(id + 1_000, 0);
            let answer = wire::puback(id, if id == 1 { 0x95 } else { 0 });
            let suback = wire::suback(id, 1);
            [stray, suback, answer.clone(), answer].map(Action::Send).to_vec()
        }
        _ => polite(received),
    })
    .await;
    let (link, mut events, _tasks) = linked(&broker, |_| {}).await;
    let mut codes = Vec::new();
    for token in 1..=3 {
        link.publish(1, token, Message::new("a".to_owned(), "x".into()));
        match next(&mut events).await {
            Some(Event::Published { token: answered, code }) if answered == token => {
                codes.push((code.value, code.name));
            }
            other => panic!("the answer to {token}, not {other:?}"),
        }
    }
    assert_eq!(codes, [(0x95, "PacketTooLarge"), (0, "Success"), (0, "Success")]);
    assert_eq!(broker.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_an_answer_is_understood() {
    for (connack, reason) in [
        // MQTT 3.1.1 alone, with the code of that version.
        (vec![0x20, 2, 0, 1], "UnsupportedProtocolVersion"),
        (vec![0x20, 2, 0, 0x87], "NotAuthorized"),
        (vec![0x20, 3, 0, 0x9f, 0], "ConnectionRateExceeded"),
        (vec![0x20, 2, 0, 0xf0], "UnspecifiedError"),
    ] {
        let broker = Broker::start(move |received| match received.packet {
            Packet::Connect(_) => vec![Action::Send(connack.clone()), Action::Close],
            _ => vec![],
        })
        .await;
        let options = Options::new(broker.url.parse().unwrap(), "test".to_owned());
        let (_link, mut events) = Link::start(options, &TaskTracker::new()).unwrap();
        let (found, message) = end(&mut events).await;
        assert_eq!(found, reason);
        assert_eq!(message.contains("needs MQTT 5"), reason == "UnsupportedProtocolVersion", "{message}");
    }
    for (disconnect, reason) in [
        (vec![0xe0, 0], "Disconnected"),
        (vec![0xe0, 1, 0x8e], "SessionTakenOver"),
        (vec![0xe0, 1, 0x93], "ReceiveMaximumExceeded"),
        (vec![0xe0, 2, 0x98, 0], "AdministrativeAction"),
        (vec![0xe0, 1, 0xf0], "UnspecifiedError"),
    ] {
        let broker = Broker::start(move |received| match received.packet {
            Packet::Connect(_) => {
                vec![Action::Send(vec![0x20, 2, 0, 0]), Action::Send(disconnect.clone()), Action::Close]
            }
            _ => vec![],
        })
        .await;
        let (_link, mut events, _tasks) = linked(&broker, |_| {}).await;
        assert_eq!(end(&mut events).await.0, reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_are_read_from_single_bytes_and_end_at_any_byte() {
    let identifiers = [0x0b, 1, 0x0b, 0x80, 1, 0x26, 0, 1, b'k', 0, 1, b'v'];
    let packet = wire::publish(0b1011, "quotes", 9, &identifiers, br#"{"a":1}"#);
    let broker = Broker::start(polite).await;
    let (_link, mut events, _tasks) = linked(&broker, |_| {}).await;
    assert!(broker.act("test", Action::Trickle(packet.clone())));
    let Some(Event::Message(message)) = next(&mut events).await else { panic!("the message") };
    assert_eq!((message.packet_id, message.duplicate, message.retained), (9, true, true));
    assert_eq!((&message.payload[..], message.subscription_ids), (&br#"{"a":1}"#[..], vec![1, 128]));
    assert_eq!(message.user_properties, [("k".to_owned(), "v".to_owned())]);
    for length in 0..packet.len() {
        let cut = packet[..length].to_vec();
        let broker = Broker::start(move |received| match received.packet {
            Packet::Connect(_) => {
                vec![Action::Send(wire::connack(false, 0, &[])), Action::Send(cut.clone()), Action::Close]
            }
            _ => vec![],
        })
        .await;
        let (_link, mut events, _tasks) = linked(&broker, |_| {}).await;
        assert_eq!(end(&mut events).await.0, "Unreachable", "after {length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn will_that_the_broker_refuses_is_left_out() {
    for (code, is_retaining, max_qos) in [(0x9a, false, 2), (0x9b, true, 0)] {
        let broker = Broker::start(move |received| match &received.packet {
            Packet::Connect(connect) if connect.will.is_some() => {
                vec![Action::Send(wire::connack(false, code, &[])), Action::Close]
            }
            _ => polite(received),
        })
        .await;
        let mut options = Options::new(broker.url.parse().unwrap(), "test".to_owned());
        options.last_will = Some(Message { retain: true, ..Message::new("state".to_owned(), "x".into()) });
        let (_link, mut events) = Link::start(options, &TaskTracker::new()).unwrap();
        let Some(Event::Connected { capabilities, .. }) = next(&mut events).await else { panic!("a connection") };
        assert_eq!((capabilities.retain, capabilities.max_qos), (is_retaining, max_qos));
        assert_eq!(broker.accepted(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_login_waits_for_new_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(|received| match &received.packet {
        Packet::Connect(connect) if connect.username.is_none() => {
            vec![Action::Send(vec![0x20, 3, 0, 0x87, 0]), Action::Close]
        }
        _ => polite(received),
    })
    .await;
    let mut options = Options::new(broker.url.parse().unwrap(), "test".to_owned());
    options.credentials = Credentials::Folder(folder.path().to_owned());
    let (_link, mut events) = Link::start(options, &TaskTracker::new()).unwrap();
    // The pauses grow to seconds and more.
    for _ in 0..3 {
        assert_eq!(end(&mut events).await.0, "NotAuthorized");
    }
    std::fs::write(folder.path().join("mqtt-username"), "me").unwrap();
    loop {
        match next(&mut events).await {
            Some(Event::Connected { .. }) => break,
            Some(Event::Disconnected(error)) => assert_eq!(error.reason(), "NotAuthorized"),
            other => panic!("a connection, not {other:?}"),
        }
    }
}
