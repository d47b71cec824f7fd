//! The outcomes of values, and of the quotes beside them.

use intuition_api::v1::EventResult;

use super::*;
use crate::{ledger::memory::MemoryLedger, settings::Input};

#[test]
fn values_have_no_signal_and_count_as_no_quote() {
    let mut bench = Bench::on_disk(eager());
    let delivery = bench.delivery("quotes", joined(1, 2, "10"));
    let first = bench.process(std::slice::from_ref(&delivery));
    assert_eq!(kinds(&first), [Kind::NoSignal, Kind::NoSignal, Kind::Decided]);
    let tally = bench.engine.tally();
    assert_eq!((tally.ticks(), tally.count(counter::NO_SIGNAL), tally.count(counter::INDICATOR_VALUES)), (1, 0, 2));
    let Some(outbox_entry::Content::Decision(decision)) = &first.entries[0].content else { panic!("a decision") };
    assert_eq!((decision.event.as_str(), decision.price.as_str()), ("feed/1", "10"));
    bench.restart(eager());
    assert_eq!(kinds(&bench.process(&[delivery])), kinds(&first));
}

#[test]
fn repetition_of_a_joined_message_or_of_its_quote_alone_is_recognised() {
    let mut bench = Bench::new(eager());
    bench.send(joined(1, 2, "10"));
    let whole = bench.send(joined(1, 2, "10"));
    assert_eq!(kinds(&whole), [Kind::NoSignal, Kind::NoSignal, Kind::Decided]);
    assert!(whole.outcomes[0].ticks.iter().all(|tick| tick.seen_by() == SeenBy::Sequence));
    // As a bridge sends it to a runtime without the capability: the quote keeps its ordinal.
    let alone = bench.send(joined(1, 2, "10").split_off(2));
    assert_eq!((kinds(&alone), alone.outcomes[0].ticks[0].seqs.as_slice()), (vec![Kind::Decided], [1].as_slice()));
    assert_eq!(bench.engine.account().decisions, 1);
    assert_eq!(bench.engine.tally().count(counter::GAPS), 0);
    let next = bench.send(joined(2, 2, "20"));
    assert_eq!(kinds(&next), [Kind::NoSignal, Kind::NoSignal, Kind::Decided]);
    // Other values under the same identity are another content.
    let mut other = joined(2, 2, "20");
    other[0].content_sha256 = vec![9; 32].into();
    let other = bench.send(other);
    assert_eq!(other.outcomes[0].ticks[0].reason, "IdentityConflict");
    assert_eq!(other.outcomes[0].ticks[2].kind(), Kind::Decided);
}

#[test]
fn values_of_other_channels_and_symbols_are_not_told() {
    let inputs = vec![Input { topic: "quotes".to_owned(), symbols: vec!["MSFT".to_owned()], ..Input::default() }];
    let mut bench = Bench::new(Settings { subscribe: Some(vec!["quotes".to_owned()]), inputs, ..eager() });
    assert_eq!(kinds(&bench.send(joined(1, 1, "10"))), [Kind::NotListed, Kind::NotListed]);
    let delivery = bench.delivery("other", joined(1, 1, "10"));
    assert_eq!(kinds(&bench.process(&[delivery])), [Kind::NotSubscribed, Kind::NotSubscribed]);
}

#[test]
fn symbols_of_values_count_against_the_limit() {
    let sizes = Sizes { symbols: 1, ..Sizes::default() };
    let ledger = Box::new(MemoryLedger::with_sizes(ACCOUNT, "3f9c2a71", sizes));
    let mut bench = Bench::over(ledger, None, sizes, eager());
    let mut msft = values("sma", "1");
    if let Some(Content::Indicator(indicator)) = &mut msft.content {
        "MSFT".clone_into(&mut indicator.sid);
    }
    let committed = bench.send(vec![values("sma", "1"), msft]);
    assert_eq!(kinds(&committed), [Kind::NoSignal, Kind::DeadLettered]);
    assert_eq!(committed.outcomes[0].ticks[1].reason, "TooManySymbols");
}

#[test]
fn malformed_values_are_dead_lettered_and_the_quote_is_decided() {
    let value = |name: &str, value: &str| IndicatorValue { name: name.to_owned(), value: value.to_owned() };
    let indicator = |name: &str, values: Vec<IndicatorValue>| Indicator {
        name: name.to_owned(),
        sid: "GOOG".to_owned(),
        values,
        time_micros: 5,
    };
    for (wrong, message) in [
        (indicator("SMA", vec![value("value", "1")]), "indicator: \"SMA\" is no name, which has 1 to 40 characters of"),
        (indicator("sma", Vec::new()), "sma has 0 values, and 1 to 8 are taken"),
        (indicator("sma", (0..9).map(|place| value(&format!("v{place}"), "1")).collect()), "sma has 9 values"),
        (indicator("sma", vec![value("Line", "1")]), "values of sma: \"Line\" is no name, which has 1 to 20"),
        (indicator("sma", vec![value("a", "1"), value("a", "1")]), "values of sma: \"a\" is there twice"),
        (indicator("sma", vec![value("a", "NaN")]), "a of sma: \"NaN\" is not a decimal number"),
        (indicator("sma", vec![value("a", "1e16")]), "a of sma: \"1e16\" has more than 16 digits before the point"),
        (indicator("sma", vec![value("a", "1e-11")]), "a of sma: \"1e-11\" has more than 10 digits after the point"),
    ] {
        let mut bench = Bench::new(eager());
        let tick = Tick { content: Some(Content::Indicator(Box::new(wrong))), ..Tick::default() };
        let committed = bench.send(vec![tick, quote("10")]);
        assert_eq!(kinds(&committed), [Kind::DeadLettered, Kind::Decided], "{message}");
        let letter = committed.entries.iter().find_map(|entry| match &entry.content {
            Some(outbox_entry::Content::DeadLetter(letter)) => Some(letter),
            _ => None,
        });
        let letter = letter.unwrap();
        assert_eq!(letter.reason, "BadIndicator");
        assert!(letter.message.starts_with(message), "{}", letter.message);
    }
}

