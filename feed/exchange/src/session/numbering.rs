//! The numbers of one symbol: each is given once and in order, repetitions are dropped, missing numbers are known.

use std::{collections::BTreeMap, ops::RangeInclusive};

use crate::message::Entry;

/// The way of an entry into the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The exchange sent it as news.
    Live,
    /// It is no news: sent on subscribing, or fetched. It fills gaps and begins nothing.
    Backfill,
}

/// The result of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is kept until all lower numbers were given.
    Kept,
    /// Its number was given, reported as a gap, or is kept already.
    Repeated,
    /// It is no news, and the symbol has no position yet.
    Early,
    /// There is no room. Its number is known, so that it counts as missing.
    NoRoom,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Numbering {
    /// The number to give next. `None`: the symbol has no position, and begins with the first live number.
    next: Option<u64>,
    /// The highest number that the exchange has mentioned.
    highest: u64,
    kept: BTreeMap<u64, (Entry, Origin)>,
    room: usize,
    /// Time of the entry given last.
    last_time: Option<i64>,
}

impl Numbering {
    /// Numbers behind `position`, the number given last in an earlier run. `room`: most entries that are kept out of order.
    pub(super) fn new(position: Option<u64>, room: usize) -> Self {
        let next = position.map(|last| last.saturating_add(1));
        Self { next, highest: position.unwrap_or(0), kept: BTreeMap::new(), room, last_time: None }
    }

    /// The number to give next.
    pub(super) const fn next(&self) -> Option<u64> {
        self.next
    }

    /// Event time of the entry given last.
    pub(super) const fn last_time(&self) -> Option<i64> {
        self.last_time
    }

    /// Event time of the lowest kept entry.
    pub(super) fn first_kept_time(&self) -> Option<i64> {
        self.kept.first_key_value().map(|(_, (entry, _))| entry.time_micros)
    }

    /// Takes an entry in.
    pub(super) fn offer(&mut self, entry: Entry, origin: Origin) -> Offered {
        let number = entry.number;
        if self.next.is_none() && origin == Origin::Live {
            self.next = Some(number);
        }
        let Some(next) = self.next else { return Offered::Early };
        if number < next {
            return Offered::Repeated;
        }
        if let Some((_, kept)) = self.kept.get_mut(&number) {
            // It was fetched before it came live, and is news all the same.
            if origin == Origin::Live {
                *kept = origin;
            }
            return Offered::Repeated;
        }
        self.highest = self.highest.max(number);
        if number != next && self.kept.len() >= self.room {
            return Offered::NoRoom;
        }
        self.kept.insert(number, (entry, origin));
        Offered::Kept
    }

    /// Notes a number that the exchange mentions. Without a position it means nothing.
    pub(super) fn mention(&mut self, number: u64) {
        if self.next.is_some() {
            self.highest = self.highest.max(number);
        }
    }

    /// The next number, if its entry is kept.
    pub(super) fn take(&mut self) -> Option<(Entry, Origin)> {
        let next = self.next?;
        let taken = self.kept.remove(&next)?;
        self.pass(next, taken.0.time_micros);
        Some(taken)
    }

    /// Passes an entry with the next number that was not kept.
    pub(super) const fn pass(&mut self, number: u64, time_micros: i64) {
        self.next = Some(number.saturating_add(1));
        self.last_time = Some(time_micros);
    }

    /// The lowest missing numbers, up to the first kept one or the highest mentioned one.
    pub(super) fn missing(&self) -> Option<RangeInclusive<u64>> {
        let next = self.next?;
        let last = match self.kept.first_key_value() {
            Some((first, _)) => first.checked_sub(1)?,
            None => self.highest,
        };
        (next <= last).then_some(next..=last)
    }

    /// Gives up the missing numbers before `number`, not beyond the first kept one. Returns them.
    pub(super) fn skip_before(&mut self, number: u64) -> Option<RangeInclusive<u64>> {
        let first_kept = self.kept.first_key_value().map_or(number, |(first, _)| number.min(*first));
        self.skip(first_kept.checked_sub(1)?)
    }

