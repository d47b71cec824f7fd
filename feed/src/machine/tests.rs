//! The machine by hand: the test is the broker, the source and the clock.

mod crashes;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use intuition_common::clock::SystemClock;
use intuition_mqtt::{Capabilities, Code, Incoming, LinkError, Message, codes};
use serde_json::{Value, json};

use super::*;
use crate::{
    PARTS,
    readiness::PUBLISHING,
    readiness::{BROKER, POSITION},
};

const FEED: &str = "desk/btc";
const POSITION_TOPIC: &str = "intuition/desk/feed.btc/position";
const SOURCE_NAME: &str = "market:BTC";

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) now: Now,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    epoch: u64,
}

/// A publication as the broker sees it.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) token: u64,
    pub(super) message: Message,
}

impl Published {
    pub(super) fn seq(&self) -> u64 {
        let payload: Value = serde_json::from_slice(&self.message.payload).unwrap();
        payload["seq"].as_u64().unwrap()
    }

    pub(super) fn is_marked(&self, name: &str) -> bool {
        self.message.user_properties.iter().any(|(known, _)| known == name)
    }
}

pub(super) fn quote(seq: u64) -> Quote {
    Quote::sample(SOURCE_NAME, seq)
}

fn success() -> Code {
    codes::code(0)
}

impl World {
    pub(super) fn new(beginning: Beginning, change: impl FnOnce(&mut Settings)) -> Self {
        let topics = FeedTopics::new("intuition", FEED, None).unwrap();
        let mut settings = Settings { feed: FEED.to_owned(), topics, backfill: false, stale_after: None };
        change(&mut settings);
        let readiness = Readiness::new(&PARTS, Arc::new(SystemClock));
        let metrics = Metrics::default();
        let machine = Machine::new(settings, beginning, metrics.clone(), readiness.clone(), 7);
        Self { machine, now: Now::read(&SystemClock), metrics, readiness, epoch: 0 }
    }

    /// A feed that has begun behind a stored position, or without one.
    fn begun(beginning: Beginning, stored: Option<&str>) -> Self {
        let mut world = Self::new(beginning, |_| {});
        world.connect();
        let position = world.find(stored);
        assert_eq!(position.is_some(), stored.is_some_and(|stored| stored.contains(SOURCE_NAME)));
        world
    }

    pub(super) fn step(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(input, self.now);
        self.advance()
    }

    pub(super) fn advance(&mut self) -> Vec<Action> {
        self.machine.advance(self.now);
        self.machine.take_actions()
    }

    fn wait(&mut self, time: Duration) -> Vec<Action> {
        self.now.instant += time;
        self.advance()
    }

    pub(super) fn connect(&mut self) -> Vec<Action> {
        self.connect_with(Capabilities::UNLIMITED)
    }

    fn connect_with(&mut self, capabilities: Capabilities) -> Vec<Action> {
        self.epoch += 1;
        let (epoch, asked) = (self.epoch, self.now.instant);
        self.step(Input::Broker(Event::Connected { epoch, asked, session_present: false, capabilities }))
    }

    fn message(&mut self, payload: &str, properties: &[(String, String)]) -> Vec<Action> {
        let payload = Bytes::from(payload.to_owned());
        let mut message = Incoming::new(self.epoch, 5, POSITION_TOPIC.to_owned(), payload);
        message.user_properties = properties.to_vec();
        self.step(Input::Broker(Event::Message(message)))
    }

    /// Answers the look-up of the position. Gives the last number that the source is started behind.
    fn find(&mut self, stored: Option<&str>) -> Option<u64> {
        let marker = self.answer_lookup();
        if let Some(stored) = stored {
            self.message(stored, &[]);
        }
        let actions = self.message("", &marker.user_properties);
        let start = actions.into_iter().find_map(|action| match action {
            Action::Start(position) => Some(position.numbers.get(SOURCE_NAME).copied()),
            Action::Broker(_) | Action::Stop => None,
        });
        start.expect("the source is started")
    }

