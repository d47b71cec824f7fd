//! A set of outbox positions, kept as ranges: reports about thousands of entries are a few numbers. Pure.

use std::collections::BTreeMap;

/// See the module. Two sets with the same positions are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    /// Last position by first. Neither overlapping nor adjacent.
    ranges: BTreeMap<u64, u64>,
}

impl Positions {
    /// Adds every position from `first` to `last`; nothing where `last` is below `first`. Returns how many are new.
    pub fn add(&mut self, first: u64, last: u64) -> u64 {
        if last < first {
            return 0;
        }
        let (mut first, mut last, mut known) = (first, last, 0_u64);
        // The range that begins at or before `first`, then all that begin no later than just behind `last`.
        if let Some((&before, &end)) = self.ranges.range(..=first).next_back()
            && end.saturating_add(1) >= first
        {
            first = before;
            last = last.max(end);
        }
        for (begin, end) in self.ranges.extract_if(first..=last.saturating_add(1), |_, _| true) {
            last = last.max(end);
            known = known.saturating_add(length(begin, end));
        }
        self.ranges.insert(first, last);
        length(first, last).saturating_sub(known)
    }

    /// Adds all positions of another set.
    pub fn extend(&mut self, other: &Self) {
        for (first, last) in other.ranges() {
            self.add(first, last);
        }
    }

    /// Removes every position up to `through`.
    pub fn remove_through(&mut self, through: u64) {
        let mut cut = None;
        for (_, last) in self.ranges.extract_if(..=through, |_, _| true) {
            // Only the last removed range can go beyond.
            cut = Some(last).filter(|last| *last > through);
        }
        if let Some(last) = cut {
            self.ranges.insert(through + 1, last);
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether a position is in the set.
    pub fn contains(&self, position: u64) -> bool {
        self.end_of(position).is_some()
    }

    /// The first and the last position of each range, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }

    /// All positions, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.ranges().flat_map(|(first, last)| first..=last)
    }

    /// The first position from `from` on that is not in the set.
    pub fn next_outside(&self, from: u64) -> u64 {
        self.end_of(from).map_or(from, |last| last.saturating_add(1))
    }

    /// The first position behind `after` in the set.
    pub fn next_inside(&self, after: u64) -> Option<u64> {
        let next = after.checked_add(1)?;
        if self.contains(next) {
            return Some(next);
        }
        self.ranges.range(next..).next().map(|(first, _)| *first)
    }

    fn end_of(&self, position: u64) -> Option<u64> {
        let (_, last) = self.ranges.range(..=position).next_back()?;
        (*last >= position).then_some(*last)
    }
}

const fn length(first: u64, last: u64) -> u64 {
    (last - first).saturating_add(1)
}

impl FromIterator<u64> for Positions {
    fn from_iter<T: IntoIterator<Item = u64>>(positions: T) -> Self {
        let mut all = Self::default();
        for position in positions {
            all.add(position, position);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn adjacent_and_overlapping_ranges_become_one() {
        let mut positions = Positions::default();
        for (first, last) in [(5, 6), (1, 2), (8, 9), (3, 4), (7, 7), (20, 10), (9, 12)] {
            positions.add(first, last);
        }
        assert_eq!(positions.ranges().collect::<Vec<_>>(), [(1, 12)]);
        positions.add(u64::MAX - 1, u64::MAX);
        assert_eq!(positions.next_outside(u64::MAX), u64::MAX);
        assert_eq!(positions.next_inside(12), Some(u64::MAX - 1));
        positions.remove_through(4);
        assert_eq!(positions.ranges().collect::<Vec<_>>(), [(5, 12), (u64::MAX - 1, u64::MAX)]);
    }

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_set_of_positions(
            adds in prop::collection::vec((1_u64..60, 0_u64..9), 0..20),
            through in 0_u64..70,
        ) {
            let (mut ranges, mut set) = (Positions::default(), BTreeSet::new());
            for (first, more) in adds {
                let before = set.len();
                set.extend(first..=first + more);
                prop_assert_eq!(ranges.add(first, first + more), (set.len() - before) as u64);
            }
            ranges.remove_through(through);
            set.retain(|position| *position > through);
            prop_assert_eq!(ranges.iter().collect::<BTreeSet<_>>(), set.clone());
            for position in 0..80 {
                prop_assert_eq!(ranges.contains(position), set.contains(&position));
                prop_assert_eq!(ranges.next_outside(position), (position..200).find(|next| !set.contains(next)).unwrap());
                prop_assert_eq!(ranges.next_inside(position), set.range(position + 1..).next().copied());
            }
            prop_assert_eq!(ranges.iter().collect::<Positions>(), ranges);
        }
    }
}
