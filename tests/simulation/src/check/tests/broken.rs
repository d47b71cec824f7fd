//! A story for each way in which a promise can be broken: the good story with one fact changed, left out or added.

use std::{collections::BTreeMap, rc::Rc};

use algo_runtime::ledger::{
    Cause, Changes, EntryKind, JournalEntry, LedgerId, LedgerIds, OutboxContent, OutboxRow, SettingsRecord,
    TradingRecord,
};
use bytes::Bytes;
use intuition_api::v1::{
    self, TradingState,
    tick_outcome::{Kind, SeenBy},
};

use super::{
    judged,
    story::{ACCOUNT, LEDGER, Story, TOPIC, body, buy, empty, good, numbered, outcome, with_an_older_ledger},
};
use crate::{
    check::promise,
    facts::{Fact, Identity, Loss, Place, Process, Quote, Replaced},
};

/// The facts break this promise, and the text names what is wrong.
#[track_caller]
fn assert_broken(facts: &[Fact], promise: &str, part: &str) {
    let violation = judged(facts).expect_err("every promise holds");
    assert!(violation.promise == promise && violation.text.contains(part), "{violation}");
}

/// The place of the first fact of a kind.
fn place(facts: &[Fact], is_it: impl Fn(&Fact) -> bool) -> usize {
    facts.iter().position(is_it).expect("the story has such a fact")
}

/// The good story with the changes of a commit changed: those with the first journal entry that is a trade of this kind.
fn with_commit(kind: EntryKind, change: impl FnOnce(&mut Changes)) -> Vec<Fact> {
    let mut facts = good().facts;
    let is_it = |entry: &JournalEntry| entry.kind == kind;
    let at = place(&facts, |fact| matches!(fact, Fact::Committed { changes, .. } if changes.journal.iter().any(is_it)));
    if let Fact::Committed { changes, .. } = &mut facts[at] {
        change(Rc::make_mut(changes));
    }
    facts
}

fn with_entry(kind: EntryKind, change: impl FnOnce(&mut JournalEntry)) -> Vec<Fact> {
    with_commit(kind, |changes| change(&mut changes.journal[0]))
}

#[test]
fn books_that_do_not_balance() {
    let facts = with_entry(EntryKind::Buy, |entry| entry.cash = "991".parse().unwrap());
    assert_broken(&facts, promise::BOOKS, "the cash after it is 991.00, should be 990.00");
    let facts = with_entry(EntryKind::Buy, |entry| entry.number = 3);
    assert_broken(&facts, promise::BOOKS, "numbers have no holes");
    let up = |entry: &mut JournalEntry| entry.trade.as_mut().unwrap().quantity = "3.33333334".parse().unwrap();
    assert_broken(&with_entry(EntryKind::Buy, up), promise::BOOKS, "rounded down");
    let seq = |entry: &mut JournalEntry| entry.trade.as_mut().unwrap().seq = 7;
    assert_broken(&with_entry(EntryKind::Sell, seq), promise::BOOKS, "is decision 7, should be 2");
    let cost = |entry: &mut JournalEntry| entry.trade.as_mut().unwrap().cost = "4.51".parse().unwrap();
    assert_broken(&with_entry(EntryKind::Sell, cost), promise::BOOKS, "takes 4.51 of the cost, should take 4.50");
    let more = |entry: &mut JournalEntry| entry.trade.as_mut().unwrap().quantity = "1.51".parse().unwrap();
    assert_broken(&with_entry(EntryKind::Sell, more), promise::BOOKS, "1.51 at 4 bring 6.04 rounded down");
    let facts = with_commit(EntryKind::Sell, |changes| {
        changes.holdings.insert("GOOG".to_owned(), None);
    });
    assert_broken(&facts, promise::BOOKS, "the holding of \"GOOG\"");
    let facts = with_commit(EntryKind::Sell, |changes| changes.holdings.clear());
    assert_broken(&facts, promise::BOOKS, "has no row for its holding");
    let facts = with_commit(EntryKind::Sell, |changes| {
        changes.account.as_mut().unwrap().realised = "0".parse().unwrap();
    });
    assert_broken(&facts, promise::BOOKS, "realised is 0.00, the journal adds up to 1.50");
}

