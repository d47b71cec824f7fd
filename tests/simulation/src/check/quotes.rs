//! Messages and quotes that the broker took from publishers, and how often each quote may have an outcome.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use algo_runtime::ledger::WindowRow;
use sha2::{Digest as _, Sha256};

use super::{
    amounts::{PRICE_PLACES, units},
    hold, promise,
};
use crate::facts::{Body, Identity, Loss, MessageId, Place, Quote, RunId, Serial, Violation};

/// SHA-256 of a payload.
pub(super) type Hash = [u8; 32];

/// A thing that has outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A quote.
    Quote(Serial),
    /// A place that is none, in all messages with this payload.
    Unusable(Hash, u32),
}

/// A message that the broker took.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) body: Rc<Body>,
    pub(super) hash: Hash,
    pub(super) lost: Option<Loss>,
    pub(super) is_acknowledged: bool,
    /// Deliveries of it on one connection, at most: one for each filter that matches, at some brokers.
    pub(super) copies: u64,
    /// Identifiers of the subscriptions that it was delivered for.
    subscription_ids: BTreeSet<u32>,
    /// An equal message that the broker took shortly before, on the same topic.
    equal_before: Option<MessageId>,
}

impl Message {
    /// Whether a bridge acknowledges it without reading a quote.
    pub(super) fn is_passed(&self) -> bool {
        self.body.places.is_empty() || self.body.user_properties.iter().any(|(name, _)| name == "dead-letter")
    }
}

/// Messages of a topic among which a bridge may look for the copy of one.
const RECENT: usize = 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Quotes {
    messages: BTreeMap<MessageId, Message>,
    /// Different bodies of the same topic and payload differ in their user properties.
    by_payload: BTreeMap<(Hash, String), Vec<Rc<Body>>>,
    by_serial: BTreeMap<Serial, Quote>,
    by_trade: BTreeMap<(i128, String), Serial>,
    by_identity: BTreeMap<(String, Identity), BTreeSet<Serial>>,
    /// Places of a subject in all messages that were taken. Copies of a message count once: a bridge recognises them by the
    /// identifiers of its subscriptions, and a broker without those sends one copy here.
    places: BTreeMap<Subject, u64>,
    /// How often the broker went back to an older file.
    went_back: u64,
    /// Bridges that run.
    bridges: BTreeSet<RunId>,
    /// Two bridges ran at the same time.
    bridges_met: bool,
    /// A process of the release before took part. It neither sends nor reads `Opened.other_bridge_ms`.
    knows_older: bool,
}

impl Quotes {
    pub(super) fn taken(&mut self, message: MessageId, body: &Rc<Body>) {
        let hash: Hash = Sha256::digest(&body.payload).into();
        let equal_before = self.equal_before(body);
        let taken = Message {
            body: Rc::clone(body),
            hash,
            lost: None,
            is_acknowledged: false,
            copies: 1,
            subscription_ids: BTreeSet::new(),
            equal_before,
        };
        if !taken.is_passed() {
            self.count(body, hash);
            let bodies = self.by_payload.entry((hash, body.topic.clone())).or_default();
            if !bodies.iter().any(|known| Rc::ptr_eq(known, body) || known == body) {
                bodies.push(Rc::clone(body));
            }
            for place in &body.places {
                self.note(&body.topic, place);
            }
        }
        self.messages.insert(message, taken);
    }

    fn equal_before(&self, body: &Body) -> Option<MessageId> {
        let of_topic = self.messages.iter().rev().filter(|(_, known)| known.body.topic == body.topic);
        of_topic.take(RECENT).find(|(_, known)| *known.body == *body).map(|(number, _)| *number)
    }

    /// Whether nothing shows that the message is no copy of an equal one: both were delivered, for different filters, as it happens during
    /// a swap (docs/delivery-guarantees.md).
    pub(super) fn looks_like_a_copy(&self, message: MessageId) -> bool {
        let Some(known) = self.messages.get(&message) else { return false };
        let before = known.equal_before.and_then(|before| self.messages.get(&before));
        before.is_some_and(|before| {
            !before.subscription_ids.is_empty()
                && !known.subscription_ids.is_empty()
                && before.subscription_ids.is_disjoint(&known.subscription_ids)
        })
    }

    fn note(&mut self, topic: &str, place: &Place) {
        let Place::Quote(quote) = place else { return };
        if self.by_serial.insert(quote.serial, quote.clone()).is_some() {
            return;
        }
        if let Some(price) = units(&quote.price, PRICE_PLACES) {
            self.by_trade.insert((price, quote.symbol.clone()), quote.serial);
        }
        if quote.identity != Identity::Bare {
            let key = (topic.to_owned(), quote.identity.clone());
            self.by_identity.entry(key).or_default().insert(quote.serial);
        }
    }

