//! Numbers: repetitions, order, recovery, gaps, back-pressure.

use std::time::Duration;

use super::harness::{Given, Harness, backfilled, bars, live};
use crate::{
    GapReason, Output,
    session::{Event, FetchError, MAX_OUTPUTS},
};

const GRACE: Duration = Duration::from_millis(250);

#[test]
fn session_without_a_position_begins_now_and_fetches_nothing() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, [50, 51]);
    harness.pass(Duration::from_mins(10));
    assert_eq!(harness.given(), live([50, 51]));
    assert_eq!(harness.fetches(), None);
}

#[test]
fn session_with_a_position_fetches_from_there_first() {
    let (mut harness, id) = Harness::subscribed(Some(40));
    harness.trades(id, [50, 51]);
    assert_eq!(harness.given(), []);
    harness.answer("limit=1", [51]);
    harness.pass(GRACE);
    harness.answer("fromId=41&limit=9", 41..=49);
    assert_eq!(harness.given(), [backfilled(41..=49), live(50..=51)].concat());
    harness.pass(Duration::from_mins(10));
    assert_eq!(harness.fetches(), None);
    assert_eq!(harness.session.status().recovering, 0);
}

#[test]
fn position_at_the_latest_trade_fetches_nothing_more() {
    let (mut harness, id) = Harness::subscribed(Some(51));
    harness.answer("limit=1", [51]);
    harness.pass(Duration::from_secs(10));
    assert_eq!(harness.fetches(), None);
    harness.trades(id, [52]);
    assert_eq!(harness.given(), live([52]));
}

#[test]
fn repetitions_are_dropped_and_short_disorder_needs_no_request() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, [1, 2, 2, 1, 5, 4, 5, 3, 6]);
    assert_eq!(harness.given(), live(1..=6));
    harness.pass(GRACE);
    assert_eq!(harness.fetches(), None);
    assert_eq!(harness.session.status().counters.repetitions, 3);
}

#[test]
fn missing_numbers_are_fetched_in_pages_and_newer_ones_wait() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, [1]);
    harness.trades(id, [1_502, 1_503]);
    harness.pass(GRACE);
    harness.answer("fromId=2&limit=1000", 2..=1_001);
    harness.trades(id, [1_504]);
    let given = harness.given();
    assert_eq!(given, [live([1]), backfilled(2..=1_001)].concat());
    harness.pass(GRACE);
    harness.answer("fromId=1002&limit=500", 1_002..=1_501);
    assert_eq!(harness.given(), [backfilled(1_002..=1_501), live(1_502..=1_504)].concat());
}

#[test]
fn numbers_that_the_exchange_leaves_out_are_a_gap_at_once() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, [1, 10]);
    harness.pass(GRACE);
    harness.answer("fromId=2&limit=8", [2, 3, 6, 9, 10]);
    let gap = |first, last| Given::Gap(first, last, GapReason::NotAtExchange);
    let (a, b) = (gap(4, 5), gap(7, 8));
    let expected = [live([1]), backfilled([2, 3]), vec![a], backfilled([6]), vec![b], backfilled([9]), live([10])];
    assert_eq!(harness.given(), expected.concat());
    assert_eq!(harness.session.status().counters.missing_by(GapReason::NotAtExchange), 4);
}

#[test]
fn recovery_that_fails_for_five_minutes_becomes_a_gap() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, [1, 5, 9]);
    let mut requests = 0;
    for _ in 0..300 {
        harness.pass(Duration::from_secs(1));
        harness.event(Event::Frame(id));
        while let Some((request, _)) = harness.fetches() {
            requests += 1;
            // A page in HTML instead of JSON.
            harness.event(Event::Fetched(request, Ok("<html>busy</html>".to_owned())));
        }
    }
    assert!((10..120).contains(&requests), "{requests} requests in five minutes");
    let gap = |first, last| Given::Gap(first, last, GapReason::TooLate);
    assert_eq!(harness.given(), [Given::Live(1), gap(2, 4), Given::Live(5), gap(6, 8), Given::Live(9)]);
    harness.trades(id, [10]);
    assert_eq!(harness.given(), live([10]));
    let status = harness.session.status();
    assert_eq!((status.recovering, status.counters.failed_requests), (0, requests));
}

#[test]
fn of_too_many_missing_numbers_the_newest_ten_thousand_are_fetched() {
    let (mut harness, id) = Harness::subscribed(Some(0));
    harness.answer("limit=1", [50_000]);
    harness.trades(id, [50_001]);
    let mut given = harness.given();
    for page in 0..10 {
        harness.pass(GRACE);
        let from = 40_000 + page * 1_000;
        let limit = 1_000.min(50_000 - from);
        harness.answer(&format!("fromId={from}&limit={limit}"), from..from + limit);
        given.extend(harness.given());
    }
    let gap = Given::Gap(1, 39_999, GapReason::TooMany);
    assert_eq!(given, [vec![gap], backfilled(40_000..=50_000), live([50_001])].concat());
}

