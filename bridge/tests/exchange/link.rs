//! The link alone, against a scripted broker.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use bridge::mqtt::{Event, Events, Link, Message, Options};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

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
async fn messages_come_while_the_broker_takes_nothing_and_the_farewell_has_an_end() {
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
