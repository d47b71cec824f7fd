//! The place of a page among the missing numbers, for exchanges with answers that begin at a time and not at a number.

use std::time::Duration;

use super::Numbers;
use crate::message::Entry;

/// First step back from a time that is known to be behind the missing numbers.
const FIRST_STEP: Duration = Duration::from_mins(5);
/// Longest step back. An answer that begins behind the missing numbers all the same is the best one there is.
const LONGEST_STEP: Duration = Duration::from_hours(24 * 30);
/// Room for the exchange's rounding of times.
const ROUNDING_MICROS: i64 = 1_000;

/// The search for the time at which the missing numbers begin.
#[derive(Debug, Default)]
pub(super) struct Paging {
    /// The time that the next request begins at. `None`: behind the number given last.
    since: Option<i64>,
    /// The last step back.
    step: Option<Duration>,
    /// A page had numbers before the missing ones, so that a later page begins right behind it.
    saw_before: bool,
}

/// The use of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// It begins at the missing numbers, or before: numbers that it leaves out do not exist.
    Use,
    /// Another page is needed, from another time.
    Move,
    /// The exchange has nothing new yet.
    Wait,
}

impl Paging {
    /// The time for the next request. `None`: no time is known, and the latest trades are asked for.
    pub(super) fn since(&self, numbers: &Numbers) -> Option<i64> {
        let before = numbers.time_before.map(|time| time.saturating_sub(ROUNDING_MICROS));
        let behind = numbers.time_behind.map(|time| time.saturating_sub(micros(FIRST_STEP)));
        self.since.or(before).or(behind)
    }

    /// Judges a page by growing number. `by_time`: it begins at a time. `is_full`: more may follow.
    pub(super) fn place(&mut self, by_time: bool, from: u64, entries: &[Entry], is_full: bool) -> Placement {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Placement::Wait };
        if last.number < from {
            self.saw_before = true;
            if by_time && is_full {
                // At least one microsecond on, or the same page would come again.
                self.since = Some(last.time_micros.max(self.since.map_or(i64::MIN, |since| since.saturating_add(1))));
                return Placement::Move;
            }
            return Placement::Wait;
        }
        let step = self.step.map_or(FIRST_STEP, |step| step.saturating_mul(4));
        if by_time && first.number > from && !self.saw_before && step <= LONGEST_STEP {
            self.since = Some(first.time_micros.saturating_sub(micros(step)));
            self.step = Some(step);
            return Placement::Move;
        }
        *self = Self::default();
        Placement::Use
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quote::Kind;

    const MINUTE: i64 = 60_000_000;
    const START: i64 = 1_000_000 * MINUTE;

    /// Numbers from..=to, a minute after the other.
    fn page(from: u64, to: u64) -> Vec<Entry> {
        let (price, size) = ("1".parse().unwrap(), "1".parse().unwrap());
        let time = |number: u64| START + MINUTE * i64::try_from(number).unwrap();
        (from..=to)
            .map(|number| Entry { number, price, time_micros: time(number), kind: Kind::Trade { size } })
            .collect()
    }

    fn numbers(first: u64) -> Numbers {
        Numbers { first, last: first + 9, time_before: None, time_behind: Some(START + MINUTE * 500) }
    }

    #[test]
    fn page_behind_the_missing_numbers_moves_the_time_back() {
        let mut paging = Paging::default();
        assert_eq!(paging.since(&numbers(400)), Some(START + MINUTE * 495));
        assert_eq!(paging.place(true, 400, &page(495, 499), false), Placement::Move);
        assert_eq!(paging.since(&numbers(400)), Some(START + MINUTE * 490));
        assert_eq!(paging.place(true, 400, &page(490, 499), false), Placement::Move);
        assert_eq!(paging.since(&numbers(400)), Some(START + MINUTE * 470));
        assert_eq!(paging.place(true, 400, &page(470, 499), false), Placement::Move);
        assert_eq!(paging.place(true, 400, &page(390, 499), false), Placement::Use);
    }

    #[test]
    fn full_page_before_the_missing_numbers_moves_the_time_on() {
        let mut paging = Paging::default();
        assert_eq!(paging.place(true, 400, &page(100, 300), true), Placement::Move);
        assert_eq!(paging.since(&numbers(400)), Some(START + MINUTE * 300));
        // Number 400 does not exist: the page follows right behind one that had earlier numbers.
        assert_eq!(paging.place(true, 400, &page(401, 450), true), Placement::Use);
    }

    #[test]
    fn page_without_news_waits_and_an_absent_number_ends_the_search() {
        let mut paging = Paging::default();
        assert_eq!(paging.place(false, 400, &[], false), Placement::Wait);
        assert_eq!(paging.place(false, 400, &page(390, 399), false), Placement::Wait);
        assert_eq!(paging.place(false, 400, &page(402, 410), false), Placement::Use);
        let mut paging = Paging::default();
        let steps = (0..100).take_while(|_| paging.place(true, 400, &page(402, 410), false) == Placement::Move).count();
        assert!(steps < 20, "{steps}");
    }

    #[test]
    fn time_before_the_missing_numbers_is_taken_with_room_for_rounding() {
        let numbers = Numbers { time_before: Some(START), ..numbers(400) };
        assert_eq!(Paging::default().since(&numbers), Some(START - 1_000));
    }
}
