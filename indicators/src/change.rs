//! `ROC`: rate of change.

use ethnum::I256;

use crate::{
    bytes::{Reader, Writer},
    exact::ratio,
    indicator::{Computation, Values, single},
    sample::Sample,
    window::{PRICE_END, Window},
};

/// A percentage, and the units of a value in 1.
const PERCENT: i64 = 100 * 10_i64.pow(10);

/// By how many percent the close is above that of `period` samples before.
#[derive(Debug)]
pub(crate) struct RateOfChange {
    closes: Window,
}

impl RateOfChange {
    pub(crate) const fn new(period: usize) -> Self {
        Self { closes: Window::new(period) }
    }
}

impl Computation for RateOfChange {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let close = sample.close_units();
        let before = I256::from(self.closes.push(close)?);
        single(ratio((I256::from(close) - before) * I256::from(PERCENT), before))
    }

    fn write(&self, writer: &mut Writer) {
        self.closes.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.closes.read(reader, PRICE_END)
    }
}