#[test]
fn a_quote_that_is_decided_twice() {
    // By its number, in another message.
    let mut story = Story::begin();
    buy(&mut story, LEDGER);
    let again = body("payload again", vec![numbered(1, 1, "3")]);
    story.arrive(&again);
    story.row(&again, outcome(Kind::NoSignal, ""));
    story.count("noSignal", "", 1);
    story.commit();
    assert_broken(&story.facts, promise::ONE_OUTCOME, "is not above the last number of its source");
    // A bare one, by a redelivery.
    let quote =
        |identity| Place::Quote(Quote { serial: 5, identity, symbol: "GOOG".to_owned(), price: "5".to_owned() });
    for (identity, text) in [
        (Identity::Bare, "the broker took 1 of it"),
        (Identity::Id("x".to_owned()), "the broker took 1 of it"),
        (Identity::NumberAlone(4), "the broker took 1 of it"),
    ] {
        let mut story = Story::begin();
        let bare = body("bare", vec![quote(identity)]);
        story.arrive(&bare);
        for _ in 0..2 {
            story.row(&bare, outcome(Kind::NoSignal, ""));
            story.count("noSignal", "", 1);
            story.commit();
            story.deliver(1, &bare, true);
        }
        assert_broken(&story.facts, promise::ONE_OUTCOME, text);
    }
    // By its id, in another message; a bare one is another quote then.
    for (identity, is_broken) in [(Identity::Id("x".to_owned()), true), (Identity::Bare, false)] {
        let mut story = Story::begin();
        for payload in ["one", "two"] {
            let message = body(payload, vec![quote(identity.clone())]);
            story.leave_without_signal(&message);
        }
        story.settle();
        if is_broken {
            assert_broken(&story.facts, promise::ONE_OUTCOME, "had its outcome with ordinal 1 of the same class");
        } else {
            assert_eq!(judged(&story.facts), Ok(()));
        }
    }
}

#[test]
fn an_id_beyond_the_window_and_a_broker_with_an_older_file_are_no_fault() {
    let with_id = |serial: u64| {
        let identity = Identity::Id(format!("id {serial}"));
        Place::Quote(Quote { serial, identity, symbol: "GOOG".to_owned(), price: serial.to_string() })
    };
    let mut story = Story::begin();
    // The window of the checker here is 8.
    for (serial, payload) in (1..=9).chain([1]).zip(0..) {
        let message = body(&format!("message {payload}"), vec![with_id(serial)]);
        story.leave_without_signal(&message);
    }
    story.settle();
    assert_eq!(judged(&story.facts), Ok(()));

    let mut story = Story::begin();
    let identity = Identity::Bare;
    let bare = Place::Quote(Quote { serial: 1, identity, symbol: "GOOG".to_owned(), price: "3".to_owned() });
    let bare = body("bare", vec![bare]);
    story.arrive(&bare);
    for _ in 0..2 {
        story.row(&bare, outcome(Kind::NoSignal, ""));
        story.count("noSignal", "", 1);
        story.commit();
        story.answer();
        story.acknowledge();
        story.facts.push(Fact::BrokerWentBack);
        story.deliver(1, &bare, false);
    }
    story.settle();
    assert_eq!(judged(&story.facts), Ok(()));
}

#[test]
fn outcomes_out_of_order_and_last_numbers_without_an_outcome() {
    let facts = with_commit(EntryKind::Sell, |changes| changes.window[0].delivery = 1);
    assert_broken(&facts, promise::ORDER, "follows an outcome of delivery 1, place 0, of the same bridge");
    let facts = with_commit(EntryKind::Buy, |changes| changes.marks.values_mut().for_each(|mark| mark.seq = 2));
    assert_broken(&facts, promise::ONE_OUTCOME, "is recorded as 2, rank 0, and by its outcomes it is Some((1, 0))");
}

#[test]
fn denials_of_a_state_that_is_not_in_force() {
    let facts = |reason| {
        let mut story = Story::begin();
        let message = story.quote(1, 1, "3");
        story.row(&message, outcome(Kind::Denied, reason));
        story.count("denied", reason, 1);
        story.commit();
        story.answer();
        story.acknowledge();
        story.settle();
        story.facts
    };
    assert_eq!(judged(&facts("TooSmall")), Ok(()));
    assert_broken(&facts("Halted"), promise::STOP, "is denied Halted, and the trading state is TRADING_STATE_ACTIVE");
}

#[test]
fn decisions_about_nothing_and_outcomes_about_other_decisions() {
    let price = |entry: &mut JournalEntry| entry.trade.as_mut().unwrap().event = "feed/9".to_owned();
    assert_broken(&with_entry(EntryKind::Buy, price), promise::ONE_OUTCOME, "names the event \"feed/9\"");
    let facts = with_commit(EntryKind::Buy, |changes| changes.window[0].outcome.first_seq = 2);
    assert_broken(&facts, promise::ONE_OUTCOME, "names decision 2, which is not there");
    let facts = with_commit(EntryKind::Buy, |changes| changes.window.clear());
    assert_broken(&facts, promise::ONE_OUTCOME, "belongs to no outcome of its commit");
    let mut facts = good().facts;
    let at = place(&facts, |fact| matches!(fact, Fact::Taken { .. }));
    if let Fact::Taken { body: taken, .. } = &mut facts[at] {
        *taken = body("payload 1", vec![numbered(1, 1, "3.1")]);
    }
    assert_broken(&facts, promise::ONE_OUTCOME, "the broker took no such quote");
}

