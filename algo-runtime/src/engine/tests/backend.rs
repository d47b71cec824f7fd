//! A backend that decides: what it answers is booked once, whatever it does.

use intuition_api::v1::{EventResult, Publication, outbox_entry::Content as Entry};

use super::{far::*, *};
use crate::backend::{BackendError, BackendReply, ConditionReason, LinkCommand, LinkEvent};

/// A backend at A that is up, and asks for `quotes`.
pub(super) fn up() -> Wired {
    let mut wired = Wired::new(at(A, 1));
    wired.come_up(A, "algo", &["quotes"]);
    wired
}

#[test]
fn channels_of_a_resource_are_known_before_the_algorithm_names_its_own() {
    let mut wired = Wired::new(at(A, 1));
    assert_eq!(wired.bench.engine.channels(), None);
    assert_eq!(wired.bench.engine.algorithm_condition().unwrap().0, "BackendStarting");
    wired.come_up(A, "algo", &["quotes", "news/+"]);
    assert_eq!(wired.channels(), (1, vec!["quotes".to_owned(), "news/+".to_owned()]));
    assert_eq!(wired.bench.engine.algorithm_condition(), None);
    let by_resource = Wired::new(Settings { subscribe: Some(vec!["mine".to_owned()]), ..at(A, 1) });
    assert_eq!(by_resource.channels(), (1, vec!["mine".to_owned()]));
}

