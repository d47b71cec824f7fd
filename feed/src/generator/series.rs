//! The prices of one symbol by the number of the step. Pure: a step needs none of the steps before it.

use intuition_api::decimal::Price;
use intuition_resources::{Generator, Model};
use sha2::{Digest as _, Sha256};

use super::noise::Noise;

/// Names the derivation of keys from seeds.
const KEY: &str = "intuition.generator.1";
/// Steps of one swing of a sine.
const SWING_STEPS: u64 = 600;
/// Microseconds of a year of 365 days.
const YEAR_MICROS: f64 = 365.0 * 86_400.0 * 1_000_000.0;
/// Digits of the first price that count.
const SIGNIFICANT_DIGITS: u32 = 6;
/// Digits after the point of every price.
const PLACES: std::ops::RangeInclusive<u32> = 2..=10;
/// Digits after the point that a price can have.
const UNIT_PLACES: u32 = 10;
/// The share of the first price below which a random walk turns back.
const FLOOR: f64 = 0.01;
/// The largest price, below the bound of the contract.
const LARGEST: f64 = 1e11;

/// The prices of one symbol.
#[derive(Debug, Clone)]
pub(super) struct Series {
    model: Model,
    noise: Noise,
    start: f64,
    /// Of one step, as a share; of a sine, that of its swing.
    volatility: f64,
    /// Digits after the point.
    places: u32,
    /// The step of a sine at which its first one begins.
    phase: u64,
}

impl Series {
    /// Of a symbol of a generator with validated fields.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an interval has fewer than 53 bits, and a phase is below 600"
    )]
    pub(super) fn new(generator: &Generator, symbol: &str) -> Self {
        let Generator { model, seed, interval, .. } = generator;
        let noise = Noise::new(key(*seed, symbol));
        // The parser of numbers rounds exactly, on every machine alike.
        let number = |text: &str| text.parse().unwrap_or_default();
        let (start, volatility): (f64, f64) =
            (number(generator.start_price.as_str()), number(generator.volatility.as_str()));
        let volatility = match model {
            Model::RandomWalk | Model::GeometricBrownian => {
                volatility * libm::sqrt(interval.micros() as f64 / YEAR_MICROS)
            }
            Model::Sine => volatility,
        };
        let phase = (noise.uniform(0) * SWING_STEPS as f64) as u64;
        Self { model: *model, noise, start, volatility, places: places(start), phase }
    }

    /// The price at a step.
    #[expect(clippy::cast_precision_loss, reason = "a drift needs no 53 bits of the step, and a phase is below 600")]
    pub(super) fn price(&self, step: u64) -> Price {
        let Self { start, volatility, .. } = *self;
        let value = match self.model {
            Model::RandomWalk => {
                let floor = start * FLOOR;
                floor + libm::fabs(start - floor + start * volatility * self.noise.motion(step))
            }
            Model::GeometricBrownian => {
                let drift = volatility * volatility / 2.0 * step as f64;
                start * libm::exp(volatility * self.noise.motion(step) - drift)
            }
            Model::Sine => {
                let place = (step + self.phase) % SWING_STEPS;
                let angle = std::f64::consts::TAU * place as f64 / SWING_STEPS as f64;
                start * (1.0 + volatility * libm::sin(angle))
            }
        };
        self.rounded(value)
    }

    /// At least the smallest price of these places.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is from 0 to 10^21, and 128 bits hold it"
    )]
    fn rounded(&self, value: f64) -> Price {
        let scale = 10_u128.pow(self.places);
        #[expect(clippy::cast_precision_loss, reason = "powers of ten up to 10^10 are exact")]
        let ticks = (value.clamp(0.0, LARGEST) * scale as f64 + 0.5) as u128;
        let units = ticks.max(1) * 10_u128.pow(UNIT_PLACES - self.places);
        // Between 1 and 10^21 + 1, so that it is a price.
        Price::from_units(units).unwrap_or(SMALLEST)
    }
}

