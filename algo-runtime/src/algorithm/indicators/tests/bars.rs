//! Bars.

use intuition_api::quote::{Details, Member};
use serde_json::json;

use super::*;

fn minute_bars() -> serde_json::Value {
    json!({"compute": [{"name": "sma", "type": "SMA", "parameters": {"period": 2}}], "bars": {"interval": "1m"}})
}

/// A quote with these values beside its price.
fn with(sid: &str, price: &str, seconds: i64, members: &[(Member, &str)]) -> Event {
    let Event::Quote(mut quote) = quote(sid, price, seconds) else { unreachable!() };
    let mut details = Details::default();
    for (member, text) in members {
        details.set(*member, text).unwrap();
    }
    quote.details = Some(Box::new(details));
    Event::Quote(quote)
}

#[test]
fn bar_goes_out_with_the_first_quote_of_a_later_one() {
    let mut algorithm = start(&minute_bars(), &SavedState::new());
    let size = |size| [(Member::Size, size)];
    let events = [
        with("GOOG", "10", 60, &size("1")),
        with("GOOG", "12", 119, &size("2.5")),
        quote("GOOG", "9", 61),
        quote("AAPL", "3", 119),
        // The first quote of the next bar.
        quote("GOOG", "11", 120),
        // Minutes without a quote have no bar.
        quote("GOOG", "14", 300),
        quote("AAPL", "4", 300),
        quote("GOOG", "15", 360),
    ];
    assert_eq!(
        lines(algorithm.as_mut(), &events),
        [
            "",
            "",
            "",
            "",
            "GOOG@60 1 60s 10 12 9 9 3.5: ",
            "GOOG@120 2 60s 11 11 11 11 -: GOOG/sma@120 value=10",
            "AAPL@60 1 60s 3 3 3 3 -: ",
            "GOOG@300 5 60s 14 14 14 14 -: GOOG/sma@300 value=12.5",
        ]
    );
    assert_eq!(algorithm.take_late(), 0);
}

#[test]
fn quote_older_than_the_open_bar_is_counted_and_changes_nothing() {
    let events = [quote("GOOG", "10", 60), quote("GOOG", "11", 120), quote("GOOG", "12", 180)];
    let mut expected = lines(start(&minute_bars(), &SavedState::new()).as_mut(), &events);
    let mut algorithm = start(&minute_bars(), &SavedState::new());
    let late = [quote("GOOG", "99", 119), quote("GOOG", "1", -30)];
    let [first, second, third] = events;
    let mixed = [first, second, late[0].clone(), late[1].clone(), third];
    expected.splice(2..2, [String::new(), String::new()]);
    assert_eq!(lines(algorithm.as_mut(), &mixed), expected);
    assert_eq!(algorithm.take_late(), 2);
    assert_eq!(algorithm.take_late(), 0);
    algorithm.take_changes();
    algorithm.decide(&late);
    assert!(algorithm.take_changes().is_empty(), "nothing changed");
}

#[test]
fn bars_become_longer_bars() {
    let settings =
        json!({"compute": [{"name": "atr", "type": "ATR", "parameters": {"period": 1}}], "bars": {"interval": "1h"}});
    let mut algorithm = start(&settings, &SavedState::new());
    let bar = |price, seconds, open, high, low, volume| {
        let members = [(Member::Open, open), (Member::High, high), (Member::Low, low), (Member::Volume, volume)];
        with("GOOG", price, seconds, &[&members[..], &[(Member::Interval, "1m")]].concat())
    };
    let events = [
        bar("10", 3_600, "9", "12", "8", "100"),
        bar("11", 3_660, "10", "11", "10", "50"),
        with("GOOG", "10.5", 3_700, &[(Member::Size, "7")]),
        bar("20", 7_200, "15", "21", "14", "1"),
        quote("GOOG", "1", 10_800),
    ];
    assert_eq!(
        lines(algorithm.as_mut(), &events),
        [
            "",
            "",
            "",
            "GOOG@3600 60 3600s 9 12 8 10.5 157: ",
            "GOOG@7200 120 3600s 15 21 14 20 1: GOOG/atr@7200 value=10.5",
        ]
    );
}

#[test]
fn values_of_a_day_are_not_those_of_a_bar() {
    let mut algorithm = start(&minute_bars(), &SavedState::new());
    let day = [(Member::Open, "1"), (Member::High, "100"), (Member::Low, "0.5"), (Member::Volume, "1000000")];
    let events = [with("GOOG", "10", 60, &day), quote("GOOG", "11", 120)];
    assert_eq!(lines(algorithm.as_mut(), &events), ["", "GOOG@60 1 60s 10 10 10 10 -: "]);
}

#[test]
fn volumes_beyond_the_largest_stay_the_largest() {
    let mut algorithm = start(&minute_bars(), &SavedState::new());
    let most = "9999999999999999999999999999.99999999";
    let events = [
        with("GOOG", "1", 0, &[(Member::Size, most)]),
        with("GOOG", "1", 1, &[(Member::Size, most)]),
        quote("GOOG", "1", 60),
    ];
    let expected = "GOOG@0 0 60s 1 1 1 1 10000000000000000000000000000: ";
    assert_eq!(lines(algorithm.as_mut(), &events), ["", "", expected]);
}

#[test]
fn times_before_1970_and_at_the_ends_of_time_have_bars() {
    let settings =
        json!({"compute": [{"name": "sma", "type": "SMA", "parameters": {"period": 1}}], "bars": {"interval": "1d"}});
    let mut algorithm = start(&settings, &SavedState::new());
    let events = [quote("GOOG", "1", -1), quote("GOOG", "2", 0)];
    assert_eq!(lines(algorithm.as_mut(), &events), ["", "GOOG@-86400 -1440 86400s 1 1 1 1 -: GOOG/sma@-86400 value=1"]);
    for time_micros in [i64::MIN, i64::MAX] {
        let Event::Quote(mut quote) = quote("END", "1", 0) else { unreachable!() };
        quote.time_micros = time_micros;
        assert_eq!(algorithm.decide(&[Event::Quote(quote)]).len(), 1);
    }
}
