use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const SUCCESS: Code = Code { value: 0, name: "Success" };
const NOT_AUTHORIZED: Code = Code { value: 0x87, name: "NotAuthorized" };
const TOO_LARGE: Code = Code { value: 0x95, name: "PacketTooLarge" };
const QUOTA: Code = Code { value: 0x97, name: "QuotaExceeded" };
const DEADLINES: Deadlines =
    Deadlines { give_up: Duration::from_mins(1), once: Duration::from_secs(5), trial_pause: Duration::from_mins(1) };

#[derive(Debug, PartialEq, Eq)]
struct Item {
    position: u64,
    topic: Arc<str>,
    has_payload: bool,
}

impl Content for Item {
    fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    fn size(&self) -> usize {
        if self.has_payload { 100 } else { 10 }
    }

    fn shorten(&mut self) -> bool {
        std::mem::take(&mut self.has_payload)
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An outbox with a clock.
struct Tried {
    outbox: Outbox<Item>,
    now: Instant,
    last: u64,
    /// Reasons of entries that were given up, by position.
    given_up: BTreeMap<u64, &'static str>,
    published: Vec<u64>,
}

impl Tried {
    fn new(window: usize) -> Self {
        let mut outbox = Outbox::new(DEADLINES, 1 << 20, Sizes::default());
        outbox.opened(0, &[]);
        let now = Instant::now();
        outbox.connected(window, now);
        Self { outbox, now, last: 0, given_up: BTreeMap::new(), published: Vec::new() }
    }

    fn push(&mut self, queue: Queue) -> u64 {
        self.last += 1;
        let (position, topic) = (self.last, format!("{queue:?}").into());
        let item = || Item { position, topic, has_payload: queue == Queue::DeadLetters };
        assert_eq!(self.outbox.push(position, queue, item), Ok(true));
        position
    }

    fn sent(&mut self) -> Vec<u64> {
        let now = self.now;
        std::iter::from_fn(|| self.outbox.next_to_send(now).map(|(position, _)| position)).collect()
    }

    fn answer(&mut self, position: u64, code: Code) {
        self.outbox.answered(position, code, self.now);
        self.note();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.outbox.expire(self.now);
        self.note();
    }

    fn cut(&mut self, window: usize) {
        self.outbox.disconnected(false, self.now);
        self.note();
        self.outbox.connected(window, self.now);
    }

    fn note(&mut self) {
        for change in self.outbox.take_changes() {
            match change {
                Change::Published(item) => self.published.push(item.position),
                Change::GivenUp(item, reason) => assert_eq!(self.given_up.insert(item.position, reason), None),
                Change::Undeliverable(..) | Change::Deliverable(_) | Change::Dropped(_) => {}
            }
        }
    }

    fn is_done(&self, position: u64) -> bool {
        self.outbox.is_done(position, position)
    }
}

use Queue::{DeadLetters, Publications, Strict};

#[test]
fn refused_letter_holds_back_no_other_entry_and_ends_after_its_time() {
    let mut tried = Tried::new(100);
    for queue in [DeadLetters, Strict, Publications, DeadLetters] {
        tried.push(queue);
    }
    assert_eq!(tried.sent(), [2, 1, 4, 3], "decisions first");
    for (position, code) in [(1, NOT_AUTHORIZED), (2, SUCCESS), (3, SUCCESS), (4, NOT_AUTHORIZED)] {
        tried.answer(position, code);
    }
    assert_eq!(tried.published, [2, 3]);
    let mut attempts = 0;
    while tried.given_up.is_empty() {
        tried.pass(seconds(1));
        for position in tried.sent() {
            attempts += 1;
            tried.answer(position, NOT_AUTHORIZED);
        }
    }
    assert!((10..40).contains(&attempts), "{attempts} attempts");
    assert_eq!(tried.given_up, BTreeMap::from([(1, "NotAuthorized"), (4, "NotAuthorized")]), "side by side");
    assert!(tried.outbox.is_done(1, 4));
    assert_eq!(tried.outbox.undeliverable().collect::<Vec<_>>(), [("DeadLetters", "NotAuthorized")]);
}

#[test]
fn undeliverable_topic_sends_entries_once_and_retries_one_a_minute() {
    let mut tried = Tried::new(100);
    tried.push(Publications);
    while !tried.is_done(1) {
        for position in tried.sent() {
            tried.answer(position, NOT_AUTHORIZED);
        }
        tried.pass(seconds(1));
    }
    let second = tried.push(Publications);
    assert_eq!(tried.sent(), [second]);
    tried.answer(second, NOT_AUTHORIZED);
    assert!(tried.is_done(second), "one refusal");
    let third = tried.push(Publications);
    assert_eq!(tried.sent(), [third]);
    tried.pass(seconds(5));
    assert!(!tried.is_done(third), "no PUBACK shows that the broker is well");
    assert!(tried.outbox.wants_probe(tried.now));
    tried.outbox.heard(SUCCESS);
    tried.pass(Duration::ZERO);
    assert!(tried.is_done(third));
    tried.pass(seconds(60));
    let fourth = tried.push(Publications);
    assert_eq!(tried.sent(), [fourth]);
    tried.answer(fourth, NOT_AUTHORIZED);
    assert!(!tried.is_done(fourth), "a trial");
    tried.pass(seconds(1));
    assert_eq!(tried.sent(), [fourth]);
    tried.answer(fourth, SUCCESS);
    assert_eq!(tried.outbox.undeliverable().len(), 0);
}

#[test]
fn broker_that_answers_nothing_costs_no_entry() {
    let mut tried = Tried::new(10);
    tried.push(DeadLetters);
    assert_eq!(tried.sent(), [1]);
    tried.pass(seconds(600));
    assert!(!tried.is_done(1));
    // Its time has passed, and it has some on the new connection.
    tried.cut(10);
    assert_eq!(tried.sent(), [1]);
    tried.outbox.heard(SUCCESS);
    tried.pass(Duration::ZERO);
    assert!(!tried.is_done(1));
    tried.pass(seconds(5));
    assert_eq!(tried.sent(), [1], "without its payload");
    tried.outbox.heard(SUCCESS);
    tried.pass(seconds(5));
    assert_eq!(tried.given_up, BTreeMap::from([(1, "NoAnswer")]));
}

#[test]
fn refusal_of_this_client_is_no_sign_that_the_broker_is_well() {
    let mut tried = Tried::new(10);
    tried.push(Publications);
    tried.sent();
    tried.outbox.heard(Code { value: 0x9a, name: "RetainNotSupported" });
    tried.pass(seconds(60));
    assert!(!tried.is_done(1));
}

#[test]
fn letter_that_is_too_large_goes_without_its_payload_at_once() {
    let mut tried = Tried::new(10);
    tried.push(DeadLetters);
    assert_eq!(tried.sent(), [1]);
    tried.answer(1, TOO_LARGE);
    assert_eq!(tried.sent(), [1]);
    assert!(!tried.outbox.get(1).unwrap().has_payload);
    tried.answer(1, SUCCESS);
    assert_eq!((tried.published.as_slice(), tried.outbox.undeliverable().len()), ([1].as_slice(), 0));
}

#[test]
fn letter_refused_for_good_is_retried_without_payload_before_give_up() {
    let mut tried = Tried::new(10);
    tried.push(DeadLetters);
    while tried.outbox.get(1).is_some_and(|item| item.has_payload) {
        for position in tried.sent() {
            tried.answer(position, QUOTA);
        }
        tried.pass(seconds(1));
    }
    assert_eq!(tried.sent(), [1]);
    tried.answer(1, SUCCESS);
    assert_eq!(tried.published, [1]);
}

#[test]
fn decision_that_lost_its_answer_is_sent_before_a_refused_one_behind_it() {
    let mut tried = Tried::new(10);
    for _ in 0..3 {
        tried.push(Strict);
    }
    assert_eq!(tried.sent(), [1, 2, 3]);
    tried.answer(2, NOT_AUTHORIZED);
    tried.cut(10);
    assert_eq!(tried.outbox.retry(tried.now).map(|(position, _)| position), Some(1));
    tried.answer(1, SUCCESS);
    assert_eq!(tried.sent(), [2, 3]);
}

#[test]
fn decisions_have_a_share_of_the_window() {
    let mut tried = Tried::new(8);
    for _ in 0..20 {
        tried.push(DeadLetters);
        tried.push(Publications);
    }
    assert_eq!(tried.sent().len(), 6);
    let decisions = [tried.push(Strict), tried.push(Strict), tried.push(Strict)];
    assert_eq!(tried.sent(), decisions[..2]);
}

#[test]
fn entry_over_which_connections_end_is_sent_alone_and_given_up() {
    let mut tried = Tried::new(10);
    let (letter, _, publication) = (tried.push(DeadLetters), tried.push(Strict), tried.push(Publications));
    assert_eq!(tried.sent(), [2, letter, publication]);
    tried.answer(2, SUCCESS);
    let (mut connections, mut before) = (0, 2);
    while !tried.is_done(letter) {
        connections += 1;
        assert!(connections < 30);
        tried.cut(10);
        let decision = tried.push(Strict);
        loop {
            let sent = tried.sent();
            if sent == [letter] || (sent.is_empty() && tried.is_done(letter)) {
                break;
            }
            assert!(!sent.contains(&letter) && !sent.is_empty(), "{sent:?}");
            for position in sent {
                tried.answer(position, SUCCESS);
            }
        }
        assert!(tried.is_done(before), "decisions go on");
        before = decision;
        tried.now += seconds(10);
    }
    assert!(tried.is_done(publication));
    assert_eq!(tried.given_up, BTreeMap::from([(letter, "NoAnswer")]));
}

#[test]
fn topic_whose_refusals_cost_connections_gets_rare_trials_alone() {
    let mut tried = Tried::new(10);
    tried.push(Publications);
    while !tried.is_done(1) {
        if tried.last < 10 {
            tried.push(Publications);
        }
        for position in tried.sent() {
            tried.answer(position, NOT_AUTHORIZED);
            tried.cut(10);
        }
        tried.pass(seconds(1));
    }
    tried.pass(seconds(8));
    for _ in 0..11 {
        tried.push(Publications);
    }
    assert!(tried.sent().is_empty());
    tried.note();
    assert_eq!(tried.given_up.len(), 21);
    tried.pass(seconds(60));
    let (trial, next) = (tried.push(Publications), tried.push(Publications));
    assert_eq!(tried.sent(), [trial], "alone");
    tried.answer(trial, SUCCESS);
    assert_eq!(tried.sent(), [next]);
    // A connection that survives a refusal ends this.
    tried.answer(next, NOT_AUTHORIZED);
    tried.outbox.heard(SUCCESS);
    assert!(!tried.outbox.ends_over_refusals);
}

#[test]
fn disconnect_code_is_a_refusal_only_if_it_can_concern_the_entry() {
    for (code, refusals) in [(QUOTA, 1), (Code { value: 0x8b, name: "ServerShuttingDown" }, 0)] {
        let mut tried = Tried::new(10);
        tried.push(Publications);
        tried.sent();
        tried.outbox.ended_with(code, tried.now);
        tried.cut(10);
        assert_eq!(tried.sent().len(), 1 - refusals, "a refused entry waits");
    }
}

#[test]
fn other_ledger_begins_anew() {
    let mut tried = Tried::new(10);
    tried.push(Strict);
    tried.sent();
    tried.outbox.restart();
    tried.outbox.opened(0, &[]);
    tried.last = 0;
    tried.push(DeadLetters);
    assert_eq!(tried.sent(), [1]);
    tried.answer(1, SUCCESS);
    assert_eq!((tried.outbox.done_through(), tried.outbox.unpublished()), (1, 0));
}

#[derive(Debug, Clone)]
enum Happens {
    Push(usize),
    Send(usize),
    /// The answer to one of the entries under way.
    Answer(usize, usize),
    Pass(u64),
    Cut(usize, Option<usize>),
    Retry,
    Stream,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        5 => (0_usize..3).prop_map(Happens::Push),
        5 => (1_usize..8).prop_map(Happens::Send),
        6 => (0_usize..100, 0_usize..8).prop_map(|(which, code)| Happens::Answer(which, code)),
        3 => (0_u64..40).prop_map(Happens::Pass),
        1 => (1_usize..9, prop::option::of(0_usize..4)).prop_map(|(window, code)| Happens::Cut(window, code)),
        2 => Just(Happens::Retry),
        1 => Just(Happens::Stream),
    ]
}

/// The expected result.
#[derive(Default)]
struct Model {
    queues: BTreeMap<u64, Queue>,
    under_way: BTreeSet<u64>,
    accepted: BTreeSet<u64>,
    /// Entries in strict order that the broker refused last.
    refused: BTreeSet<u64>,
    reported: Ranges,
    named: BTreeSet<u64>,
}

impl Model {
    fn sent(&mut self, position: u64, is_retry: bool) {
        assert!(!self.accepted.contains(&position), "{position} is sent again after its PUBACK");
        let is_new = self.under_way.insert(position);
        assert!(is_new || self.queues[&position] == DeadLetters, "{position} is under way already");
        if self.queues[&position] == Strict {
            let earlier = || self.queues.iter().filter(|(other, queue)| **other < position && **queue == Strict);
            let are_sent = earlier().all(|(other, _)| self.under_way.contains(other) || self.accepted.contains(other));
            assert!(are_sent, "decision {position} is sent before one that came earlier");
            assert!(is_retry || self.refused.is_empty(), "decision {position} is sent behind a refused one");
        }
    }

