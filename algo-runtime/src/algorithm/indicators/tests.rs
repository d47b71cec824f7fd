//! Accounts of indicators: quotes, bars, restarts and changes of settings.

mod bars;
mod settings;

use serde_json::json;

use super::*;
use crate::algorithm::Signal;

fn parameters(parameters: &serde_json::Value) -> AlgorithmSettings {
    AlgorithmSettings { threshold: 0.5, parameters: parameters.as_object().unwrap().clone() }
}

fn start(settings: &serde_json::Value, saved: &SavedState) -> Box<dyn Algorithm> {
    BUILTIN.initialize(&parameters(settings), saved, 1).unwrap()
}

/// A quote at so many seconds since 1970.
fn quote(sid: &str, price: &str, seconds: i64) -> Event {
    Event::Quote(Quote {
        sid: sid.to_owned(),
        price: price.parse().unwrap(),
        time_micros: seconds * 1_000_000,
        details: None,
    })
}

/// An output on one line: of a quote its values, of a bar its opening minute and prices too.
fn line(output: &Output) -> String {
    let values = |indicators: &[Indicator]| {
        let texts = indicators.iter().map(|indicator| {
            let values: Vec<String> = indicator.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{}/{}@{} {}", indicator.sid, indicator.name, indicator.time_micros / 1_000_000, values.join(" "))
        });
        texts.collect::<Vec<_>>().join("; ")
    };
    match output {
        Output::Quote(indicators) => values(indicators),
        Output::Bar { bar, values: indicators, minute } => {
            let details = bar.details.as_ref().unwrap();
            let [open, high, low] = [details.open, details.high, details.low].map(|price| price.unwrap().to_string());
            let volume = details.volume.map_or_else(|| "-".to_owned(), |volume| volume.to_string());
            let (seconds, sid) = (bar.time_micros / 1_000_000, &bar.sid);
            let length = details.interval_micros.unwrap() / 1_000_000;
            let close = bar.price;
            format!("{sid}@{seconds} {minute} {length}s {open} {high} {low} {close} {volume}: {}", values(indicators))
        }
    }
}

/// The outputs of these events, one line each; an empty line: none. No answer has a signal.
fn lines(algorithm: &mut dyn Algorithm, events: &[Event]) -> Vec<String> {
    let answers = algorithm.decide(events);
    assert_eq!(answers.len(), events.len());
    let line = |answer: &Answer| {
        assert_eq!(answer.signal, None::<Signal>);
        answer.outputs.iter().map(line).collect::<Vec<_>>().join(" | ")
    };
    answers.iter().map(line).collect()
}

/// Checks that a restart behind each of the events changes nothing, when the state is saved behind every event and when it is saved
/// at the restart alone.
fn check_restarts(settings: &serde_json::Value, events: &[Event]) {
    let mut undisturbed = start(settings, &SavedState::new());
    let whole = lines(undisturbed.as_mut(), events);
    let last = undisturbed.take_changes();
    let mut saved = SavedState::new();
    let mut each = Vec::new();
    for event in events {
        let mut algorithm = start(settings, &saved);
        each.extend(lines(algorithm.as_mut(), std::slice::from_ref(event)));
        saved.extend(algorithm.take_changes());
    }
    assert_eq!(each, whole);
    assert_eq!(saved, last);
    for cut in 0..=events.len() {
        let mut first = start(settings, &SavedState::new());
        let mut once = lines(first.as_mut(), &events[..cut]);
        let mut second = start(settings, &first.take_changes());
        once.extend(lines(second.as_mut(), &events[cut..]));
        assert_eq!(once, whole, "cut at {cut}");
    }
}

#[test]
fn each_quote_goes_out_with_the_values_that_are_ready_in_order() {
    let settings = json!({"compute": [
        {"name": "slow", "type": "SMA", "parameters": {"period": 3}},
        {"name": "fast", "type": "SMA", "parameters": {"period": 2}},
        {"name": "channel", "type": "Donchian", "parameters": {"period": 2}},
    ]});
    let mut algorithm = start(&settings, &SavedState::new());
    let events = [quote("GOOG", "1", 1), quote("GOOG", "2", 2), quote("AAPL", "9", 3), quote("GOOG", "6", 4)];
    assert_eq!(
        lines(algorithm.as_mut(), &events),
        [
            "",
            "GOOG/fast@2 value=1.5; GOOG/channel@2 upper=2 middle=1.5 lower=1",
            "",
            "GOOG/slow@4 value=3; GOOG/fast@4 value=4; GOOG/channel@4 upper=6 middle=4 lower=2",
        ]
    );
    let outputs: Vec<usize> =
        algorithm.decide(&[quote("NEW", "1", 5)]).iter().map(|answer| answer.outputs.len()).collect();
    assert_eq!(outputs, [1], "a quote goes out also where no value is ready");
}

#[test]
fn values_of_other_indicators_are_no_prices() {
    let settings = json!({"compute": [{"name": "sma", "type": "SMA", "parameters": {"period": 1}}]});
    let mut algorithm = start(&settings, &SavedState::new());
    let other = Indicator { name: "x".to_owned(), sid: "GOOG".to_owned(), values: Vec::new(), time_micros: 1 };
    let answers = algorithm.decide(&[Event::Indicator(Box::new(other)), quote("GOOG", "3", 1)]);
    assert_eq!(answers[0], Answer::default());
    assert_eq!(answers[1].outputs.iter().map(line).collect::<Vec<_>>(), ["GOOG/sma@1 value=3"]);
}

