//! `StandardDeviation` and `Bollinger`: the deviation of the closes in a window, exactly up to its one square root.

use ethnum::{I256, U256};
use intuition_api::decimal::Price;

use crate::{
    bytes::{Reader, Writer},
    exact::{Sign, ratio, root_ratio},
    indicator::{Computation, Values, single},
    sample::Sample,
    window::{PRICE_END, Window, factor},
};

/// The last closes, with the sum of their squares.
#[derive(Debug)]
struct Spread {
    period: usize,
    closes: Window,
    squares: U256,
}

impl Spread {
    const fn new(period: usize) -> Self {
        Self { period, closes: Window::new(period), squares: U256::ZERO }
    }

    /// Takes a close. Returns whether there are enough.
    fn push(&mut self, close: u128) -> bool {
        let left = self.closes.push(close).unwrap_or_default();
        self.squares = self.squares + square(close) - square(left);
        self.closes.is_full()
    }

    /// The square of `period` times the population's standard deviation: n x (sum of squares) - (square of the sum). It is
    /// below 10^52.
    fn scaled_variance(&self) -> U256 {
        U256::from(factor(self.period)) * self.squares - square(self.closes.sum())
    }

    fn period(&self) -> I256 {
        I256::from(factor(self.period))
    }

    fn write(&self, writer: &mut Writer) {
        self.closes.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let mut closes = Window::new(self.period);
        closes.read(reader, PRICE_END)?;
        for close in closes.values() {
            self.push(close);
        }
        Some(())
    }
}

fn square(number: u128) -> U256 {
    U256::from(number) * U256::from(number)
}

/// Standard deviation of the last `period` closes, as that of a whole population.
#[derive(Debug)]
pub(crate) struct StandardDeviation(Spread);

impl StandardDeviation {
    pub(crate) const fn new(period: usize) -> Self {
        Self(Spread::new(period))
    }
}

impl Computation for StandardDeviation {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        if !self.0.push(sample.close_units()) {
            return None;
        }
        single(root_ratio(I256::ZERO, Sign::Plus, self.0.scaled_variance(), self.0.period()))
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.0.read(reader)
    }
}

/// Bollinger bands: the simple moving average, and so many standard deviations above and below it.
#[derive(Debug)]
pub(crate) struct Bollinger {
    spread: Spread,
    /// A decimal in units of 10^-10, at most 100.
    deviations: Price,
}

/// Units of the deviations in 1.
const DEVIATION_UNITS: u128 = 10_u128.pow(10);

impl Bollinger {
    pub(crate) const fn new(period: usize, deviations: Price) -> Self {
        Self { spread: Spread::new(period), deviations }
    }
}

impl Computation for Bollinger {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        if !self.spread.push(sample.close_units()) {
            return None;
        }
        let (sum, period) = (I256::from(self.spread.closes.sum()), self.spread.period());
        let scale = I256::from(DEVIATION_UNITS);
        // Below 10^24 x 10^52, which 254 bits hold.
        let width = square(self.deviations.units()) * self.spread.scaled_variance();
        let band = |sign| root_ratio(sum * scale, sign, width, period * scale);
        Some(vec![("upper", band(Sign::Plus)?), ("middle", ratio(sum, period)?), ("lower", band(Sign::Minus)?)])
    }

    fn write(&self, writer: &mut Writer) {
        self.spread.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.spread.read(reader)
    }
}
