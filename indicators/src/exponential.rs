//! `EMA` and `MACD`: exponential moving averages in binary floating point, seeded by the average of the first values.

use crate::{
    binary::{from_units, to_value},
    bytes::{Reader, Writer},
    indicator::{Computation, Values, single},
    sample::Sample,
};

/// An exponential moving average.
#[derive(Debug)]
struct Average {
    period: u32,
    /// Values taken so far, up to `period`.
    seen: u32,
    /// The average; the sum of the values before there are `period`.
    current: f64,
}

impl Average {
    const fn new(period: u32) -> Self {
        Self { period, seen: 0, current: 0.0 }
    }

    fn push(&mut self, value: f64) -> Option<f64> {
        let period = f64::from(self.period);
        if self.seen >= self.period {
            self.current += (value - self.current) * (2.0 / (period + 1.0));
            return Some(self.current);
        }
        self.seen += 1;
        self.current += value;
        if self.seen < self.period {
            return None;
        }
        self.current /= period;
        Some(self.current)
    }

    fn write(&self, writer: &mut Writer) {
        writer.number(u128::from(self.seen));
        writer.float(self.current);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.seen = u32::try_from(reader.number()?).ok().filter(|seen| *seen <= self.period)?;
        self.current = reader.float()?;
        Some(())
    }
}

/// Exponential moving average of the closes.
#[derive(Debug)]
pub(crate) struct Exponential(Average);

impl Exponential {
    pub(crate) const fn new(period: u32) -> Self {
        Self(Average::new(period))
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
    fast: Average,
    slow: Average,
    signal: Average,
}

impl Macd {
    /// `fast` is below `slow`.
    pub(crate) const fn new(fast: u32, slow: u32, signal: u32) -> Self {
        Self {
            skipped: slow.saturating_sub(fast),
            fast: Average::new(fast),
            slow: Average::new(slow),
            signal: Average::new(signal),
        }
    }
}

impl Computation for Macd {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let close = from_units(sample.close_units());
        let fast = if self.slow.seen < self.skipped { None } else { self.fast.push(close) };
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
