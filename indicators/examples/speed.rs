//! Samples per second of each indicator, and the size of its saved state: `cargo run --release -p indicators --example speed`.

#![expect(clippy::disallowed_methods, reason = "it measures by the monotonic clock")]
#![expect(clippy::print_stdout, reason = "it prints a table")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails ends")]

use std::time::Instant;

use indicators::{Definition, Sample, Session};
use intuition_api::decimal::{Price, Quantity};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

const SAMPLES: u32 = 1_000_000;

fn definitions(period: u32) -> Vec<Definition> {
    vec![
        Definition::Sma { period },
        Definition::Ema { period },
        Definition::Wma { period },
        Definition::Rsi { period },
        Definition::Macd { fast: period / 2, slow: period, signal: 9 },
        Definition::Bollinger { period, deviations: "2".parse().unwrap() },
        Definition::Atr { period },
        Definition::Vwap { session: Session::utc_day() },
        Definition::Roc { period },
        Definition::Donchian { period },
        Definition::StandardDeviation { period },
        Definition::Stochastic { period, smooth_k: 3, smooth_d: 3 },
    ]
}

/// Bars of a random walk about 100 with two places, a second apart.
fn walk() -> Vec<Sample> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut cents: u128 = 10_000;
    let price = |cents: u128| Price::from_units(cents * 100_000_000).unwrap();
    let step = |second: u32| {
        cents = (cents + random.random_range(0..21) - 10).max(5_000);
        Sample {
            close: price(cents),
            high: Some(price(cents + random.random_range(0..20))),
            low: Some(price(cents - random.random_range(0..20))),
            volume: Quantity::from_units(random.random_range(0..100_000_000_000)),
            time_micros: i64::from(second) * 1_000_000,
        }
    };
    (0..SAMPLES).map(step).collect()
}

fn main() {
    let samples = walk();
    println!("{:<26} {:>14} {:>12} {:>12}", "definition", "samples/s", "state, B", "save, us");
    for period in [20, 200] {
        for definition in definitions(period) {
            let mut indicator = definition.start();
            let began = Instant::now();
            let ready = samples.iter().filter_map(|sample| indicator.push(sample)).count();
            let seconds = began.elapsed().as_secs_f64();
            assert!(ready > 0);
            let began = Instant::now();
            let state = indicator.save();
            let micros = began.elapsed().as_secs_f64() * 1e6;
            let rate = f64::from(SAMPLES) / seconds;
            println!("{:<26} {rate:>14.0} {:>12} {micros:>12.1}", definition.to_string(), state.len());
        }
    }
}
