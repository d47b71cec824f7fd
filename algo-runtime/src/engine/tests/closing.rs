//! Closing by hand: each symbol is sold once, at its next quote, with or without an answer of the algorithm.

use intuition_api::v1::{
    CloseRequest, CloseResponse, SetTradingStateRequest, Symbols, TradingCause, TradingState, close_request::What,
    outbox_entry,
};

use super::{far::*, *};
use crate::backend::BackendReply;

fn of(sid: &str, price: &str) -> Tick {
    let quote = Quote { sid: sid.to_owned(), price: price.to_owned(), time_micros: 5, ..Quote::default() };
    Tick { content: Some(Content::Quote(quote)), ..Tick::default() }
}

/// Makes this the state of the cause Halt, or ends it.
pub(super) fn set(bench: &mut Bench, generation: i64, state: Option<TradingState>) {
    let cause =
        |state: TradingState| TradingCause { cause: "Halt".to_owned(), state: state.into(), ..TradingCause::default() };
    let request = SetTradingStateRequest {
        resource_uid: bench.engine.settings.source().uid().to_owned(),
        generation,
        from: Some(bench.engine.trading.number()),
        causes: state.map(cause).into_iter().collect(),
        ..SetTradingStateRequest::default()
    };
    assert_eq!(bench.engine.set_trading_state(&request, 1).unwrap().refusal, None);
    bench.commit();
}

fn request(bench: &Bench, id: &str, what: What) -> CloseRequest {
    let resource_uid = bench.engine.settings.source().uid().to_owned();
    CloseRequest { account: ACCOUNT.to_owned(), resource_uid, request: id.to_owned(), what: Some(what) }
}

pub(super) fn close(bench: &mut Bench, id: &str, what: What) -> CloseResponse {
    let response = bench.engine.close(&request(bench, id, what)).unwrap();
    bench.commit();
    response
}

pub(super) const fn all() -> What {
    What::All(true)
}

fn symbols(sids: &[&str]) -> What {
    What::Symbols(Symbols { sids: sids.iter().map(|sid| (*sid).to_owned()).collect() })
}

fn sales(committed: &v1::Committed) -> Vec<(&str, u64)> {
    let decision = |entry: &'_ v1::OutboxEntry| match &entry.content {
        Some(outbox_entry::Content::Decision(decision)) => Some(decision.clone()),
        _ => None,
    };
    let decisions: Vec<_> = committed.entries.iter().filter_map(decision).collect();
    assert!(decisions.iter().all(|decision| decision.origin == "manual"), "{decisions:?}");
    committed
        .entries
        .iter()
        .filter_map(|entry| match &entry.content {
            Some(outbox_entry::Content::Decision(decision)) => Some((decision.sid.as_str(), decision.seq)),
            _ => None,
        })
        .collect()
}

/// An account that holds GOOG and MSFT, and is halted.
fn halted() -> Bench {
    let mut bench = Bench::on_disk(eager());
    bench.send(vec![of("GOOG", "10"), of("MSFT", "20")]);
    set(&mut bench, 1, Some(TradingState::Halted));
    bench
}

#[test]
fn symbol_is_sold_whole_at_its_next_quote_and_once() {
    let mut bench = halted();
    let asked = close(&mut bench, "r-1", What::All(true));
    assert_eq!(
        (asked.closing, asked.not_held.len(), asked.no_channel.len()),
        (vec!["GOOG".to_owned(), "MSFT".to_owned()], 0, 0)
    );
    let delivery = bench.delivery("quotes", vec![of("AAPL", "1"), of("GOOG", "30"), of("GOOG", "31")]);
    let sold = bench.process(std::slice::from_ref(&delivery));
    assert_eq!(sales(&sold), [("GOOG", 3)]);
    assert_eq!(kinds(&sold), [Kind::Denied, Kind::Decided, Kind::Denied]);
    let tick = &sold.outcomes[0].ticks[1];
    assert_eq!((tick.seqs.as_slice(), tick.positions.as_slice()), ([3].as_slice(), [3].as_slice()));
    let account = bench.engine.account();
    assert_eq!((account.positions.len(), account.trading.unwrap().closing), (1, vec!["MSFT".to_owned()]));
    bench.restart(eager());
    // A repeated delivery has its outcome, and a repeated request does nothing more.
    let again = bench.process(&[delivery]);
    assert_eq!((again.entries.len(), again.outcomes[0].ticks[1].seqs.as_slice()), (0, [3].as_slice()));
    assert_eq!(close(&mut bench, "r-1", What::All(true)).closing, ["MSFT"]);
    assert_eq!(sales(&bench.send(vec![of("MSFT", "20")])), [("MSFT", 4)]);
    assert_eq!(close(&mut bench, "r-1", What::All(true)).closing, [""; 0]);
    let decisions = bench.ledger.decisions(1, 10).unwrap();
    let manual: Vec<bool> = decisions.iter().map(|entry| entry.trade.as_ref().unwrap().manual).collect();
    assert_eq!(manual, [false, false, true, true]);
    verify(bench.dir.as_ref().unwrap().path()).unwrap();
}