#[test]
fn an_acknowledgement_before_outcome_or_publication() {
    let mut facts = good().facts;
    let at = place(&facts, |fact| matches!(fact, Fact::Outcome { .. }));
    facts.remove(at);
    assert_broken(&facts, promise::ACKNOWLEDGED, "its bridge has no outcome of it");
    let mut facts = good().facts;
    let published = place(&facts, |fact| matches!(fact, Fact::Publication { .. }));
    let acknowledged = place(&facts, |fact| matches!(fact, Fact::Acknowledged { .. }));
    let early = facts.remove(acknowledged);
    facts.insert(published, early);
    assert_broken(&facts, promise::ACKNOWLEDGED, "is acknowledged before this is published: decision");
    // The outcome is told before it is durable.
    let mut facts = good().facts;
    let committed = place(&facts, |fact| matches!(fact, Fact::Committed { changes, .. } if !changes.window.is_empty()));
    let told = place(&facts, |fact| matches!(fact, Fact::Outcome { .. }));
    facts.swap(committed, told);
    assert_broken(&facts, promise::ACKNOWLEDGED, "the ledger has no such outcome");
    // A dead letter that nothing shows to be given up.
    let mut facts = good().facts;
    let letter = |fact: &Fact| matches!(fact, Fact::Publication { topic, .. } if topic.ends_with("/dead-letter"));
    let at = place(&facts, letter);
    facts.drain(at..=at + 1);
    assert_broken(&facts, promise::ACKNOWLEDGED, "is acknowledged before this is published: dead letter");
    facts.insert(at, Fact::Refused { topic: "intuition/desk/a/dead-letter".to_owned(), code: 0x87 });
    assert_broken(&facts, promise::SILENCE, "0 are counted as undeliverable");
    // A message of the algorithm that no outcome names.
    let facts = with_commit(EntryKind::Buy, |changes| {
        let position = changes.outbox.last().map_or(0, |row| row.position) + 1;
        let publication = v1::Publication { channel: "trace".to_owned(), payload: Bytes::new() };
        changes.outbox.push(OutboxRow { position, content: OutboxContent::Publication(publication) });
        changes.account.as_mut().unwrap().position = position;
    });
    assert_broken(&facts, promise::ACKNOWLEDGED, "so that no acknowledgement waits for it");
}

#[test]
fn publications_that_are_not_in_the_ledger_or_out_of_order() {
    let is_first = |fact: &Fact| matches!(fact, Fact::Publication { payload, .. } if payload.starts_with(b"{\"id\""));
    let mut facts = good().facts;
    let at = place(&facts, is_first);
    if let Fact::Publication { payload, .. } = &mut facts[at] {
        *payload = String::from_utf8(payload.to_vec()).unwrap().replace("990.00", "990.01").into();
    }
    assert_broken(&facts, promise::PUBLISHED, "no ledger had it with this content");
    // Without its publication a decision is not done; the report comes too early.
    let mut facts = good().facts;
    let at = place(&facts, is_first);
    let both = facts.drain(at..=at + 1).collect::<Vec<_>>();
    let acknowledged = facts.remove(at);
    assert!(matches!(acknowledged, Fact::Acknowledged { .. }));
    assert_broken(&facts, promise::PUBLISHED, "decision 2 is published before [1]");
    // A bridge that passes over a refused decision breaks the order before the broker takes the next one.
    let behind = place(&facts, is_first);
    let publishing = |publication: &Fact| match publication {
        Fact::Publication { topic, payload, .. } => {
            Fact::Publishing { bridge: 2, topic: topic.clone(), payload: payload.clone() }
        }
        other => panic!("no publication: {other:?}"),
    };
    let refused = match &both[0] {
        Fact::Publication { topic, payload, .. } => {
            Fact::RefusedTo { bridge: 2, topic: topic.clone(), payload: payload.clone() }
        }
        other => panic!("no publication: {other:?}"),
    };
    let (first, second) = (publishing(&both[0]), publishing(&facts[behind]));
    let mut overtaken = facts.clone();
    overtaken.splice(behind..behind, [first, refused, second]);
    assert_broken(
        &overtaken,
        promise::PUBLISHED,
        "publishes decision 2 before decision 1, which the broker has refused",
    );
    // Out of order, after a refusal: no fault.
    let second = place(&facts, |fact| matches!(fact, Fact::Acknowledged { .. }));
    facts.insert(at, Fact::Refused { topic: "intuition/desk/a/decisions".to_owned(), code: 0x97 });
    facts.splice(second + 2..second + 2, both.into_iter().chain([acknowledged]));
    assert_eq!(judged(&facts), Ok(()));
    // A consumer that misses one, although the broker never ended.
    let mut facts = good().facts;
    facts.remove(place(&facts, |fact| matches!(fact, Fact::Consumed { .. })));
    assert_broken(&facts, promise::PUBLISHED, "no consumer received a decision");
    let run = 9;
    facts.insert(0, Fact::Ended { process: Process::Broker, run, ending: crate::facts::Ending::Stop });
    assert_eq!(judged(&facts), Ok(()));
    // A report about a decision that was never published.
    let mut story = Story::begin();
    buy(&mut story, LEDGER);
    let at = place(&story.facts, |fact| matches!(fact, Fact::Publication { .. }));
    story.facts.truncate(at);
    story.report(1);
    assert_broken(
        &story.facts,
        promise::PUBLISHED,
        "position 1 is recorded as published, and the broker never took it",
    );
}