    /// Connects again, and finds this position.
    fn connect_again(&mut self, stored: Option<&str>) -> Vec<Action> {
        assert!(publications(self.connect()).is_empty(), "nothing goes out before the position is known");
        let marker = self.answer_lookup();
        if let Some(stored) = stored {
            self.message(stored, &[]);
        }
        self.message("", &marker.user_properties)
    }

    /// Answers the subscription. Gives the marker.
    fn answer_lookup(&mut self) -> Message {
        let event = Event::Subscribed { token: tokens::LOOKUP, code: success() };
        let mut published = publications(self.step(Input::Broker(event)));
        let marker = published.pop().unwrap();
        assert_eq!((marker.token, marker.message.topic.as_str()), (tokens::MARKER, POSITION_TOPIC));
        assert!(!marker.message.retain);
        self.answer(tokens::MARKER);
        marker.message
    }

    pub(super) fn quotes(&mut self, quotes: Vec<Quote>) -> Vec<Published> {
        publications(self.step(Input::Source(SourceEvent::Quotes { quotes, state: None })))
    }

    fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) -> Vec<Published> {
        self.quotes(numbers.into_iter().map(quote).collect())
    }

    fn answer_with(&mut self, token: u64, code: u8) -> Vec<Published> {
        let event = Event::Published { token, code: codes::code(code) };
        publications(self.step(Input::Broker(event)))
    }

    fn answer(&mut self, token: u64) -> Vec<Published> {
        self.answer_with(token, 0)
    }

    fn missing(&self) -> Vec<(&'static str, String)> {
        self.readiness.missing().into_iter().map(|missing| (missing.part, missing.reason)).collect()
    }

    fn warnings(&self) -> Vec<String> {
        self.readiness.warnings().into_iter().map(|warning| warning.reason).collect()
    }
}

pub(super) fn publications(actions: Vec<Action>) -> Vec<Published> {
    let publication = |action| match action {
        Action::Broker(Request::Publish { token, message, .. }) => Some(Published { token, message }),
        _ => None,
    };
    actions.into_iter().filter_map(publication).collect()
}

fn seqs(published: &[Published]) -> Vec<u64> {
    published.iter().filter(|published| !published.message.retain).map(Published::seq).collect()
}

fn stored(last: u64, ahead: u64) -> String {
    json!({ "version": 1, "feed": FEED, "run": "earlier", "time": "", "numbers": { SOURCE_NAME: last }, "ahead": ahead, "replay": false })
        .to_string()
}

fn position(published: &[Published]) -> Option<Value> {
    let message = &published.iter().find(|published| published.token == tokens::POSITION)?.message;
    assert!(message.retain && message.topic == POSITION_TOPIC);
    Some(serde_json::from_slice(&message.payload).unwrap())
}

#[test]
fn source_starts_behind_the_retained_position() {
    let mut world = World::new(Beginning::Present, |_| {});
    let actions = world.connect();
    assert!(
        matches!(&actions[..], [Action::Broker(Request::LookUp { filter, .. })] if filter == POSITION_TOPIC),
        "{actions:?}"
    );
    assert_eq!(world.find(Some(&stored(41, 0))), Some(41));
    assert_eq!(world.missing().iter().map(|(part, _)| *part).collect::<Vec<_>>(), [PUBLISHING, SOURCE]);
    assert!(
        world.message("{}", &[]).iter().all(|action| matches!(action, Action::Broker(Request::Acknowledge { .. })))
    );
}

#[test]
fn marker_without_a_position_means_the_beginning() {
    let mut world = World::new(Beginning::Present, |_| {});
    world.connect();
    assert_eq!(world.find(None), None);
}

#[test]
fn markers_of_other_look_ups_and_cleared_positions_do_not_count() {
    let mut world = World::new(Beginning::First, |_| {});
    world.connect();
    let marker = world.answer_lookup();
    let other = [("marker".to_owned(), "of another run".to_owned())];
    assert_eq!(world.message("", &other).len(), 1, "it is acknowledged");
    world.message(&stored(5, 0), &[]);
    world.message("", &[]);
    let actions = world.message("", &marker.user_properties);
    assert!(
        actions.iter().any(|action| matches!(action, Action::Start(position) if position.numbers.is_empty())),
        "{actions:?}"
    );
}

