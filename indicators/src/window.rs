//! The last values of a series and their sum, exactly.

use std::collections::VecDeque;

use crate::bytes::{Reader, Writer};

/// The last `period` values. Sums are those of all of them: period x value stays below 2^127.
#[derive(Debug)]
pub(crate) struct Window {
    period: usize,
    values: VecDeque<u128>,
    sum: u128,
}

impl Window {
    pub(crate) const fn new(period: usize) -> Self {
        Self { period, values: VecDeque::new(), sum: 0 }
    }

    /// Takes a value. Returns the value that leaves, if the window was full.
    pub(crate) fn push(&mut self, value: u128) -> Option<u128> {
        let left = if self.is_full() { self.values.pop_front() } else { None };
        self.values.push_back(value);
        self.sum = self.sum + value - left.unwrap_or_default();
        left
    }

    pub(crate) fn is_full(&self) -> bool {
        self.values.len() >= self.period
    }

    pub(crate) const fn sum(&self) -> u128 {
        self.sum
    }

    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = u128> + Clone + '_ {
        self.values.iter().copied()
    }

    /// The sums follow from the values, and are not written.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.numbers(self.values());
    }

    /// Reads values below `end`.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>, end: u128) -> Option<()> {
        let values = reader.numbers(self.period)?;
        if values.iter().any(|value| *value >= end) {
            return None;
        }
        for value in values {
            self.push(value);
        }
        Some(())
    }
}

/// Every price in units of 10^-10 is below it.
pub(crate) const PRICE_END: u128 = 10_u128.pow(22);

/// A number of samples as a factor.
pub(crate) const fn factor(period: usize) -> u128 {
    period as u128
}