#[test]
fn rest_that_lags_behind_the_stream_is_asked_again() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, [1, 6]);
    harness.pass(GRACE);
    harness.answer("fromId=2&limit=4", []);
    harness.pass(Duration::from_secs(2));
    harness.answer("fromId=2&limit=4", [2, 3]);
    harness.pass(Duration::from_secs(2));
    harness.answer("fromId=4&limit=2", [4, 5]);
    assert_eq!(harness.given(), [live([1]), backfilled(2..=5), live([6])].concat());
}

#[test]
fn refused_request_waits_as_long_as_the_exchange_asks() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, [1, 3]);
    harness.pass(GRACE);
    let retry_after = Some(Duration::from_secs(20));
    harness.fail(FetchError::Status { status: 429, retry_after, found: "{}".to_owned() });
    harness.pass(Duration::from_secs(19));
    assert_eq!(harness.fetches(), None);
    harness.event(Event::Frame(id));
    harness.pass(Duration::from_secs(2));
    harness.answer("fromId=2&limit=1", [2]);
    assert_eq!(harness.given(), [live([1]), backfilled([2]), live([3])].concat());
}

#[test]
fn outputs_are_bounded_and_a_taker_that_comes_late_gets_all_of_them() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, 1..=20_000);
    assert!(!harness.session.takes_frames());
    assert_eq!(harness.session.outputs.len(), MAX_OUTPUTS);
    // Numbers that had no room are fetched, with the taker in the way.
    let mut given = Vec::new();
    for _ in 0..1_000 {
        given.extend(harness.given());
        assert!(harness.session.takes_frames());
        if let Some((request, path)) = harness.fetches() {
            let from: u64 = path.split("fromId=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
            harness.event(Event::Fetched(request, Ok(super::harness::page(from..(from + 1_000).min(20_001)))));
        }
        harness.pass(GRACE);
        harness.event(Event::Frame(id));
    }
    let numbers = given.iter().map(|one| match one {
        Given::Live(number) | Given::Backfilled(number) => *number,
        Given::Gap(..) => panic!("{one:?}"),
    });
    assert_eq!(numbers.collect::<Vec<_>>(), (1..=20_000).collect::<Vec<_>>());
}

#[test]
fn paused_reading_is_no_silence() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, 1..=600);
    assert!(!harness.session.takes_frames());
    harness.pass(Duration::from_mins(5));
    assert!(harness.session.is_connected());
    assert_eq!(harness.session.status().reconnects, 0);
}

#[test]
fn malformed_messages_are_counted_and_their_numbers_are_fetched() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.trades(id, [1]);
    harness.text(id, r#"{"e":"aggTrade","s":"BTCUSDT","a":2,"p":"cheap","q":"1","T":1}"#);
    harness.text(id, "<html>");
    harness.trades(id, [3]);
    harness.pass(GRACE);
    harness.answer("fromId=2&limit=1", [2]);
    assert_eq!(harness.given(), [live([1]), backfilled([2]), live([3])].concat());
    assert_eq!(harness.session.status().counters.malformed, 2);
}

#[test]
fn trades_of_unknown_symbols_are_passed_over() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.text(id, &super::harness::trade("ETHUSDT", 1));
    assert_eq!(harness.given(), []);
}

/// A kline of the minute `minute`.
fn kline(minute: u64, is_closed: bool) -> String {
    let start = minute * 60_000;
    format!(
        r#"{{"e":"kline","s":"BTCUSDT","k":{{"t":{start},"o":"1","c":"{minute}.5","h":"{minute}.5","l":"1","v":"3","x":{is_closed}}}}}"#
    )
}

#[test]
fn closed_bars_are_numbered_by_their_minute_and_missing_ones_are_fetched() {
    let mut harness = Harness::new(&bars("BTCUSDT"));
    let id = harness.opens();
    harness.subscribe(id);
    for text in [kline(100, false), kline(100, true), kline(101, false), kline(103, true)] {
        harness.text(id, &text);
    }
    harness.pass(GRACE);
    let (request, path) = harness.fetches().unwrap();
    assert_eq!(path, "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=6060000&endTime=6179999&limit=1000");
    // Minute 101 has no bar: that is no loss.
    let row = r#"[[6120000,"1","102.5","1","102.5","3",6179999,"1",1,"1","1","0"]]"#;
    harness.event(Event::Fetched(request, Ok(row.to_owned())));
    let Some(Output::Quote(quote)) = harness.session.take_output() else { panic!("a bar") };
    assert_eq!((&*quote.source, quote.seq, quote.time_micros), ("binance-spot:BTCUSDT", 100, 6_060_000_000));
    assert_eq!(harness.given(), [backfilled([102]), live([103])].concat());
}