const SMALLEST: Price = match Price::from_units(1) {
    Some(price) => price,
    None => unreachable!(),
};

/// So many that the first price has six significant digits.
fn places(start: f64) -> u32 {
    let mut places = SIGNIFICANT_DIGITS - 1;
    let mut bound = 10.0;
    while start >= bound && places > *PLACES.start() {
        bound *= 10.0;
        places -= 1;
    }
    let mut bound = 1.0;
    while start < bound && places < *PLACES.end() {
        bound /= 10.0;
        places += 1;
    }
    places
}

fn key(seed: i64, symbol: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(format!("{KEY}\n{seed}\n{symbol}")).into();
    digest.iter().take(8).fold(0, |key, byte| (key << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn generator(model: &str, start: &str, volatility: &str) -> Generator {
        serde_json::from_value(json!({
            "model": model, "seed": 7, "startPrice": start, "volatility": volatility, "interval": "1s", "symbols": ["ACME"],
        }))
        .unwrap()
    }

    fn prices(generator: &Generator, symbol: &str, steps: impl IntoIterator<Item = u64>) -> Vec<String> {
        let series = Series::new(generator, symbol);
        steps.into_iter().map(|step| series.price(step).to_string()).collect()
    }

    #[test]
    fn prices_are_the_same_on_every_machine() {
        // Computed by a program of its own in Python: another price means that accounts see identity conflicts.
        let steps = [1, 2, 1_000, 31_536_000];
        for (model, expected) in [
            ("RandomWalk", ["100.004", "100.009", "99.911", "121.051"]),
            ("GeometricBrownian", ["100.004", "100.009", "99.911", "120.987"]),
            ("Sine", ["108.516", "108.326", "111.242", "108.705"]),
        ] {
            assert_eq!(prices(&generator(model, "100", "0.2"), "ACME", steps), expected, "{model}");
        }
    }

    #[test]
    fn symbols_and_seeds_have_prices_of_their_own() {
        let walk = generator("RandomWalk", "100", "2");
        let other = Generator { seed: 8, ..walk.clone() };
        assert_ne!(prices(&walk, "A", 1..50), prices(&walk, "B", 1..50));
        assert_ne!(prices(&walk, "A", 1..50), prices(&other, "A", 1..50));
    }

    #[test]
    fn volatility_is_that_of_a_year() {
        for model in ["RandomWalk", "GeometricBrownian"] {
            let year = 31_536_000;
            let squares: f64 = (0..1_000)
                .map(|number| {
                    let series = Series::new(&generator(model, "100", "0.2"), &format!("S{number}"));
                    let price: f64 = series.price(year).to_string().parse().unwrap();
                    libm::log(price / 100.0).powi(2)
                })
                .sum();
            let volatility = libm::sqrt(squares / 1_000.0);
            assert!((volatility - 0.2).abs() < 0.03, "{model}: {volatility}");
        }
    }

    #[test]
    fn prices_stay_positive_and_within_bounds() {
        for (model, start, volatility) in [
            ("RandomWalk", "100", "100"),
            ("GeometricBrownian", "100", "100"),
            ("GeometricBrownian", "999999999999", "100"),
            ("Sine", "0.0000000001", "0.99"),
        ] {
            let series = Series::new(&generator(model, start, volatility), "ACME");
            for step in (0..40).map(|power| 3_u64.pow(power)) {
                let units = series.price(step).units();
                assert!(units >= 1 && units <= 10_u128.pow(21) + 1, "{model} {step}: {units}");
            }
        }
    }

    #[test]
    fn first_price_has_six_significant_digits() {
        for (start, expected) in
            [(1.0, 5), (9.99, 5), (10.0, 4), (100.0, 3), (1_000.0, 2), (50_000.0, 2), (0.5, 6), (0.001, 8), (1e-10, 10)]
        {
            assert_eq!(places(start), expected, "{start}");
        }
    }
}