#[test]
fn quotes_go_out_behind_the_first_stored_position() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    assert_eq!(seqs(&world.numbers(42..=44)), Vec::<u64>::new());
    let published = world.answer(tokens::POSITION);
    assert_eq!(seqs(&published), [42, 43, 44]);
    let message = &published[0].message;
    assert_eq!((message.topic.as_str(), message.retain), ("intuition/desk/feed.btc/quotes", false));
    assert!(message.user_properties.is_empty());
    assert_eq!(
        message.payload,
        r#"{"sid":"BTC/USD","quote":"1.5","time":"1970-01-01T00:00:00Z","source":"market:BTC","seq":42}"#
    );
}

#[test]
fn quotes_that_an_earlier_run_may_have_published_are_marked() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 2)));
    world.numbers(42..=45);
    let published = world.answer(tokens::POSITION);
    assert_eq!(published.iter().map(|quote| quote.is_marked("replay")).collect::<Vec<_>>(), [true, true, false, false]);
}

#[test]
fn every_quote_is_marked_where_the_position_was_lost() {
    let mut world = World::begun(Beginning::First, None);
    let published = world.numbers([1, 2]);
    assert!(published.iter().all(|quote| quote.is_marked("replay")) && seqs(&published) == [1, 2]);
    let again = json!({ "version": 1, "feed": FEED, "run": "earlier", "time": "", "numbers": { SOURCE_NAME: 2 }, "ahead": 0, "replay": true });
    let mut world = World::begun(Beginning::First, Some(&again.to_string()));
    let published = world.numbers(3..=3);
    assert!(published.iter().all(|quote| quote.is_marked("replay")) && seqs(&published) == [3], "nor did it come back");
}

