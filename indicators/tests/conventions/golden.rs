//! Values of TA-Lib's C core 0.8.1, rounded to 10 places.

use indicators::{Definition, Sample};

use crate::series::closes;

const CLOSES: [&str; 33] = [
    "44.34", "44.09", "44.15", "43.61", "44.33", "44.83", "45.10", "45.42", "45.84", "46.08", "45.89", "46.03",
    "45.61", "46.28", "46.28", "46.00", "46.03", "46.41", "46.22", "45.64", "46.21", "46.25", "45.71", "46.45",
    "45.78", "45.35", "44.03", "44.18", "44.22", "44.57", "43.42", "42.66", "43.13",
];

/// The index of the first values, the first two and the last, as text with a blank between values.
fn outline(definition: &Definition, samples: &[Sample]) -> (usize, [String; 3]) {
    let mut indicator = definition.start();
    let values: Vec<_> = samples.iter().map(|sample| indicator.push(sample)).collect();
    let first = values.iter().position(Option::is_some).unwrap();
    assert!(values[first..].iter().all(Option::is_some), "an indicator that is ready stays so");
    let names: Vec<&str> = values[first].as_ref().unwrap().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, definition.value_names());
    let text = |index: usize| {
        let values = values[index].as_ref().unwrap().iter();
        values.map(|(_, value)| value.to_string()).collect::<Vec<_>>().join(" ")
    };
    (first, [text(first), text(first + 1), text(values.len() - 1)])
}

fn check(definition: &Definition, samples: &[Sample], index: usize, first: &str, next: &str, last: &str) {
    let expected = [first, next, last].map(str::to_owned);
    assert_eq!(outline(definition, samples), (index, expected), "{definition}");
}

#[test]
fn averages_are_those_of_ta_lib() {
    let samples = closes(&CLOSES);
    check(&Definition::Sma { period: 5 }, &samples, 4, "44.104", "44.202", "43.6");
    check(&Definition::Ema { period: 5 }, &samples, 4, "44.104", "44.346", "43.5110784711");
    check(&Definition::Wma { period: 5 }, &samples, 4, "44.0706666667", "44.3126666667", "43.3273333333");
    let deviations = "2".parse().unwrap();
    check(
        &Definition::Bollinger { period: 5, deviations },
        &samples,
        4,
        "44.6355035277 44.104 43.5724964723",
        "44.9901522696 44.202 43.4138477304",
        "45.0034813857 43.6 42.1965186143",
    );
}

#[test]
fn oscillators_are_those_of_ta_lib() {
    let samples = closes(&CLOSES);
    check(&Definition::Rsi { period: 14 }, &samples, 14, "70.4641350211", "66.2496185536", "37.7887719821");
    check(
        &Definition::Macd { fast: 3, slow: 6, signal: 3 },
        &samples,
        7,
        "0.3041666667 0.1797222222 0.1244444444",
        "0.3867261905 0.2832242063 0.1035019841",
        "-0.4377327039 -0.4490608332 0.0113281293",
    );
}

#[test]
fn true_range_is_that_of_ta_lib() {
    let mut samples = closes(&CLOSES);
    for sample in &mut samples {
        let units = sample.close.units();
        sample.high = intuition_api::decimal::Price::from_units(units + 5_000_000_000);
        sample.low = intuition_api::decimal::Price::from_units(units - 4_000_000_000);
    }
    check(&Definition::Atr { period: 14 }, &samples, 14, "0.9535714286", "0.949744898", "1.0416466226");
}

#[test]
fn relative_strength_of_one_direction_is_100_or_0_and_of_no_change_50() {
    let up: Vec<String> = (1..=20).map(|price| price.to_string()).collect();
    let up: Vec<&str> = up.iter().map(String::as_str).collect();
    let down: Vec<&str> = up.iter().rev().copied().collect();
    let definition = Definition::Rsi { period: 14 };
    check(&definition, &closes(&up), 14, "100", "100", "100");
    check(&definition, &closes(&down), 14, "0", "0", "0");
    check(&definition, &closes(&["7"; 20]), 14, "50", "50", "50");
}

#[test]
fn relative_strength_stays_through_a_long_time_without_change() {
    let mut prices = vec!["7", "9", "8"];
    prices.resize(2_000, "8");
    check(
        &Definition::Rsi { period: 2 },
        &closes(&prices[..600]),
        2,
        "66.6666666667",
        "66.6666666667",
        "66.6666666667",
    );
    // Both averages have halved until nothing is left.
    check(&Definition::Rsi { period: 2 }, &closes(&prices), 2, "66.6666666667", "66.6666666667", "50");
}

#[test]
fn single_prices_stand_for_high_and_low() {
    let samples = closes(&["10", "12", "9", "9"]);
    check(&Definition::Atr { period: 1 }, &samples, 1, "2", "3", "0");
    check(&Definition::Donchian { period: 2 }, &samples, 1, "12 11 10", "12 10.5 9", "9 9 9");
    let stochastic = Definition::Stochastic { period: 2, smooth_k: 1, smooth_d: 1 };
    check(&stochastic, &samples, 1, "100 100", "0 0", "0 0");
}

#[test]
fn middle_of_the_last_place_becomes_the_even_digit() {
    let samples = closes(&["0.0000000001", "0.0000000002", "0.0000000003"]);
    check(&Definition::Sma { period: 2 }, &samples, 1, "0.0000000002", "0.0000000002", "0.0000000002");
    let deviation = Definition::StandardDeviation { period: 2 };
    check(&deviation, &samples, 1, "0", "0", "0");
}

#[test]
fn a_value_with_too_many_digits_is_left_out() {
    let mut change = Definition::Roc { period: 1 }.start();
    let mut push =
        |price: &str| change.push(&Sample::price(price.parse().unwrap(), 0)).map(|values| values[0].1.to_string());
    assert_eq!(push("0.0000000001"), None);
    assert_eq!(push("999999999999"), None);
    assert_eq!(push("0.0000000001").as_deref(), Some("-100"));
    assert_eq!(push("0.0000000002").as_deref(), Some("100"));
}
