//! Bars of Binance, against the bars of the record.

use std::collections::BTreeMap;

use exchange::{Data, Kind, Market, Output, Quote};

use crate::harness::{BTC, Harness, Setup};

const MINUTE: i64 = 60_000_000;

fn setup() -> Setup {
    let mut setup = Setup::new(Market::Binance);
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

async fn take_minutes(harness: &mut Harness, until: u64) -> BTreeMap<u64, Quote> {
    let mut bars = BTreeMap::new();
    while !bars.contains_key(&until) {
        match harness.outputs.recv().await.expect("the session runs") {
            Output::Quote(quote) => assert_eq!(bars.insert(quote.seq, quote), None, "a minute came twice"),
            Output::Gap(gap) => panic!("{gap:?}"),
        }
    }
    bars
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

#[tokio::test]
async fn closed_bars_are_given_once_and_those_of_a_cut_are_fetched() {
    let mut harness = setup().start().await;
    harness.make(30);
    harness.server.hub().cut();
    harness.until(|status| status.reconnects == 1).await;
    harness.make(30);
    harness.until(|status| status.is_connected).await;
    harness.make(30);
    let minutes = closed(&harness);
    let bars = take_minutes(&mut harness, *minutes.last().unwrap()).await;
    assert_eq!(bars.keys().copied().collect::<Vec<_>>(), minutes);
    check(&harness, &bars);
}

#[tokio::test]
async fn bars_behind_a_position_are_fetched() {
    let mut setup = setup();
    let first = u64::try_from(jiff::Timestamp::now().as_microsecond() / MINUTE).unwrap();
    setup.position = Some(first);
    let mut harness = setup.start_with(|server| server.hub().make(BTC, 60)).await;
    harness.until(|status| status.is_connected).await;
    harness.make(30);
    let minutes: Vec<_> = closed(&harness).into_iter().filter(|minute| *minute > first).collect();
    let bars = take_minutes(&mut harness, *minutes.last().unwrap()).await;
    assert_eq!(bars.keys().copied().collect::<Vec<_>>(), minutes);
    check(&harness, &bars);
}