#[test]
fn quote_that_no_earlier_run_can_have_published_is_not_marked() {
    let mut world = World::begun(Beginning::First, None);
    let published = world.quotes(vec![quote(1), Quote { is_new: true, ..quote(2) }, quote(3)]);
    assert_eq!(published.iter().map(|quote| quote.is_marked("replay")).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn late_rows_are_counted_and_named() {
    let mut world = World::begun(Beginning::First, None);
    for numbers in [vec![5], (7..=30).collect()] {
        world.step(Input::Source(SourceEvent::Late { source: SOURCE_NAME.into(), numbers }));
    }
    assert_eq!((world.metrics.late.get(), world.warnings()), (25, vec![LATE.to_owned()]));
    let warnings = world.readiness.warnings();
    let message = &warnings.iter().find(|warning| warning.reason == LATE).unwrap().message;
    assert!(message.starts_with("25 rows came behind later ones") && message.ends_with("25, 26, ..."), "{message}");
}

#[test]
fn marks_of_quotes_are_user_properties() {
    let mut world = World::new(Beginning::Present, |settings| settings.backfill = true);
    world.connect();
    world.find(None);
    world.answer(tokens::POSITION);
    let published = world.quotes(vec![Quote { is_sparse: true, ..quote(1) }]);
    let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [property("backfill", "true"), property("numbering", "sparse")];
    assert_eq!(published[0].message.user_properties, expected);
    let mut world = World::begun(Beginning::Present, None);
    world.answer(tokens::POSITION);
    let published = world.quotes(vec![Quote { is_backfill: true, ..quote(1) }, quote(2)]);
    assert_eq!([&published[0], &published[1]].map(|quote| quote.is_marked("backfill")), [true, false]);
}

#[test]
fn at_most_500_quotes_are_without_an_acknowledgement() {
    let mut world = World::begun(Beginning::First, None);
    let published = world.numbers(1..=600);
    assert_eq!(seqs(&published).len(), 500);
    assert!(!world.machine.takes_quotes());
    let first = published.iter().find(|published| !published.message.retain).unwrap().token;
    assert_eq!(seqs(&world.answer(first)), [501]);
    let mut world = World::new(Beginning::First, |_| {});
    world.connect_with(Capabilities { receive_maximum: 10, ..Capabilities::UNLIMITED });
    world.find(None);
    assert_eq!(seqs(&world.numbers(1..=600)).len(), 9, "and one position");
}

#[test]
fn position_follows_the_acknowledged_prefix_once_a_second() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    let published = world.numbers(42..=44);
    world.answer(published[1].token);
    assert!(position(&publications(world.wait(Duration::from_secs(1)))).is_none(), "42 is open");
    let written = position(&world.answer(published[0].token)).unwrap();
    assert_eq!(written["numbers"], json!({ SOURCE_NAME: 43 }));
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    let published = world.numbers(42..=44);
    assert!(position(&world.answer(published[0].token)).is_none(), "within a second");
    let written = position(&publications(world.wait(Duration::from_secs(1)))).unwrap();
    assert_eq!(written["numbers"], json!({ SOURCE_NAME: 42 }));
    assert_eq!(written["ahead"], json!(1_002), "two are open, and a thousand may follow");
    world.now.instant += Duration::from_secs(5);
    assert!(position(&world.answer(published[1].token)).is_none(), "the broker has not answered the last one");
    assert_eq!(position(&world.answer(tokens::POSITION)).unwrap()["numbers"], json!({ SOURCE_NAME: 43 }));
}

#[test]
fn first_number_of_a_source_that_begins_at_the_present_is_stored_at_once() {
    for (beginning, is_stored) in [(Beginning::Present, true), (Beginning::First, false)] {
        let mut world = World::begun(beginning, None);
        world.answer(tokens::POSITION);
        let published = world.numbers(42..=44);
        let written = position(&world.answer(published[0].token));
        let numbers = written.map(|written| written["numbers"].clone());
        assert_eq!(numbers, is_stored.then(|| json!({ SOURCE_NAME: 42 })), "{beginning:?}");
        world.answer(tokens::POSITION);
        assert!(position(&world.answer(published[1].token)).is_none(), "later ones wait for a second");
    }
}

#[test]
fn after_a_lost_connection_open_quotes_go_out_again_with_their_mark() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    let published = world.numbers(42..=44);
    world.answer(published[0].token);
    world.step(Input::Broker(Event::Disconnected(LinkError::Reach("cut".into()))));
    assert_eq!(world.missing()[0], (BROKER, "Unreachable".to_owned()));
    assert_eq!(seqs(&world.numbers([45])), Vec::<u64>::new());
    let again = publications(world.connect_again(Some(&stored(41, 0))));
    assert_eq!(seqs(&again), [43, 44, 45]);
    assert_eq!(again.iter().map(|quote| quote.is_marked("replay")).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn position_of_another_run_is_found_after_every_lost_connection() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    world.numbers(42..=44);
    // As mosquitto 2.0.11 does it where another client takes the client id.
    world.step(Input::Broker(Event::Disconnected(LinkError::Reach("closed".into()))));
    let other = stored(60, 3).replace("earlier", "another");
    let actions = world.connect_again(Some(&other));
    let start = actions
        .iter()
        .position(|action| matches!(action, Action::Start(position) if position.numbers[SOURCE_NAME] == 60));
    let stop = actions.iter().position(|action| matches!(action, Action::Stop));
    assert!(stop < start && stop.is_some(), "{actions:?}");
}

#[test]
fn lost_position_is_stored_again_after_a_lost_connection() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    world.now.instant += Duration::from_secs(2);
    world.step(Input::Broker(Event::Disconnected(LinkError::Reach("cut".into()))));
    let written = position(&publications(world.connect_again(None))).unwrap();
    assert_eq!(written["numbers"], json!({ SOURCE_NAME: 41 }));
    // Its own position is that of no other run.
    world.step(Input::Broker(Event::Disconnected(LinkError::Reach("cut".into()))));
    let actions = world.connect_again(Some(&written.to_string()));
    assert!(!actions.iter().any(|action| matches!(action, Action::Start(_) | Action::Stop)), "{actions:?}");
}

