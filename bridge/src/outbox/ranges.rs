//! A set of outbox positions, kept as ranges.

use std::collections::BTreeMap;

/// Memory of a node of the tree.
const NODE_BYTES: usize = 224;

/// Positions as ranges without overlaps; neighbours are joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// First position of each range, to its last.
    by_first: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds `first..=last`. Nothing where `last` is below `first`.
    pub fn insert(&mut self, first: u64, last: u64) {
        if last < first {
            return;
        }
        let (mut first, mut last) = (first, last);
        // The range before may reach into the new one or end right in front of it.
        if let Some((&begin, &end)) = self.by_first.range(..=first).next_back()
            && end >= first.saturating_sub(1)
        {
            (first, last) = (begin, last.max(end));
        }
        while let Some((&begin, &end)) = self.by_first.range(first..=last.saturating_add(1)).next() {
            last = last.max(end);
            self.by_first.remove(&begin);
        }
        self.by_first.insert(first, last);
    }

    /// Whether all of `first..=last` is in the set.
    pub fn covers(&self, first: u64, last: u64) -> bool {
        self.by_first.range(..=first).next_back().is_some_and(|(_, &end)| last <= end)
    }

    /// The end of the range that `position` is in.
    pub fn end_of(&self, position: u64) -> Option<u64> {
        self.by_first.range(..=position).next_back().map(|(_, &end)| end).filter(|end| position <= *end)
    }

    /// Removes every position up to `through`.
    pub fn cut(&mut self, through: u64) {
        self.remove(0, through);
    }

    /// Removes `first..=last`.
    pub fn remove(&mut self, first: u64, last: u64) {
        while let Some((&begin, &end)) = self.by_first.range(..=last).next_back().filter(|(_, end)| **end >= first) {
            self.by_first.remove(&begin);
            if begin < first {
                self.by_first.insert(begin, first - 1);
            }
            if end > last {
                self.by_first.insert(last + 1, end);
            }
        }
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_first.iter().map(|(&first, &last)| (first, last))
    }

    /// Bytes of memory on the heap, about: a node of the tree has room for 11 ranges, and holds 5 of them at least.
    pub fn memory(&self) -> usize {
        if self.is_empty() { 0 } else { NODE_BYTES * (1 + self.by_first.len() / 5) }
    }

    /// Whether it holds no position.
    pub fn is_empty(&self) -> bool {
        self.by_first.is_empty()
    }
}

impl FromIterator<u64> for Ranges {
    fn from_iter<I: IntoIterator<Item = u64>>(positions: I) -> Self {
        let mut ranges = Self::default();
        for position in positions {
            ranges.insert(position, position);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_a_set_of_positions(
            inserted in proptest::collection::vec((0_u64..60, 0_u64..8), 0..40), removed in (0_u64..60, 0_u64..8), cut in 0_u64..20
        ) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (first, length) in inserted {
                ranges.insert(first, first + length);
                set.extend(first..=first + length);
            }
            let (first, last) = (removed.0, removed.0 + removed.1);
            ranges.remove(first, last);
            ranges.cut(cut);
            set.retain(|position| *position > cut && !(first..=last).contains(position));
            let held: Vec<u64> = ranges.iter().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(&held, &set.iter().copied().collect::<Vec<_>>());
            let all: Vec<_> = ranges.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "neighbours are joined: {all:?}");
            for position in 0..80 {
                prop_assert_eq!(ranges.covers(position, position), set.contains(&position));
                prop_assert_eq!(ranges.end_of(position).is_some(), set.contains(&position));
            }
        }
    }

    #[test]
    fn nothing_is_added_by_a_range_that_ends_before_it_begins() {
        let mut ranges = Ranges::default();
        ranges.insert(2, 1);
        assert!(ranges.is_empty());
        assert_eq!([3, 1, 2].into_iter().collect::<Ranges>().iter().collect::<Vec<_>>(), [(1, 3)]);
    }
}