#[test]
fn signal_about_values_breaks_the_contract() {
    let mut wired = up();
    wired.deliver(joined(1, 1, "10"));
    let batch = wired.batch(A);
    wired.report(A, Ok(BackendReply::Result(result(&batch, "", |_| vec![buy(1)]))));
    let (reason, message) = wired.bench.engine.algorithm_condition().unwrap();
    assert_eq!(reason, "ContractBroken");
    assert!(
        message.ends_with("Signal.event: 1 has values of an indicator, and only a quote can be traded"),
        "{message}"
    );
    wired.come_up(A, "algo", &["quotes"]);
    // Behind values, a signal about the quote is booked.
    let batch = wired.batch(A);
    let quote = batch.events[1].event;
    let answer = result(&batch, "", |event| if event == quote { Vec::new() } else { vec![buy(quote)] });
    wired.report(A, Ok(BackendReply::Result(answer)));
    assert_eq!(kinds(&wired.told()), [Kind::Decided, Kind::NoSignal]);
    wired.verify();
}

#[test]
fn values_that_an_algorithm_rejects_are_dead_lettered() {
    let mut wired = up();
    wired.deliver(joined(1, 1, "10"));
    let batch = wired.batch(A);
    let mut answer = result(&batch, "", |_| Vec::new());
    answer.results[0] =
        EventResult { reject: "unknown".to_owned(), ..EventResult { event: 1, ..EventResult::default() } };
    wired.report(A, Ok(BackendReply::Result(answer)));
    let told = wired.told();
    assert_eq!((kinds(&told), told.outcomes[0].ticks[0].reason.as_str()), {
        (vec![Kind::DeadLettered, Kind::NoSignal], "Rejected")
    });
}

#[test]
fn signals_about_a_backfilled_quote_are_denied_and_its_values_are_told() {
    let mut bench = Bench::new(eager());
    let delivery = Delivery { backfill: true, ..bench.delivery("quotes", joined(1, 1, "10")) };
    let committed = bench.process(&[delivery]);
    assert_eq!(kinds(&committed), [Kind::NoSignal, Kind::Denied]);
    assert_eq!(committed.outcomes[0].ticks[1].reason, "Backfilled");
}

#[test]
fn values_sell_nothing_by_hand() {
    use intuition_api::v1::TradingState;
    let mut bench = Bench::new(resource(1));
    bench.send(joined(1, 0, "10"));
    closing::set(&mut bench, 1, Some(TradingState::Halted));
    closing::close(&mut bench, "r-1", closing::all());
    assert_eq!(bench.send(vec![values("sma", "11")]).entries, []);
    let committed = bench.send(joined(2, 1, "12"));
    let Some(outbox_entry::Content::Decision(decision)) = &committed.entries[0].content else { panic!("a decision") };
    assert_eq!((decision.origin.as_str(), decision.price.as_str()), ("manual", "12"));
    assert_eq!(kinds(&committed), [Kind::NoSignal, Kind::Decided]);
}

#[test]
fn values_do_not_end_the_silence_of_an_input() {
    let stale_after = Some(std::time::Duration::from_mins(1));
    let inputs = vec![Input { topic: "quotes".to_owned(), stale_after, ..Input::default() }];
    let mut bench = Bench::new(Settings { inputs, ..eager() });
    let is_stale = |bench: &Bench| bench.engine.account().inputs[0].stale;
    bench.advance_at(61_000_000);
    assert!(is_stale(&bench));
    let alone = bench.delivery("quotes", vec![values("sma", "1")]);
    bench.engine.take(vec![alone]).unwrap();
    bench.advance_at(62_000_000);
    assert!(is_stale(&bench));
    let joined = bench.delivery("quotes", joined(1, 1, "10"));
    bench.engine.take(vec![joined]).unwrap();
    bench.advance_at(63_000_000);
    assert!(!is_stale(&bench));
}

#[test]
fn lengths_of_names_and_values_are_bounded() {
    let mut bench = Bench::new(eager());
    type Change = fn(&mut Indicator);
    let changes: [(Change, &str); 4] = [
        (|indicator| indicator.name = "x".repeat(257), "ticks[0].indicator.name: 257 bytes, at most 256"),
        (|indicator| indicator.sid = "x".repeat(257), "ticks[0].indicator.sid: 257 bytes, at most 256"),
        (|indicator| indicator.values[0].name = "x".repeat(257), "ticks[0].indicator.values.name: 257 bytes"),
        (|indicator| indicator.values[0].value = "1".repeat(65_537), "ticks[0].indicator.values.value: 65537 bytes"),
    ];
    for (change, message) in changes {
        let mut tick = values("sma", "1");
        if let Some(Content::Indicator(indicator)) = &mut tick.content {
            change(indicator);
        }
        let delivery = bench.delivery("quotes", vec![tick]);
        let error = bench.engine.take(vec![delivery]).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