#[test]
fn bad_or_repeated_quotes_and_other_channels_sell_nothing() {
    let mut bench = halted();
    let seen = bench.delivery("quotes", vec![numbered(7, "10")]);
    bench.process(std::slice::from_ref(&seen));
    close(&mut bench, "r-1", symbols(&["GOOG"]));
    assert_eq!(sales(&bench.process(&[seen])), []);
    assert_eq!(sales(&bench.send(vec![numbered(7, "10")])), []);
    assert_eq!(bench.send(vec![bad("BadPrice")]).entries.len(), 1);
    let elsewhere = bench.delivery("other", vec![of("GOOG", "10")]);
    assert_eq!(sales(&bench.process(&[elsewhere])), []);
    assert_eq!(sales(&bench.send(vec![of("GOOG", "10")])), [("GOOG", 3)]);
}

#[test]
fn request_needs_a_stop_its_resource_and_its_bounds() {
    let mut bench = Bench::new(eager());
    bench.send(vec![of("GOOG", "10")]);
    let refused = |response: &CloseResponse| response.refusal.as_ref().unwrap().reason.clone();
    assert_eq!(refused(&close(&mut bench, "r-1", What::All(true))), "NotHalted");
    set(&mut bench, 1, Some(TradingState::Reducing));
    let other = CloseRequest { resource_uid: "u-9".to_owned(), ..request(&bench, "r-1", What::All(true)) };
    assert_eq!(refused(&bench.engine.close(&other).unwrap()), "OtherUid");
    let asked = close(&mut bench, "r-1", symbols(&["GOOG", "MSFT"]));
    assert_eq!((asked.closing, asked.not_held), (vec!["GOOG".to_owned()], vec!["MSFT".to_owned()]));
    let long = "x".repeat(65);
    for (id, what) in [
        ("", Some(What::All(true))),
        (long.as_str(), Some(What::All(true))),
        ("r-2", None),
        ("r-2", Some(What::All(false))),
        ("r-2", Some(What::Cancel(false))),
        ("r-2", Some(symbols(&[]))),
        ("r-2", Some(symbols(&vec!["GOOG"; 10_001]))),
    ] {
        let malformed = CloseRequest { what, ..request(&bench, id, What::All(true)) };
        assert!(bench.engine.close(&malformed).is_err(), "{malformed:?}");
    }
    assert_eq!(bench.engine.take_changes(), None);
}

#[test]
fn cancel_and_the_return_to_active_drop_what_waits() {
    let mut bench = halted();
    close(&mut bench, "r-1", What::All(true));
    assert_eq!(close(&mut bench, "r-2", What::Cancel(true)).closing, [""; 0]);
    assert_eq!(sales(&bench.send(vec![of("GOOG", "10")])), []);
    // The first request is repeated late: it was recorded.
    assert_eq!(close(&mut bench, "r-1", What::All(true)).closing, [""; 0]);
    close(&mut bench, "r-3", What::All(true));
    bench.restart(eager());
    assert_eq!(bench.engine.account().trading.unwrap().closing, ["GOOG", "MSFT"]);
    set(&mut bench, 1, None);
    bench.restart(eager());
    set(&mut bench, 1, Some(TradingState::Reducing));
    assert_eq!(bench.engine.account().trading.unwrap().closing, [""; 0]);
    assert_eq!(sales(&bench.send(vec![of("GOOG", "10")])), []);
}