#[test]
fn taken_over_client_forgets_its_run_and_reads_the_position_again() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    world.numbers(42..=44);
    let actions = world.step(Input::Broker(Event::Disconnected(LinkError::End(codes::code(0x8e)))));
    assert!(actions.iter().any(|action| matches!(action, Action::Stop)), "{actions:?}");
    assert!(world.missing().contains(&(POSITION, "TakenOver".to_owned())));
    assert!(publications(world.connect()).is_empty());
    assert_eq!(world.find(Some(&stored(60, 3))), Some(60));
    world.numbers(58..=62);
    let published = world.answer(tokens::POSITION);
    assert_eq!(seqs(&published), [61, 62], "the other run has published the numbers before");
    assert_eq!(world.metrics.repeated.get(), 3);
}

#[test]
fn refused_quote_goes_out_again_after_a_pause_and_before_later_ones() {
    let mut world = World::begun(Beginning::First, None);
    let published = world.numbers(1..=3);
    let tokens: Vec<_> = published.iter().filter(|entry| !entry.message.retain).map(|entry| entry.token).collect();
    world.answer(tokens[0]);
    assert!(world.answer_with(tokens[1], 0x97).is_empty());
    world.answer(tokens[2]);
    assert!(world.missing().contains(&(PUBLISHING, "QuotaExceeded".to_owned())), "{:?}", world.missing());
    let again = publications(world.wait(Duration::from_secs(1)));
    assert_eq!(seqs(&again), [2, 3]);
    world.answer(again.iter().find(|entry| !entry.message.retain).unwrap().token);
    assert!(world.missing().iter().all(|(part, _)| *part != PUBLISHING));
}

#[test]
fn quote_that_is_refused_for_good_is_a_gap() {
    let mut world = World::begun(Beginning::First, None);
    let published = world.numbers(1..=2);
    let tokens: Vec<_> = published.iter().filter(|entry| !entry.message.retain).map(|entry| entry.token).collect();
    world.answer_with(tokens[0], 0x95);
    world.answer(tokens[1]);
    assert_eq!((world.metrics.refused.get(), world.metrics.gaps.get(), world.metrics.missing.get()), (1, 1, 1));
    world.answer(tokens::POSITION);
    let written = position(&publications(world.wait(Duration::from_secs(1)))).unwrap();
    assert_eq!(written["numbers"], json!({ SOURCE_NAME: 2 }));
}

#[test]
fn gaps_are_reported_and_repetitions_are_dropped() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    assert_eq!(seqs(&world.numbers([40, 42, 45, 44, 45])), [42, 45]);
    assert_eq!((world.metrics.gaps.get(), world.metrics.missing.get(), world.metrics.repeated.get()), (1, 2, 3));
    let gap = SourceEvent::Gap { source: SOURCE_NAME.into(), first: 46, last: 50 };
    world.step(Input::Source(gap));
    assert_eq!(seqs(&world.numbers([51])), [51]);
    assert_eq!((world.metrics.gaps.get(), world.metrics.missing.get()), (2, 7));
}