    /// Gives up the missing numbers up to `last`. Returns them. `last` is not beyond [`Numbering::missing`].
    pub(super) fn skip(&mut self, last: u64) -> Option<RangeInclusive<u64>> {
        let next = self.next.filter(|next| *next <= last)?;
        self.next = Some(last.saturating_add(1));
        Some(next..=last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::quote::Kind;

    fn entry(number: u64) -> Entry {
        let (price, size) = ("1".parse().unwrap(), "1".parse().unwrap());
        Entry { number, price, time_micros: i64::try_from(number).unwrap(), kind: Kind::Trade { size } }
    }

    fn taken(numbering: &mut Numbering) -> Vec<u64> {
        std::iter::from_fn(|| numbering.take()).map(|(entry, _)| entry.number).collect()
    }

    #[test]
    fn first_live_number_is_the_beginning_and_old_ones_are_not() {
        let mut numbering = Numbering::new(None, 10);
        assert_eq!(numbering.offer(entry(5), Origin::Backfill), Offered::Early);
        numbering.mention(9);
        assert_eq!(numbering.missing(), None);
        assert_eq!(numbering.offer(entry(7), Origin::Live), Offered::Kept);
        assert_eq!(taken(&mut numbering), [7]);
        assert_eq!(numbering.offer(entry(6), Origin::Live), Offered::Repeated);
    }

    #[test]
    fn numbers_behind_a_position_are_missing_until_they_come() {
        let mut numbering = Numbering::new(Some(4), 10);
        assert_eq!(numbering.missing(), None);
        assert_eq!(numbering.offer(entry(8), Origin::Live), Offered::Kept);
        assert_eq!(numbering.missing(), Some(5..=7));
        numbering.offer(entry(5), Origin::Backfill);
        assert_eq!(taken(&mut numbering), [5]);
        assert_eq!(numbering.skip(7), Some(6..=7));
        assert_eq!(taken(&mut numbering), [8]);
        numbering.mention(10);
        assert_eq!(numbering.missing(), Some(9..=10));
    }

    #[test]
    fn number_that_comes_live_behind_its_copy_is_news() {
        let mut numbering = Numbering::new(Some(4), 10);
        for (number, origin) in [(7, Origin::Backfill), (6, Origin::Live), (7, Origin::Live), (6, Origin::Backfill)] {
            numbering.offer(entry(number), origin);
        }
        numbering.skip(5);
        let origins: Vec<_> = std::iter::from_fn(|| numbering.take()).map(|(_, origin)| origin).collect();
        assert_eq!(origins, [Origin::Live, Origin::Live]);
    }

    #[test]
    fn numbers_without_room_stay_known_as_missing() {
        let mut numbering = Numbering::new(Some(0), 2);
        for number in [3, 4] {
            assert_eq!(numbering.offer(entry(number), Origin::Live), Offered::Kept);
        }
        assert_eq!(numbering.offer(entry(5), Origin::Live), Offered::NoRoom);
        assert_eq!(numbering.skip(2), Some(1..=2));
        assert_eq!(taken(&mut numbering), [3, 4]);
        assert_eq!(numbering.missing(), Some(5..=5));
    }

    proptest! {
        #[test]
        fn numbers_are_given_once_and_in_order(offers in prop::collection::vec(1_u64..60, 0..200), room in 1_usize..70) {
            let mut numbering = Numbering::new(Some(0), room);
            let (mut given, mut offered) = (Vec::new(), std::collections::BTreeSet::new());
            for number in offers {
                numbering.offer(entry(number), Origin::Live);
                offered.insert(number);
                given.extend(taken(&mut numbering));
                prop_assert!(numbering.kept.len() <= room);
            }
            while let Some(missing) = numbering.missing() {
                numbering.skip(*missing.end());
                given.extend(taken(&mut numbering));
            }
            prop_assert!(given.windows(2).all(|pair| pair[0] < pair[1]), "{given:?}");
            prop_assert!(given.iter().all(|number| offered.contains(number)));
            prop_assert_eq!(numbering.next, Some(offered.last().map_or(1, |last| last + 1)));
        }
    }
}
