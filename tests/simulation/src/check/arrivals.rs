//! A message from the broker to its acknowledgement: delivered to a bridge, sent to the runtime, answered, published,
//! acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use algo_runtime::ledger::{Class, Outcome};
use intuition_api::v1::{
    self, TickOutcome,
    tick_outcome::{Kind, SeenBy},
};

use super::{
    hold,
    outbox::{Item, Outbox},
    promise,
    quotes::{Hash, Quotes, Subject, places, subject},
    rows::{Rows, name},
};
use crate::facts::{Body, ConnectionId, Identity, MessageId, Place, Quote, RunId, Time, Violation};

/// A delivery as a bridge sent it to the runtime.
#[derive(Debug, Clone)]
struct Sent {
    /// When it was sent last, counted in facts.
    at: u64,
    topic: String,
    hash: Hash,
    packet_id: u32,
    /// The broker sent it before, and has lost the session since.
    is_orphan: bool,
    ticks: usize,
}

/// An outcome that a bridge has.
#[derive(Debug)]
struct Answer {
    /// When its delivery was sent.
    sent_at: u64,
    /// Entries that have to be published first.
    owed: Vec<Rc<Item>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Number of facts heard: orders deliveries and outcomes.
    clock: u64,
    /// Packet identifiers of a message on a connection, with the time of each delivery.
    delivered: BTreeMap<(ConnectionId, MessageId), Vec<(u16, u64)>>,
    sent: BTreeMap<(RunId, u64), Sent>,
    /// By payload, topic and packet identifier.
    answers: BTreeMap<(Hash, String, u32), Answer>,
    /// Payloads and topics that have an outcome.
    answered: BTreeSet<(Hash, String)>,
    /// Quotes without an outcome of their own: their number was passed, or v0.1.0 took them for another quote.
    forgotten: BTreeSet<Subject>,
    /// Quotes without an identity that got the outcome of an earlier delivery of the same packet.
    by_packet: u64,
    /// A bridge sent ticks without hashes of their content, so that the ledger may have rows without.
    knows_v0_1_0: bool,
}

impl Arrivals {
    /// The broker wrote a message to a bridge.
    pub(super) fn delivered(
        &mut self,
        (message, connection): (MessageId, ConnectionId),
        packet_id: u16,
        subscription_ids: &[u32],
        quotes: &mut Quotes,
    ) {
        self.clock += 1;
        let deliveries = self.delivered.entry((connection, message)).or_default();
        deliveries.push((packet_id, self.clock));
        let packets: BTreeSet<u16> = deliveries.iter().map(|(packet_id, _)| *packet_id).collect();
        quotes.delivered(message, subscription_ids, packets.len() as u64);
    }

    /// A bridge handed a delivery to the runtime.
    pub(super) fn sent(&mut self, bridge: RunId, delivery: &v1::Delivery, quotes: &Quotes) -> Result<(), Violation> {
        self.clock += 1;
        let hash: Hash = delivery.payload_sha256.as_ref().try_into().unwrap_or_default();
        let (number, topic) = (delivery.number, &delivery.topic);
        hold!(
            !quotes.bodies(topic, &hash).is_empty(),
            promise::ONE_OUTCOME,
            "bridge run {bridge} sends delivery {number} on {topic:?} with payload {}, which the broker never took",
            hex::encode(hash)
        );
        let (topic, packet_id) = (topic.clone(), delivery.packet_id);
        let has_contents = delivery.ticks.iter().all(|tick| !tick.content_sha256.is_empty());
        let is_orphan = delivery.duplicate && packet_id == 0;
        let sent = Sent { at: self.clock, topic, hash, packet_id, is_orphan, ticks: delivery.ticks.len() };
        self.knows_v0_1_0 |= !has_contents;
        self.sent.insert((bridge, number), sent);
        Ok(())
    }