    fn count(&mut self, body: &Body, hash: Hash) {
        for (place, index) in body.places.iter().zip(0..) {
            *self.places.entry(subject(place, hash, index)).or_default() += 1;
        }
    }

    pub(super) fn lost(&mut self, message: MessageId, loss: Loss) {
        let unseen_bridges_met = self.unseen_bridges_met();
        let Some(message) = self.messages.get_mut(&message) else { return };
        message.lost = Some(loss);
        // The bridge that was there first may hold the message, without knowing that the other one had it decided
        // (docs/delivery-guarantees.md, "What is not promised").
        if unseen_bridges_met && matches!(loss, Loss::Restart | Loss::SessionEnded) {
            let (body, hash) = (Rc::clone(&message.body), message.hash);
            self.count(&body, hash);
        }
    }

    pub(super) fn bridge_started(&mut self, run: RunId) {
        self.bridges.insert(run);
        self.bridges_met |= self.bridges.len() > 1;
    }

    /// A bridge or a runtime has these capabilities.
    pub(super) fn note_release(&mut self, capabilities: &[String]) {
        self.knows_older |= !capabilities.iter().any(|known| known == "outbox-queues");
    }

    /// Whether two bridges ran at the same time, perhaps without `Opened.other_bridge_ms`.
    pub(super) const fn unseen_bridges_met(&self) -> bool {
        self.bridges_met && self.knows_older
    }

    pub(super) fn bridge_ended(&mut self, run: RunId) {
        self.bridges.remove(&run);
    }

    /// Whether the broker lost a message with this payload.
    pub(super) fn has_lost(&self, topic: &str, hash: &Hash) -> bool {
        let mut lost = self.messages.values().filter(|message| message.lost.is_some());
        lost.any(|message| message.body.topic == topic && message.hash == *hash)
    }

    /// Whether the broker delivered copies of a message with this payload for different filters.
    pub(super) fn was_copied(&self, topic: &str, hash: &Hash) -> bool {
        let mut copied = self.messages.values().filter(|message| message.subscription_ids.len() > 1);
        copied.any(|message| message.body.topic == topic && message.hash == *hash)
    }

    pub(super) fn broker_went_back(&mut self) {
        self.went_back += 1;
    }

    pub(super) fn message(&self, message: MessageId) -> Option<&Message> {
        self.messages.get(&message)
    }

    pub(super) fn acknowledged(&mut self, message: MessageId) {
        if let Some(message) = self.messages.get_mut(&message) {
            message.is_acknowledged = true;
        }
    }

    /// A message was delivered for these subscriptions, and so often on this connection.
    pub(super) fn delivered(&mut self, message: MessageId, subscription_ids: &[u32], copies: u64) {
        if let Some(known) = self.messages.get_mut(&message) {
            known.copies = known.copies.max(copies);
            known.subscription_ids.extend(subscription_ids);
        }
    }

    pub(super) fn quote(&self, serial: Serial) -> Option<&Quote> {
        self.by_serial.get(&serial)
    }

    /// The quote that a decision names.
    pub(super) fn traded(&self, symbol: &str, price: &str) -> Option<Serial> {
        self.by_trade.get(&(units(price, PRICE_PLACES)?, symbol.to_owned())).copied()
    }

    /// All quotes with an identity.
    pub(super) fn of_identity(&self, topic: &str, identity: &Identity) -> impl Iterator<Item = Serial> {
        self.by_identity.get(&(topic.to_owned(), identity.clone())).into_iter().flatten().copied()
    }

