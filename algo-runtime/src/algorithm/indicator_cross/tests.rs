use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{
        sma_crossover,
        tests_support::{BUY, DecideQuotes as _, SELL, indicator, quote, settings},
    },
    *,
};

fn start(parameters: Value, saved: &SavedState) -> Box<dyn Algorithm> {
    BUILTIN.initialize(&settings(parameters), saved, 1).unwrap()
}

/// A quote with `a` and `b` in front of it, each where it is given.
fn joined(sid: &str, a: &str, b: &str) -> Vec<Event> {
    let values = [("a", a), ("b", b)].into_iter().filter(|(_, value)| !value.is_empty());
    let indicators = values.map(|(name, value)| indicator(sid, name, &[("value", value)]));
    indicators.chain([quote(sid, "1")]).collect()
}

/// The signals at the quotes; no other event has one.
fn signals(algorithm: &mut dyn Algorithm, events: &[Event]) -> Vec<Option<Signal>> {
    let answers = algorithm.decide(events);
    assert_eq!(answers.len(), events.len());
    let mut signals = Vec::new();
    for (event, answer) in events.iter().zip(answers) {
        assert_eq!(answer.outputs, []);
        match event {
            Event::Quote(_) => signals.push(answer.signal),
            Event::Indicator(_) => assert_eq!(answer.signal, None),
        }
    }
    signals
}

/// The signals at quotes of one symbol with these values of `a` and `b`.
fn crosses(algorithm: &mut dyn Algorithm, values: &[(&str, &str)]) -> Vec<Option<Signal>> {
    let events: Vec<Event> = values.iter().flat_map(|(a, b)| joined("GOOG", a, b)).collect();
    signals(algorithm, &events)
}

fn a_and_b() -> Value {
    json!({"fast": "a", "slow": "b"})
}

#[test]
fn trades_only_at_a_cross_of_values_that_were_both_known_twice() {
    let mut algorithm = start(a_and_b(), &SavedState::new());
    let values = [
        ("2", "1"),
        ("1", "1"),
        ("1.0000000001", "1"),
        ("3", "1"),
        ("1", "1"),
        ("-1", "-0.9999999999"),
        ("-1", "-1"),
        ("-2", "-1"),
        ("0", "-1"),
    ];
    assert_eq!(crosses(&mut *algorithm, &values), [None, None, BUY, None, None, SELL, None, SELL, BUY]);
}

#[test]
fn quote_without_one_of_the_values_changes_nothing() {
    let mut algorithm = start(a_and_b(), &SavedState::new());
    let values = [("1", "2"), ("3", ""), ("", "0"), ("", ""), ("3", "2"), ("3", "2"), ("", ""), ("1", "2")];
    assert_eq!(crosses(&mut *algorithm, &values), [None, None, None, None, BUY, None, None, SELL]);
}

#[test]
fn values_are_taken_by_indicator_and_name() {
    let mut algorithm = start(json!({"fast": "macd.line", "slow": "macd.signal"}), &SavedState::new());
    let macd = |line, signal| {
        [indicator("GOOG", "macd", &[("line", line), ("signal", signal), ("value", "9")]), quote("GOOG", "1")]
    };
    let events = [macd("-0.2", "-0.1"), macd("0.2", "0.1"), macd("0", "0.1")].concat();
    assert_eq!(signals(&mut *algorithm, &events), [None, BUY, SELL]);
}

#[test]
fn symbols_do_not_mix() {
    let mut algorithm = start(a_and_b(), &SavedState::new());
    let events =
        [joined("GOOG", "1", "2"), joined("AAPL", "2", "1"), joined("GOOG", "2", "1"), joined("AAPL", "1", "2")];
    assert_eq!(signals(&mut *algorithm, &events.concat()), [None, None, BUY, SELL]);
}

#[test]
fn other_names_begin_anew_also_after_a_restart() {
    let c = || json!({"fast": "a", "slow": "c"});
    for restart in [false, true] {
        let mut saved = SavedState::new();
        let mut algorithm = start(a_and_b(), &saved);
        let mut change = |algorithm: &mut Box<dyn Algorithm>, parameters: Value| {
            saved.extend(algorithm.take_changes());
            if restart {
                *algorithm = start(parameters, &saved);
            } else {
                algorithm.reconfigure(&settings(parameters)).unwrap();
            }
        };
        assert_eq!(crosses(&mut *algorithm, &[("1", "2")]), [None]);
        change(&mut algorithm, c());
        let with_c = [indicator("GOOG", "a", &[("value", "2")]), indicator("GOOG", "c", &[("value", "1")])];
        assert_eq!(signals(&mut *algorithm, &[with_c.as_slice(), &[quote("GOOG", "1")]].concat()), [None]);
        change(&mut algorithm, json!({"fast": "b", "slow": "c"}));
        change(&mut algorithm, a_and_b());
        assert_eq!(crosses(&mut *algorithm, &[("3", "2"), ("1", "2")]), [None, SELL], "restart: {restart}");
    }
}

#[test]
fn same_names_with_another_seed_go_on() {
    let mut algorithm = start(a_and_b(), &SavedState::new());
    crosses(&mut *algorithm, &[("1", "2")]);
    algorithm.reconfigure(&settings(json!({"fast": "a.value", "slow": "b", "seed": 3}))).unwrap();
    assert_eq!(crosses(&mut *algorithm, &[("3", "2")]), [BUY]);
}

