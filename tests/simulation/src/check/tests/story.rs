//! Makes stories by hand: a ledger that is kept right, and the facts about it.

use std::{collections::BTreeMap, rc::Rc};

use algo_runtime::ledger::{
    Account, Changes, Class, ClosingRecords, EntryKind, Gap, Holding, JournalEntry, LedgerId, LedgerIds, Mark,
    OutboxContent, OutboxRow, Outcome, Positions, Snapshot, SourceRecords, Trade, WindowRow,
};
use bytes::Bytes;
use intuition_api::v1::{self, tick_outcome::Kind};
use sha2::{Digest as _, Sha256};

use crate::facts::{Body, Fact, Identity, Place, Quote};

pub(super) const ACCOUNT: &str = "desk/a";
pub(super) const LEDGER: &str = "aaaaaaaa";
pub(super) const TOPIC: &str = "quotes";
const DECISIONS: &str = "intuition/desk/a/decisions";
const LETTERS: &str = "intuition/desk/a/dead-letter";
const NANOS: i64 = 1_767_323_045_678_000;

/// A story that is being written.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) facts: Vec<Fact>,
    pub(super) snapshot: Snapshot,
    pub(super) pending: Changes,
    messages: u64,
    deliveries: u64,
    pub(super) bridge: u64,
}

pub(super) fn empty() -> Snapshot {
    Snapshot {
        account: Account::empty(ACCOUNT, LEDGER),
        ledger_ids: LedgerIds::new(LEDGER),
        done: Positions::default(),
        holdings: BTreeMap::default(),
        marks: Vec::new(),
        sources: SourceRecords::default(),
        window: Vec::new(),
        older: Vec::new(),
        counters: BTreeMap::default(),
        state: BTreeMap::default(),
        settings: None,
        trading: None,
        closing: ClosingRecords::default(),
        sessions: BTreeMap::default(),
        client_sessions: BTreeMap::default(),
        held: Vec::new(),
    }
}

/// A numbered quote.
pub(super) fn numbered(serial: u64, seq: i64, price: &str) -> Place {
    let identity = Identity::Numbered { source: "feed".to_owned(), seq };
    Place::Quote(Quote { serial, identity, symbol: "GOOG".to_owned(), price: price.to_owned() })
}

pub(super) fn body(payload: &str, places: Vec<Place>) -> Rc<Body> {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Rc::new(Body { topic: TOPIC.to_owned(), payload, user_properties: Vec::new(), places })
}

pub(super) fn outcome(kind: Kind, reason: &str) -> Outcome {
    Outcome { kind, reason: reason.to_owned(), first_position: 0, positions: 0, first_seq: 0, seqs: 0 }
}

impl Story {
    /// A new ledger with 1,000.00, and a bridge.
    pub(super) fn begin() -> Self {
        let mut story = Self {
            facts: Vec::new(),
            snapshot: empty(),
            pending: Changes::default(),
            messages: 0,
            deliveries: 0,
            bridge: 2,
        };
        story.open(1);
        let account = &mut story.snapshot.account;
        (account.cash, account.deposits) = ("1000".parse().unwrap(), "1000".parse().unwrap());
        story.entry(EntryKind::Deposit, "1000", None);
        story.commit();
        story.open_stream();
        story
    }

    pub(super) fn open(&mut self, run: u64) {
        self.facts.push(Fact::LedgerOpened { run, snapshot: Rc::new(self.snapshot.clone()) });
    }

    pub(super) fn open_stream(&mut self) {
        let ledger_id = self.snapshot.account.ledger_id.clone();
        let capabilities = vec!["outbox-queues".to_owned()];
        let opened = v1::Opened { ledger_id, capabilities, ..Default::default() };
        self.facts.push(Fact::Opened { bridge: self.bridge, opened });
    }

    /// The broker takes a message with one numbered quote and delivers it, and the bridge sends it on.
    pub(super) fn quote(&mut self, serial: u64, seq: i64, price: &str) -> Rc<Body> {
        let body = body(&format!("payload {serial}"), vec![numbered(serial, seq, price)]);
        self.arrive(&body);
        body
    }

    pub(super) fn arrive(&mut self, body: &Rc<Body>) {
        self.messages += 1;
        let message = self.messages;
        self.facts.push(Fact::Taken { message, body: Rc::clone(body) });
        self.deliver(message, body, false);
    }