#[test]
fn look_up_is_repeated_until_the_position_is_known() {
    let mut world = World::new(Beginning::Present, |_| {});
    world.connect();
    let refused = Event::Subscribed { token: tokens::LOOKUP, code: codes::code(0x87) };
    world.step(Input::Broker(refused));
    assert!(world.missing().contains(&(POSITION, "NotAuthorized".to_owned())));
    let again = world.wait(Duration::from_secs(5));
    assert!(matches!(&again[..], [Action::Broker(Request::LookUp { .. })]), "{again:?}");
    world.answer_lookup();
    world.wait(Duration::from_secs(30));
    assert!(world.missing().contains(&(POSITION, "NoAnswer".to_owned())));
    world.wait(Duration::from_secs(5));
    let marker = world.answer_lookup();
    world.message(r#"{"version":9}"#, &[]);
    assert_eq!(world.message("", &marker.user_properties).len(), 1, "nothing is started");
    assert!(world.missing().contains(&(POSITION, "PositionUnreadable".to_owned())));
    world.wait(Duration::from_secs(5));
    assert_eq!(world.find(Some(&stored(7, 0))), Some(7));
}

#[test]
fn broker_without_retained_messages_is_a_warning() {
    let mut world = World::new(Beginning::Present, |_| {});
    let actions = world.connect_with(Capabilities { retain: false, ..Capabilities::UNLIMITED });
    assert!(matches!(&actions[..], [Action::Start(_)]), "{actions:?}");
    assert_eq!(world.warnings(), ["RetainNotSupported"]);
    assert_eq!(seqs(&world.numbers([1])), [1]);
    assert!(world.wait(Duration::from_secs(5)).is_empty());
}

#[test]
fn refused_positions_hold_no_quote_back() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.numbers([42]);
    assert_eq!(seqs(&world.answer_with(tokens::POSITION, 0x87)), [42]);
    assert_eq!(world.warnings(), ["PositionRefused"]);
    assert!(position(&publications(world.wait(Duration::from_secs(1)))).is_some());
    world.answer(tokens::POSITION);
    assert!(world.warnings().is_empty());
}

#[test]
fn condition_of_the_source_is_shown() {
    let mut world = World::begun(Beginning::First, None);
    let condition = |condition| Input::Source(SourceEvent::Condition(condition));
    world.step(condition(Condition::Working));
    assert!(!world.missing().iter().any(|(part, _)| *part == SOURCE));
    world.step(condition(Condition::Missing { reason: "Unreachable", message: "gone".to_owned() }));
    assert!(world.missing().contains(&(SOURCE, "Unreachable".to_owned())));
    world.step(condition(Condition::Ended));
    world.step(Input::SourceGone);
    assert_eq!((world.warnings(), world.machine.failure()), (vec!["SourceEnded".to_owned()], None));
    let mut world = World::begun(Beginning::First, None);
    world.step(Input::SourceGone);
    assert_eq!(world.machine.failure().unwrap().0, "SourceLost");
}

#[test]
fn feed_whose_quotes_all_came_before_this_run_is_ready() {
    let mut world = World::begun(Beginning::First, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    world.step(Input::Source(SourceEvent::Condition(Condition::Ended)));
    assert_eq!((world.missing(), world.warnings()), (Vec::new(), vec!["SourceEnded".to_owned()]));
}

#[test]
fn source_that_failed_is_started_again_behind_the_position() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    let published = world.numbers([42]);
    let failed = || Condition::Failed { reason: "FileUnusable", message: "no file".to_owned() };
    world.step(Input::Source(SourceEvent::Condition(failed())));
    world.step(Input::SourceGone);
    assert!(publications(world.wait(Duration::from_mins(6))).is_empty(), "a quote is open");
    world.answer(published[0].token);
    // The position behind it is not stored yet; the source is started behind it.
    world.answer(tokens::POSITION);
    assert_eq!(world.find(Some(&stored(42, 0))), Some(42));
    assert_eq!(world.machine.failure(), None);
    assert!(world.missing().contains(&(SOURCE, "FileUnusable".to_owned())), "it has not worked yet");
    let looks_up =
        |actions: Vec<Action>| actions.iter().any(|action| matches!(action, Action::Broker(Request::LookUp { .. })));
    world.answer(tokens::POSITION);
    world.step(Input::Source(SourceEvent::Condition(failed())));
    assert!(!looks_up(world.wait(Duration::from_secs(4))), "it failed just now");
    assert!(looks_up(world.wait(Duration::from_secs(6))));
    assert_eq!(world.find(Some(&stored(42, 0))), Some(42));
}

