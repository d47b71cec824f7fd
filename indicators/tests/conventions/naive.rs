//! The types over a window against their definitions, with integers of any length.

use indicators::{Definition, Sample, Session};
use intuition_api::decimal::Quantity;
use num_bigint::BigInt;
use proptest::prelude::*;

use crate::series::{self, SHAPES, Shape};

/// Numerator and denominator of a value, in units of 10^-10.
type Fraction = (BigInt, BigInt);

/// Places of the fast %K, as docs/indicators.md states them.
const FAST_PLACES: u32 = 28;

fn units(price: u128) -> BigInt {
    BigInt::from(price)
}

fn close(sample: &Sample) -> BigInt {
    units(sample.close.units())
}

fn high(sample: &Sample) -> BigInt {
    units(sample.high.unwrap_or(sample.close).units())
}

fn low(sample: &Sample) -> BigInt {
    units(sample.low.unwrap_or(sample.close).units())
}

/// Half-even.
fn nearest((numerator, denominator): &Fraction) -> BigInt {
    let double = numerator * 2_u8;
    let floor = |numerator: &BigInt, denominator: &BigInt| {
        let quotient = numerator / denominator;
        if numerator % denominator < BigInt::ZERO { quotient - 1_u8 } else { quotient }
    };
    let down = floor(&(&double - denominator), &(denominator * 2_u8));
    // The candidates are `down` and the next two integers. The nearest counts, and of two that are equally near the even integer.
    let distance = |candidate: &BigInt| {
        let distance = candidate * denominator - numerator;
        if distance < BigInt::ZERO { -distance } else { distance }
    };
    let is_odd = |candidate: &BigInt| candidate % 2_u8 != BigInt::ZERO;
    let candidates = [down.clone(), &down + 1_u8, &down + 2_u8];
    candidates.into_iter().min_by_key(|candidate| (distance(candidate), is_odd(candidate))).unwrap()
}

fn sma(window: &[Sample]) -> Fraction {
    (window.iter().map(close).sum(), BigInt::from(window.len()))
}

fn wma(window: &[Sample]) -> Fraction {
    let weighted = window.iter().enumerate().map(|(place, sample)| close(sample) * (place + 1)).sum();
    (weighted, (1..=window.len()).map(BigInt::from).sum())
}

/// The population's variance, in squares of units.
fn variance(window: &[Sample]) -> Fraction {
    let count = BigInt::from(window.len());
    let sum: BigInt = window.iter().map(close).sum();
    let parts = window.iter().map(|sample| {
        let distance = close(sample) * &count - &sum;
        &distance * &distance
    });
    (parts.sum(), &count * &count * &count)
}

/// Whether `value` is `middle` + `factor` x sqrt(`variance`), rounded to the nearest; in the middle of two, both are.
fn is_nearest_root(value: &BigInt, middle: &Fraction, factor: &Fraction, variance: &Fraction) -> bool {
    let signed_square = |number: &BigInt| if *number < BigInt::ZERO { -(number * number) } else { number * number };
    // The root's square, and that of the distance from the middle to a half below and above the value: each over the same
    // denominator.
    let root = signed_square(&factor.0) * &variance.0 * &middle.1 * &middle.1 * 4_u8;
    let distance = |half: i8| {
        let distance = (value * 2_u8 + half) * &middle.1 - &middle.0 * 2_u8;
        signed_square(&distance) * &factor.1 * &factor.1 * &variance.1
    };
    distance(-1) <= root && root <= distance(1)
}

fn fast_k(window: &[Sample]) -> BigInt {
    let highest = window.iter().map(high).max().unwrap();
    let lowest = window.iter().map(low).min().unwrap();
    if highest == lowest {
        return BigInt::ZERO;
    }
    let scale = BigInt::from(10_u8).pow(FAST_PLACES) * 100_u8;
    nearest(&((close(window.last().unwrap()) - &lowest) * scale, highest - lowest))
}

/// Every value of a definition at the last of the samples; `None`: it is not ready.
fn expected(definition: &Definition, samples: &[Sample]) -> Option<Vec<Fraction>> {
    let last = |period: u32| samples.len().checked_sub(period as usize).map(|start| &samples[start..]);
    match definition {
        Definition::Sma { period } => Some(vec![sma(last(*period)?)]),
        Definition::Wma { period } => Some(vec![wma(last(*period)?)]),
        Definition::Roc { period } => {
            let before = close(last(period + 1)?.first()?);
            let change = (close(samples.last()?) - &before) * 100_u8 * BigInt::from(10_u8).pow(10);
            Some(vec![(change, before)])
        }
        Definition::Donchian { period } => {
            let window = last(*period)?;
            let (upper, lower) = (window.iter().map(high).max()?, window.iter().map(low).min()?);
            let one = || BigInt::from(1_u8);
            Some(vec![(upper.clone(), one()), (&upper + &lower, BigInt::from(2_u8)), (lower, one())])
        }
        Definition::Stochastic { period, smooth_k, smooth_d } => {
            let span = (period + smooth_k + smooth_d - 2) as usize;
            let fast_of = |end: usize| fast_k(&samples[end - *period as usize..end]);
            samples.len().checked_sub(span)?;
            let k_of = |end: usize| (0..*smooth_k as usize).map(|back| fast_of(end - back)).sum::<BigInt>();
            let per_value = BigInt::from(10_u8).pow(FAST_PLACES - 10) * *smooth_k;
            let d: BigInt = (0..*smooth_d as usize).map(|back| k_of(samples.len() - back)).sum();
            Some(vec![(k_of(samples.len()), per_value.clone()), (d, per_value * *smooth_d)])
        }
        Definition::Vwap { .. } => {
            let day = |sample: &Sample| sample.time_micros.div_euclid(86_400_000_000);
            let today = day(samples.last()?);
            let (mut weighted, mut volume) = (BigInt::ZERO, BigInt::ZERO);
            for sample in samples.iter().filter(|sample| day(sample) == today) {
                let units = sample.volume.map_or(0, Quantity::units);
                weighted += (high(sample) + low(sample) + close(sample)) * units;
                volume += units * 3;
            }
            (volume != BigInt::ZERO).then(|| vec![(weighted, volume)])
        }
        _ => unreachable!("not over a window, or not a fraction"),
    }
}