    pub(super) fn deliver(&mut self, message: u64, body: &Rc<Body>, duplicate: bool) {
        let packet_id = u16::try_from(message).unwrap();
        self.facts.push(Fact::Delivered { message, connection: 1, packet_id, duplicate, subscription_ids: vec![] });
        self.deliveries += 1;
        let delivery = v1::Delivery {
            number: self.deliveries,
            topic: body.topic.clone(),
            packet_id: packet_id.into(),
            duplicate,
            payload_sha256: Sha256::digest(&body.payload).to_vec().into(),
            ticks: vec![v1::Tick::default(); body.places.len()],
            ..Default::default()
        };
        self.facts.push(Fact::Sent { bridge: self.bridge, delivery });
    }

    pub(super) fn entry(&mut self, kind: EntryKind, amount: &str, trade: Option<Trade>) -> JournalEntry {
        let account = &mut self.snapshot.account;
        account.entries += 1;
        let (number, amount) = (account.entries, amount.parse().unwrap());
        let entry = JournalEntry { number, kind, amount, cash: account.cash, committed_micros: NANOS, trade };
        self.pending.journal.push(entry.clone());
        entry
    }

    pub(super) fn post(&mut self, content: OutboxContent) -> u64 {
        self.snapshot.account.position += 1;
        let position = self.snapshot.account.position;
        self.pending.outbox.push(OutboxRow { position, content });
        position
    }

    /// Buys: the cash after it, the quantity and the holding are given.
    pub(super) fn trade(&mut self, kind: EntryKind, values: &Values<'_>) -> (u64, u64) {
        let account = &mut self.snapshot.account;
        account.decisions += 1;
        let seq = account.decisions;
        account.cash = values.cash.parse().unwrap();
        account.invested = values.invested.parse().unwrap();
        account.realised = values.realised.parse().unwrap();
        let trade = Trade {
            seq,
            event: values.event.to_owned(),
            sid: "GOOG".to_owned(),
            quantity: values.quantity.parse().unwrap(),
            price: values.price.parse().unwrap(),
            cost: values.cost.parse().unwrap(),
            time_micros: NANOS,
            manual: false,
        };
        let entry = self.entry(kind, values.amount, Some(trade));
        let held = values
            .held
            .map(|(quantity, cost)| Holding { quantity: quantity.parse().unwrap(), cost: cost.parse().unwrap() });
        self.pending.holdings.insert("GOOG".to_owned(), held);
        match held {
            Some(held) => self.snapshot.holdings.insert("GOOG".to_owned(), held),
            None => self.snapshot.holdings.remove("GOOG"),
        };
        (self.post(OutboxContent::Decision(entry)), seq)
    }

    /// Gives the last delivery's only place its outcome.
    pub(super) fn row(&mut self, body: &Body, outcome: Outcome) {
        let identity = body.places.first().and_then(|place| match place {
            Place::Quote(quote) => Some(quote.identity.clone()),
            Place::Unusable(_) => None,
        });
        let (class, source, seq, id) = match identity {
            Some(Identity::Numbered { source, seq }) => (Class::Sequence, source, Some(seq), String::new()),
            Some(Identity::Id(id)) => (Class::Id, String::new(), None, id),
            Some(Identity::NumberAlone(seq)) => (Class::Packet, String::new(), Some(seq), String::new()),
            Some(Identity::Bare) | None => (Class::Packet, String::new(), None, String::new()),
        };
        let of_class = self.snapshot.window.iter().filter(|row| row.class == class);
        let ordinal = of_class.count() as u64 + 1;
        let row = WindowRow {
            class,
            ordinal,
            run: self.bridge,
            delivery: self.deliveries,
            index: 0,
            channel: body.topic.clone(),
            source,
            seq,
            id,
            rank: 0,
            era: 0,
            session: "s".to_owned(),
            packet_id: 1,
            connection: Some(1),
            ticks: 1,
            payload_sha256: Sha256::digest(&body.payload).into(),
            envelope_sha256: None,
            content_sha256: None,
            outcome,
        };
        if let Some(seq) = row.seq.filter(|_| class == Class::Sequence) {
            let mark = Mark { channel: row.channel.clone(), source: row.source.clone(), seq, ..Mark::default() };
            self.pending.marks.insert((row.channel.clone(), row.source.clone()), mark.clone());
            self.snapshot.marks = vec![mark];
        }
        self.snapshot.window.push(row.clone());
        self.pending.window.push(row);
    }