#[test]
fn answers_and_state_are_one_commit_and_the_state_is_handed_back() {
    let mut wired = up();
    wired.send(0..3);
    assert_eq!(wired.told(), v1::Committed::default(), "nothing is settled before it is answered");
    let batch = wired.batch(A);
    assert_eq!((batch.number, prices(&batch)), (1, vec!["1".to_owned(), "2".to_owned(), "3".to_owned()]));
    let link = wired.link(A);
    let reply = Ok(BackendReply::Result(buys(&batch, "state-1")));
    wired.bench.engine.on_link_event(link, LinkEvent { attempt: 1, reply }, 2_000);
    wired.bench.engine.advance(2_000, wired.bench.ledger.as_mut()).unwrap();
    let changes = wired.bench.engine.take_changes().unwrap();
    assert_eq!(changes.journal.len(), 3);
    let saved = changes.state.get(&("backend/algo".to_owned(), String::new())).unwrap();
    assert_eq!(saved.as_deref(), Some(b"state-1".as_slice()));
    wired.bench.ledger.commit(&changes).unwrap();
    wired.restart(at(A, 1));
    let request = wired.come_up(A, "algo", &["quotes"]);
    assert_eq!((request.account.as_str(), &request.state[..]), (ACCOUNT, b"state-1".as_slice()));
    assert_eq!(request.parameters_json, r#"{"seed":1,"threshold":0.0}"#);
    assert_eq!(wired.account().decisions, 3);
    wired.verify();
}

#[test]
fn failed_commit_discards_decisions_and_state_and_ticks_are_asked_anew() {
    let mut wired = up();
    let delivery = wired.send(0..2);
    let batch = wired.batch(A);
    let link = wired.link(A);
    let reply = Ok(BackendReply::Result(buys(&batch, "lost")));
    wired.bench.engine.on_link_event(link, LinkEvent { attempt: 1, reply }, 2_000);
    wired.bench.engine.advance(2_000, wired.bench.ledger.as_mut()).unwrap();
    drop(wired.bench.engine.take_changes());
    wired.restart(at(A, 1));
    assert_eq!(&wired.come_up(A, "algo", &["quotes"]).state[..], b"");
    wired.take(&[delivery]);
    assert_eq!(wired.answer(A, "kept"), ["1", "2"]);
    let told = wired.told();
    assert_eq!(told.outcomes[0].ticks.iter().flat_map(|tick| tick.seqs.clone()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(wired.saved("algo").unwrap(), b"kept");
    wired.verify();
}

#[test]
fn a_state_that_is_absent_is_unchanged_and_an_empty_one_is_empty() {
    let mut wired = up();
    for (state, kept) in [(Some("one"), "one"), (None, "one"), (Some(""), "")] {
        wired.send(0..1);
        let batch = wired.batch(A);
        let mut answer = buys(&batch, "");
        answer.state = state.map(|state| state.as_bytes().to_vec().into());
        wired.report(A, Ok(BackendReply::Result(answer)));
        assert_eq!(wired.saved("algo").unwrap(), kept.as_bytes());
    }
}

#[test]
fn one_batch_is_outstanding_and_holds_at_most_256_quotes() {
    let mut wired = up();
    wired.send(0..300);
    wired.send(300..310);
    assert_eq!(wired.answer(A, "").len(), 256);
    assert!(wired.told().outcomes.is_empty(), "a delivery is answered whole");
    let second = wired.batch(A);
    assert!(wired.is_idle(A));
    assert_eq!((second.number, second.events[0].event, second.events.len()), (2, 257, 44));
    wired.report(A, Ok(BackendReply::Result(buys(&second, ""))));
    assert_eq!(wired.told().outcomes[0].ticks.len(), 300);
    assert_eq!(wired.answer(A, "").len(), 10);
    assert_eq!(wired.told().outcomes[0].ticks.len(), 10);
}

#[test]
fn signals_are_booked_in_order_and_may_name_another_quote_of_the_batch() {
    let mut wired = up();
    let goog = quote("10");
    let mut msft = quote("20");
    if let Some(Content::Quote(quote)) = &mut msft.content {
        "MSFT".clone_into(&mut quote.sid);
    }
    let delivery = wired.bench.delivery("quotes", vec![goog, msft]);
    wired.take(&[delivery]);
    let batch = wired.batch(A);
    let answer = result(&batch, "", |event| match event {
        1 => vec![buy(2), buy(1), sell(2, "1"), sell(1, "")],
        _ => Vec::new(),
    });
    wired.report(A, Ok(BackendReply::Result(answer)));
    let told = wired.told();
    assert_eq!(kinds(&told), [Kind::Decided, Kind::NoSignal]);
    let (first, second) = (&told.outcomes[0].ticks[0], &told.outcomes[0].ticks[1]);
    assert_eq!((first.positions.as_slice(), first.seqs.as_slice()), ([1, 2, 3, 4].as_slice(), [1, 2, 3, 4].as_slice()));
    assert_eq!((second.positions.len(), second.seqs.len()), (0, 0));
    let trades: Vec<(String, String, i32)> = told
        .entries
        .iter()
        .map(|entry| match &entry.content {
            Some(Entry::Decision(decision)) => (decision.sid.clone(), decision.price.clone(), decision.side),
            other => panic!("a decision, not {other:?}"),
        })
        .collect();
    let trade = |sid: &str, price: &str, side: v1::Side| (sid.to_owned(), price.to_owned(), side.into());
    assert_eq!(
        trades,
        [
            trade("MSFT", "20", v1::Side::Buy),
            trade("GOOG", "10", v1::Side::Buy),
            trade("MSFT", "20", v1::Side::Sell),
            trade("GOOG", "10", v1::Side::Sell)
        ]
    );
    wired.verify();
}

#[test]
fn denied_signal_beside_a_booked_one_leaves_the_tick_decided() {
    let mut wired = up();
    wired.send(0..2);
    let batch = wired.batch(A);
    let answer = result(&batch, "", |event| match event {
        1 => vec![sell(1, ""), buy(1), sell(1, "1000000")],
        _ => vec![sell(2, "")],
    });
    wired.report(A, Ok(BackendReply::Result(answer)));
    let told = wired.told();
    assert_eq!(kinds(&told), [Kind::Decided, Kind::Denied]);
    assert_eq!(told.outcomes[0].ticks[0].seqs, [1, 2]);
    assert_eq!(told.outcomes[0].ticks[1].reason, "NothingHeld");
    // The tick is counted once, by its outcome, and each denied signal by its reason.
    let tally = wired.bench.engine.tally();
    assert_eq!((tally.count(counter::DECIDED), tally.count(counter::DENIED), tally.ticks()), (1, 1, 2));
    assert_eq!(tally.by_reason(counter::SIGNALS_DENIED).collect::<Vec<_>>(), [("NothingHeld", 2)]);
    let denied = wired.bench.engine.take_denials();
    assert_eq!(
        denied.into_iter().map(|(reason, denied)| (reason, denied.signals)).collect::<Vec<_>>(),
        [("NothingHeld", 2)]
    );
    wired.verify();
}

#[test]
fn last_quote_of_a_batch_waits_for_its_publications() {
    let mut wired = up();
    wired.send(0..2);
    let batch = wired.batch(A);
    let publication = |channel: &str| Publication { channel: channel.to_owned(), payload: "x".into() };
    let mut answer = result(&batch, "", |event| if event == 1 { vec![buy(1)] } else { Vec::new() });
    answer.publications = vec![publication("a"), publication("b/c")];
    wired.report(A, Ok(BackendReply::Result(answer)));
    let told = wired.told();
    assert_eq!(kinds(&told), [Kind::Decided, Kind::NoSignal]);
    assert_eq!(told.outcomes[0].ticks[1].positions, [2, 3]);
    let positions: Vec<u64> = told.entries.iter().map(|entry| entry.position).collect();
    assert_eq!(positions, [1, 2, 3]);
    assert!(matches!(&told.entries[2].content, Some(Entry::Publication(p)) if p.channel == "b/c"));
    // A repetition waits for them too.
    wired.verify();
}

#[test]
fn rejected_quote_is_a_dead_letter_and_its_delivery_shares_one() {
    let mut wired = up();
    wired.send(0..3);
    let batch = wired.batch(A);
    let mut answer = buys(&batch, "s");
    for index in [0, 2] {
        answer.results[index] =
            EventResult { event: batch.events[index].event, reject: "too cheap".to_owned(), ..EventResult::default() };
    }
    wired.report(A, Ok(BackendReply::Result(answer)));
    let told = wired.told();
    assert_eq!(kinds(&told), [Kind::DeadLettered, Kind::Decided, Kind::DeadLettered]);
    assert_eq!(told.outcomes[0].ticks[0].reason, "Rejected");
    let Some(Entry::DeadLetter(letter)) = &told.entries[0].content else { panic!("a dead letter first") };
    assert_eq!((letter.reason.as_str(), letter.message.as_str()), ("Rejected", "too cheap"));
    assert_eq!(told.outcomes[0].ticks[2].positions, [1]);
}

#[test]
fn suspended_every_signal_of_a_backend_is_denied_and_its_state_is_kept() {
    let mut wired = up();
    assert!(wired.configure(2, |settings| settings.suspend = true).refusals.is_empty());
    wired.send(0..1);
    wired.answer(A, "warm");
    assert_eq!(wired.told().outcomes[0].ticks[0].reason, "Halted");
    assert_eq!(wired.saved("algo").unwrap(), b"warm");
}

#[test]
fn after_each_failure_the_batch_is_halved_and_every_tick_is_asked_again() {
    let mut wired = up();
    wired.send(0..8);
    for expected in [8, 4, 2] {
        assert_eq!(wired.batch(A).events.len(), expected);
        wired.fail(A);
        wired.come_up(A, "algo", &["quotes"]);
    }
    let mut asked = Vec::new();
    while asked.len() < 8 {
        asked.extend(wired.answer(A, ""));
    }
    assert_eq!(asked, (1..=8).map(|price| price.to_string()).collect::<Vec<_>>());
    assert_eq!(wired.told().outcomes[0].ticks.len(), 8);
    wired.verify();
}

#[test]
fn a_tick_that_fails_alone_five_times_is_rejected_and_the_next_ones_count() {
    let mut wired = up();
    wired.send(0..3);
    let mut failures = 0;
    loop {
        let batch = wired.batch(A);
        if prices(&batch).contains(&"2".to_owned()) {
            failures += 1;
            wired.fail(A);
            wired.come_up(A, "algo", &["quotes"]);
        } else {
            wired.report(A, Ok(BackendReply::Result(buys(&batch, ""))));
        }
        if !wired.bench.engine.has_work() {
            break;
        }
    }
    // Once among three, five times alone.
    assert_eq!(failures, 6);
    let told = wired.told();
    assert_eq!(kinds(&told), [Kind::Decided, Kind::DeadLettered, Kind::Decided]);
    assert_eq!(told.outcomes[0].ticks[1].reason, "Rejected");
    let letters: Vec<&v1::DeadLetter> = told
        .entries
        .iter()
        .filter_map(|entry| match &entry.content {
            Some(Entry::DeadLetter(letter)) => Some(letter),
            _ => None,
        })
        .collect();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].message, "algo: failed 5 times at this quote alone, last: boom");
    assert_eq!(wired.bench.engine.algorithm_condition(), None);
    wired.verify();
}

#[test]
fn two_failures_in_a_row_stop_rejections_until_the_backend_answers() {
    let mut wired = up();
    wired.send(0..3);
    for _ in 0..60 {
        wired.batch(A);
        wired.fail(A);
        wired.come_up(A, "algo", &["quotes"]);
    }
    let dead_lettered = |wired: &Wired| wired.bench.engine.tally().count(counter::DEAD_LETTERED);
    assert_eq!(dead_lettered(&wired), 1);
    assert_eq!(wired.bench.engine.algorithm_condition().unwrap().0, "BackendFailing");
    assert!(wired.told().outcomes.is_empty());
    // It answers one, and may then fail at the next.
    wired.answer(A, "");
    assert_eq!(wired.bench.engine.algorithm_condition(), None);
    for _ in 0..5 {
        wired.batch(A);
        wired.fail(A);
        wired.come_up(A, "algo", &["quotes"]);
    }
    assert_eq!((dead_lettered(&wired), wired.bench.engine.has_work()), (2, false));
    assert_eq!(kinds(&wired.told()), [Kind::DeadLettered, Kind::Decided, Kind::DeadLettered]);
}

#[test]
fn a_backend_that_is_away_costs_nothing() {
    let mut wired = up();
    wired.send(0..1);
    wired.batch(A);
    for _ in 0..100 {
        wired.report(A, Err(BackendError::new(ConditionReason::Unreachable, "no server answers".to_owned())));
        assert!(matches!(wired.order(A), LinkCommand::Call { .. }));
    }
    assert_eq!(wired.bench.engine.algorithm_condition().unwrap().0, "BackendUnreachable");
    assert!(wired.bench.engine.has_work());
    wired.report(A, Ok(BackendReply::Described(described("algo"))));
    wired.order(A);
    wired.report(A, Ok(BackendReply::Initialized(initialized(&["quotes"]))));
    assert_eq!(wired.answer(A, ""), ["1"]);
    assert_eq!(kinds(&wired.told()), [Kind::Decided]);
}

#[test]
fn new_stream_repeats_waiting_deliveries_and_none_is_decided_twice() {
    let mut wired = up();
    let first = wired.send(0..300);
    let second = wired.send(300..302);
    let batch = wired.batch(A);
    wired.reopen_stream();
    wired.take(&[first, second]);
    assert!(wired.is_idle(A), "the batch is still outstanding");
    wired.report(A, Ok(BackendReply::Result(buys(&batch, ""))));
    let answered = prices(&batch);
    assert!(wired.told().outcomes.is_empty(), "the stream that brought those is gone");
    let mut asked = answered.clone();
    while wired.bench.engine.has_work() {
        asked.extend(wired.answer(A, ""));
    }
    assert_eq!(asked, (1..=302).map(|price| price.to_string()).collect::<Vec<_>>());
    let told = wired.told();
    let seen: Vec<usize> = told.outcomes.iter().map(|outcome| outcome.ticks.len()).collect();
    assert_eq!(seen, [300, 2]);
    let by_number = told.outcomes[0].ticks.iter().filter(|tick| tick.seen_by() == SeenBy::Number).count();
    assert_eq!(by_number, 256 + 44, "what had its turn already was answered by then");
    wired.verify();
}

#[test]
fn a_delivery_of_ten_thousand_ticks_survives_a_crash_in_its_middle() {
    let mut wired = up();
    let delivery = wired.send(0..10_000);
    let mut asked = Vec::new();
    while asked.len() < 5_000 {
        asked.extend(wired.answer(A, &asked.len().to_string()));
    }
    let committed = asked.len();
    wired.batch(A);
    wired.restart(at(A, 1));
    let state = wired.come_up(A, "algo", &["quotes"]).state;
    assert_eq!(&state[..], (committed - 256).to_string().as_bytes(), "that of the last answer committed");
    wired.take(std::slice::from_ref(&delivery));
    while wired.bench.engine.has_work() {
        asked.extend(wired.answer(A, ""));
    }
    assert_eq!(asked, (1..=10_000).map(|price| price.to_string()).collect::<Vec<_>>());
    let told = wired.told();
    assert_eq!(told.outcomes[0].ticks.len(), 10_000);
    let seen = told.outcomes[0].ticks.iter().filter(|tick| tick.seen_by() == SeenBy::Number).count();
    assert_eq!(seen, committed);
    assert_eq!(wired.bench.engine.tally().ticks(), 10_000);
    wired.verify();
}

#[test]
fn a_report_of_an_attempt_before_is_void() {
    let mut wired = up();
    wired.send(0..1);
    let batch = wired.batch(A);
    wired.report(A, Err(BackendError::new(ConditionReason::Timeout, "late".to_owned())));
    let link = wired.link(A);
    let late = LinkEvent { attempt: 1, reply: Ok(BackendReply::Result(buys(&batch, "late"))) };
    wired.bench.engine.on_link_event(link, late, 1);
    wired.run();
    assert!(wired.told().outcomes.is_empty());
    wired.come_up(A, "algo", &["quotes"]);
    assert_eq!(wired.answer(A, "in time"), ["1"]);
    assert_eq!(wired.saved("algo").unwrap(), b"in time");
    assert_eq!(wired.account().decisions, 1);
}

#[test]
fn returning_algorithm_keeps_its_former_channels_until_the_marker() {
    let mut wired = up();
    wired.mark(1);
    wired.fail(A);
    wired.come_up(A, "algo", &["other"]);
    assert_eq!(wired.channels(), (2, vec!["other".to_owned()]));
    wired.send_on("quotes", 0..1);
    assert_eq!(wired.answer(A, ""), ["1"]);
    wired.mark(2);
    wired.send_on("quotes", 1..2);
    wired.send_on("other", 2..3);
    assert_eq!(wired.answer(A, ""), ["3"]);
    assert_eq!(kinds(&wired.told()), [Kind::Decided, Kind::NotSubscribed, Kind::Decided]);
}

#[test]
fn ticks_without_quotes_are_answered_without_asking_the_backend() {
    let mut wired = up();
    let delivery = wired.bench.delivery("quotes", vec![bad("BadPrice")]);
    wired.take(std::slice::from_ref(&delivery));
    wired.send_on("elsewhere", 0..1);
    assert_eq!(kinds(&wired.told()), [Kind::DeadLettered, Kind::NotSubscribed]);
    assert!(wired.is_idle(A));
}

#[test]
fn what_breaks_the_contract_fails_the_batch_and_says_which_field() {
    let mut wired = up();
    wired.send(0..2);
    let batch = wired.batch(A);
    let mut answer = buys(&batch, "wrong");
    answer.results.pop();
    wired.report(A, Ok(BackendReply::Result(answer)));
    let (reason, message) = wired.bench.engine.algorithm_condition().unwrap();
    assert_eq!(reason, "ContractBroken");
    assert!(message.starts_with("http://a:1: EventBatchResult.results: expected 2"), "{message}");
    assert_eq!(wired.saved("algo"), None);
    wired.come_up(A, "algo", &["quotes"]);
    assert_eq!(wired.answer(A, ""), ["1"]);
}

/// Ends its stream behind each Initialize, so many times. Gives the pauses in front of the calls that followed.
fn pauses_of_flapping(wired: &mut Wired, times: usize) -> Vec<Duration> {
    let mut pauses = Vec::new();
    for _ in 0..times {
        wired.report(A, Err(BackendError::new(ConditionReason::Error, "it ended the stream".to_owned())));
        let LinkCommand::Call { pause, .. } = wired.order(A) else { panic!("a call") };
        pauses.push(pause);
        wired.report(A, Ok(BackendReply::Described(described("algo"))));
        let LinkCommand::Initialize(_) = wired.order(A) else { panic!("Initialize") };
        wired.report(A, Ok(BackendReply::Initialized(initialized(&["quotes"]))));
    }
    pauses
}

#[test]
fn pauses_grow_while_a_backend_ends_each_stream_behind_initialize() {
    let mut wired = up();
    let pauses = pauses_of_flapping(&mut wired, 30);
    let later: Duration = pauses[10..].iter().sum();
    assert!(later > Duration::from_secs(30), "{pauses:?}");
    assert_eq!(wired.channels().0, 1, "the channels are announced once");
    // An answered batch shows that it is well, and so does a stream that stays open.
    let first = Duration::from_millis(100);
    wired.send(0..1);
    wired.answer(A, "");
    assert!(pauses_of_flapping(&mut wired, 1)[0] <= first);
    pauses_of_flapping(&mut wired, 10);
    wired.report(A, Ok(BackendReply::Steady));
    assert!(pauses_of_flapping(&mut wired, 1)[0] <= first);
}

#[test]
fn renamed_algorithm_shows_that_it_begins_without_its_state() {
    let mut wired = up();
    wired.send(0..1);
    wired.answer(A, "kept");
    wired.fail(A);
    assert_eq!(&wired.come_up(A, "other", &["quotes"]).state[..], b"");
    let shown = wired.account().backend.unwrap();
    assert_eq!(
        (shown.reason.as_str(), shown.message.as_str()),
        ("", "was algo 1.2.3, is other 1.2.3: it begins without the state of algo")
    );
    wired.fail(A);
    assert_eq!(&wired.come_up(A, "algo", &["quotes"]).state[..], b"kept");
    wired.fail(A);
    wired.come_up(A, "algo", &["quotes"]);
    assert_eq!(wired.account().backend.unwrap().message, "");
}

#[test]
fn a_batch_that_hung_is_searched_with_a_part_of_the_deadline() {
    let mut wired = up();
    wired.send(0..8);
    let searches = |wired: &mut Wired| match wired.order(A) {
        LinkCommand::Batch { batch, is_search } => (batch.events.len(), is_search),
        other => panic!("a batch, not {other:?}"),
    };
    assert_eq!(searches(&mut wired), (8, false));
    let mut asked = Vec::new();
    for _ in 0..6 {
        wired.report(A, Err(BackendError::new(ConditionReason::Timeout, "late".to_owned())));
        wired.come_up(A, "algo", &["quotes"]);
        asked.push(searches(&mut wired));
    }
    // The last attempt before the quote is rejected has the whole deadline.
    assert_eq!(asked, [(2, true), (1, true), (1, true), (1, true), (1, true), (1, false)]);
}

#[test]
fn states_of_the_names_used_last_are_kept_and_no_more() {
    let mut wired = up();
    let names: Vec<String> = (0..40).map(|number| format!("algo-{number:02}")).collect();
    for (place, name) in (0..).zip(&names) {
        wired.fail(A);
        wired.come_up(A, name, &["quotes"]);
        wired.send(place..place + 1);
        wired.answer(A, name);
        if place == 20 {
            // A second use keeps its state for longer.
            wired.fail(A);
            assert_eq!(&wired.come_up(A, "algo-00", &["quotes"]).state[..], b"algo-00");
            wired.send(place..place + 1);
            wired.answer(A, "algo-00, again");
        }
    }
    wired.restart(at(A, 1));
    let kept: Vec<&str> = names.iter().map(String::as_str).filter(|name| wired.saved(name).is_some()).collect();
    assert_eq!(kept.len(), Sizes::DESIGN.saved_names);
    assert_eq!((kept[0], kept[1], kept[31]), ("algo-00", "algo-09", "algo-39"));
    let state = wired.bench.ledger.snapshot().unwrap().state;
    let owners: std::collections::BTreeSet<_> =
        state.keys().filter(|(owner, _)| owner.starts_with("backend/")).map(|(owner, _)| owner).collect();
    assert_eq!(owners.len(), Sizes::DESIGN.saved_names);
}

/// Answers fewer quotes than it is asked, or more.
struct Miscounts(usize);

impl crate::algorithm::Algorithm for Miscounts {
    fn channels(&self) -> Vec<String> {
        vec!["quotes".to_owned()]
    }

    fn decide(&mut self, _: &[crate::algorithm::Event]) -> Vec<crate::algorithm::Answer> {
        vec![Some(crate::algorithm::Signal::Buy).into(); self.0]
    }

    fn reconfigure(&mut self, _: &crate::algorithm::AlgorithmSettings) -> Result<(), crate::algorithm::FieldErrors> {
        Ok(())
    }

    fn take_changes(&mut self) -> crate::algorithm::SavedState {
        crate::algorithm::SavedState::new()
    }
}

#[test]
fn quotes_that_a_built_in_algorithm_leaves_out_are_rejected_once() {
    for (answered, expected) in [
        (0, [Kind::DeadLettered, Kind::DeadLettered]),
        (1, [Kind::Decided, Kind::DeadLettered]),
        (3, [Kind::Decided, Kind::Decided]),
    ] {
        let mut wired = Wired::new(resource(1));
        wired.bench.engine.deciders.replace_builtin(Box::new(Miscounts(answered)));
        wired.send(0..2);
        assert_eq!(kinds(&wired.told()), expected, "{answered} of 2");
    }
}
