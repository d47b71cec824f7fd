//! `EMA` and `MACD`: exponential moving averages in binary floating point, seeded by the average of the first values.

use crate::{
    binary::{from_units, to_value},
    bytes::{Reader, Writer},
    indicator::{Computation, Values, single},
    sample::Sample,
    smoothed::{Smoothed, Smoothing},
};

/// Exponential moving average of the closes.
#[derive(Debug)]
pub(crate) struct Exponential(Smoothed);

impl Exponential {
    pub(crate) const fn new(period: u32) -> Self {
        Self(Smoothed::new(Smoothing::Exponential, period))
    }
}

impl Computation for Exponential {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let average = self.0.push(from_units(sample.close_units()))?;
        single(to_value(average))
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.0.read(reader)
    }
}

/// Difference of a fast and a slow average, and the average of that difference.
#[derive(Debug)]
pub(crate) struct Macd {
    /// Closes that the fast average passes over, so that both averages begin at the same close.
    skipped: u32,
    fast: Smoothed,
    slow: Smoothed,
    signal: Smoothed,
}

impl Macd {
    /// `fast` is below `slow`.
    pub(crate) const fn new(fast: u32, slow: u32, signal: u32) -> Self {
        Self {
            skipped: slow.saturating_sub(fast),
            fast: Smoothed::new(Smoothing::Exponential, fast),
            slow: Smoothed::new(Smoothing::Exponential, slow),
            signal: Smoothed::new(Smoothing::Exponential, signal),
        }
    }
}

impl Computation for Macd {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let close = from_units(sample.close_units());
        let fast = if self.slow.seen() < self.skipped { None } else { self.fast.push(close) };
        let line = self.slow.push(close).zip(fast).map(|(slow, fast)| fast - slow)?;
        let signal = self.signal.push(line)?;
        Some(vec![("line", to_value(line)?), ("signal", to_value(signal)?), ("histogram", to_value(line - signal)?)])
    }

    fn write(&self, writer: &mut Writer) {
        for average in [&self.fast, &self.slow, &self.signal] {
            average.write(writer);
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        for average in [&mut self.fast, &mut self.slow, &mut self.signal] {
            average.read(reader)?;
        }
        Some(())
    }
}
