//! Bars, against the trades of the record: Binance's own ones, and those that are built from trades.

use std::collections::BTreeMap;

use exchange::{Data, Gap, GapReason, Kind, Market, Output, Quote};

use crate::harness::{BTC, Harness, Setup};

const MINUTE: i64 = 60_000_000;

fn setup(market: Market) -> Setup {
    let mut setup = Setup::new(market);
    setup.data = Data::Bars;
    // Three trades a minute.
    setup.server.step_micros = Some(20_000_000);
    setup
}

/// The minutes of the record that are over.
fn closed(harness: &Harness) -> Vec<u64> {
    let record = harness.record(BTC);
    let minute = |micros: i64| u64::try_from(micros / MINUTE).unwrap();
    let (first, last) = (minute(record.first().unwrap().micros), minute(record.last().unwrap().micros));
    (first..last).collect()
}

async fn take_minutes(harness: &mut Harness, until: u64) -> (BTreeMap<u64, Quote>, Vec<Gap>) {
    let (mut bars, mut gaps) = (BTreeMap::new(), Vec::new());
    while !bars.contains_key(&until) {
        match harness.outputs.recv().await.expect("the session runs") {
            Output::Quote(quote) => assert_eq!(bars.insert(quote.seq, quote), None, "a minute came twice"),
            Output::Gap(gap) => gaps.push(gap),
        }
    }
    (bars, gaps)
}

fn check(harness: &Harness, bars: &BTreeMap<u64, Quote>) {
    let record = harness.record(BTC);
    for (minute, quote) in bars {
        let opened = i64::try_from(*minute).unwrap() * MINUTE;
        let trades: Vec<_> = record.iter().filter(|trade| trade.micros / MINUTE * MINUTE == opened).collect();
        let Kind::Bar(bar) = quote.kind else { panic!("{quote:?}") };
        let text = |price: u64| format!("{}.{:02}", price / 100, price % 100).parse().unwrap();
        let (low, high) = (trades.iter().map(|trade| trade.price).min(), trades.iter().map(|trade| trade.price).max());
        assert_eq!(bar.open, text(trades.first().unwrap().price));
        assert_eq!((bar.low, bar.high), (text(low.unwrap()), text(high.unwrap())));
        assert_eq!(quote.price, text(trades.last().unwrap().price));
        assert_eq!(bar.volume.units(), trades.iter().map(|trade| u128::from(trade.size)).sum::<u128>());
        assert_eq!(quote.time_micros, opened + MINUTE);
    }
}

/// `partial`: the minutes at the beginning that are not whole.
async fn bars_across_a_cut(market: Market, partial: usize) {
    let mut harness = setup(market).start().await;
    harness.make(30);
    harness.server.hub().cut();
    harness.until(|status| status.reconnects == 1).await;
    harness.make(30);
    harness.until(|status| status.is_connected).await;
    harness.make(30);
    let minutes = closed(&harness);
    let (bars, gaps) = take_minutes(&mut harness, *minutes.last().unwrap()).await;
    assert_eq!(gaps, []);
    assert_eq!(bars.keys().copied().collect::<Vec<_>>(), minutes.into_iter().skip(partial).collect::<Vec<_>>());
    check(&harness, &bars);
}

#[tokio::test]
async fn bars_of_binance_are_given_once_and_those_of_a_cut_are_fetched() {
    bars_across_a_cut(Market::Binance, 0).await;
}

#[tokio::test]
async fn bars_of_kraken_are_whole_across_a_cut() {
    bars_across_a_cut(Market::Kraken, 1).await;
}

#[tokio::test]
async fn bars_of_coinbase_are_whole_across_a_cut() {
    bars_across_a_cut(Market::Coinbase, 1).await;
}

fn this_minute() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond() / MINUTE).unwrap()
}

#[tokio::test]
async fn bars_of_binance_behind_a_position_are_fetched() {
    let mut setup = setup(Market::Binance);
    let first = this_minute();
    setup.position = Some(first);
    let mut harness = setup.start_with(|server| server.hub().make(BTC, 60)).await;
    harness.until(|status| status.is_connected).await;
    harness.make(30);
    let minutes: Vec<_> = closed(&harness).into_iter().filter(|minute| *minute > first).collect();
    let (bars, gaps) = take_minutes(&mut harness, *minutes.last().unwrap()).await;
    assert_eq!(gaps, []);
    assert_eq!(bars.keys().copied().collect::<Vec<_>>(), minutes);
    check(&harness, &bars);
}

/// The trades of the minutes before the start have numbers that the position does not name.
#[tokio::test]
async fn minutes_before_the_first_built_bar_are_a_gap_behind_a_position() {
    let mut setup = setup(Market::Kraken);
    let position = this_minute() - 5;
    setup.position = Some(position);
    let mut harness = setup.start().await;
    harness.make(30);
    let minutes = closed(&harness);
    let (bars, gaps) = take_minutes(&mut harness, *minutes.last().unwrap()).await;
    let [Gap { first, last, reason: GapReason::BeforeStart, .. }] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((first, last), (position + 1, *minutes.first().unwrap()));
    assert!(bars.keys().eq(minutes.iter().skip(1)), "{minutes:?}");
    check(&harness, &bars);
}

/// Trades that cannot be fetched make their minutes a gap.
#[tokio::test]
async fn minutes_that_miss_trades_are_a_gap() {
    let mut setup = setup(Market::Coinbase);
    setup.limits.recovery_time = std::time::Duration::from_millis(500);
    let mut harness = setup.start().await;
    harness.make(30);
    harness.server.hub().set(|faults| (faults.drop, faults.rest_count) = (1, u64::MAX));
    let lost = u64::try_from(harness.record(BTC).last().unwrap().micros / MINUTE).unwrap();
    harness.make(30);
    let minutes = closed(&harness);
    let (bars, gaps) = take_minutes(&mut harness, *minutes.last().unwrap()).await;
    let [Gap { first, last, reason: GapReason::TooLate, .. }] = gaps[..] else { panic!("{gaps:?}") };
    assert!(first == lost && last <= lost + 1, "{first} to {last}, and {lost} misses a trade");
    let expected = minutes.iter().skip(1).copied().filter(|minute| !(first..=last).contains(minute));
    assert_eq!(bars.keys().copied().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    check(&harness, &bars);
}