#[test]
fn a_ledger_id_without_a_ledger_that_went_back() {
    let facts = with_commit(EntryKind::Buy, |changes| {
        let mut ids = LedgerIds::new(LEDGER);
        ids.take(LedgerId { first_seq: 1, first_position: 1, id: "bbbbbbbb".to_owned() });
        changes.ledger_ids = Some(ids);
    });
    assert_broken(&facts, promise::PUBLISHED, "the ledger takes the id \"bbbbbbbb\"");
}

#[test]
fn ids_that_come_again_with_other_content() {
    // The ledger went back, the bridge knew of the later one, and the ids were kept.
    let mut facts = with_an_older_ledger().facts;
    let ids = place(&facts, |fact| matches!(fact, Fact::Committed { changes, .. } if changes.ledger_ids.is_some()));
    if let Fact::Committed { changes, .. } = &mut facts[ids] {
        let changes = Rc::make_mut(changes);
        changes.ledger_ids = None;
        changes.account.as_mut().unwrap().ledger_id = LEDGER.to_owned();
    }
    if let Fact::Opened { opened, .. } = &mut facts[ids + 1] {
        LEDGER.clone_into(&mut opened.ledger_id);
    }
    for fact in &mut facts[ids + 2..] {
        let (Fact::Publication { payload, .. } | Fact::Consumed { payload, .. }) = fact else { continue };
        *payload =
            String::from_utf8(payload.to_vec()).unwrap().replace("bbbbbbbb", LEDGER).replace("feed/1", "feed/2").into();
    }
    for fact in &mut facts[ids + 2..] {
        match fact {
            Fact::Committed { changes, .. } => {
                for entry in Rc::make_mut(changes).journal.iter_mut().filter_map(|entry| entry.trade.as_mut()) {
                    entry.event = "feed/2".to_owned();
                }
                let changes = Rc::make_mut(changes);
                changes.window.iter_mut().for_each(|row| row.seq = Some(2));
                changes.marks.values_mut().for_each(|mark| mark.seq = 2);
                for row in &mut changes.outbox {
                    if let algo_runtime::ledger::OutboxContent::Decision(entry) = &mut row.content {
                        entry.trade.as_mut().unwrap().event = "feed/2".to_owned();
                    }
                }
            }
            Fact::Taken { body: taken, .. } => *taken = body("payload 1", vec![numbered(2, 2, "3")]),
            _ => {}
        }
    }
    assert_broken(&facts, promise::PUBLISHED, "is published with another content");
    // A bridge that never knew of the later ledger cannot tell.
    if let Fact::Opened { bridge, .. } = &mut facts[ids + 1] {
        *bridge = 5;
    }
    assert_eq!(judged(&facts), Ok(()));
    // Neither can a consumer: it drops the second decision, since it knows the id.
    let last = facts.iter().rposition(|fact| matches!(fact, Fact::Consumed { .. })).unwrap();
    facts.remove(last);
    assert_eq!(judged(&facts), Ok(()));
}

#[test]
fn dead_letters_with_another_reason_or_none() {
    let rubbish = |change: fn(&mut Changes)| {
        let mut facts = good().facts;
        let is_it = |changes: &Changes| changes.window.iter().any(|row| row.outcome.kind == Kind::DeadLettered);
        let at = place(&facts, |fact| matches!(fact, Fact::Committed { changes, .. } if is_it(changes)));
        if let Fact::Committed { changes, .. } = &mut facts[at] {
            change(Rc::make_mut(changes));
        }
        facts
    };
    let facts = rubbish(|changes| changes.window[0].outcome.reason = "BadPrice".to_owned());
    assert_broken(&facts, promise::DEAD_LETTERS, "should be a dead letter with the reason NotJson");
    let facts = rubbish(|changes| changes.window[0].outcome.first_position = 1);
    assert_broken(&facts, promise::DEAD_LETTERS, "names position 1, which is no dead letter");
    let mut story = Story::begin();
    let message = story.quote(1, 1, "3");
    story.row(&message, outcome(Kind::DeadLettered, "IdentityConflict"));
    story.commit();
    assert_broken(&story.facts, promise::DEAD_LETTERS, "no other quote has the identity of quote 1");
    // The number of another era is no conflict.
    let mut story = Story::begin();
    buy(&mut story, LEDGER);
    let other = story.quote(2, 1, "5");
    story.row(&other, outcome(Kind::DeadLettered, "IdentityConflict"));
    story.pending.window[0].era = 1;
    story.commit();
    let text =
        "the number of quote 2, Numbered { source: \"feed\", seq: 1 }, did not come before in era 1 of its source";
    assert_broken(&story.facts, promise::DEAD_LETTERS, text);
}

