//! Random numbers by their index, and a Brownian motion of them. Pure, and of the same digits on every machine: sums, products and
//! square roots are exact by IEEE 754, the other functions are those of the crate `libm`.

use std::f64::consts::TAU;

/// The constants of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const SECOND: u64 = 0x94d0_49bb_1331_11eb;
/// Distance of the doubles from 0 to 1 that have 53 bits.
const STEP: f64 = 1.0 / 9_007_199_254_740_992.0;

/// Random numbers of one key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    key: u64,
}

impl Noise {
    pub(super) const fn new(key: u64) -> Self {
        Self { key }
    }

    /// Uniform between 0 and 1, both excluded.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(super) fn uniform(self, index: u64) -> f64 {
        let state = self.key.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA));
        let mixed = (state ^ (state >> 30)).wrapping_mul(FIRST);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(SECOND);
        (((mixed ^ (mixed >> 31)) >> 11) as f64 + 0.5) * STEP
    }

    /// Standard normal, by Box and Muller.
    fn normal(self, index: u64) -> f64 {
        let (one, other) = (self.uniform(2 * index), self.uniform(2 * index + 1));
        libm::sqrt(-2.0 * libm::log(one)) * libm::cos(TAU * other)
    }

    /// A Brownian motion after `step` steps, each with the variance 1. It takes two normal numbers for each binary digit
    /// of the step.
    ///
    /// Its values at powers of two follow one from the other. Each value between them lies in the middle of two known ones, and
    /// is normal around their mean. So a step needs none of the steps before it. `step` is below 2^62.
    pub(super) fn motion(self, step: u64) -> f64 {
        if step == 0 {
            return 0.0;
        }
        let (mut low, mut at_low) = (1_u64, self.normal(1));
        while low <= step / 2 {
            at_low = self.doubled(low, at_low);
            low *= 2;
        }
        let (mut high, mut at_high) = (2 * low, self.doubled(low, at_low));
        while low < step {
            let half = (high - low) / 2;
            let middle = low + half;
            let at_middle = f64::midpoint(at_low, at_high) + deviation(half) * libm::sqrt(0.5) * self.normal(middle);
            if step < middle {
                (high, at_high) = (middle, at_middle);
            } else {
                (low, at_low) = (middle, at_middle);
            }
        }
        at_low
    }

    /// The value at twice the step, from that at the step.
    fn doubled(self, step: u64, value: f64) -> f64 {
        value + deviation(step) * self.normal(2 * step)
    }
}

/// Standard deviation of the change in so many steps.
#[expect(clippy::cast_precision_loss, reason = "powers of two are exact")]
fn deviation(steps: u64) -> f64 {
    libm::sqrt(steps as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: u32 = 20_000;

    fn changes(key: u64) -> Vec<f64> {
        let noise = Noise::new(key);
        let values: Vec<_> = (0..=u64::from(STEPS)).map(|step| noise.motion(step)).collect();
        values.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn changes_have_variance_1_and_do_not_depend_on_each_other() {
        for key in 1..5 {
            let changes = changes(key);
            let count = f64::from(STEPS);
            let mean = changes.iter().sum::<f64>() / count;
            let variance = changes.iter().map(|change| change * change).sum::<f64>() / count;
            let along = changes.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / count;
            let fourth = changes.iter().map(|change| change.powi(4)).sum::<f64>() / count;
            // Each bound is five standard deviations of its estimate.
            assert!(mean.abs() < 0.036, "{mean}");
            assert!((variance - 1.0).abs() < 0.05, "{variance}");
            assert!(along.abs() < 0.036, "{along}");
            assert!((fourth - 3.0).abs() < 0.35, "{fourth}");
        }
    }

    #[test]
    fn variance_grows_with_the_steps() {
        for steps in [2_u32, 100, 4_096, 1_000_003] {
            let squares: f64 =
                (0..4_000_u64).map(|key| Noise::new(key.wrapping_mul(FIRST)).motion(steps.into()).powi(2)).sum();
            let variance = squares / 4_000.0 / f64::from(steps);
            assert!((variance - 1.0).abs() < 0.12, "{steps}: {variance}");
        }
    }

    #[test]
    fn values_are_the_same_on_every_machine() {
        // Computed by a program of its own in Python: another value means that every generator's prices change.
        let noise = Noise::new(7);
        let bits = [1, 2, 3, 1_000, 1_000_000_007].map(|step| noise.motion(step).to_bits());
        assert_eq!(bits, GOLDEN);
    }

    const GOLDEN: [u64; 5] = [
        13_824_186_797_681_467_973,
        13_824_105_759_438_519_438,
        13_835_089_076_749_669_847,
        13_853_845_072_465_692_083,
        13_897_779_976_391_790_567,
    ];
}