    /// A bridge received an outcome: it is durable.
    pub(super) fn outcome(
        &mut self,
        bridge: RunId,
        outcome: &v1::DeliveryOutcome,
        quotes: &Quotes,
        rows: &Rows,
        outbox: &Outbox,
    ) -> Result<(), Violation> {
        self.clock += 1;
        let number = outcome.number;
        let Some(sent) = self.sent.get(&(bridge, number)).cloned() else {
            hold!(
                false,
                promise::ACKNOWLEDGED,
                "bridge run {bridge} has an outcome of delivery {number}, which it never sent"
            );
            return Ok(());
        };
        let found = outcome.ticks.len();
        hold!(
            found == sent.ticks,
            promise::ACKNOWLEDGED,
            "delivery {number} of bridge run {bridge} has {} places and {found} outcomes",
            sent.ticks
        );
        for (tick, index) in outcome.ticks.iter().zip(0..) {
            self.told(tick, index, (bridge, number), &sent, (quotes, rows))?;
        }
        self.count_by_packet(outcome, quotes.bodies(&sent.topic, &sent.hash), rows)?;
        let positions = outcome.ticks.iter().flat_map(|tick| &tick.positions);
        let owed: Vec<Rc<Item>> = positions.filter_map(|position| outbox.at(*position).cloned()).collect();
        self.answered.insert((sent.hash, sent.topic.clone()));
        let key = (sent.hash, sent.topic, sent.packet_id);
        let is_older = self.answers.get(&key).is_some_and(|answer| answer.sent_at > sent.at);
        if !is_older {
            self.answers.insert(key, Answer { sent_at: sent.at, owed });
        }
        self.sent.remove(&(bridge, number));
        Ok(())
    }

    /// A bridge received the outcome of a place.
    fn told(
        &mut self,
        tick: &TickOutcome,
        index: u32,
        (bridge, number): (RunId, u64),
        sent: &Sent,
        (quotes, rows): (&Quotes, &Rows),
    ) -> Result<(), Violation> {
        let bodies = quotes.bodies(&sent.topic, &sent.hash);
        let places: Vec<&Place> = bodies.iter().filter_map(|body| body.places.get(index as usize)).collect();
        let Some(first) = places.first() else { return Ok(()) };
        let of_first = subject(first, sent.hash, index);
        if places.iter().any(|place| has_outcome(place, index, tick, sent, rows)) {
            if tick.kind() == Kind::Forgotten {
                self.forgotten.insert(of_first);
            }
            return Ok(());
        }
        // The broker held it when it lost its memory, and messages that it held are lost (docs/delivery-guarantees.md).
        let is_lost = sent.is_orphan && quotes.has_lost(&sent.topic, &sent.hash);
        if is_lost && tick.kind() == Kind::Forgotten && !has_identity(first, &sent.topic, rows) {
            return Ok(());
        }
        hold!(
            self.knows_v0_1_0 && shares_outcome(first, tick, sent, (quotes, rows)),
            promise::ACKNOWLEDGED,
            "bridge run {bridge} received the outcome {} {:?} (decisions {:?}, positions {:?}) of place {index} of delivery \
             {number}, {}: the ledger has no such outcome",
            tick.kind().as_str_name(),
            tick.reason,
            tick.seqs,
            tick.positions,
            name(of_first, quotes)
        );
        self.forgotten.insert(of_first);
        Ok(())
    }

    /// A quote gets the outcome of an earlier delivery for nothing but its packet only where that is counted.
    fn count_by_packet(
        &mut self,
        outcome: &v1::DeliveryOutcome,
        bodies: &[Rc<Body>],
        rows: &Rows,
    ) -> Result<(), Violation> {
        let places = bodies.first().map_or(&[][..], |body| body.places.as_slice());
        let is_by_packet = |(tick, place): &(&TickOutcome, &Place)| {
            let is_bare = matches!(place, Place::Quote(quote) if quote.identity == Identity::Bare);
            is_bare && tick.seen_by() == SeenBy::Packet
        };
        self.by_packet += outcome.ticks.iter().zip(places).filter(is_by_packet).count() as u64;
        let counted = rows.counted("ambiguous");
        hold!(
            self.by_packet <= counted || rows.has_gone_back(),
            promise::SILENCE,
            "{} quotes without an identity were recognised by their packet alone, and {counted} are counted as ambiguous",
            self.by_packet
        );
        Ok(())
    }

    pub(super) const fn forgotten(&self) -> &BTreeSet<Subject> {
        &self.forgotten
    }