#[test]
fn gaps_that_are_missing_or_invented() {
    let facts = with_commit(EntryKind::Sell, |changes| changes.gaps.clear());
    assert_broken(&facts, promise::GAPS, "no gap for numbers that are missing: source \"feed\" on \"quotes\", 2 to 2");
    let facts = with_commit(EntryKind::Sell, |changes| changes.gaps[0].last = 3);
    assert_broken(
        &facts,
        promise::GAPS,
        "2 to 3; by the outcomes the next one should be source \"feed\" on \"quotes\", 2 to 2",
    );
    let gap = good().facts.iter().find_map(|fact| match fact {
        Fact::Committed { changes, .. } => changes.gaps.first().cloned(),
        _ => None,
    });
    let facts = with_commit(EntryKind::Buy, |changes| changes.gaps.extend(gap));
    assert_broken(&facts, promise::GAPS, "the next one should be none");
}

fn stopped() -> BTreeMap<(String, bool), Cause> {
    let cause = Cause { state: TradingState::Halted, message: String::new(), since_micros: 0 };
    [(("Halt".to_owned(), false), cause)].into()
}

fn halted(state: TradingState, number: u64) -> Fact {
    let mut causes = stopped();
    if state > TradingState::Active {
        for cause in causes.values_mut() {
            cause.state = state;
        }
    } else {
        causes.clear();
    }
    let trading = Some(TradingRecord { number, causes, ..TradingRecord::default() });
    Fact::Committed { run: 1, changes: Rc::new(Changes { trading, ..Changes::default() }) }
}

fn confirmed(state: TradingState, number: u64) -> Fact {
    let cause = v1::TradingCause { cause: "Halt".to_owned(), state: state.into(), ..Default::default() };
    let trading = v1::Trading { state: state.into(), number, ..Default::default() };
    Fact::TradingConfirmed {
        request: v1::SetTradingStateRequest { causes: vec![cause], ..Default::default() },
        response: v1::SetTradingStateResponse { trading: Some(trading), refusal: None },
    }
}

fn asked(state: TradingState, from: Option<u64>) -> Fact {
    let cause = v1::TradingCause { cause: "Halt".to_owned(), state: state.into(), ..Default::default() };
    let causes = if state > TradingState::Active { vec![cause] } else { Vec::new() };
    Fact::TradingAsked { request: v1::SetTradingStateRequest { from, causes, ..Default::default() } }
}

/// The good story with calls that ask for a stop.
fn with_calls() -> Vec<Fact> {
    let mut facts = vec![asked(TradingState::Halted, None), asked(TradingState::Reducing, None)];
    facts.extend(good().facts);
    facts
}

#[test]
fn causes_that_no_call_asked_for() {
    let mut story = Story::begin();
    let (stop, lifted) = (halted(TradingState::Halted, 1), halted(TradingState::Active, 2));
    story.facts.push(stop.clone());
    assert_broken(&story.facts, promise::STOP, "to {\"Halt\": Halted}, and no call asked for that");
    story.facts.insert(0, asked(TradingState::Halted, None));
    story.facts.push(lifted.clone());
    assert_broken(
        &story.facts,
        promise::STOP,
        "go from {\"Halt\": Halted}, number 1, to {}, and no call asked for that",
    );
    // A call that saw an earlier state lifts nothing.
    for (from, holds) in [(None, false), (Some(0), false), (Some(1), true)] {
        let last = story.facts.len() - 1;
        story.facts.insert(last, asked(TradingState::Active, from));
        let violation = judged(&story.facts).unwrap_err();
        assert_eq!(violation.promise == promise::SETTLED, holds, "{from:?}: {violation}");
    }
    // A call explains one change.
    story.facts.push(halted(TradingState::Halted, 3));
    assert_broken(&story.facts, promise::STOP, "to {\"Halt\": Halted}, and no call asked for that");
    // The file of a start lifts a stop if it is newer.
    let mut story = Story::begin();
    story.facts.extend([asked(TradingState::Halted, None), stop]);
    let Fact::Committed { changes, .. } = &lifted else { return };
    let mut trading = changes.trading.clone().unwrap();
    let mut snapshot = story.snapshot.clone();
    snapshot.trading = Some(TradingRecord { number: 1, causes: stopped(), ..TradingRecord::default() });
    story.facts.push(Fact::LedgerOpened { run: 1, snapshot: Rc::new(snapshot) });
    story.facts.push(lifted);
    assert_broken(&story.facts, promise::STOP, "no call asked for that");
    trading.generation = 2;
    let changes = Rc::new(Changes { trading: Some(trading), ..Changes::default() });
    *story.facts.last_mut().unwrap() = Fact::Committed { run: 1, changes };
    assert_broken(&story.facts, promise::SETTLED, "the run ended before it came to rest");
}

fn configured(generation: i64, suspend: bool) -> Fact {
    let settings = Some(v1::Settings { suspend, ..Default::default() });
    Fact::ConfigureAsked { request: v1::ConfigureRequest { generation, settings, ..Default::default() } }
}

