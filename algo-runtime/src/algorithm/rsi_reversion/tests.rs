use serde_json::{Value, json};

use super::{
    super::tests_support::{BUY, SELL, indicator, quote, settings},
    *,
};

fn start(parameters: Value, saved: &SavedState) -> Box<dyn Algorithm> {
    BUILTIN.initialize(&settings(parameters), saved, 1).unwrap()
}

/// The signals at quotes of a symbol with these values of an indicator, without it where the text is empty.
fn at(algorithm: &mut dyn Algorithm, sid: &str, name: &str, values: &[&str]) -> Vec<Option<Signal>> {
    let joined = |value: &&str| {
        let indicators = (!value.is_empty()).then(|| indicator(sid, name, &[("value", value)]));
        indicators.into_iter().chain([quote(sid, "1")]).collect::<Vec<_>>()
    };
    let events: Vec<Event> = values.iter().flat_map(joined).collect();
    let answers = algorithm.decide(&events);
    assert_eq!(answers.len(), events.len());
    let (quotes, indicators): (Vec<_>, Vec<_>) =
        events.iter().zip(answers).partition(|(event, _)| matches!(event, Event::Quote(_)));
    assert!(indicators.into_iter().all(|(_, answer)| answer == Answer::default()));
    quotes.into_iter().map(|(_, answer)| answer.signal).collect()
}

#[test]
fn buys_where_it_falls_below_low_and_sells_where_it_rises_above_high() {
    let mut algorithm = start(json!({}), &SavedState::new());
    let values = ["29", "30", "29.9999999999", "20", "30", "70", "70.0000000001", "80", "70", "71", "10", "90"];
    assert_eq!(
        at(&mut *algorithm, "GOOG", "rsi-14", &values),
        [None, None, BUY, None, None, None, SELL, None, None, SELL, BUY, SELL]
    );
}

#[test]
fn bounds_are_exact_decimals() {
    let mut algorithm = start(json!({"low": 29.3, "high": 70.1}), &SavedState::new());
    let values = ["50", "29.3", "29.2999999999", "70.1", "70.1000000001"];
    assert_eq!(at(&mut *algorithm, "GOOG", "rsi-14", &values), [None, None, BUY, None, SELL]);
}

#[test]
fn quote_without_the_value_changes_nothing() {
    let mut algorithm = start(json!({"period": 2}), &SavedState::new());
    assert_eq!(at(&mut *algorithm, "GOOG", "rsi-14", &["50", "20"]), [None, None]);
    assert_eq!(
        at(&mut *algorithm, "GOOG", "rsi-2", &["", "50", "", "20", "", "50"]),
        [None, None, None, BUY, None, None]
    );
}

#[test]
fn symbols_do_not_mix() {
    let mut algorithm = start(json!({}), &SavedState::new());
    at(&mut *algorithm, "GOOG", "rsi-14", &["50"]);
    assert_eq!(at(&mut *algorithm, "AAPL", "rsi-14", &["20"]), [None]);
    assert_eq!(at(&mut *algorithm, "GOOG", "rsi-14", &["20"]), [BUY]);
}

#[test]
fn another_value_can_be_named() {
    let mut algorithm = start(json!({"indicator": "stochastic.k", "low": 20, "high": 80}), &SavedState::new());
    let k = |k| [indicator("GOOG", "stochastic", &[("k", k), ("d", "99")]), quote("GOOG", "1")];
    let events = [k("50"), k("19"), k("81")].concat();
    let signals: Vec<_> = algorithm.decide(&events).into_iter().map(|answer| answer.signal).collect();
    assert_eq!(signals, [None, None, None, BUY, None, SELL]);
}

#[test]
fn restart_in_between_changes_nothing() {
    let values = ["50", "", "29", "30", "28", "71", "70", "", "72", "31", "29", "90"];
    let whole = at(&mut *start(json!({}), &SavedState::new()), "GOOG", "rsi-14", &values);
    assert!(whole.contains(&BUY) && whole.contains(&SELL));
    for cut in 0..values.len() {
        let mut first = start(json!({}), &SavedState::new());
        let mut signals = at(&mut *first, "GOOG", "rsi-14", &values[..cut]);
        let mut second = start(json!({}), &first.take_changes());
        signals.extend(at(&mut *second, "GOOG", "rsi-14", &values[cut..]));
        assert_eq!(signals, whole, "cut at {cut}");
    }
}

#[test]
fn new_bounds_count_from_the_next_quote_on() {
    let mut algorithm = start(json!({}), &SavedState::new());
    at(&mut *algorithm, "GOOG", "rsi-14", &["45"]);
    algorithm.reconfigure(&settings(json!({"low": 40, "high": 60}))).unwrap();
    assert_eq!(at(&mut *algorithm, "GOOG", "rsi-14", &["39", "61"]), [BUY, SELL]);
    assert!(algorithm.reconfigure(&settings(json!({"low": 60, "high": 40}))).is_err());
    assert_eq!(at(&mut *algorithm, "GOOG", "rsi-14", &["39"]), [BUY]);
}