    /// The bodies with this payload.
    pub(super) fn bodies(&self, topic: &str, hash: &Hash) -> &[Rc<Body>] {
        self.by_payload.get(&(*hash, topic.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Whether the messages with this payload are marked as past.
    pub(super) fn is_past(&self, topic: &str, hash: &Hash) -> bool {
        let is_marked = |body: &Rc<Body>| body.user_properties.iter().any(|(name, _)| name == "backfill");
        self.bodies(topic, hash).iter().any(is_marked)
    }

    /// The place that a row is about.
    pub(super) fn place_of(&self, row: &WindowRow) -> Option<&Place> {
        let bodies = self.bodies(&row.channel, &row.payload_sha256);
        let places = || bodies.iter().filter_map(|body| body.places.get(row.index as usize));
        places().find(|place| fits(place, row)).or_else(|| places().next())
    }

    /// How often a subject may have an outcome: once for each message that brings it, and again for each time at which the broker
    /// went back.
    pub(super) fn allowed(&self, subject: Subject) -> u64 {
        self.places.get(&subject).copied().unwrap_or_default().saturating_mul(1 + self.went_back)
    }

    /// Places that have to have an outcome at the end: those of messages that reached the bridge. A quote that is recognised by
    /// itself counts once.
    pub(super) fn due(&self, waiting: &BTreeSet<MessageId>) -> BTreeMap<Subject, (u64, MessageId)> {
        let mut due: BTreeMap<Subject, (u64, MessageId)> = BTreeMap::new();
        for (number, message) in &self.messages {
            let may_be_missing = message.lost.is_some() || message.is_passed() || waiting.contains(number);
            if may_be_missing || self.looks_like_a_copy(*number) {
                continue;
            }
            for (place, index) in message.body.places.iter().zip(0..) {
                due.entry(subject(place, message.hash, index)).or_insert((0, *number)).0 += 1;
            }
        }
        due
    }

    /// Every message was lost by the broker, acknowledged, or still waits.
    pub(super) fn check_end(&self, waiting: &BTreeSet<MessageId>) -> Result<(), Violation> {
        for (number, message) in &self.messages {
            let is_known = message.lost.is_some() || message.is_acknowledged || waiting.contains(number);
            hold!(
                is_known,
                promise::SILENCE,
                "message {number} on {:?} ({}) is gone: it was neither acknowledged nor lost, and does not wait",
                message.body.topic,
                places(&message.body)
            );
        }
        Ok(())
    }
}

/// The subject of a place.
pub(super) fn subject(place: &Place, hash: Hash, index: u32) -> Subject {
    match place {
        Place::Quote(quote) => Subject::Quote(quote.serial),
        Place::Unusable(_) => Subject::Unusable(hash, index),
    }
}

/// Whether a row has the identity of a place.
pub(super) fn fits(place: &Place, row: &WindowRow) -> bool {
    let Place::Quote(quote) = place else { return true };
    match &quote.identity {
        Identity::Numbered { source, seq } => row.source == *source && row.seq == Some(*seq),
        Identity::Id(id) => row.id == *id,
        // Without a content hash, as from v0.1.0, a number alone identifies nothing.
        Identity::NumberAlone(seq) => {
            let is_nameless = row.source.is_empty() && row.id.is_empty();
            is_nameless && (row.seq == Some(*seq) || (row.seq.is_none() && row.content_sha256.is_none()))
        }
        Identity::Bare => row.id.is_empty() && row.seq.is_none(),
    }
}

/// The quotes of a message, for a text.
pub(super) fn places(body: &Body) -> String {
    let shown: Vec<String> = body
        .places
        .iter()
        .take(5)
        .map(|place| match place {
            Place::Quote(quote) => format!("quote {} {} at {}", quote.serial, quote.symbol, quote.price),
            Place::Unusable(reason) => format!("unusable, {reason}"),
        })
        .collect();
    format!("{} places: {}{}", body.places.len(), shown.join("; "), if body.places.len() > 5 { "; ..." } else { "" })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn taken(quotes: &mut Quotes, message: MessageId, payload: &'static str, subscription_ids: &[u32]) {
        let payload = Bytes::from_static(payload.as_bytes());
        let places = vec![Place::Unusable("NotJson")];
        let body = Body { topic: "quotes".to_owned(), payload, user_properties: Vec::new(), places };
        quotes.taken(message, &Rc::new(body));
        quotes.delivered(message, subscription_ids, 1);
    }

    #[test]
    fn equal_messages_nearby_for_different_filters_look_like_copies() {
        let mut quotes = Quotes::default();
        taken(&mut quotes, 1, "a", &[1]);
        taken(&mut quotes, 2, "a", &[1]);
        taken(&mut quotes, 3, "b", &[2]);
        taken(&mut quotes, 4, "a", &[2]);
        taken(&mut quotes, 5, "c", &[2]);
        taken(&mut quotes, 6, "c", &[]);
        taken(&mut quotes, 7, "b", &[1]);
        let copies: Vec<MessageId> = (1..=7).filter(|message| quotes.looks_like_a_copy(*message)).collect();
        assert_eq!(copies, [4], "the third has other content, the last is too far away");
        assert!(quotes.due(&BTreeSet::new()).values().all(|(_, message)| *message != 4));
    }
}
