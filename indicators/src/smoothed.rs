//! A recursive average in binary floating point, which begins with the plain average of the first values.

use crate::bytes::{Reader, Writer};

/// How each later value moves the average.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Smoothing {
    /// average + (value - average) x 2 / (period + 1).
    Exponential,
    /// (average x (period - 1) + value) / period, by J. Welles Wilder.
    Wilder,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Smoothed {
    smoothing: Smoothing,
    period: u32,
    /// Values taken so far, up to `period`.
    seen: u32,
    /// The average; the sum of the values before there are `period`.
    current: f64,
}

impl Smoothed {
    pub(crate) const fn new(smoothing: Smoothing, period: u32) -> Self {
        Self { smoothing, period, seen: 0, current: 0.0 }
    }

    /// Values taken so far, up to the period.
    pub(crate) const fn seen(&self) -> u32 {
        self.seen
    }

    /// Takes a value. Returns the average as soon as there are as many values as the period.
    pub(crate) fn push(&mut self, value: f64) -> Option<f64> {
        let period = f64::from(self.period);
        if self.seen >= self.period {
            self.current = match self.smoothing {
                Smoothing::Exponential => self.current + (value - self.current) * (2.0 / (period + 1.0)),
                Smoothing::Wilder => (self.current * (period - 1.0) + value) / period,
            };
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

    /// Goes on from an average of 0.
    pub(crate) const fn clear(&mut self) {
        self.current = 0.0;
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.number(u128::from(self.seen));
        writer.float(self.current);
    }

    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.seen = u32::try_from(reader.number()?).ok().filter(|seen| *seen <= self.period)?;
        self.current = reader.float()?;
        Some(())
    }
}