#[test]
fn suspensions_without_a_number_or_that_older_settings_end() {
    let record = |number: u64, is_suspended: bool| {
        let cause = Cause { state: TradingState::Halted, message: String::new(), since_micros: 0 };
        let causes = is_suspended.then(|| (("User".to_owned(), true), cause)).into_iter().collect();
        let trading = Some(TradingRecord { number, generation: 5, causes, ..TradingRecord::default() });
        Fact::Committed { run: 1, changes: Rc::new(Changes { trading, ..Changes::default() }) }
    };
    let told = |number: u64, generation: i64| {
        let mut story = Story::begin();
        story.facts.extend([configured(5, true), record(number, true)]);
        story.facts.extend([configured(generation, false), record(2, false)]);
        story.facts
    };
    assert_broken(&told(0, 5), promise::STOP, "and its number stays 0");
    assert_broken(&told(1, 4), promise::STOP, "to {}, and no call asked for that");
    assert_broken(&told(1, 5), promise::SETTLED, "the run ended before it came to rest");
}

#[test]
fn trades_after_a_stop() {
    let begin = Story::begin().facts.len() + 2;
    let mut facts = with_calls();
    facts.insert(begin, halted(TradingState::Halted, 1));
    assert_broken(&facts, promise::STOP, "decision 1 (buy of 3.33333333 \"GOOG\" at 3) is booked");
    facts[begin] = halted(TradingState::Reducing, 1);
    assert_broken(&facts, promise::STOP, "the trading state has been TRADING_STATE_REDUCING since number 1");
    // A sale is no fault while the account is reduced.
    let mut facts = with_calls();
    let bought = place(&facts, |fact| matches!(fact, Fact::Outcome { .. }));
    facts.insert(bought, halted(TradingState::Reducing, 1));
    facts.insert(bought + 1, confirmed(TradingState::Reducing, 1));
    assert_eq!(judged(&facts), Ok(()));
    facts[bought] = halted(TradingState::Halted, 1);
    facts[bought + 1] = confirmed(TradingState::Halted, 1);
    assert_broken(&facts, promise::STOP, "decision 2 (sell of 1.5");
    // Confirmed and not recorded.
    facts[bought + 1] = confirmed(TradingState::Halted, 2);
    assert_broken(&facts, promise::STOP, "with number 2 is confirmed, and the ledger has number 1");
    // By hand, without a request.
    let manual = |entry: &mut JournalEntry| entry.trade.as_mut().unwrap().manual = true;
    let mut facts = with_entry(EntryKind::Sell, manual);
    assert_broken(&facts, promise::STOP, "by hand");
    facts.splice(0..0, [asked(TradingState::Halted, None)]);
    let bought = place(&facts, |fact| matches!(fact, Fact::Outcome { .. }));
    facts.insert(bought, halted(TradingState::Halted, 1));
    assert_broken(&facts, promise::STOP, "no request for it was recorded before");
}

#[test]
fn calls_that_were_confirmed_and_are_not_in_the_ledger() {
    let mut facts = Story::begin().facts;
    let request = v1::CloseRequest { request: "r".to_owned(), ..Default::default() };
    facts.push(Fact::CloseConfirmed { request, response: v1::CloseResponse::default() });
    assert_broken(&facts, promise::CONFIRMED, "the request \"r\" to sell by hand");
    facts.pop();
    let request = v1::ResetSourceRequest { channel: TOPIC.to_owned(), source: "feed".to_owned(), ..Default::default() };
    let response = v1::ResetSourceResponse { applied: true, ..Default::default() };
    facts.push(Fact::ResetConfirmed { request, response });
    assert_broken(&facts, promise::CONFIRMED, "the reset of source \"feed\"");
    facts.pop();
    let response = v1::ConfigureResponse { settings_generation: 1, cash_generation: 1, ..Default::default() };
    facts.push(Fact::ConfigureConfirmed { request: v1::ConfigureRequest::default(), response });
    assert_broken(&facts, promise::CONFIRMED, "settings of generation 1");
}

fn settings_of(settings_generation: i64, json: &str) -> SettingsRecord {
    let (resource_uid, settings_json) = ("u".to_owned(), json.to_owned());
    SettingsRecord { resource_uid, settings_generation, cash_generation: 1, settings_json }
}

#[test]
fn calls_that_are_carried_out_a_second_time_or_too_late() {
    let commit = |changes| Fact::Committed { run: 1, changes: Rc::new(changes) };
    let mut again = Changes::default();
    again.closing.requests.push("r".to_owned());
    let mut facts = Story::begin().facts;
    facts.extend([commit(again.clone()), commit(again)]);
    assert_broken(&facts, promise::CONFIRMED, "the request \"r\" to sell by hand is carried out a second time");
    let settings = |settings_generation| {
        commit(Changes { settings: Some(settings_of(settings_generation, "{}")), ..Changes::default() })
    };
    let mut facts = Story::begin().facts;
    facts.extend([settings(3), settings(2)]);
    assert_broken(&facts, promise::CONFIRMED, "settings of generation 2 replace those of generation 3");
}