    pub(super) fn count(&mut self, name: &str, reason: &str, by: u64) {
        let key = (name.to_owned(), reason.to_owned());
        let value = self.snapshot.counters.entry(key.clone()).or_default();
        *value += by;
        self.pending.counters.insert(key, *value);
    }

    pub(super) fn gap(&mut self, first: i64, last: i64) {
        let (channel, source) = (TOPIC.to_owned(), "feed".to_owned());
        self.pending.gaps.push(Gap { channel, source, first, last, seen_micros: NANOS });
        self.count("gaps", "", u64::try_from(last - first + 1).unwrap());
    }

    pub(super) fn commit(&mut self) {
        let mut changes = std::mem::take(&mut self.pending);
        changes.account = Some(self.snapshot.account.clone());
        self.facts.push(Fact::Committed { run: 1, changes: Rc::new(changes) });
    }

    /// The bridge gets the outcome of the last delivery.
    pub(super) fn answer(&mut self) {
        let row = self.snapshot.window.iter().rfind(|row| row.delivery == self.deliveries).unwrap();
        let Outcome { kind, reason, first_position, positions, first_seq, seqs } = row.outcome.clone();
        let tick = v1::TickOutcome {
            kind: kind.into(),
            reason,
            positions: (first_position..first_position + u64::from(positions)).collect(),
            seqs: (first_seq..first_seq + u64::from(seqs)).collect(),
            seen_by: 0,
        };
        let outcome = v1::DeliveryOutcome { number: self.deliveries, ticks: vec![tick] };
        self.facts.push(Fact::Outcome { bridge: self.bridge, outcome });
    }

    pub(super) fn publish(&mut self, payload: String) {
        let topic = if payload.contains("sha256") { LETTERS } else { DECISIONS }.to_owned();
        let payload = Bytes::from(payload);
        let (consumed, seen) = (topic.clone(), payload.clone());
        self.facts.push(Fact::Publication { topic, payload, user_properties: Vec::new() });
        self.facts.push(Fact::Consumed { topic: consumed, payload: seen });
    }

    /// A message comes, has the outcome `NoSignal`, and is acknowledged.
    pub(super) fn leave_without_signal(&mut self, message: &Rc<Body>) {
        self.arrive(message);
        self.row(message, outcome(Kind::NoSignal, ""));
        self.count("noSignal", "", 1);
        self.commit();
        self.answer();
        self.acknowledge();
    }

    pub(super) fn acknowledge(&mut self) {
        self.facts.push(Fact::Acknowledged { message: self.messages, connection: 1 });
    }

    /// Everything up to a position is published, by a commit.
    pub(super) fn report(&mut self, through: u64) {
        self.snapshot.account.published_through = through;
        self.commit();
    }

    pub(super) fn settle(&mut self) {
        let Account { cash, invested, realised, deposits, decisions, .. } = self.snapshot.account.clone();
        let counters = self.snapshot.counters.iter().map(|((name, reason), value)| v1::Counter {
            name: name.clone(),
            reason: reason.clone(),
            value: *value,
        });
        let positions = self.snapshot.holdings.iter().map(|(sid, held)| v1::Position {
            sid: sid.clone(),
            quantity: held.quantity.to_string(),
            cost: held.cost.to_string(),
        });
        let account = v1::AccountResponse {
            cash: cash.to_string(),
            invested: invested.to_string(),
            realised: realised.to_string(),
            deposits: deposits.to_string(),
            decisions,
            counters: counters.collect(),
            positions: positions.collect(),
            unpublished: self.snapshot.account.position - self.snapshot.account.published_through,
            ..Default::default()
        };
        self.facts.push(Fact::FaultsEnded);
        let account = Some(Box::new(account));
        let (waiting, subscribed) = (Vec::new(), Vec::new());
        self.facts.push(Fact::Settled { account, runtime_ready: true, bridge_ready: true, waiting, subscribed });
    }
}

/// The figures of a trade.
pub(super) struct Values<'a> {
    pub(super) event: &'a str,
    pub(super) price: &'a str,
    pub(super) quantity: &'a str,
    pub(super) amount: &'a str,
    pub(super) cost: &'a str,
    pub(super) cash: &'a str,
    pub(super) invested: &'a str,
    pub(super) realised: &'a str,
    pub(super) held: Option<(&'a str, &'a str)>,
}

/// A decision as published.
fn published(id: u64, event: &str, side: &str, rest: &str, ledger: &str) -> String {
    format!(
        r#"{{"id":"desk/a/{ledger}/{id}","seq":{id},"algo":"desk/a","event":"{event}","sid":"GOOG","side":"{side}",{rest},"time":"2026-01-02T03:04:05.678Z"}}"#
    )
}