    /// The first decision that waits to be sent.
    fn first_waiting(&self) -> Option<u64> {
        let waits = |position: &u64| !self.accepted.contains(position) && !self.under_way.contains(position);
        let decisions = self.queues.iter().filter(|(_, queue)| **queue == Strict);
        decisions.map(|(position, _)| *position).find(waits)
    }

    /// The first decision without an answer takes the place of a refused one behind it.
    fn cut(&mut self) {
        self.under_way.clear();
        if !self.refused.is_empty() {
            self.refused.extend(self.first_waiting());
        }
    }

    fn report(&mut self, report: &Published, given_up: &BTreeMap<u64, &'static str>) {
        for entry in &report.given_up {
            assert!(given_up.contains_key(&entry.position) && self.named.insert(entry.position));
        }
        if report.through > 0 {
            self.reported.insert(1, report.through);
        }
        for range in &report.done {
            self.reported.insert(range.first, range.last);
        }
        for position in self.reported.iter().flat_map(|(first, last)| first..=last) {
            assert!(self.accepted.contains(&position) || self.named.contains(&position), "{position} is not done");
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_decisions_keep_their_order_and_every_other_entry_ends(
        script in proptest::collection::vec(happens(), 1..200)
    ) {
        let codes = [SUCCESS, SUCCESS, SUCCESS, SUCCESS, NOT_AUTHORIZED, TOO_LARGE, QUOTA, SUCCESS];
        let (mut tried, mut model, mut window) = (Tried::new(4), Model::default(), 4);
        for step in script {
            match step {
                Happens::Push(kind) => {
                    let queue = [Strict, DeadLetters, Publications][kind];
                    let position = tried.push(queue);
                    model.queues.insert(position, queue);
                }
                Happens::Send(count) => for _ in 0..count {
                    let Some((position, _)) = tried.outbox.next_to_send(tried.now) else { break };
                    model.sent(position, false);
                    prop_assert!(tried.outbox.under_way().count <= window, "no more than the broker takes");
                },
                Happens::Answer(which, code) => {
                    let under_way: Vec<u64> = model.under_way.iter().copied().collect();
                    if let Some(position) = under_way.get(which % under_way.len().max(1)).copied() {
                        model.under_way.remove(&position);
                        let code = codes[code];
                        if code.is_success() {
                            model.accepted.insert(position);
                            // The ones behind the first refused decision are tried again as they come.
                            if model.refused.first() == Some(&position) {
                                model.refused.clear();
                            }
                        } else if model.queues[&position] == Strict {
                            model.refused.insert(position);
                            model.refused.extend(model.first_waiting());
                        }
                        tried.answer(position, code);
                    }
                }
                Happens::Pass(time) => tried.pass(seconds(time)),
                Happens::Cut(next, code) => {
                    window = next;
                    if let Some(code) = code {
                        tried.outbox.ended_with([QUOTA, NOT_AUTHORIZED, TOO_LARGE, SUCCESS][code], tried.now);
                        tried.note();
                    }
                    model.cut();
                    tried.cut(window);
                }
                Happens::Retry => if let Some((position, _)) = tried.outbox.retry(tried.now) {
                    model.sent(position, true);
                },
                Happens::Stream => {
                    let through = tried.outbox.begin_stream().through;
                    let done = tried.outbox.progress.begin().done;
                    tried.outbox.opened(through, &done);
                    let known = |position: &u64| tried.outbox.is_done(*position, *position);
                    model.named.extend(tried.given_up.keys().copied().filter(known));
                    for position in through + 1..=tried.last {
                        if !done.iter().any(|range| (range.first..=range.last).contains(&position)) {
                            let queue = model.queues[&position];
                            let held = tried.outbox.get(position).is_some() || tried.is_done(position);
                            prop_assert!(held, "{position} is forgotten");
                            let pushed = tried.outbox.push(position, queue, || unreachable!("it is held"));
                            prop_assert_eq!(pushed, Ok(false));
                        }
                    }
                }
            }
            tried.note();
            // An entry that was given up while under way may still be answered.
            model.under_way.retain(|position| !tried.given_up.contains_key(position));
            while let Some(report) = tried.outbox.report(true) {
                model.report(&report, &tried.given_up);
            }
            for (position, queue) in &model.queues {
                let is_given_up = tried.given_up.contains_key(position);
                prop_assert!(!is_given_up || *queue != Strict, "a decision is never given up");
                prop_assert_eq!(tried.is_done(*position), is_given_up || model.accepted.contains(position));
            }
            let decisions = tried.published.iter().filter(|position| model.queues[position] == Strict);
            prop_assert!(decisions.is_sorted(), "{:?}", tried.published);
        }
        // From here on the broker takes decisions and refuses the rest.
        tried.outbox.disconnected(false, tried.now);
        tried.cut(4);
        let began = tried.now;
        while tried.outbox.unpublished() > 0 {
            prop_assert!(tried.now < began + seconds(600), "{:?}", tried.outbox);
            let retried = tried.outbox.retry(tried.now).map(|(position, _)| position);
            for position in retried.into_iter().chain(tried.sent()).collect::<Vec<_>>() {
                let is_decision = model.queues[&position] == Strict;
                tried.answer(position, if is_decision { SUCCESS } else { NOT_AUTHORIZED });
            }
            tried.outbox.heard(SUCCESS);
            tried.note();
            tried.pass(seconds(1));
        }
        prop_assert_eq!(tried.outbox.done_through(), tried.last);
        prop_assert_eq!(tried.outbox.under_way(), Flight::NONE);
    }
}