#[test]
fn feed_is_complete_once_the_broker_has_the_last_quote() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    let published = world.numbers(42..=43);
    world.step(Input::Source(SourceEvent::Condition(Condition::Ended)));
    world.answer(published[0].token);
    assert!(!world.machine.is_complete(), "one quote is open");
    // A quote that the broker never takes is none of those to wait for.
    world.answer_with(published[1].token, 0x95);
    let mark = Mark { topic: "intuition/desk/feed.btc/quotes".to_owned(), source: SOURCE_NAME.into(), seq: 42 };
    assert!(world.machine.is_complete());
    assert_eq!(world.machine.marks(), [mark]);
    let failed = Condition::Failed { reason: "SourceLost", message: String::new() };
    world.step(Input::Source(SourceEvent::Condition(failed)));
    assert!(!world.machine.is_complete(), "a source that failed has more quotes");
}

#[test]
fn quiet_source_is_stale_after_its_time() {
    let mut world = World::new(Beginning::First, |settings| settings.stale_after = Some(Duration::from_mins(1)));
    world.connect();
    world.find(None);
    world.wait(Duration::from_secs(59));
    assert!(world.warnings().is_empty());
    world.wait(Duration::from_secs(1));
    assert_eq!(world.warnings(), ["Stale"]);
    let published = world.numbers([1]);
    world.answer(published.iter().find(|entry| !entry.message.retain).unwrap().token);
    assert!(world.warnings().is_empty());
}

#[test]
fn last_position_counts_nothing_ahead() {
    let mut world = World::begun(Beginning::Present, Some(&stored(41, 0)));
    world.answer(tokens::POSITION);
    let published = world.numbers(42..=44);
    world.machine.begin_shutdown(world.now);
    let actions = world.machine.take_actions();
    assert!(matches!(&actions[..], [Action::Stop]), "{actions:?}");
    for entry in &published {
        let written = position(&world.answer(entry.token));
        assert_eq!(written.is_some(), entry.seq() == 44, "when all have their answers");
        if let Some(written) = written {
            assert_eq!((&written["numbers"], &written["ahead"]), (&json!({ SOURCE_NAME: 44 }), &json!(0)));
        }
    }
    let actions = world.step(Input::Broker(Event::Published { token: tokens::POSITION, code: success() }));
    assert!(matches!(&actions[..], [Action::Broker(Request::Disconnect)]), "{actions:?}");
}

#[test]
fn shutdown_waits_no_longer_than_its_bounds() {
    let mut world = World::begun(Beginning::First, None);
    world.answer(tokens::POSITION);
    world.numbers(1..=3);
    world.machine.begin_shutdown(world.now);
    world.machine.take_actions();
    let written = position(&publications(world.wait(Duration::from_secs(1)))).unwrap();
    assert!(written["ahead"].as_u64().unwrap() >= 3, "the three may be at the broker");
    let actions = world.wait(Duration::from_secs(1));
    assert!(matches!(&actions[..], [Action::Broker(Request::Disconnect)]), "{actions:?}");
}

#[test]
fn unused_position_of_other_sources_is_kept() {
    let numbers = BTreeMap::from([(SOURCE_NAME.to_owned(), 41), ("market:ETH".to_owned(), 9)]);
    let both = json!({ "version": 1, "feed": FEED, "run": "earlier", "time": "", "numbers": numbers, "ahead": 0, "replay": false });
    let mut world = World::new(Beginning::Present, |_| {});
    world.connect();
    let marker = world.answer_lookup();
    world.message(&both.to_string(), &[]);
    let published = publications(world.message("", &marker.user_properties));
    assert_eq!(position(&published).unwrap()["numbers"], json!(numbers));
}

#[test]
fn state_of_the_run_before_is_kept_where_the_source_gives_none() {
    let mut before: Value = serde_json::from_str(&stored(41, 0)).unwrap();
    before["state"] = json!({ "rows": 41 });
    let mut world = World::begun(Beginning::First, Some(&before.to_string()));
    world.answer(tokens::POSITION);
    let failed = Condition::Failed { reason: "SourceChanged", message: "row 7".to_owned() };
    world.step(Input::Source(SourceEvent::Condition(failed)));
    world.machine.begin_shutdown(world.now);
    let written = position(&publications(world.machine.take_actions())).unwrap();
    assert_eq!(written["state"], before["state"]);
}
