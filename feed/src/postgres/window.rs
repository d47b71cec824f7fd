//! The numbers of the last rows, by which a row that comes late is recognised. Pure.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

/// The most numbers that are kept: a feed that reads millions of old rows keeps the numbers of the last rows.
const MOST_NUMBERS: usize = 100_000;

/// A range of numbers, and how many rows of it are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// It begins behind this number.
    pub(super) behind: i64,
    /// Its last number.
    pub(super) last: i64,
    /// The known rows.
    pub(super) known: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    settle: Duration,
    /// The window begins behind this number.
    behind: i64,
    last: i64,
    known: BTreeSet<i64>,
    /// The last number of each time.
    times: VecDeque<(Instant, i64)>,
}

impl Window {
    /// The window of a feed that goes on behind `last`. `present`: the rows that were there from behind `behind` on. A row that came
    /// before this moment cannot be recognised as late.
    pub(super) fn new(settle: Duration, behind: i64, last: i64, present: BTreeSet<i64>, now: Instant) -> Self {
        Self { settle, behind, last, known: present, times: [(now, last)].into() }
    }

    /// Rows were read, in the order of their numbers, up to `last`.
    pub(super) fn note(&mut self, numbers: impl Iterator<Item = i64>, last: i64, now: Instant) {
        self.known.extend(numbers);
        self.last = last;
        self.times.push_back((now, last));
        while self.known.len() > MOST_NUMBERS {
            let Some(first) = self.known.pop_first() else { break };
            self.behind = first;
        }
    }

    /// The range to read again; `None`: all of its rows were read too long ago.
    pub(super) fn range(&mut self, now: Instant) -> Option<Range> {
        while let Some((_, last)) = self.times.pop_front_if(|(at, _)| *at + self.settle < now) {
            self.behind = self.behind.max(last);
        }
        self.known = self.known.split_off(&self.behind.saturating_add(1));
        let known = u64::try_from(self.known.len()).unwrap_or(u64::MAX);
        (self.behind < self.last).then_some(Range { behind: self.behind, last: self.last, known })
    }

    /// Takes the numbers of the range as they are now, and returns those that are new.
    pub(super) fn compare(&mut self, found: BTreeSet<i64>) -> Vec<i64> {
        let late = found.difference(&self.known).copied().collect();
        self.known = found;
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_mins(1);

    #[test]
    fn number_that_was_not_there_before_is_late_once() {
        let now = Instant::now();
        let mut window = Window::new(SETTLE, 2, 4, [3, 4].into(), now);
        window.note([5, 7].into_iter(), 7, now);
        assert_eq!(window.range(now), Some(Range { behind: 2, last: 7, known: 4 }));
        assert_eq!(window.compare([3, 4, 5, 6, 7].into()), [6]);
        assert_eq!(window.compare([3, 4, 5, 6, 7].into()), Vec::<i64>::new());
        assert_eq!(window.compare([3, 5, 6, 7].into()), Vec::<i64>::new(), "a row that was deleted is not late");
        assert_eq!(window.range(now).unwrap().known, 4);
    }

    #[test]
    fn numbers_are_kept_for_the_time_to_settle() {
        let now = Instant::now();
        let mut window = Window::new(SETTLE, 0, 0, BTreeSet::new(), now);
        window.note([1, 2].into_iter(), 2, now);
        window.note([3].into_iter(), 3, now + SETTLE);
        assert_eq!(window.range(now + SETTLE), Some(Range { behind: 0, last: 3, known: 3 }));
        let later = now + SETTLE + Duration::from_millis(1);
        assert_eq!(window.range(later), Some(Range { behind: 2, last: 3, known: 1 }));
        assert_eq!(window.range(later + SETTLE), None);
    }

    #[test]
    fn window_has_a_bound() {
        let now = Instant::now();
        let mut window = Window::new(SETTLE, 0, 0, BTreeSet::new(), now);
        window.note(1..=150_000, 150_000, now);
        assert_eq!(window.range(now), Some(Range { behind: 50_000, last: 150_000, known: 100_000 }));
    }
}