#[test]
fn deposits_that_nothing_asked_for() {
    let mut story = Story::begin();
    let account = &mut story.snapshot.account;
    (account.cash, account.deposits) = ("2000".parse().unwrap(), "2000".parse().unwrap());
    story.entry(EntryKind::Deposit, "1000", None);
    story.commit();
    story.settle();
    assert_broken(&story.facts, promise::SETTLED, "the starting cash is 1000.00, and the net deposits are 2000.00");
}

#[test]
fn a_state_apart_from_its_decisions() {
    let saved = |count: u64| (("backend/a".to_owned(), String::new()), Some(count.to_be_bytes().to_vec()));
    let remote = r#"{"algorithmAddress": "http://a:1"}"#;
    let with_state = |count, settings: &str| {
        with_commit(EntryKind::Buy, |changes| {
            changes.state.extend([saved(count)]);
            changes.settings = Some(settings_of(1, settings));
        })
    };
    assert_broken(
        &with_state(2, "{}"),
        promise::STATE,
        "has 1 quotes that the algorithm decided and 0 that it may have rejected",
    );
    // The next commit has a decision and no state.
    assert_broken(&with_state(1, remote), promise::STATE, "its state is about 0 more");
    let mut facts = with_state(1, remote);
    let sold = |entry: &JournalEntry| entry.kind == EntryKind::Sell;
    let at = place(&facts, |fact| matches!(fact, Fact::Committed { changes, .. } if changes.journal.iter().any(sold)));
    let Fact::Committed { changes, .. } = &mut facts[at] else { return };
    Rc::make_mut(changes).state.extend([saved(2)]);
    assert_eq!(judged(&facts), Ok(()));
    let Fact::Committed { changes, .. } = &mut facts[at] else { return };
    Rc::make_mut(changes).state.extend([saved(0)]);
    assert_broken(&facts, promise::STATE, "goes from 1 quotes back to 0");
}

#[test]
fn an_older_runtime_that_appends_and_a_ledger_that_lost_commits() {
    let begin = Story::begin();
    let mut facts = good().facts;
    let snapshot = Rc::new(begin.snapshot.clone());
    facts.insert(begin.facts.len(), Fact::LedgerOpened { run: 2, snapshot });
    assert_broken(&facts, promise::EPOCH, "run 1 appended to the ledger, which run 2 has opened since");
    let mut facts = good().facts;
    let at = facts.len() - 2;
    facts.insert(at, Fact::LedgerOpened { run: 2, snapshot: Rc::new(begin.snapshot.clone()) });
    assert_broken(&facts, promise::DURABLE, "found 1 journal entries, and 3 were committed");
    let mut snapshot = good().snapshot;
    snapshot.state.insert(("random".to_owned(), String::new()), vec![1]);
    facts[at] = Fact::LedgerOpened { run: 2, snapshot: Rc::new(snapshot) };
    assert_broken(&facts, promise::DURABLE, "found the saved state of the algorithm as");
    facts[at] = Fact::LedgerOpened { run: 2, snapshot: Rc::new(begin.snapshot.clone()) };
    facts.insert(at, Fact::LedgerReplaced { replaced: Replaced::New });
    assert_broken(&facts, promise::DURABLE, "opened a new ledger, which has entries");
    facts[at + 1] = Fact::LedgerOpened { run: 2, snapshot: Rc::new(empty()) };
    assert_broken(&facts, promise::SETTLED, "the account answers 2 decisions, the journal has 0");
    assert_eq!(empty().account.name, ACCOUNT);
}

#[test]
fn quotes_and_counters_that_are_silent() {
    let mut story = good();
    // A message that the broker has, and then has not.
    let silent = body("silent", vec![numbered(9, 9, "9")]);
    story.facts.insert(0, Fact::Taken { message: 9, body: silent });
    assert_broken(&story.facts, promise::SILENCE, "message 9 on \"quotes\"");
    story.facts.insert(1, Fact::Lost { message: 9, client_id: "a".to_owned(), loss: Loss::Overflow });
    assert_eq!(judged(&story.facts), Ok(()));
    let facts = with_commit(EntryKind::Buy, |changes| {
        changes.counters.insert(("decided".to_owned(), String::new()), 2);
    });
    assert_broken(&facts, promise::SILENCE, "the counter decided is 2, and the ledger has 1");
    let mut facts = good().facts;
    if let Some(Fact::Settled { account: Some(account), .. }) = facts.last_mut() {
        account.counters.retain(|counter| counter.name != "deadLettered");
    }
    assert_broken(&facts, promise::SILENCE, "1 outcomes deadLettered NotJson are in no counter");
}