    /// The broker read the acknowledgement of a message.
    pub(super) fn acknowledged(
        &mut self,
        (message, connection): (MessageId, ConnectionId),
        quotes: &mut Quotes,
        outbox: &Outbox,
        now: Time,
    ) -> Result<(), Violation> {
        self.clock += 1;
        let Some(deliveries) = self.delivered.remove(&(connection, message)) else {
            hold!(
                false,
                promise::ACKNOWLEDGED,
                "message {message} is acknowledged on connection {connection}, where it was not delivered"
            );
            return Ok(());
        };
        let Some(known) = quotes.message(message) else { return Ok(()) };
        if !known.is_passed() {
            let (topic, hash) = (&known.body.topic, known.hash);
            // A bridge reads one of several copies, perhaps on an earlier connection.
            let answers = deliveries.iter().filter_map(|(packet_id, delivered_at)| {
                let answer = self.answers.get(&(hash, topic.clone(), u32::from(*packet_id)))?;
                (answer.sent_at > *delivered_at).then_some(answer)
            });
            let answer = answers.max_by_key(|answer| answer.sent_at);
            let was_answered = known.copies > 1 && self.answered.contains(&(hash, topic.clone()));
            hold!(
                answer.is_some() || was_answered || quotes.looks_like_a_copy(message),
                promise::ACKNOWLEDGED,
                "message {message} on {topic:?} ({}) is acknowledged on connection {connection} (packet identifier, fact \
                 {deliveries:?}), and its bridge has no outcome of it",
                places(&known.body)
            );
            let open = answer.into_iter().flat_map(|answer| &answer.owed).find(|item| outbox.is_owed(item, now));
            hold!(
                open.is_none(),
                promise::ACKNOWLEDGED,
                "message {message} on {topic:?} ({}) is acknowledged before this is published: {}",
                places(&known.body),
                open.map_or("", |item| &item.key)
            );
        }
        quotes.acknowledged(message);
        Ok(())
    }
}

/// Whether the ledger has the outcome that a bridge received for a place.
fn has_outcome(place: &Place, index: u32, tick: &TickOutcome, sent: &Sent, rows: &Rows) -> bool {
    let subject = subject(place, sent.hash, index);
    if tick.kind() == Kind::Forgotten {
        return rows.has(subject, |_| true) || is_passed(place, subject, sent, rows);
    }
    rows.has(subject, |outcome| is_told(outcome, tick))
}

/// Whether a quote is recognised without its packet. A number means another quote once its source was reset. Rows of an id leave the
/// ledger.
fn has_identity(place: &Place, topic: &str, rows: &Rows) -> bool {
    match place {
        Place::Quote(Quote { identity: Identity::Numbered { source, .. }, .. }) => !rows.was_reset(topic, source),
        Place::Quote(Quote { identity: Identity::Id(_), .. }) => !rows.may_have_left(Class::Id),
        Place::Quote(_) | Place::Unusable(_) => false,
    }
}

/// Whether another quote with the same identity has the outcome: without hashes of the content both are taken for one.
fn shares_outcome(place: &Place, tick: &TickOutcome, sent: &Sent, (quotes, rows): (&Quotes, &Rows)) -> bool {
    let Place::Quote(quote) = place else { return false };
    let has_it = |serial| rows.has(Subject::Quote(serial), |outcome| is_told(outcome, tick));
    quotes.of_identity(&sent.topic, &quote.identity).any(has_it)
}

/// Whether a number was passed by, so that its quote is recognised without an outcome of its own.
fn is_passed(place: &Place, subject: Subject, sent: &Sent, rows: &Rows) -> bool {
    match place {
        Place::Quote(quote) => match &quote.identity {
            Identity::Numbered { source, seq } => rows.is_passed(&sent.topic, source, *seq),
            _ => rows.has_lost(subject),
        },
        // It may carry a number of its own, which is not known here.
        Place::Unusable(_) => true,
    }
}

fn is_told(outcome: &Outcome, tick: &TickOutcome) -> bool {
    let is_range = |numbers: &[u64], first: u64, count: u32| {
        numbers.len() == count as usize && numbers.iter().zip(first..).all(|(number, expected)| *number == expected)
    };
    outcome.kind == tick.kind()
        && outcome.reason == tick.reason
        && is_range(&tick.positions, outcome.first_position, outcome.positions)
        && is_range(&tick.seqs, outcome.first_seq, outcome.seqs)
}