#[test]
fn symbol_that_no_channel_has_brought_since_the_start_is_named() {
    let mut bench = halted();
    bench.restart(eager());
    let elsewhere = bench.delivery("other", vec![of("GOOG", "10")]);
    bench.process(&[elsewhere]);
    bench.send(vec![of("MSFT", "20")]);
    let asked = close(&mut bench, "r-1", What::All(true));
    assert_eq!((asked.no_channel, asked.closing.len()), (vec!["GOOG".to_owned()], 2));
}

#[test]
fn price_that_pays_nothing_drops_the_symbol() {
    let mut bench = halted();
    close(&mut bench, "r-1", symbols(&["GOOG"]));
    let denied = bench.send(vec![of("GOOG", "0.0000000001")]);
    assert_eq!((kinds(&denied), sales(&denied)), (vec![Kind::Denied], vec![]));
    assert_eq!(bench.engine.account().trading.unwrap().closing, [""; 0]);
    assert_eq!(bench.engine.account().positions.len(), 2);
}

#[test]
fn last_thousand_requests_are_known() {
    let mut bench = Bench::on_disk(eager());
    set(&mut bench, 1, Some(TradingState::Halted));
    for number in 0..1_001 {
        bench.engine.close(&request(&bench, &number.to_string(), What::All(true))).unwrap();
    }
    bench.commit();
    bench.restart(eager());
    let requests = bench.ledger.snapshot().unwrap().closing.requests;
    assert_eq!((requests.len(), requests[0].as_str(), requests[999].as_str()), (1_000, "1", "1000"));
    assert_eq!(bench.engine.closing.waiting(), [""; 0]);
}

/// A backend at A, an account that holds GOOG, and a batch that is out.
fn silent() -> Wired {
    silent_over(Bench::on_disk(at(A, 1)))
}

fn silent_over(bench: Bench) -> Wired {
    let mut wired = Wired::over(bench);
    wired.come_up(A, "algo", &["quotes"]);
    wired.hold(&["quotes"]);
    wired.mark(1);
    wired.send(0..1);
    wired.answer(A, "");
    set(&mut wired.bench, 1, Some(TradingState::Halted));
    wired.told();
    wired
}

#[test]
fn silent_algorithm_does_not_hold_a_sale_back() {
    let mut wired = silent();
    wired.send(1..3);
    let batch = wired.batch(A);
    close(&mut wired.bench, "r-1", What::All(true));
    wired.run();
    assert_eq!(sales(&wired.told()), [], "quotes recognised before the request sell nothing");
    let delivery = wired.send(3..6);
    let told = wired.told();
    assert_eq!((sales(&told), told.outcomes.len()), (vec![("GOOG", 2)], 0));
    assert!(wired.account().positions.is_empty());
    wired.report(A, Ok(BackendReply::Result(buys(&batch, "one"))));
    assert_eq!(kinds(&wired.told()), [Kind::Denied, Kind::Denied]);
    assert_eq!(wired.answer(A, "two"), ["4", "5", "6"], "the algorithm gets every quote");
    let told = wired.told();
    assert_eq!(kinds(&told), [Kind::Decided, Kind::Denied, Kind::Denied]);
    let tick = &told.outcomes[0].ticks[0];
    assert_eq!((tick.seqs.as_slice(), tick.positions.as_slice()), ([2].as_slice(), [2].as_slice()));
    wired.restart(at(A, 1));
    wired.come_up(A, "algo", &["quotes"]);
    wired.take(&[delivery]);
    assert_eq!(wired.told().outcomes[0].ticks[0].seqs, [2]);
    wired.verify();
}

