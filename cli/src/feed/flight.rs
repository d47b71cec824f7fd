//! The rows of a feed that were sent and have no outcome yet. Pure.

use std::collections::VecDeque;

/// Bound on published quotes without an outcome. Brokers drop messages beyond their queue and still answer Success.
pub(crate) const MAX_IN_FLIGHT: usize = 500;

/// Rows in the order in which they were sent, counted from 1.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// Rows that have their outcomes.
    settled: u64,
    /// File and number of each row behind them.
    rows: VecDeque<(usize, u64)>,
}

/// Whether an account has the outcome of a row, by its file and its number there.
pub(crate) trait HasOutcome: Fn(usize, u64) -> bool {}
impl<F: Fn(usize, u64) -> bool> HasOutcome for F {}

impl Flight {
    /// A row is sent.
    pub(crate) fn push(&mut self, file: usize, seq: u64) {
        self.rows.push_back((file, seq));
    }

    /// Rows that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.settled + self.rows.len() as u64
    }

    /// Rows that have their outcomes.
    pub(crate) const fn settled(&self) -> u64 {
        self.settled
    }

    /// Whether there is room for a further row.
    pub(crate) fn has_room(&self) -> bool {
        self.rows.len() < MAX_IN_FLIGHT
    }

    /// The row up to which an account has all outcomes. Rows up to `since` count as decided: it did not take the topic then.
    pub(crate) fn decided(&self, since: u64, has_outcome: impl HasOutcome) -> u64 {
        let passed = self.rows.iter().zip(self.settled + 1..);
        let decided = passed.take_while(|((file, seq), row)| *row <= since || has_outcome(*file, *seq)).count();
        self.settled + decided as u64
    }

    /// The first row behind these, and the last one sent.
    pub(crate) fn undecided(&self, since: u64, has_outcome: impl HasOutcome) -> Option<((usize, u64), (usize, u64))> {
        let decided = self.decided(since, has_outcome) - self.settled;
        let first = usize::try_from(decided).ok().and_then(|decided| self.rows.get(decided))?;
        Some((*first, *self.rows.back()?))
    }

    /// All rows up to this one have their outcomes.
    pub(crate) fn settle(&mut self, through: u64) {
        while self.settled < through && self.rows.pop_front().is_some() {
            self.settled += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_several_files_settle_in_the_order_in_which_they_were_sent() {
        let mut flight = Flight::default();
        for (file, seq) in [(0, 5), (1, 1), (0, 6), (0, 8), (1, 2)] {
            flight.push(file, seq);
        }
        let marks = |marks: [u64; 2]| move |file: usize, seq: u64| seq <= marks[file];
        assert_eq!(flight.decided(0, marks([4, 1])), 0);
        assert_eq!(flight.decided(0, marks([5, 1])), 2);
        assert_eq!(flight.decided(0, marks([8, 1])), 4);
        assert_eq!(flight.decided(2, marks([6, 0])), 3);
        assert_eq!(flight.undecided(0, marks([5, 1])), Some(((0, 6), (1, 2))));
        assert_eq!(flight.undecided(0, marks([8, 2])), None);
        flight.settle(2);
        assert_eq!((flight.settled(), flight.sent()), (2, 5));
        assert_eq!(flight.decided(0, marks([5, 9])), 2);
        flight.settle(5);
        assert_eq!((flight.settled(), flight.sent(), flight.decided(0, marks([9, 9]))), (5, 5, 5));
    }

    #[test]
    fn at_most_500_rows_are_without_an_outcome() {
        let mut flight = Flight::default();
        for seq in 0..500 {
            assert!(flight.has_room());
            flight.push(0, seq);
        }
        assert!(!flight.has_room());
        flight.settle(1);
        assert!(flight.has_room());
    }
}