#[test]
fn only_a_bar_has_a_high_and_a_low_of_its_own() {
    let settings = json!({"compute": [
        {"name": "channel", "type": "Donchian", "parameters": {"period": 1}},
        {"name": "vwap", "type": "VWAP"},
    ]});
    let mut algorithm = start(&settings, &SavedState::new());
    let with = |interval_micros, size: Option<&str>| {
        let Event::Quote(mut quote) = quote("GOOG", "5", 1) else { unreachable!() };
        quote.details = Some(Box::new(intuition_api::quote::Details {
            high: Some("8".parse().unwrap()),
            low: Some("2".parse().unwrap()),
            volume: Some("10".parse().unwrap()),
            size: size.map(|size| size.parse().unwrap()),
            interval_micros,
            ..Default::default()
        }));
        Event::Quote(quote)
    };
    let events = [with(None, None), with(None, Some("1")), with(Some(60_000_000), None)];
    assert_eq!(
        lines(algorithm.as_mut(), &events),
        [
            "GOOG/channel@1 upper=5 middle=5 lower=5",
            "GOOG/channel@1 upper=5 middle=5 lower=5; GOOG/vwap@1 value=5",
            "GOOG/channel@1 upper=8 middle=5 lower=2; GOOG/vwap@1 value=5",
        ]
    );
}

#[test]
fn restart_at_any_point_changes_nothing() {
    let events: Vec<Event> = (0..40)
        .map(|step: i64| {
            let sid = if step % 3 == 0 { "AAPL" } else { "GOOG" };
            // Out of order in time, and over the end of a day.
            quote(sid, &format!("{}.{step}", 100 + (step * 7) % 13), 86_000 + step * 20 - (step % 4) * 45)
        })
        .collect();
    let settings = json!({"compute": [
        {"name": "sma", "type": "SMA", "parameters": {"period": 3}},
        {"name": "ema", "type": "EMA", "parameters": {"period": 3}},
        {"name": "wma", "type": "WMA", "parameters": {"period": 3}},
        {"name": "rsi", "type": "RSI", "parameters": {"period": 3}},
        {"name": "macd", "type": "MACD", "parameters": {"fast": 2, "slow": 4, "signal": 2}},
        {"name": "bands", "type": "Bollinger", "parameters": {"period": 3}},
        {"name": "atr", "type": "ATR", "parameters": {"period": 3}},
        {"name": "vwap", "type": "VWAP"},
        {"name": "roc", "type": "ROC", "parameters": {"period": 3}},
        {"name": "channel", "type": "Donchian", "parameters": {"period": 3}},
        {"name": "deviation", "type": "StandardDeviation", "parameters": {"period": 3}},
        {"name": "stochastic", "type": "Stochastic", "parameters": {"period": 3, "smoothK": 2, "smoothD": 2}},
    ]});
    check_restarts(&settings, &events);
    let mut with_bars = settings;
    with_bars["bars"] = json!({"interval": "1m"});
    check_restarts(&with_bars, &events);
}

#[test]
fn only_the_symbols_of_new_quotes_are_saved() {
    let settings = json!({"compute": [{"name": "sma", "type": "SMA", "parameters": {"period": 2}}]});
    let mut algorithm = start(&settings, &SavedState::new());
    algorithm.decide(&[quote("GOOG", "1", 1), quote("AAPL", "1", 1)]);
    assert_eq!(algorithm.take_changes().into_keys().collect::<Vec<_>>(), ["AAPL", "GOOG"]);
    algorithm.decide(&[quote("GOOG", "1", 2)]);
    assert_eq!(algorithm.take_changes().into_keys().collect::<Vec<_>>(), ["GOOG"]);
    assert!(algorithm.take_changes().is_empty());
}

#[test]
fn bytes_that_are_no_state_begin_anew() {
    let settings =
        json!({"compute": [{"name": "sma", "type": "SMA", "parameters": {"period": 2}}], "bars": {"interval": "1m"}});
    let mut algorithm = start(&settings, &SavedState::new());
    algorithm.decide(&[quote("GOOG", "1", 0), quote("GOOG", "2", 60), quote("GOOG", "3", 120)]);
    let saved = algorithm.take_changes();
    let state = &saved["GOOG"];
    for length in 0..state.len() {
        let cut = SavedState::from([("GOOG".to_owned(), state[..length].to_vec())]);
        start(&settings, &cut).decide(&[quote("GOOG", "4", 180), quote("GOOG", "5", 240)]);
    }
    let mut newer = saved.clone();
    newer.get_mut("GOOG").unwrap()[0] += 1;
    let mut restarted = start(&settings, &newer);
    assert_eq!(lines(restarted.as_mut(), &[quote("GOOG", "4", 180)]), [""], "no bar is open");
    let mut restarted = start(&settings, &saved);
    let expected = "GOOG@120 2 60s 3 3 3 3 -: GOOG/sma@120 value=2.5";
    assert_eq!(lines(restarted.as_mut(), &[quote("GOOG", "4", 180)]), [expected]);
}
