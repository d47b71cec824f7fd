//! Series of samples, each from a seed.

use indicators::{Definition, Sample, Session};
use intuition_api::decimal::{Price, Quantity};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

/// Microseconds between two samples: some sessions end within a series.
const STEP_MICROS: i64 = 3_600_000_000;

/// A form of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A random walk about 100.
    Walk,
    /// A walk that a millionfold jump interrupts, back and forth.
    Jumps,
    /// One price.
    Flat,
    /// A walk in the last places of a price.
    Tiny,
    /// A walk with many repeated prices, and stretches without change.
    Steps,
}

pub(crate) const SHAPES: [Shape; 5] = [Shape::Walk, Shape::Jumps, Shape::Flat, Shape::Tiny, Shape::Steps];

/// So many bars of that shape. `is_bar`: with a high and a low beside the close.
pub(crate) fn of(shape: Shape, seed: u64, count: usize, is_bar: bool) -> Vec<Sample> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut level: u128 = 1_000_000;
    let mut is_high = false;
    let mut samples = Vec::new();
    for step in 0..count {
        match shape {
            Shape::Flat => {}
            Shape::Steps if random.random_range(0..3) > 0 => {}
            Shape::Steps => level = level + random.random_range(0..3_u128) * 10_000 - 10_000,
            _ => level = (level + random.random_range(0..2_001_u128) - 1_000).max(500_000),
        }
        if matches!(shape, Shape::Jumps) && random.random_range(0..25) == 0 {
            is_high = !is_high;
        }
        let unit: u128 = match shape {
            Shape::Tiny => 1,
            Shape::Jumps if is_high => 10_u128.pow(12),
            _ => 10_u128.pow(6),
        };
        let (close, above, below) = (level * unit, random.random_range(0..900_u128), random.random_range(0..900_u128));
        let price = |units: u128| Price::from_units(units).unwrap();
        samples.push(Sample {
            close: price(close),
            high: is_bar.then(|| price(close + above * unit)),
            low: is_bar.then(|| price(close - below * unit)),
            volume: (random.random_range(0..5) > 0)
                .then(|| Quantity::from_units(random.random_range(0..10_u128.pow(12))).unwrap()),
            time_micros: 1_767_225_600_000_000 + i64::try_from(step).unwrap() * STEP_MICROS,
        });
    }
    samples
}

/// Samples of these closes.
pub(crate) fn closes(closes: &[&str]) -> Vec<Sample> {
    closes.iter().map(|close| Sample::price(close.parse().unwrap(), 0)).collect()
}

/// Every type, with short windows.
pub(crate) fn definitions(period: u32) -> Vec<Definition> {
    let at_least_two = period.max(2);
    vec![
        Definition::Sma { period },
        Definition::Ema { period },
        Definition::Wma { period },
        Definition::Rsi { period },
        Definition::Macd { fast: period, slow: period + 5, signal: 3 },
        Definition::Bollinger { period: at_least_two, deviations: "2.5".parse().unwrap() },
        Definition::Atr { period },
        Definition::Vwap { session: Session::utc_day() },
        Definition::Roc { period },
        Definition::Donchian { period },
        Definition::StandardDeviation { period: at_least_two },
        Definition::Stochastic { period, smooth_k: 3, smooth_d: 2 },
    ]
}
