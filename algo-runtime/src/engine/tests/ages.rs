//! `maxQuoteAge`, `staleAfter` and quotes of the past.

use std::time::Duration;

use intuition_api::v1::{InputState, TradingState};

use super::{
    closing::{all, close, set},
    far::*,
    *,
};
use crate::settings::Input;

const SECOND: i64 = 1_000_000;

/// Quotes on `quotes` may be this old, in seconds, and on `other` of any age.
fn with_max_age(settings: Settings, seconds: u64) -> Settings {
    let input = |topic: &str, max_quote_age| Input { topic: topic.to_owned(), max_quote_age, ..Input::default() };
    let inputs = vec![input("quotes", Some(Duration::from_secs(seconds))), input("other", None)];
    let subscribe = Some(inputs.iter().map(|input| input.topic.clone()).collect());
    Settings { subscribe, inputs, ..settings }
}

/// `quotes` is stale after a minute without GOOG, and `other` never.
fn with_stale_after(settings: Settings) -> Settings {
    let quotes = Input {
        topic: "quotes".to_owned(),
        symbols: vec!["GOOG".to_owned()],
        stale_after: Some(Duration::from_mins(1)),
        ..Input::default()
    };
    let other = Input { topic: "other".to_owned(), ..Input::default() };
    let subscribe = Some(vec!["quotes".to_owned(), "other".to_owned()]);
    Settings { subscribe, inputs: vec![quotes, other], ..settings }
}

fn at_time(seconds: i64) -> Tick {
    let quote =
        Quote { sid: "GOOG".to_owned(), price: "10".to_owned(), time_micros: seconds * SECOND, ..Quote::default() };
    Tick { content: Some(Content::Quote(quote)), ..Tick::default() }
}

fn reasons(committed: &v1::Committed) -> Vec<&str> {
    committed.outcomes.iter().flat_map(|outcome| &outcome.ticks).map(|tick| tick.reason.as_str()).collect()
}

/// The committed outcome of deliveries at a time, in seconds.
fn process_at(bench: &mut Bench, deliveries: &[Delivery], seconds: i64) -> v1::Committed {
    bench.engine.take(deliveries.to_vec()).unwrap();
    bench.advance_at(seconds * SECOND)
}

#[test]
fn signals_about_older_quotes_than_the_input_allows_are_denied() {
    let mut bench = Bench::on_disk(with_max_age(eager(), 30));
    let delivery = bench.delivery("quotes", vec![at_time(69), at_time(70), at_time(200)]);
    let first = process_at(&mut bench, std::slice::from_ref(&delivery), 100);
    assert_eq!(kinds(&first), [Kind::Denied, Kind::Decided, Kind::Decided]);
    assert_eq!(reasons(&first), ["StaleQuote", "", ""]);
    let other = bench.delivery("other", vec![at_time(0)]);
    assert_eq!(kinds(&process_at(&mut bench, &[other], 100)), [Kind::Decided], "another input has no limit");
    let tally = bench.engine.tally();
    assert_eq!(tally.by_reason(counter::DENIED).collect::<Vec<_>>(), [("StaleQuote", 1)]);
    assert_eq!(tally.by_reason(counter::SIGNALS_DENIED).collect::<Vec<_>>(), [("StaleQuote", 1)]);
    // The ledger keeps the outcome: a repetition is not judged again.
    bench.restart(with_max_age(eager(), 3_000));
    assert_eq!(reasons(&process_at(&mut bench, &[delivery], 100)), ["StaleQuote", "", ""]);
}

#[test]
fn quotes_of_a_replay_have_no_age_and_those_of_the_past_are_never_traded() {
    let mut bench = Bench::new(with_max_age(eager(), 30));
    let replay = Delivery { replay: true, ..bench.delivery("quotes", vec![at_time(0)]) };
    assert_eq!(kinds(&process_at(&mut bench, &[replay], 1_000)), [Kind::Decided]);
    let past = Delivery { replay: true, backfill: true, ..bench.delivery("other", vec![at_time(1_000)]) };
    let denied = process_at(&mut bench, &[past], 1_000);
    assert_eq!((kinds(&denied), reasons(&denied)), (vec![Kind::Denied], vec!["Backfilled"]));
}

#[test]
fn stop_is_the_reason_of_a_denial_before_the_age() {
    let mut bench = Bench::new(with_max_age(eager(), 30));
    set(&mut bench, 1, Some(TradingState::Halted));
    let old = bench.delivery("quotes", vec![at_time(0)]);
    assert_eq!(reasons(&process_at(&mut bench, &[old], 100)), ["Halted"]);
}

#[test]
fn age_is_that_of_the_time_at_which_a_backend_is_asked() {
    let mut wired = Wired::new(with_max_age(at(A, 1), 30));
    wired.come_up(A, "algo", &["quotes"]);
    wired.now = 100 * SECOND;
    let asked_once = wired.bench.delivery("quotes", vec![at_time(75)]);
    wired.take(&[asked_once]);
    wired.now = 500 * SECOND;
    wired.answer(A, "");
    assert_eq!(reasons(&wired.told()), [""], "it was fresh when the algorithm was asked");
    wired.now = 600 * SECOND;
    let asked_twice = wired.bench.delivery("quotes", vec![at_time(590)]);
    wired.take(&[asked_twice]);
    drop(wired.batch(A));
    wired.now = 700 * SECOND;
    wired.fail(A);
    wired.come_up(A, "algo", &["quotes"]);
    wired.answer(A, "");
    assert_eq!(reasons(&wired.told()), ["StaleQuote"], "it was old when the algorithm was asked again");
    wired.verify();
}

