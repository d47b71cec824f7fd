mod ages;
mod backend;
mod closing;
mod configure;
mod details;
mod far;
mod identity;
mod indicator_account;
mod indicators;
mod inputs;
mod joined;
mod letters;
mod load;
mod outbox;
mod property;
mod sizes;
mod sources;
mod swap;
mod topics;
mod trading;

use std::path::Path;

use intuition_api::{
    capability,
    v1::{
        Delivery, Open, Published, Quote, QuoteDetails, Tick, Unusable, outbox_entry,
        tick::Content,
        tick_outcome::{Kind, SeenBy},
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{load::Load, *};
use crate::{
    ledger::{
        Ledger,
        memory::MemoryLedger,
        sqlite::{Opening, SqliteLedger},
        verify::verify,
    },
    portfolio::Policy,
    settings::{AlgorithmRef, Initial, LiveSettings, SettingsSource, Topics},
};

const ACCOUNT: &str = "default/test";
const BROKER: &str = "mqtt://127.0.0.1:1883";
const SEED: u64 = 7;

/// An engine over a ledger, and a bridge that numbers its deliveries.
struct Bench {
    ledger: Box<dyn Ledger>,
    /// Of a ledger on disk.
    dir: Option<TempDir>,
    sizes: Sizes,
    settings: Settings,
    engine: Engine,
    delivered: u64,
    /// Ledger ids that were offered.
    ids: u32,
}

fn settings(algorithm: &str, parameters: &Value, policy: Policy) -> Settings {
    let Value::Object(parameters) = parameters.clone() else { panic!("an object") };
    Settings {
        account: ACCOUNT.to_owned(),
        live: LiveSettings {
            algorithm: AlgorithmRef::Builtin(algorithm.to_owned()),
            threshold: 0.0,
            parameters,
            starting_cash: "10000".to_owned(),
            suspend: false,
            retention: None,
        },
        source: SettingsSource::Start,
        policy,
        topics: Topics::default(),
        subscribe: None,
        inputs: Vec::new(),
        initial: Initial::default(),
    }
}

fn opened(dir: &Path, account: &str, sizes: Sizes) -> Box<dyn Ledger> {
    Box::new(SqliteLedger::open_as(dir, account, Opening { sizes, ..Opening::new(SEED) }).unwrap())
}

/// Buys at every quote, for half the cash.
fn eager() -> Settings {
    settings("random", &json!({"seed": 1}), Policy::from_parts("fixed-fraction", Some(0.5), None).unwrap())
}

fn resource(generation: i64) -> Settings {
    Settings { source: SettingsSource::Resource { uid: "u-1".to_owned(), generation }, ..eager() }
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self::sized(Sizes::default(), settings)
    }

    fn sized(sizes: Sizes, settings: Settings) -> Self {
        Self::over(Box::new(MemoryLedger::with_sizes(ACCOUNT, "3f9c2a71", sizes)), None, sizes, settings)
    }

    fn on_disk(settings: Settings) -> Self {
        Self::on_disk_sized(Sizes::default(), settings)
    }

    fn on_disk_sized(sizes: Sizes, settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::over(opened(dir.path(), &settings.account, sizes), Some(dir), sizes, settings)
    }

    fn over(mut ledger: Box<dyn Ledger>, dir: Option<TempDir>, sizes: Sizes, settings: Settings) -> Self {
        let engine = Engine::start(ledger.snapshot().unwrap(), &settings, sizes, SEED, 0).unwrap();
        let mut bench = Self { ledger, dir, sizes, settings, engine, delivered: 0, ids: 0 };
        bench.commit();
        bench.open(true);
        bench
    }

    /// Returns the entries to publish.
    fn commit(&mut self) -> Vec<v1::OutboxEntry> {
        let changes = self.engine.take_changes().unwrap_or_default();
        if changes != Changes::default() {
            self.ledger.commit(&changes).unwrap();
        }
        assert!(self.engine.accounting.book().balances());
        let (account, ids) = self.engine.names();
        changes.outbox.iter().map(|row| crate::wire::outbox_entry(account, ids, row)).collect()
    }

    /// Reports every position up to this one as published, and commits.
    fn published(&mut self, through: u64) {
        self.report(&Published { through, ..Published::default() }).unwrap();
    }

    /// Takes a report of a bridge that was sent all entries, and commits it.
    fn report(&mut self, report: &Published) -> Result<u64, RequestError> {
        let beyond = self.engine.published(report, self.engine.position(), self.ledger.as_mut())?;
        if let Some(changes) = self.engine.take_all_changes() {
            self.ledger.commit(&changes).unwrap();
        }
        Ok(beyond)
    }

    /// Starts anew from the ledger, as after kill -9.
    fn restart(&mut self, settings: Settings) {
        if let Some(dir) = &self.dir {
            self.ledger = opened(dir.path(), &settings.account, self.sizes);
        }
        self.engine = Engine::start(self.ledger.snapshot().unwrap(), &settings, self.sizes, SEED, 0).unwrap();
        self.settings = settings;
        self.commit();
        self.open(true);
    }

    fn open(&mut self, session_present: bool) {
        let open = Open {
            account: self.settings.account.clone(),
            broker_url: BROKER.to_owned(),
            session_present,
            run: 9,
            capabilities: vec![capability::JOINED.to_owned()],
            ..Open::default()
        };
        self.open_with(1, &open).unwrap();
    }

    fn open_with(&mut self, stream: u64, open: &Open) -> Result<v1::Opened, RequestError> {
        self.ids += 1;
        let fresh = Fresh { session: format!("session-{}", self.delivered), ledger_id: format!("{:08x}", self.ids) };
        let opened = self.engine.open(stream, open, fresh, self.ledger.as_mut())?;
        self.commit();
        Ok(opened)
    }

    fn delivery(&mut self, topic: &str, ticks: Vec<Tick>) -> Delivery {
        self.delivered += 1;
        Delivery {
            number: self.delivered,
            topic: topic.to_owned(),
            packet_id: 1,
            payload_sha256: vec![u8::try_from(self.delivered % 251).unwrap(); 32].into(),
            payload: "payload".into(),
            payload_size: 7,
            connection: 1,
            ticks,
            ..Delivery::default()
        }
    }

    fn process(&mut self, deliveries: &[Delivery]) -> v1::Committed {
        self.engine.take(deliveries.to_vec()).unwrap();
        self.advance()
    }

    /// Everything that has become possible, committed.
    fn advance(&mut self) -> v1::Committed {
        self.advance_at(1_000)
    }

    fn advance_at(&mut self, now_micros: i64) -> v1::Committed {
        let mut all = v1::Committed::default();
        for settled in self.engine.advance(now_micros, self.ledger.as_mut()).unwrap() {
            all.outcomes.extend(settled.outcomes);
        }
        all.entries = self.commit();
        all
    }

    fn send(&mut self, ticks: Vec<Tick>) -> v1::Committed {
        let delivery = self.delivery("quotes", ticks);
        self.process(&[delivery])
    }
}

fn quote(price: &str) -> Tick {
    let quote = Quote { sid: "GOOG".to_owned(), price: price.to_owned(), time_micros: 5, ..Quote::default() };
    Tick { content: Some(Content::Quote(quote)), ..Tick::default() }
}

fn numbered(seq: i64, price: &str) -> Tick {
    Tick { source: "feed".to_owned(), seq: Some(seq), ..quote(price) }
}

fn bad(reason: &str) -> Tick {
    let unusable = Unusable { reason: reason.to_owned(), message: "why".to_owned() };
    Tick { content: Some(Content::Unusable(unusable)), ..Tick::default() }
}

fn kinds(committed: &v1::Committed) -> Vec<Kind> {
    committed.outcomes.iter().flat_map(|outcome| &outcome.ticks).map(v1::TickOutcome::kind).collect()
}

#[test]
fn a_quote_becomes_a_decision_with_the_cash_that_is_left() {
    let mut bench = Bench::new(eager());
    let committed = bench.send(vec![numbered(17, "345")]);
    let Some(outbox_entry::Content::Decision(decision)) = &committed.entries[0].content else { panic!("a decision") };
    assert_eq!(decision.id, "default/test/3f9c2a71/1");
    assert_eq!((decision.amount.as_str(), decision.quantity.as_str()), ("5000.00", "14.49275362"));
    assert_eq!((decision.cash.as_str(), decision.event.as_str()), ("5000.00", "feed/17"));
    assert_eq!(committed.outcomes[0].ticks[0].positions, [1]);
    assert_eq!(committed.outcomes[0].ticks[0].seqs, [1]);
}

#[test]
fn redelivery_gets_the_same_answer_and_books_nothing() {
    let mut bench = Bench::new(eager());
    let delivery = bench.delivery("quotes", vec![quote("1"), bad("BadPrice"), quote("2")]);
    let first = bench.process(std::slice::from_ref(&delivery));
    let before = bench.ledger.snapshot().unwrap();
    let again = bench.process(std::slice::from_ref(&delivery));
    assert!(again.entries.is_empty());
    assert_eq!(kinds(&again), kinds(&first));
    for (first, again) in first.outcomes[0].ticks.iter().zip(&again.outcomes[0].ticks) {
        assert_eq!((&first.positions, &first.seqs), (&again.positions, &again.seqs));
        assert_eq!(again.seen_by(), SeenBy::Number);
    }
    assert_eq!(bench.ledger.snapshot().unwrap(), before);
}

#[test]
fn a_repetition_within_one_batch_is_answered_like_the_first() {
    let mut bench = Bench::new(eager());
    let first = bench.delivery("quotes", vec![numbered(1, "10")]);
    let second = bench.delivery("quotes", vec![numbered(1, "10")]);
    let committed = bench.process(&[first, second]);
    assert_eq!(kinds(&committed), [Kind::Decided, Kind::Decided]);
    assert_eq!(committed.outcomes[1].ticks[0].seqs, [1]);
    assert_eq!(committed.entries.len(), 1);
}

#[test]
fn one_bad_price_of_many_is_a_dead_letter_and_the_others_count() {
    let mut bench = Bench::new(eager());
    let committed = bench.send(vec![quote("1"), bad("BadPrice"), bad("BadPrice"), bad("BadSymbol"), quote("2")]);
    assert_eq!(
        kinds(&committed),
        [Kind::Decided, Kind::DeadLettered, Kind::DeadLettered, Kind::DeadLettered, Kind::Decided]
    );
    // They share a letter.
    let positions: Vec<&[u64]> = committed.outcomes[0].ticks.iter().map(|tick| tick.positions.as_slice()).collect();
    assert_eq!(positions, [[1], [2], [2], [2], [3]]);
    assert_eq!(bench.engine.tally().count(counter::DEAD_LETTERED), 3);
}

#[test]
fn tick_of_a_channel_not_asked_for_is_counted_and_publishes_nothing() {
    let mut bench = Bench::on_disk(eager());
    let delivery = bench.delivery("other", vec![quote("1"), bad("BadPrice")]);
    let first = bench.process(std::slice::from_ref(&delivery));
    assert_eq!(kinds(&first), [Kind::NotSubscribed, Kind::DeadLettered]);
    assert_eq!((first.entries.len(), bench.engine.tally().count(counter::NOT_SUBSCRIBED)), (1, 1));
    bench.restart(eager());
    assert_eq!(kinds(&bench.process(&[delivery])), kinds(&first));
}

#[test]
fn sequences_that_leave_out_or_go_back_are_told() {
    let mut bench = Bench::new(eager());
    bench.send(vec![numbered(1, "10")]);
    bench.send(vec![numbered(5, "10")]);
    let back = bench.send(vec![numbered(3, "10")]);
    assert_eq!(back.outcomes[0].ticks[0].reason, "SequenceWentBack");
    let tally = bench.engine.tally();
    assert_eq!((tally.count(counter::GAPS), tally.mark("quotes", "feed")), (3, Some(5)));
}

#[test]
fn a_jump_over_all_numbers_fills_the_counter_and_nothing_more() {
    let mut bench = Bench::on_disk(eager());
    bench.send(vec![numbered(i64::MIN, "10")]);
    bench.send(vec![numbered(i64::MAX, "10")]);
    bench.send(vec![Tick { source: "other".to_owned(), ..numbered(1, "10") }]);
    bench.send(vec![Tick { source: "other".to_owned(), ..numbered(7, "10") }]);
    assert_eq!(bench.engine.tally().count(counter::GAPS), i64::MAX.cast_unsigned());
    bench.restart(eager());
    assert_eq!(bench.engine.tally().count(counter::GAPS), i64::MAX.cast_unsigned());
}

#[test]
fn the_algorithm_is_shown_with_its_version() {
    let account = Bench::new(eager()).engine.account();
    assert_eq!((account.algorithm.as_str(), account.algorithm_version.as_str()), ("random", "1"));
}

#[test]
fn a_lost_session_forgets_the_filters_and_takes_a_new_name() {
    let mut bench = Bench::new(eager());
    let filters = vec![v1::Filter { filter: "quotes".to_owned(), subscription_id: 1 }];
    bench.engine.hold(&v1::Holding { filters }).unwrap();
    bench.commit();
    let session = bench.engine.recogniser.session();
    bench.open(true);
    assert_eq!((bench.engine.channels.held().len(), &bench.engine.recogniser.session()), (1, &session));
    bench.delivered += 1;
    bench.open(false);
    assert!(bench.engine.channels.held().is_empty());
    assert_ne!(bench.engine.recogniser.session(), session);
}

#[test]
fn a_session_is_lost_only_at_a_broker_that_had_one() {
    let mut bench = Bench::new(eager());
    let filters = vec![v1::Filter { filter: "quotes".to_owned(), subscription_id: 1 }];
    bench.engine.hold(&v1::Holding { filters: filters.clone() }).unwrap();
    let open = |broker_url: &str| Open {
        account: ACCOUNT.to_owned(),
        broker_url: broker_url.to_owned(),
        run: 9,
        ..Open::default()
    };
    let elsewhere = bench.open_with(2, &open("mqtt://other:1883")).unwrap();
    assert!(!elsewhere.session_lost, "the first connection to a broker");
    bench.engine.hold(&v1::Holding { filters }).unwrap();
    assert!(bench.open_with(3, &open(BROKER)).unwrap().session_lost);
    let nothing_held = bench.open_with(4, &open(BROKER)).unwrap();
    assert!(!nothing_held.session_lost, "nothing waited for filters that were never recorded");
}

#[test]
fn what_breaks_the_contract_is_refused() {
    let mut bench = Bench::new(eager());
    let other = Open { account: "default/other".to_owned(), ..Open::default() };
    assert!(matches!(bench.open_with(1, &other), Err(RequestError::OtherAccount { .. })));
    assert!(bench.engine.take(vec![Delivery::default()]).is_err());
    assert!(bench.engine.mark(v1::Marker { channels_version: 2 }).is_err());
    let twice = vec![v1::Filter { filter: "quotes".to_owned(), subscription_id: 1 }; 2];
    assert!(bench.engine.hold(&v1::Holding { filters: twice }).is_err());
}