fn check_fractions(samples: &[Sample], period: u32) -> Result<(), TestCaseError> {
    let exact = [
        Definition::Sma { period },
        Definition::Wma { period },
        Definition::Roc { period },
        Definition::Donchian { period },
        Definition::Stochastic { period, smooth_k: 3, smooth_d: 2 },
        Definition::Vwap { session: Session::utc_day() },
    ];
    for definition in exact {
        let mut indicator = definition.start();
        for end in 1..=samples.len() {
            let values = indicator.push(&samples[end - 1]);
            let values =
                values.map(|values| values.iter().map(|(_, value)| BigInt::from(value.units())).collect::<Vec<_>>());
            let expected = expected(&definition, &samples[..end]);
            let expected = expected.map(|fractions| fractions.iter().map(nearest).collect::<Vec<_>>());
            prop_assert_eq!(values, expected, "{} at {}", definition, end - 1);
        }
    }
    Ok(())
}

fn check_roots(samples: &[Sample], period: u32) -> Result<(), TestCaseError> {
    let deviation = Definition::StandardDeviation { period };
    let bollinger = Definition::Bollinger { period, deviations: "2.5".parse().unwrap() };
    let (mut deviations, mut bands) = (deviation.start(), bollinger.start());
    let fraction = |numerator: i8, denominator: u8| (BigInt::from(numerator), BigInt::from(denominator));
    for end in 1..=samples.len() {
        let (single, three) = (deviations.push(&samples[end - 1]), bands.push(&samples[end - 1]));
        let window = end.checked_sub(period as usize).map(|start| &samples[start..end]);
        prop_assert_eq!((single.is_some(), three.is_some()), (window.is_some(), window.is_some()));
        let Some(window) = window else { continue };
        let (middle, variance) = (sma(window), variance(window));
        let (single, three) = (single.unwrap(), three.unwrap());
        let value = |values: &indicators::Values, place: usize| BigInt::from(values[place].1.units());
        let zero = fraction(0, 1);
        prop_assert!(
            is_nearest_root(&value(&single, 0), &zero, &fraction(1, 1), &variance),
            "deviation at {}",
            end - 1
        );
        prop_assert!(is_nearest_root(&value(&three, 0), &middle, &fraction(5, 2), &variance), "upper at {}", end - 1);
        prop_assert_eq!(value(&three, 1), nearest(&middle));
        prop_assert!(is_nearest_root(&value(&three, 2), &middle, &fraction(-5, 2), &variance), "lower at {}", end - 1);
    }
    Ok(())
}

fn shapes() -> impl Strategy<Value = Shape> {
    proptest::sample::select(&SHAPES[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn fractions_are_exact(shape in shapes(), seed in any::<u64>(), period in 1_u32..9, is_bar in any::<bool>()) {
        check_fractions(&series::of(shape, seed, 60, is_bar), period)?;
    }

    #[test]
    fn square_roots_are_the_nearest(shape in shapes(), seed in any::<u64>(), period in 2_u32..9) {
        check_roots(&series::of(shape, seed, 60, false), period)?;
    }
}

#[test]
fn largest_prices_and_longest_windows_stay_exact() {
    let (low, high) = ("0.0000000001", "999999999999.9999999999");
    let prices: Vec<&str> = (0..25).map(|index| if index % 7 < 3 { high } else { low }).collect();
    let samples = series::closes(&prices);
    check_fractions_without_change(&samples);
    check_roots(&samples, 8).unwrap();
    let prices: Vec<&str> = (0..10_001).map(|index| if index % 2 == 0 { high } else { low }).collect();
    let samples = series::closes(&prices);
    let bollinger = Definition::Bollinger { period: 10_000, deviations: "100".parse().unwrap() };
    let mut bands = bollinger.start();
    let last = samples.iter().filter_map(|sample| bands.push(sample)).last().unwrap();
    let texts: Vec<String> = last.iter().map(|(_, value)| value.to_string()).collect();
    assert_eq!(texts, ["50499999999999.99999999", "500000000000", "-49499999999999.99999999"]);
    for definition in
        [Definition::Wma { period: 10_000 }, Definition::Stochastic { period: 2, smooth_k: 10_000, smooth_d: 1 }]
    {
        let mut indicator = definition.start();
        assert_eq!(
            samples.iter().filter_map(|sample| indicator.push(sample)).count(),
            if definition.value_names().len() == 1 { 2 } else { 1 }
        );
    }
}

/// Without ROC: its value has too many digits here.
fn check_fractions_without_change(samples: &[Sample]) {
    for definition in [Definition::Sma { period: 8 }, Definition::Wma { period: 8 }, Definition::Donchian { period: 3 }]
    {
        let mut indicator = definition.start();
        for end in 1..=samples.len() {
            let value = indicator.push(&samples[end - 1]).map(|values| BigInt::from(values[0].1.units()));
            let expected = expected(&definition, &samples[..end]).map(|fractions| nearest(&fractions[0]));
            assert_eq!(value, expected, "{definition} at {}", end - 1);
        }
    }
}
