//! `SMA` and `WMA`: averages over a window, exactly.

use ethnum::I256;

use crate::{
    bytes::{Reader, Writer},
    exact::ratio,
    indicator::{Computation, Values, single},
    sample::Sample,
    window::{PRICE_END, Window, factor},
};

/// Simple moving average: the sum of the last `period` closes, divided by `period`.
#[derive(Debug)]
pub(crate) struct Simple {
    period: usize,
    closes: Window,
}

impl Simple {
    pub(crate) const fn new(period: usize) -> Self {
        Self { period, closes: Window::new(period) }
    }
}

impl Computation for Simple {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        self.closes.push(sample.close_units());
        if !self.closes.is_full() {
            return None;
        }
        single(ratio(I256::from(self.closes.sum()), I256::from(factor(self.period))))
    }

    fn write(&self, writer: &mut Writer) {
        self.closes.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.closes.read(reader, PRICE_END)
    }
}

/// Weighted moving average: the last `period` closes, the oldest once and the newest `period` times.
#[derive(Debug)]
pub(crate) struct Weighted {
    period: usize,
    closes: Window,
    /// Sum of the closes in the window, each times its weight: the oldest has 1.
    sum: u128,
}

impl Weighted {
    pub(crate) const fn new(period: usize) -> Self {
        Self { period, closes: Window::new(period), sum: 0 }
    }

    fn take(&mut self, close: u128) {
        if self.closes.is_full() {
            // Each close moves one place to the front, and the oldest leaves.
            self.sum -= self.closes.sum();
        }
        self.closes.push(close);
        self.sum += factor(self.closes.values().len()) * close;
    }
}

impl Computation for Weighted {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        self.take(sample.close_units());
        if !self.closes.is_full() {
            return None;
        }
        let period = factor(self.period);
        single(ratio(I256::from(self.sum), I256::from(period * (period + 1) / 2)))
    }

    fn write(&self, writer: &mut Writer) {
        self.closes.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let mut closes = Window::new(self.period);
        closes.read(reader, PRICE_END)?;
        for close in closes.values() {
            self.take(close);
        }
        Some(())
    }
}