#[test]
fn names_that_make_no_sense_are_refused_by_their_path() {
    for (parameters, fields) in [
        (json!({"fast": "sma-20", "slow": "sma-20.value"}), vec!["parameters.fast"]),
        (json!({"fast": "sma-50"}), vec!["parameters.fast"]),
        (json!({"fast": 20, "slow": "SMA", "seed": -1}), vec!["parameters.fast", "parameters.seed", "parameters.slow"]),
        (json!({"slow": "macd.", "window": 1}), vec!["parameters.slow", "parameters.window"]),
        (json!({"fast": null}), vec!["parameters.fast"]),
    ] {
        let errors = BUILTIN.initialize(&settings(parameters), &SavedState::new(), 1).err().unwrap();
        let mut found: Vec<String> = errors.into_iter().map(|error| error.field).collect();
        found.sort();
        assert_eq!(found, fields);
    }
    let errors = BUILTIN.initialize(&settings(json!({"slow": "sma-20"})), &SavedState::new(), 1).err().unwrap();
    assert_eq!(errors.to_string(), "parameters.fast: must differ from slow, is sma-20 too");
}

/// Prices of two symbols, 0.01 to 0.09, so that averages are often equal.
fn prices() -> impl Strategy<Value = Vec<(&'static str, u64)>> {
    prop::collection::vec((prop::sample::select(vec!["A", "B"]), 1_u64..10), 1..120)
}

/// Two lengths. The averages of such prices over them have at most ten places.
fn lengths() -> impl Strategy<Value = (usize, usize)> {
    let lengths = [1_usize, 2, 4, 5, 8, 10, 16];
    (0..lengths.len() - 1)
        .prop_flat_map(move |fast| (Just(fast), fast + 1..lengths.len()))
        .prop_map(move |(fast, slow)| (lengths[fast], lengths[slow]))
}

/// The average of the last prices, as text; `None` before there are enough.
fn average(history: &[u64], length: usize) -> Option<String> {
    let last = &history[history.len().checked_sub(length)?..];
    let units = u128::from(last.iter().sum::<u64>()) * 10_u128.pow(8) / length as u128;
    Some(format!("0.{units:010}"))
}

/// Each price with the averages that include it, as an indicator's account publishes them.
fn with_averages(prices: &[(&'static str, u64)], (fast, slow): (usize, usize)) -> Vec<Vec<Event>> {
    let mut histories: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let message = |&(sid, price): &(&'static str, u64)| {
        let history = histories.entry(sid).or_default();
        history.push(price);
        let named = [("a", average(history, fast)), ("b", average(history, slow))];
        let values = named.into_iter().filter_map(|(name, value)| Some(indicator(sid, name, &[("value", &value?)])));
        values.chain([quote(sid, &format!("0.0{price}"))]).collect()
    };
    prices.iter().map(message).collect()
}

proptest! {
    #[test]
    fn averages_of_the_same_lengths_give_the_signals_of_sma_crossover(
        prices in prices(), lengths in lengths(), cut in 0_usize..120
    ) {
        let parameters = settings(json!({"fast": lengths.0, "slow": lengths.1}));
        let mut crossover = sma_crossover::BUILTIN.initialize(&parameters, &SavedState::new(), 1).unwrap();
        let messages = with_averages(&prices, lengths);
        let quotes: Vec<Quote> = messages.iter().flatten().filter_map(|event| match event {
            Event::Quote(quote) => Some(quote.clone()),
            Event::Indicator(_) => None,
        }).collect();
        let expected = crossover.decide_quotes(&quotes);

        // A restart anywhere changes nothing.
        let (before, behind) = messages.split_at(cut.min(messages.len()));
        let mut first = start(a_and_b(), &SavedState::new());
        let mut found = signals(&mut *first, &before.concat());
        found.extend(signals(&mut *start(a_and_b(), &first.take_changes()), &behind.concat()));
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn averages_in_binary_numbers_give_the_same_crosses() {
    for phase in [0.0, 0.7, 2.9] {
        let price = |index: i32| {
            let moment = f64::from(index);
            100.0 + 8.0 * (moment / 9.0 + phase).sin() + 3.0 * (moment * 1.37).cos()
        };
        let prices: Vec<f64> = (0..300).map(price).collect();
        let mean = |end: usize, length: u8| {
            prices[end + 1 - usize::from(length)..=end].iter().sum::<f64>() / f64::from(length)
        };
        let texts: Vec<(String, String)> =
            (19..300).map(|end| (format!("{:.10}", mean(end, 5)), format!("{:.10}", mean(end, 20)))).collect();
        let expected: Vec<Option<Signal>> = (19..300)
            .map(|end| {
                if end == 19 {
                    return None;
                }
                let (before, now) = (mean(end - 1, 5) - mean(end - 1, 20), mean(end, 5) - mean(end, 20));
                assert!(now.abs() > 1e-6, "the averages are too close for binary numbers");
                if before * now > 0.0 {
                    None
                } else if now > 0.0 {
                    BUY
                } else {
                    SELL
                }
            })
            .collect();
        let values: Vec<(&str, &str)> = texts.iter().map(|(fast, slow)| (fast.as_str(), slow.as_str())).collect();
        assert_eq!(crosses(&mut *start(a_and_b(), &SavedState::new()), &values), expected);
        assert!(expected.contains(&BUY) && expected.contains(&SELL));
    }
}
