use std::time::Duration;

use super::*;

mod answers;
mod faults;
mod sessions;

const BRIDGE: &str = "bridge";
const NOW: Time = Duration::from_secs(1);

/// A broker with the properties of [`Options::plain`], but for some.
fn broker(change: impl FnOnce(&mut Options)) -> Broker {
    let mut options = Options::plain();
    change(&mut options);
    let mut broker = Broker::new(options, 1);
    broker.follow(BRIDGE);
    broker
}

fn seconds(seconds: u64) -> Time {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Time {
    Duration::from_millis(millis)
}

fn connect() -> Connect {
    Connect {
        client_id: BRIDGE.to_owned(),
        clean_start: false,
        session_expiry: seconds(600),
        receive_maximum: 100,
        will: None,
    }
}

fn will() -> Will {
    Will { topic: "state".to_owned(), payload: "offline".into(), retain: true }
}

/// A connection of the bridge.
fn attach(broker: &mut Broker, connect: Connect, now: Time) -> ConnectionId {
    let connection = broker.accept();
    broker.handle(connection, ClientPacket::Connect(connect), now);
    connection
}

fn subscription(filter: &str, subscription_id: Option<u32>) -> ClientPacket {
    ClientPacket::Subscribe(Subscribe { packet_id: 1, filter: filter.to_owned(), subscription_id, retained: false })
}

/// A connection of the bridge that subscribes to `quotes/#`; the answers are taken.
fn subscribed(broker: &mut Broker) -> ConnectionId {
    let connection = attach(broker, connect(), NOW);
    broker.handle(connection, subscription("quotes/#", None), NOW);
    broker.take_output();
    connection
}

fn body(topic: &str) -> Rc<Body> {
    Rc::new(Body { topic: topic.to_owned(), payload: "1".into(), user_properties: Vec::new(), places: Vec::new() })
}

fn publish(broker: &mut Broker, messages: u64, now: Time) {
    for _ in 0..messages {
        broker.publish(&body("quotes/goog"), false, now).unwrap();
    }
}

fn publication(packet_id: u16, topic: &str) -> Publish {
    Publish {
        packet_id,
        topic: topic.to_owned(),
        payload: "{}".into(),
        retain: false,
        user_properties: Vec::new(),
        size: 100,
    }
}

fn deliveries(broker: &mut Broker) -> Vec<Delivery> {
    let packets = broker.take_output().into_iter();
    packets
        .filter_map(|(_, packet)| if let ServerPacket::Publish(delivery) = packet { Some(delivery) } else { None })
        .collect()
}

/// Message, packet identifier and DUP of what was delivered.
fn delivered(broker: &mut Broker) -> Vec<(MessageId, u16, bool)> {
    deliveries(broker).into_iter().map(|delivery| (delivery.message, delivery.packet_id, delivery.duplicate)).collect()
}

fn packets(broker: &mut Broker) -> Vec<ServerPacket> {
    broker.take_output().into_iter().map(|(_, packet)| packet).collect()
}

fn losses(broker: &mut Broker) -> Vec<(MessageId, Loss)> {
    let facts = broker.take_facts().into_iter();
    facts
        .filter_map(|fact| if let Fact::Lost { message, loss, .. } = fact { Some((message, loss)) } else { None })
        .collect()
}

fn acknowledged(broker: &mut Broker) -> Vec<MessageId> {
    let facts = broker.take_facts().into_iter();
    facts.filter_map(|fact| if let Fact::Acknowledged { message, .. } = fact { Some(message) } else { None }).collect()
}

fn promises(broker: &mut Broker) -> Vec<&'static str> {
    broker.take_violations().into_iter().map(|violation| violation.promise).collect()
}

fn puback(broker: &mut Broker, connection: ConnectionId, packet_id: u16) {
    broker.handle(connection, ClientPacket::Puback { packet_id }, NOW);
}
