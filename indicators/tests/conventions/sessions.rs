//! The sessions of a volume-weighted average.

use indicators::{Entry, Indicator, Sample, Settings};
use serde_json::json;

/// A trade at so many minutes from 2026-01-05T14:00:00Z, half an hour before New York's session begins.
fn trade(minutes: i64, price: &str, size: Option<&str>) -> Sample {
    let volume = size.map(|size| size.parse().unwrap());
    let time_micros = 1_767_621_600_000_000 + minutes * 60_000_000;
    Sample { volume, ..Sample::price(price.parse().unwrap(), time_micros) }
}

fn new_york() -> Entry {
    let settings = json!({
        "compute": [{"name": "vwap", "type": "VWAP"}],
        "session": {"timeZone": "America/New_York", "start": "09:30"},
    });
    Settings::parse(settings.as_object().unwrap()).unwrap().compute.remove(0)
}

fn push(indicator: &mut Indicator, sample: &Sample) -> Option<String> {
    indicator.push(sample).map(|values| values[0].1.to_string())
}

#[test]
fn average_begins_anew_with_each_session() {
    let mut vwap = new_york().definition.start();
    let mut at = |minutes, price, size| push(&mut vwap, &trade(minutes, price, size));
    assert_eq!(at(0, "10", None), None);
    assert_eq!(at(1, "10", Some("0")), None);
    assert_eq!(at(2, "10", Some("1")).as_deref(), Some("10"));
    assert_eq!(at(3, "13", Some("2")).as_deref(), Some("12"));
    // A price without a volume weighs nothing.
    assert_eq!(at(4, "99", None).as_deref(), Some("12"));
    assert_eq!(at(29, "10", Some("1")).as_deref(), Some("11.5"));
    assert_eq!(at(30, "7", None), None);
    assert_eq!(at(31, "7", Some("0.00000001")).as_deref(), Some("7"));
    assert_eq!(at(30 + 24 * 60 - 1, "8", Some("0.00000001")).as_deref(), Some("7.5"));
    assert_eq!(at(30 + 24 * 60, "9", Some("5")).as_deref(), Some("9"));
}

#[test]
fn session_never_goes_back() {
    let mut vwap = new_york().definition.start();
    let mut at = |minutes, price, size| push(&mut vwap, &trade(minutes, price, size));
    assert_eq!(at(31, "10", Some("1")).as_deref(), Some("10"));
    // Of the session before: it counts for neither.
    assert_eq!(at(29, "50", Some("7")).as_deref(), Some("10"));
    // Out of order within the session.
    assert_eq!(at(40, "12", Some("1")).as_deref(), Some("11"));
    assert_eq!(at(30, "14", Some("2")).as_deref(), Some("12.5"));
}

#[test]
fn bar_weighs_its_typical_price() {
    let mut vwap = new_york().definition.start();
    let mut bar = trade(31, "10", Some("2"));
    bar.high = Some("12".parse().unwrap());
    bar.low = Some("9".parse().unwrap());
    assert_eq!(push(&mut vwap, &bar).as_deref(), Some("10.3333333333"));
    assert_eq!(push(&mut vwap, &trade(32, "10", Some("1"))).as_deref(), Some("10.2222222222"));
}

#[test]
fn largest_volumes_stay_exact() {
    let mut vwap = new_york().definition.start();
    let most = "9999999999999999999999999999.99999999";
    for minutes in 31..500 {
        let price = if minutes % 2 == 1 { "999999999999.9999999999" } else { "0.0000000001" };
        let value = push(&mut vwap, &trade(minutes, price, Some(most)));
        if minutes % 2 == 0 {
            assert_eq!(value.as_deref(), Some("500000000000"));
        }
    }
}