#[test]
fn absent_backend_holds_no_sale_back_and_a_crash_sells_nothing_twice() {
    let mut wired = silent();
    close(&mut wired.bench, "r-1", What::All(true));
    wired.fail(A);
    let delivery = wired.send(1..3);
    assert_eq!(sales(&wired.told()), [("GOOG", 2)]);
    let seq = |wired: &mut Wired| wired.bench.ledger.snapshot().unwrap().account.decisions;
    assert_eq!(seq(&mut wired), 2);
    // The process dies before the tick has its outcome.
    wired.restart(at(A, 1));
    wired.take(std::slice::from_ref(&delivery));
    wired.come_up(A, "algo", &["quotes"]);
    wired.answer(A, "");
    let told = wired.told();
    assert_eq!((kinds(&told), seq(&mut wired)), (vec![Kind::Decided, Kind::Denied], 2));
    assert_eq!((told.outcomes[0].ticks[0].seqs.as_slice(), told.entries.len()), ([2].as_slice(), 0));
    assert_eq!(wired.bench.ledger.snapshot().unwrap().closing.unsettled, []);
    wired.verify();
}

#[test]
fn stream_that_is_opened_anew_repeats_what_was_recognised_ahead() {
    let mut wired = silent();
    wired.send(1..3);
    let batch = wired.batch(A);
    close(&mut wired.bench, "r-1", What::All(true));
    let delivery = wired.send(3..6);
    assert_eq!(sales(&wired.told()), [("GOOG", 2)]);
    wired.reopen_stream();
    wired.take(&[delivery]);
    assert_eq!(sales(&wired.told()), []);
    wired.report(A, Ok(BackendReply::Result(buys(&batch, ""))));
    assert_eq!(wired.answer(A, ""), ["4", "5", "6"]);
    let told = wired.told();
    assert_eq!(
        (kinds(&told), told.outcomes[0].ticks[0].seqs.as_slice()),
        (vec![Kind::Decided, Kind::Denied, Kind::Denied], [2].as_slice())
    );
    assert!(!wired.bench.engine.has_work());
    wired.verify();
}

#[test]
fn swap_that_is_pending_does_not_hold_a_sale_back() {
    let mut wired = silent();
    wired.send(1..2);
    let batch = wired.batch(A);
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["news"]);
    close(&mut wired.bench, "r-1", What::All(true));
    wired.mark(2);
    // Behind the marker, on the channel of the next algorithm.
    wired.send_on("news", 2..4);
    assert_eq!(sales(&wired.told()), [("GOOG", 2)]);
    wired.report(A, Ok(BackendReply::Result(buys(&batch, ""))));
    assert_eq!(wired.deciding(), "other");
    assert_eq!(wired.answer(B, ""), ["3", "4"]);
    assert_eq!(kinds(&wired.told()), [Kind::Denied, Kind::Decided, Kind::Denied]);
    wired.verify();
}

/// The quotes behind a request are recognised while they wait, however many there are.
#[test]
fn quotes_recognised_ahead_beyond_the_window_are_decided_once() {
    for again in [false, true] {
        let sizes = Sizes { window: 8, turn_ticks: 4, ..Sizes::DESIGN };
        let mut wired = silent_over(Bench::sized(sizes, at(A, 1)));
        close(&mut wired.bench, "r-1", all());
        wired.fail(A);
        let quote = |number: i64| match number % 3 {
            0 => Tick { source: "feed".to_owned(), seq: Some(number), ..of("AAPL", "1") },
            1 => Tick { id: number.to_string(), ..of("AAPL", "1") },
            _ => of("AAPL", "1"),
        };
        let ticks = |number: i64| (3 * number..3 * number + 3).map(quote).collect();
        let deliveries: Vec<Delivery> = (0..20).map(|number| wired.bench.delivery("quotes", ticks(number))).collect();
        for delivery in &deliveries {
            wired.take(std::slice::from_ref(delivery));
        }
        if again {
            wired.reopen_stream();
            for delivery in &deliveries {
                wired.take(std::slice::from_ref(delivery));
            }
        }
        wired.come_up(A, "algo", &["quotes"]);
        while !wired.is_idle(A) {
            wired.answer(A, "");
        }
        let told = wired.told();
        assert_eq!((kinds(&told), told.entries.len()), (vec![Kind::Denied; 60], 0), "again: {again}");
        assert_eq!(wired.bench.engine.tally().count(counter::DENIED), 60, "again: {again}");
        assert_eq!(wired.bench.engine.unsettled_ticks(), 0);
    }
}
