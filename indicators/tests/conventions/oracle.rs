//! Every type but VWAP, which TA-Lib has without sessions, against the crate `ta-lib`.

use indicators::{Definition, Sample};
use ta_lib::{Core, MAType, OutRange, RetCode};

use crate::series::{self, SHAPES};

const TOLERANCE: f64 = 1e-9;
/// Values have 10 places.
const HALF_UNIT: f64 = 0.51e-10;

/// High, low and close as binary numbers.
struct Columns {
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
}

impl Columns {
    fn of(samples: &[Sample]) -> Self {
        let number = |price: intuition_api::decimal::Price| price.to_string().parse::<f64>().unwrap();
        let column = |of: &dyn Fn(&Sample) -> intuition_api::decimal::Price| {
            samples.iter().map(|sample| number(of(sample))).collect::<Vec<_>>()
        };
        Self {
            high: column(&|sample| sample.high.unwrap_or(sample.close)),
            low: column(&|sample| sample.low.unwrap_or(sample.close)),
            close: column(&|sample| sample.close),
        }
    }
}

/// The reference's values: the index of the first, and a list for each name.
fn reference(definition: &Definition, columns: &Columns) -> (usize, Vec<Vec<f64>>) {
    let core = Core::new();
    let (high, low, close) = (&columns.high[..], &columns.low[..], &columns.close[..]);
    let last = close.len() - 1;
    let mut out = vec![vec![0.0; close.len()]; 3];
    let [one, two, three] = &mut out[..] else { unreachable!() };
    let n = |period: u32| i32::try_from(period).unwrap();
    let result: Result<OutRange, RetCode> = match definition {
        Definition::Sma { period } => core.sma(0, last, close, n(*period), one),
        Definition::Ema { period } => core.ema(0, last, close, n(*period), one),
        Definition::Wma { period } => core.wma(0, last, close, n(*period), one),
        Definition::Rsi { period } => core.rsi(0, last, close, n(*period), one),
        Definition::Macd { fast, slow, signal } => {
            core.macd(0, last, close, n(*fast), n(*slow), n(*signal), one, two, three)
        }
        Definition::Bollinger { period, deviations } => {
            let factor = deviations.to_string().parse().unwrap();
            core.bbands(0, last, close, n(*period), factor, factor, MAType::SMA, one, two, three)
        }
        Definition::Atr { period } => core.atr(0, last, high, low, close, n(*period), one),
        Definition::Roc { period } => core.roc(0, last, close, n(*period), one),
        Definition::Donchian { period } => core
            .max(0, last, high, n(*period), one)
            .and_then(|_| core.midprice(0, last, high, low, n(*period), two))
            .and_then(|_| core.min(0, last, low, n(*period), three)),
        Definition::StandardDeviation { period } => core.stddev(0, last, close, n(*period), 1.0, one),
        Definition::Stochastic { period, smooth_k, smooth_d } => core.stoch(
            0,
            last,
            high,
            low,
            close,
            n(*period),
            n(*smooth_k),
            MAType::SMA,
            n(*smooth_d),
            MAType::SMA,
            one,
            two,
        ),
        Definition::Vwap { .. } => unreachable!("not compared"),
    };
    let range = result.unwrap();
    for column in &mut out {
        column.truncate(range.count);
    }
    (range.beg_idx, out)
}

fn compare(definition: &Definition, samples: &[Sample], of: &str) {
    let columns = Columns::of(samples);
    let (first, expected) = reference(definition, &columns);
    let mut indicator = definition.start();
    let is_percentage =
        matches!(definition, Definition::Rsi { .. } | Definition::Roc { .. } | Definition::Stochastic { .. });
    // The reference's error is one of all prices that its sums and averages went through.
    let mut largest = if is_percentage { 100.0 } else { 0.0_f64 };
    for (index, sample) in samples.iter().enumerate() {
        if !is_percentage {
            largest = largest.max(columns.high[index]);
        }
        let values = indicator.push(sample);
        assert_eq!(values.is_some(), index >= first, "{definition} of {of} at {index}");
        for (place, (name, value)) in values.into_iter().flatten().enumerate() {
            let value: f64 = value.to_string().parse().unwrap();
            let other = expected[place][index - first];
            let bound = TOLERANCE * other.abs().max(largest) + HALF_UNIT;
            assert!(
                (value - other).abs() <= bound,
                "{definition} of {of}: {name} at {index} is {value}, of the reference {other}"
            );
        }
    }
}

#[test]
fn every_type_agrees_with_the_reference_on_every_shape() {
    for period in [2, 3, 14, 50] {
        for definition in series::definitions(period) {
            if matches!(definition, Definition::Vwap { .. }) {
                continue;
            }
            for (seed, shape) in SHAPES.into_iter().enumerate() {
                for is_bar in [false, true] {
                    let samples = series::of(shape, seed as u64, 400, is_bar);
                    compare(&definition, &samples, &format!("{shape:?}, bars: {is_bar}"));
                }
            }
        }
    }
}