#[test]
fn quotes_that_are_recognised_by_their_packet_without_a_count() {
    let mut story = Story::begin();
    let quote = Quote { serial: 5, identity: Identity::Bare, symbol: "GOOG".to_owned(), price: "5".to_owned() };
    let bare = body("bare", vec![Place::Quote(quote)]);
    story.arrive(&bare);
    story.row(&bare, outcome(Kind::NoSignal, ""));
    story.count("noSignal", "", 1);
    story.commit();
    story.answer();
    let Some(Fact::Outcome { outcome, .. }) = story.facts.last_mut() else { return };
    outcome.ticks[0].seen_by = SeenBy::Packet.into();
    let text = "1 quotes without an identity were recognised by their packet alone, and 0 are counted";
    assert_broken(&story.facts, promise::SILENCE, text);
    let last = story.facts.len() - 1;
    story.count("ambiguous", "", 1);
    story.commit();
    story.facts.swap(last, last + 1);
    story.acknowledge();
    assert_broken(&story.facts, promise::SETTLED, "the run ended before it came to rest");
}

#[test]
fn a_run_that_does_not_come_to_rest() {
    let settled = |change: fn(&mut v1::AccountResponse, &mut bool, &mut Vec<u64>)| {
        let mut facts = good().facts;
        if let Some(Fact::Settled { account: Some(account), bridge_ready, waiting, .. }) = facts.last_mut() {
            change(account, bridge_ready, waiting);
        }
        facts
    };
    let unready = settled(|_, ready, _| *ready = false);
    assert_broken(&unready, promise::SETTLED, "the bridge is not ready");
    assert_broken(&settled(|_, _, waiting| waiting.push(3)), promise::SETTLED, "1 messages still wait");
    assert_broken(&settled(|account, _, _| account.unpublished = 1), promise::SETTLED, "1 entries of the outbox");
    assert_broken(
        &settled(|account, _, _| account.cash = "1".to_owned()),
        promise::SETTLED,
        "the account answers cash 1",
    );
    assert_broken(
        &settled(|account, _, _| account.positions.clear()),
        promise::BOOKS,
        "the account answers that it holds {}",
    );
    let mut facts = good().facts;
    facts.pop();
    assert_broken(&facts, promise::SETTLED, "the run ended before it came to rest");
    // A decisions topic that is refused to the end.
    let mut facts = unready;
    facts.insert(0, Fact::RefusedForEver { topic: "intuition/desk/a/decisions".to_owned() });
    assert_eq!(judged(&facts), Ok(()));
    // The starting cash is another.
    let mut facts = good().facts;
    let settings = v1::Settings { starting_cash: "2000".to_owned(), ..Default::default() };
    let request = v1::ConfigureRequest { settings: Some(settings), ..Default::default() };
    facts.insert(facts.len() - 1, Fact::ConfigureConfirmed { request, response: v1::ConfigureResponse::default() });
    assert_broken(&facts, promise::SETTLED, "the starting cash is 2000.00, and the net deposits are 1000.00");
}

#[test]
fn what_is_measured_above_its_bound_and_what_a_consumer_cannot_have() {
    let mut facts = Story::begin().facts;
    facts.push(Fact::Measured { what: "ticks in flight", value: 9, bound: 8 });
    assert_broken(&facts, promise::BOUNDS, "ticks in flight is 9, and at most 8 is promised");
    facts.pop();
    facts.push(Fact::Consumed { topic: "intuition/desk/a/decisions".to_owned(), payload: Bytes::from_static(b"{}") });
    assert_broken(&facts, promise::PUBLISHED, "a consumer received a message");
}

/// A bare quote that the broker sends again, and loses before the bridge has reached the runtime.
#[test]
fn a_forgotten_quote_that_the_broker_did_not_lose() {
    let with = |identity, serial| {
        let quote = Quote { serial, identity, symbol: "GOOG".to_owned(), price: "100".to_owned() };
        body(&format!("payload {serial}"), vec![Place::Quote(quote)])
    };
    // `before`: quotes with an id that have their outcomes before it.
    let story = |identity, is_lost, before: u64| {
        let mut story = Story::begin();
        for serial in 2..2 + before {
            story.leave_without_signal(&with(Identity::Id(serial.to_string()), serial));
        }
        story.arrive(&with(identity, 1));
        if let Some(Fact::Sent { delivery, .. }) = story.facts.last_mut() {
            (delivery.duplicate, delivery.packet_id) = (true, 0);
        }
        if is_lost {
            let message = before + 1;
            story.facts.push(Fact::Lost { message, client_id: "bridge".to_owned(), loss: Loss::Restart });
        }
        let tick = v1::TickOutcome { kind: Kind::Forgotten.into(), ..Default::default() };
        let outcome = v1::DeliveryOutcome { number: before + 1, ticks: vec![tick] };
        story.facts.push(Fact::Outcome { bridge: story.bridge, outcome });
        story.settle();
        story.facts
    };
    assert_eq!(judged(&story(Identity::Bare, true, 0)), Ok(()));
    assert_broken(&story(Identity::Bare, false, 0), promise::ACKNOWLEDGED, "the ledger has no such outcome");
    let named = Identity::Id("x".to_owned());
    // The window of the checker here is 8.
    assert_broken(&story(named.clone(), true, 8), promise::ACKNOWLEDGED, "the ledger has no such outcome");
    assert_eq!(judged(&story(named, true, 9)), Ok(()));
}