#[test]
fn sale_by_hand_waits_for_a_quote_that_is_fresh() {
    let mut bench = Bench::on_disk(with_max_age(eager(), 30));
    let bought = bench.delivery("quotes", vec![at_time(100)]);
    assert_eq!(kinds(&process_at(&mut bench, &[bought], 100)), [Kind::Decided]);
    set(&mut bench, 1, Some(TradingState::Halted));
    assert_eq!(close(&mut bench, "all", all()).closing, ["GOOG"]);
    let past = Delivery { backfill: true, ..bench.delivery("quotes", vec![at_time(200)]) };
    let old = bench.delivery("quotes", vec![at_time(160)]);
    let fresh = bench.delivery("quotes", vec![at_time(180)]);
    let sold = process_at(&mut bench, &[past, old, fresh], 200);
    assert_eq!(kinds(&sold), [Kind::Denied, Kind::Denied, Kind::Decided]);
    let Some(outbox_entry::Content::Decision(sale)) = &sold.entries[0].content else { panic!("a decision") };
    assert_eq!((sale.origin.as_str(), sale.time_micros), ("manual", 180 * SECOND));
    assert!(bench.engine.account().positions.is_empty());
}

/// Time of the last quote in seconds, and staleness, of the only input with `staleAfter`.
fn shown(engine: &Engine) -> (i64, bool) {
    let [InputState { topic, stale_after_seconds, last_quote_micros, stale }] =
        engine.account().inputs.try_into().unwrap();
    assert_eq!((topic.as_str(), stale_after_seconds), ("quotes", 60));
    (last_quote_micros / SECOND, stale)
}

/// The notices of a look at this time.
fn look(bench: &mut Bench, seconds: i64) -> Vec<EngineNotice> {
    bench.advance_at(seconds * SECOND);
    bench.engine.take_notices()
}

#[test]
fn input_is_stale_after_its_time_without_a_quote() {
    let mut bench = Bench::new(with_stale_after(eager()));
    let stale = || EngineNotice::InputStale { topic: "quotes".to_owned(), stale_after: Duration::from_mins(1) };
    assert_eq!(look(&mut bench, 59), []);
    assert_eq!(shown(&bench.engine), (0, false));
    assert_eq!(look(&mut bench, 60), [stale()]);
    assert_eq!(look(&mut bench, 61), [], "one notice");
    assert_eq!(shown(&bench.engine), (0, true));

    // No quote of the input: another topic, another symbol, a dead letter, a redelivery.
    let goog = bench.delivery("other", vec![at_time(70)]);
    let mut msft = bench.delivery("quotes", vec![at_time(70), bad("BadPrice")]);
    if let Some(Content::Quote(quote)) = &mut msft.ticks[0].content {
        quote.sid = "MSFT".to_owned();
    }
    let again = Delivery { duplicate: true, ..bench.delivery("quotes", vec![at_time(70)]) };
    process_at(&mut bench, &[goog, msft, again], 70);
    assert_eq!((shown(&bench.engine), bench.engine.take_notices()), ((0, true), Vec::new()));

    let quote = bench.delivery("quotes", vec![at_time(1)]);
    process_at(&mut bench, &[quote], 80);
    assert_eq!(bench.engine.take_notices(), [EngineNotice::InputFresh { topic: "quotes".to_owned() }]);
    assert_eq!(shown(&bench.engine), (80, false), "an old quote is a quote");
    assert_eq!(look(&mut bench, 139), []);
    assert_eq!(look(&mut bench, 140), [stale()]);
    assert_eq!(shown(&bench.engine), (80, true));
}

#[test]
fn clock_that_is_set_back_delays_no_stale_input_for_long() {
    let mut bench = Bench::new(with_stale_after(eager()));
    let quote = bench.delivery("quotes", vec![at_time(1)]);
    process_at(&mut bench, &[quote], 10_000);
    assert_eq!(look(&mut bench, 100), []);
    assert_eq!(look(&mut bench, 160).len(), 1);
}

#[test]
fn time_in_which_the_algorithm_cannot_be_asked_does_not_count() {
    let mut wired = Wired::new(with_stale_after(at(A, 1)));
    let look = |wired: &mut Wired, seconds: i64| {
        wired.now = seconds * SECOND;
        wired.run();
        shown(&wired.bench.engine).1
    };
    assert!(!look(&mut wired, 500), "the algorithm has not answered yet");
    wired.come_up(A, "algo", &["quotes"]);
    assert!(!look(&mut wired, 550));
    assert!(look(&mut wired, 561));
    wired.send(0..1);
    wired.fail(A);
    assert!(!look(&mut wired, 900), "quotes wait at the broker");
}

#[test]
fn account_without_a_limit_shows_no_input() {
    let bench = Bench::new(with_max_age(eager(), 30));
    assert_eq!(bench.engine.account().inputs, []);
}
