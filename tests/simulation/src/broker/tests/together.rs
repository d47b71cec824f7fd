//! Publishers, a broker with drawn properties and faults, and a client that keeps to the protocol.

use std::collections::VecDeque;

use super::*;
use crate::{
    plan::{Plan, Scale},
    publisher::Publisher,
};

const STEP: Duration = Duration::from_millis(20);

/// A subscriber that acknowledges in order and connects again after each end of its connection.
struct Client {
    draw: ChaCha8Rng,
    connection: Option<ConnectionId>,
    unread: VecDeque<u16>,
    /// Deliveries without a PUBACK on this connection.
    most: usize,
}

impl Client {
    fn step(&mut self, broker: &mut Broker, is_calm: bool, now: Time) {
        let Some(connection) = self.connection else {
            self.connection = Some(attach(broker, Connect { receive_maximum: 8, ..connect() }, now));
            let id = broker.options().subscription_ids.then_some(7);
            broker.handle(self.connection.unwrap(), subscription("quotes/#", id), now);
            return;
        };
        if !is_calm && self.draw.random_bool(0.02) {
            broker.lost(connection, now);
            self.connection = None;
            self.unread.clear();
            return;
        }
        for _ in 0..self.draw.random_range(0..=8) {
            let Some(packet_id) = self.unread.pop_front() else { break };
            broker.handle(connection, ClientPacket::Puback { packet_id }, now);
        }
    }

    fn take(&mut self, broker: &mut Broker) {
        for (connection, packet) in broker.take_output() {
            if let ServerPacket::Publish(delivery) = packet
                && self.connection == Some(connection)
            {
                assert!(!self.unread.contains(&delivery.packet_id), "a packet identifier in use");
                self.unread.push_back(delivery.packet_id);
            }
        }
        self.most = self.most.max(self.unread.len());
        if broker.take_closed().into_iter().any(|closed| self.connection == Some(closed)) {
            self.connection = None;
            self.unread.clear();
        }
    }
}

fn fault(broker: &mut Broker, draw: &mut ChaCha8Rng, now: Time) {
    match draw.random_range(0..400) {
        0 => broker.restart(Memory::Kept, now),
        1 => broker.restart(Memory::Lost, now),
        2 => broker.restart(Memory::Older, now),
        3..6 => broker.save(),
        6 => broker.silence(Silence::Frozen, now + seconds(1)),
        7 => broker.throw_out(BRIDGE, Some(0x8b), now),
        8 => broker.refuse_connections(code::SERVER_UNAVAILABLE, now + seconds(1)),
        _ => {}
    }
}

/// Messages of the run, and those that were acknowledged or lost.
#[derive(Default)]
struct Seen {
    taken: BTreeSet<MessageId>,
    settled: BTreeSet<MessageId>,
    log: Vec<String>,
}

impl Seen {
    fn take(&mut self, broker: &mut Broker) {
        for fact in broker.take_facts() {
            match &fact {
                Fact::Taken { message, .. } => assert!(self.taken.insert(*message)),
                Fact::Acknowledged { message, .. } | Fact::Lost { message, .. } => {
                    assert!(self.taken.contains(message));
                    self.settled.insert(*message);
                }
                _ => {}
            }
            self.log.push(format!("{fact:?}"));
        }
        assert_eq!(broker.take_violations(), []);
    }
}

fn run(seed: u64) -> Vec<String> {
    let plan = Plan { quotes: 200, scale: Scale::Small, ..Plan::new(seed) };
    let mut draw = generator(seed, Stream::Faults);
    let mut broker = Broker::new(Options::draw(&mut generator(seed, Stream::Broker), plan.scale), seed);
    broker.follow(BRIDGE);
    let mut publishers = Publisher::draw(&plan, seconds(10));
    let mut client =
        Client { draw: generator(seed, Stream::Network), connection: None, unread: VecDeque::new(), most: 0 };
    let mut observed = Seen::default();
    let mut now = Time::ZERO;
    let mut is_calm = false;
    while !is_calm || !broker.waiting(BRIDGE).is_empty() {
        now += STEP;
        assert!(now < seconds(600), "seed {seed} does not settle");
        broker.advance(now);
        for publisher in &mut publishers {
            let Some(outgoing) = publisher.next(now) else { continue };
            let taken = broker.publish(&outgoing.body, outgoing.retain, now);
            if draw.random_bool(0.05) { publisher.lost_answer(now) } else { publisher.answered(taken.is_ok(), now) }
        }
        if publishers.iter().all(Publisher::is_finished) {
            is_calm = true;
            broker.end_faults(now);
        } else {
            fault(&mut broker, &mut draw, now);
        }
        client.take(&mut broker);
        client.step(&mut broker, is_calm, now);
        client.take(&mut broker);
        observed.take(&mut broker);
    }
    assert_eq!(observed.taken, observed.settled, "seed {seed}");
    if broker.options().writing == Writing::WithinReceiveMaximum {
        assert!(client.most <= 8);
    }
    observed.log
}

#[test]
fn every_message_is_acknowledged_or_reported_as_lost() {
    for seed in 0..60 {
        run(seed);
    }
}

#[test]
fn a_run_repeats_in_every_fact() {
    assert_eq!(run(3), run(3));
}