#[test]
fn another_indicator_begins_anew_also_after_a_restart() {
    for restart in [false, true] {
        let mut saved = SavedState::new();
        let mut algorithm = start(json!({}), &saved);
        let mut change = |algorithm: &mut Box<dyn Algorithm>, parameters: Value| {
            saved.extend(algorithm.take_changes());
            if restart {
                *algorithm = start(parameters, &saved);
            } else {
                algorithm.reconfigure(&settings(parameters)).unwrap();
            }
        };
        at(&mut *algorithm, "GOOG", "rsi-14", &["50"]);
        change(&mut algorithm, json!({"period": 2}));
        assert_eq!(at(&mut *algorithm, "GOOG", "rsi-2", &["20"]), [None]);
        change(&mut algorithm, json!({"indicator": "mine"}));
        change(&mut algorithm, json!({"indicator": "rsi-14", "period": 5}));
        assert_eq!(at(&mut *algorithm, "GOOG", "rsi-14", &["20", "50", "20"]), [None, None, BUY], "restart: {restart}");
    }
}

#[test]
fn parameters_that_make_no_sense_are_refused_by_their_path() {
    for (parameters, complaint) in [
        (json!({"low": 70, "high": 70}), "parameters.low: must be less than high, which is 70, is 70"),
        (json!({"low": 70.5}), "parameters.low: must be less than high, which is 70, is 70.5"),
        (
            json!({"period": 1, "low": -1, "high": "70", "indicator": "RSI", "x": 1}),
            "parameters.period: must be a whole number from 2 to 10000, is 1; \
             parameters.low: must be a number from 0 to 100 with at most 10 decimal places, is -1; \
             parameters.high: must be a number from 0 to 100 with at most 10 decimal places, is \"70\"; \
             parameters.indicator: must be the name of a published value, such as rsi-14, is \"RSI\"; \
             parameters.x: is unknown; this algorithm takes period, low, high, indicator, seed",
        ),
    ] {
        let errors = BUILTIN.initialize(&settings(parameters), &SavedState::new(), 1).err().unwrap();
        assert_eq!(errors.to_string(), complaint);
    }
}

/// Wilder's RSI from the definition: each average of gains and of losses is worked out from the first change on.
fn rsi(prices: &[f64], period: u8) -> Vec<f64> {
    let changes: Vec<f64> = prices.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (length, period) = (f64::from(period), usize::from(period));
    let average = |end: usize, part: fn(f64) -> f64| {
        let first = changes[..period].iter().map(|change| part(*change)).sum::<f64>() / length;
        changes[period..end].iter().fold(first, |average, change| (average * (length - 1.0) + part(*change)) / length)
    };
    let value = |end: usize| {
        let (gain, loss) = (average(end, |change| change.max(0.0)), average(end, |change| (-change).max(0.0)));
        100.0 * gain / (gain + loss)
    };
    (period..=changes.len()).map(value).collect()
}

#[test]
fn rsi_of_the_test_is_that_of_the_reference() {
    let closes = [
        44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.00,
        46.03, 46.41, 46.22, 45.64, 46.21, 46.25, 45.71, 46.45, 45.78, 45.35, 44.03, 44.18, 44.22, 44.57, 43.42, 42.66,
        43.13,
    ];
    let values = rsi(&closes, 14);
    assert!((values[0] - 70.464_135_021_097_04).abs() < 1e-9);
    assert!((values[values.len() - 1] - 37.788_771_982_057_824).abs() < 1e-9);
}

#[test]
fn an_rsi_in_binary_numbers_gives_the_same_signals() {
    let mut random = 7_u64;
    for (period, low, high) in [(14, 35.0, 65.0), (5, 22.5, 77.5), (2, 10.0, 90.0)] {
        let mut price = 100.0;
        let prices: Vec<f64> = (0..400)
            .map(|index| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let noise = f64::from(u32::try_from(random >> 40).unwrap()) / f64::from(1_u32 << 24) - 0.5;
                price += noise + 0.3 * (f64::from(index) / 11.0).sin();
                price
            })
            .collect();
        let values = rsi(&prices, period);
        assert!(values.iter().all(|value| (value - low).abs() > 1e-8 && (value - high).abs() > 1e-8));
        let mut expected = vec![None];
        expected.extend(values.windows(2).map(|pair| {
            if pair[0] > low && pair[1] < low {
                BUY
            } else if pair[0] < high && pair[1] > high {
                SELL
            } else {
                None
            }
        }));
        assert!(expected.contains(&BUY) && expected.contains(&SELL), "period {period}");
        let mut algorithm = start(json!({"period": period, "low": low, "high": high}), &SavedState::new());
        let texts: Vec<String> = values.iter().map(|value| format!("{value:.10}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(at(&mut *algorithm, "GOOG", &format!("rsi-{period}"), &texts), expected, "period {period}");
    }
}