fn decided(first_position: u64, first_seq: u64) -> Outcome {
    Outcome { first_position, positions: 1, first_seq, seqs: 1, ..outcome(Kind::Decided, "") }
}

/// Books a purchase for the first quote of `feed`, and publishes it under an id of the ledger.
pub(super) fn buy(story: &mut Story, ledger: &str) {
    let first = story.quote(1, 1, "3");
    let (position, seq) = story.trade(EntryKind::Buy, &BOUGHT);
    story.row(&first, decided(position, seq));
    story.count("decided", "", 1);
    story.commit();
    story.answer();
    let rest = r#""amount":"10.00","quantity":"3.33333333","price":"3","cash":"990.00""#;
    story.publish(published(seq, "feed/1", "buy", rest, ledger));
    story.acknowledge();
}

const BOUGHT: Values<'static> = Values {
    event: "feed/1",
    price: "3",
    quantity: "3.33333333",
    amount: "10.00",
    cost: "10.00",
    cash: "990.00",
    invested: "10.00",
    realised: "0",
    held: Some(("3.33333333", "10.00")),
};

/// Buys, sells at a quote behind a gap, gets a message that is no quote, and comes to rest.
pub(super) fn good() -> Story {
    let mut story = Story::begin();
    buy(&mut story, LEDGER);
    let third = story.quote(3, 3, "4");
    let sold = Values {
        event: "feed/3",
        price: "4",
        quantity: "1.5",
        amount: "6.00",
        cost: "4.50",
        cash: "996.00",
        invested: "5.50",
        realised: "1.50",
        held: Some(("1.83333333", "5.50")),
    };
    let (position, seq) = story.trade(EntryKind::Sell, &sold);
    story.row(&third, decided(position, seq));
    story.gap(2, 2);
    story.count("decided", "", 1);
    story.commit();
    story.answer();
    let rest = r#""amount":"6.00","quantity":"1.5","price":"4","cash":"996.00""#;
    story.publish(published(2, "feed/3", "sell", rest, LEDGER));
    story.acknowledge();
    dead_letter(&mut story);
    story.report(3);
    story.settle();
    story
}

fn dead_letter(story: &mut Story) {
    let rubbish = body("rubbish", vec![Place::Unusable("NotJson")]);
    story.arrive(&rubbish);
    let hash = Sha256::digest(&rubbish.payload);
    let cause = v1::DeadLetterCause { reason: "NotJson".to_owned(), message: "m".to_owned(), count: 1 };
    let letter = v1::DeadLetter {
        topic: TOPIC.to_owned(),
        reason: "NotJson".to_owned(),
        payload_size: 7,
        payload_sha256: hash.to_vec().into(),
        time_micros: NANOS,
        causes: vec![cause],
        ..Default::default()
    };
    let position = story.post(OutboxContent::DeadLetter(letter));
    story.row(&rubbish, Outcome { first_position: position, positions: 1, ..outcome(Kind::DeadLettered, "NotJson") });
    story.count("deadLettered", "NotJson", 1);
    story.commit();
    story.answer();
    story.publish(format!(
        r#"{{"topic":"quotes","reason":"NotJson","message":"m","reasons":[{{"reason":"NotJson","message":"m","count":1}}],"size":7,"sha256":"{}","payload":"rubbish","time":"2026-01-02T03:04:05.678Z"}}"#,
        hex::encode(hash)
    ));
    story.acknowledge();
}

/// The runtime is killed, and finds an older copy of its ledger. The bridge, which knows of the later one, gets another id, and
/// the first quote is delivered and decided again.
pub(super) fn with_an_older_ledger() -> Story {
    let mut story = Story::begin();
    let copy = story.snapshot.clone();
    buy(&mut story, LEDGER);
    story.facts.push(Fact::LedgerReplaced { replaced: crate::facts::Replaced::Older });
    story.snapshot = copy;
    story.open(1);
    story.snapshot.ledger_ids.take(LedgerId { first_seq: 1, first_position: 1, id: "bbbbbbbb".to_owned() });
    story.snapshot.account.ledger_id = "bbbbbbbb".to_owned();
    story.pending.ledger_ids = Some(story.snapshot.ledger_ids.clone());
    story.commit();
    story.open_stream();
    story.messages = 0;
    buy(&mut story, "bbbbbbbb");
    story.report(1);
    story.settle();
    story
}
