//! The highest or lowest of the last values of a series.

use std::collections::VecDeque;

use crate::{
    bytes::{Reader, Writer},
    window::PRICE_END,
};

/// Keeps of the last `period` prices those that no later one exceeds: their first is the extreme. So a price costs constant time on
/// average, however long the period is.
#[derive(Debug)]
pub(crate) struct Extreme {
    period: usize,
    is_highest: bool,
    /// Prices taken so far, up to `period`.
    seen: usize,
    /// Number of the price that comes next.
    next: u64,
    /// Numbers and prices, oldest first.
    kept: VecDeque<(u64, u128)>,
}

impl Extreme {
    pub(crate) const fn highest(period: usize) -> Self {
        Self { period, is_highest: true, seen: 0, next: 0, kept: VecDeque::new() }
    }

    pub(crate) fn lowest(period: usize) -> Self {
        Self { is_highest: false, ..Self::highest(period) }
    }

    /// Takes a price. Returns the extreme of the last `period`, as soon as there are so many.
    pub(crate) fn push(&mut self, price: u128) -> Option<u128> {
        let is_highest = self.is_highest;
        let is_exceeded = |kept: u128| if is_highest { kept <= price } else { kept >= price };
        while self.kept.back().is_some_and(|(_, kept)| is_exceeded(*kept)) {
            self.kept.pop_back();
        }
        self.kept.push_back((self.next, price));
        self.next += 1;
        self.seen = (self.seen + 1).min(self.period);
        while self.kept.front().is_some_and(|(number, _)| self.age(*number) >= self.period) {
            self.kept.pop_front();
        }
        if self.seen < self.period {
            return None;
        }
        self.kept.front().map(|(_, price)| *price)
    }

    /// Prices that came after the price with this number.
    fn age(&self, number: u64) -> usize {
        usize::try_from(self.next - 1 - number).unwrap_or(usize::MAX)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.count(self.seen);
        writer.numbers(self.kept.iter().map(|(_, price)| *price));
        for (number, _) in &self.kept {
            writer.count(self.age(*number));
        }
    }

    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.seen = reader.count(self.period)?;
        self.next = u64::try_from(self.seen).ok()?;
        let prices = reader.numbers(self.seen)?;
        let mut last = usize::MAX;
        for price in prices {
            let age = reader.count(self.seen.checked_sub(1)?)?;
            if age >= last || price >= PRICE_END {
                return None;
            }
            last = age;
            self.kept.push_back((self.next - 1 - u64::try_from(age).ok()?, price));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn extreme_is_that_of_the_last_prices(period in 1_usize..8, prices in proptest::collection::vec(1_u128..6, 1..60)) {
            let (mut highest, mut lowest) = (Extreme::highest(period), Extreme::lowest(period));
            for end in 1..=prices.len() {
                let last = end.checked_sub(period).map(|start| &prices[start..end]);
                prop_assert_eq!(highest.push(prices[end - 1]), last.map(|last| *last.iter().max().unwrap()));
                prop_assert_eq!(lowest.push(prices[end - 1]), last.map(|last| *last.iter().min().unwrap()));
            }
        }
    }
}
