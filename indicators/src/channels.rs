//! `Donchian` and `Stochastic`: the highest and lowest prices of a window, exactly.

use ethnum::I256;

use crate::{
    bytes::{Reader, Writer},
    exact::ratio,
    extreme::Extreme,
    indicator::{Computation, Values},
    sample::Sample,
    window::{Window, factor},
};

/// Highest high and lowest low of the last `period` samples.
#[derive(Debug)]
struct Range {
    highest: Extreme,
    lowest: Extreme,
}

impl Range {
    fn new(period: usize) -> Self {
        Self { highest: Extreme::highest(period), lowest: Extreme::lowest(period) }
    }

    fn push(&mut self, sample: &Sample) -> Option<(u128, u128)> {
        let (highest, lowest) = (self.highest.push(sample.high_units()), self.lowest.push(sample.low_units()));
        highest.zip(lowest)
    }

    fn write(&self, writer: &mut Writer) {
        self.highest.write(writer);
        self.lowest.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.highest.read(reader)?;
        self.lowest.read(reader)
    }
}

/// Donchian channel: the range of the last `period` samples, and its middle.
#[derive(Debug)]
pub(crate) struct Donchian(Range);

impl Donchian {
    pub(crate) fn new(period: usize) -> Self {
        Self(Range::new(period))
    }
}

impl Computation for Donchian {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let (upper, lower) = self.0.push(sample)?;
        let (upper, lower) = (I256::from(upper), I256::from(lower));
        Some(vec![
            ("upper", ratio(upper, I256::ONE)?),
            ("middle", ratio(upper + lower, I256::from(2))?),
            ("lower", ratio(lower, I256::ONE)?),
        ])
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.0.read(reader)
    }
}

/// Decimal places of the fast %K. Its averages are exact from there on.
const FAST_PLACES: u32 = 28;
const FAST_UNITS: u128 = 10_u128.pow(FAST_PLACES);
/// Units of the fast %K in one of a value.
const FAST_PER_VALUE: u128 = 10_u128.pow(FAST_PLACES - 10);

/// Stochastic oscillator: the place of the close in the range, 0 to 100, averaged twice.
#[derive(Debug)]
pub(crate) struct Stochastic {
    range: Range,
    smooth_k: usize,
    smooth_d: usize,
    fast: Window,
    /// Sums of `smooth_k` values of the fast %K.
    slow: Window,
}

impl Stochastic {
    pub(crate) fn new(period: usize, smooth_k: usize, smooth_d: usize) -> Self {
        let (fast, slow) = (Window::new(smooth_k), Window::new(smooth_d));
        Self { range: Range::new(period), smooth_k, smooth_d, fast, slow }
    }
}

/// 100 x `part` / `whole` in units of 10^-28, rounded half-even; 0 where the whole is 0. `part` is at most `whole`.
fn percent(part: u128, whole: u128) -> u128 {
    if whole == 0 {
        return 0;
    }
    let (numerator, whole) = (I256::from(part) * I256::from(100 * FAST_UNITS), I256::from(whole));
    let (quotient, rest) = (numerator / whole, numerator % whole);
    let quotient = u128::try_from(quotient).unwrap_or_default();
    let double = rest * I256::from(2);
    quotient + u128::from(double > whole || (double == whole && quotient % 2 == 1))
}

impl Computation for Stochastic {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let (upper, lower) = self.range.push(sample)?;
        self.fast.push(percent(sample.close_units() - lower, upper - lower));
        if !self.fast.is_full() {
            return None;
        }
        self.slow.push(self.fast.sum());
        if !self.slow.is_full() {
            return None;
        }
        let k_divisor = FAST_PER_VALUE * factor(self.smooth_k);
        let average = |sum: u128, divisor: u128| ratio(I256::from(sum), I256::from(divisor));
        let k = average(self.fast.sum(), k_divisor)?;
        Some(vec![("k", k), ("d", average(self.slow.sum(), k_divisor * factor(self.smooth_d))?)])
    }

    fn write(&self, writer: &mut Writer) {
        self.range.write(writer);
        self.fast.write(writer);
        self.slow.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.range.read(reader)?;
        let end = 100 * FAST_UNITS + 1;
        self.fast.read(reader, end)?;
        self.slow.read(reader, end * factor(self.smooth_k))
    }
}
