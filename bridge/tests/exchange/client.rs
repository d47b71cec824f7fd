//! A plain MQTT client over the bridge's own link.

use std::time::Duration;

use intuition_mqtt::{Ack, Event, Events, Link, Message, Options};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    link: Link,
    events: Events,
    epoch: u64,
    received: Vec<(String, Vec<u8>)>,
}

impl Client {
    pub(crate) async fn connect(url: &str, client_id: &str) -> Self {
        let options = Options::new(url.parse().unwrap(), client_id.to_owned());
        let (link, events) = Link::start(options, &TaskTracker::new()).unwrap();
        let mut client = Self { link, events, epoch: 0, received: Vec::new() };
        while client.epoch == 0 {
            client.step().await;
        }
        client
    }

    /// Takes one event, and says which request it answers.
    async fn step(&mut self) -> Option<u64> {
        match timeout(PATIENCE, self.events.recv()).await.expect("an event in time").unwrap() {
            Event::Connected { epoch, .. } => self.epoch = epoch,
            Event::Message(message) => {
                // Messages with QoS 0 have no answer.
                if message.packet_id > 0 {
                    self.link.acknowledge(self.epoch, vec![Ack { packet_id: message.packet_id, number: 1 }]);
                }
                self.received.push((message.topic, message.payload.to_vec()));
            }
            Event::Published { token, code }
            | Event::Subscribed { token, code }
            | Event::Unsubscribed { token, code } => {
                assert!(code.is_success(), "{code:?}");
                return Some(token);
            }
            Event::Disconnected(_) | Event::AcksWritten { .. } | Event::AcksConfirmed { .. } => {}
        }
        None
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) {
        self.link.subscribe(self.epoch, 1, filter.to_owned(), 1);
        while self.step().await.is_none() {}
    }

    /// Subscribes and asks for retained messages.
    pub(crate) async fn look_up(&mut self, filter: &str) {
        self.link.look_up(self.epoch, 1, filter.to_owned());
        while self.step().await.is_none() {}
    }

    pub(crate) async fn publish(&mut self, topic: &str, payload: &str) {
        self.send(Message::new(topic.to_owned(), payload.to_owned().into())).await;
    }

    pub(crate) async fn publish_retained(&mut self, topic: &str, payload: &str) {
        let message = Message::new(topic.to_owned(), payload.to_owned().into());
        self.send(Message { retain: true, ..message }).await;
    }

    async fn send(&mut self, message: Message) {
        self.link.publish(self.epoch, 1, message);
        while self.step().await.is_none() {}
    }

    /// Receives until a condition on everything received holds.
    pub(crate) async fn until(&mut self, condition: impl Fn(&[(String, Vec<u8>)]) -> bool) -> Vec<(String, Vec<u8>)> {
        while !condition(&self.received) {
            self.step().await;
        }
        self.received.clone()
    }
}
