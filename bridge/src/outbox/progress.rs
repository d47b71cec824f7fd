//! The positions that are done, and those of them that the runtime knows to be done. Pure.

use std::{collections::VecDeque, sync::Arc};

use intuition_api::v1::{GivenUp, Positions, Published};
use intuition_common::planted::{self, Mistake};

use super::{Sizes, ranges::Ranges};

/// The runtime left a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the runtime sent outbox position {found} where {expected} was due")]
pub struct MissingPosition {
    /// The position that was due.
    pub expected: u64,
    /// The position that came.
    pub found: u64,
}

#[derive(Debug, Clone)]
struct Abandoned {
    position: u64,
    topic: Arc<str>,
    reason: &'static str,
}

/// Positions that are published or given up.
#[derive(Debug, Default)]
pub(super) struct Progress {
    sizes: Sizes,
    /// Every position up to this one is done.
    through: u64,
    /// Done positions beyond `through`.
    done: Ranges,
    /// Positions in `done` that were not reported on this stream.
    fresh: Ranges,
    /// The last `through` that was reported on this stream.
    told: u64,
    /// Positions given up and not named on this stream.
    unnamed: VecDeque<Abandoned>,
    /// Positions given up and named on this stream.
    named: VecDeque<Abandoned>,
    /// The last position that came on this stream, or that the runtime began it with.
    received: u64,
    /// `Opened.done`: positions that do not come.
    skipped: Ranges,
}

impl Progress {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self { sizes, ..Self::default() }
    }

    pub(super) const fn through(&self) -> u64 {
        self.through
    }

    pub(super) fn is_done(&self, first: u64, last: u64) -> bool {
        let first = first.max(self.through + 1);
        last < first || self.done.covers(first, last)
    }

    /// The broker has an entry.
    pub(super) fn finish(&mut self, position: u64) {
        self.insert(position, position);
        self.fresh.insert(position, position);
    }

    /// An entry will never reach the broker.
    pub(super) fn give_up(&mut self, position: u64, topic: Arc<str>, reason: &'static str) {
        self.unnamed.push_back(Abandoned { position, topic, reason });
        self.finish(position);
    }

    /// `Open.published` of a new stream.
    pub(super) fn begin(&mut self) -> Published {
        self.named.append(&mut self.unnamed);
        let done = self.done.iter().take(self.sizes.reported_at_opening);
        let message = Published {
            through: self.through,
            done: done.map(|(first, last)| Positions { first, last }).collect(),
            given_up: self.named.iter().map(given_up).collect(),
        };
        // Positions that the runtime does not count are reported again.
        self.fresh = self.done.clone();
        self.forget_old_names();
        message
    }

    /// The runtime's first answer. Entries behind it follow, also those that are here already.
    pub(super) fn opened(&mut self, published_through: u64, done: &[Positions]) {
        self.skipped = Ranges::default();
        for range in done {
            self.skipped.insert(range.first, range.last);
            self.insert(range.first, range.last);
            self.fresh.remove(range.first, range.last);
        }
        self.received = published_through;
        self.told = published_through;
        self.insert(self.through + 1, published_through);
    }

    /// An entry came. False: it came before, or needs not be sent.
    pub(super) fn receive(&mut self, position: u64) -> Result<bool, MissingPosition> {
        let next = self.received + 1;
        let expected = self.skipped.end_of(next).map_or(next, |end| end + 1);
        if position > expected {
            return Err(MissingPosition { expected, found: position });
        }
        self.received = self.received.max(position);
        Ok(position == expected && !self.is_done(position, position))
    }

    /// The next report for the runtime, a bounded piece; `None`: it knows everything. A runtime without send queues takes
    /// `through` alone.
    ///
    /// No report goes beyond the last position of this stream: the runtime passes over positions that it has not sent.
    pub(super) fn report(&mut self, to_queues: bool) -> Option<Published> {
        let through = self.told.max(self.through.min(self.received));
        let mut report = Published { through: self.told, ..Published::default() };
        if to_queues {
            report.given_up = self.name_given_up();
            // Each entry that was given up is named before a range covers it.
            if report.given_up.len() == self.sizes.reported_at_once {
                return Some(report);
            }
        } else {
            self.named.append(&mut self.unnamed);
            self.forget_old_names();
        }
        self.fresh.cut(through);
        if to_queues {
            report.done = self.take_fresh();
        }
        report.through = through;
        let is_news = through > self.told || !report.given_up.is_empty() || !report.done.is_empty();
        self.told = through;
        is_news.then_some(report)
    }

    fn name_given_up(&mut self) -> Vec<GivenUp> {
        let mut names = Vec::new();
        for _ in 0..self.unnamed.len() {
            let Some(entry) = self.unnamed.pop_front() else { break };
            if entry.position <= self.received && names.len() < self.sizes.reported_at_once {
                names.push(given_up(&entry));
                self.named.push_back(entry);
            } else {
                self.unnamed.push_back(entry);
            }
        }
        self.forget_old_names();
        names
    }

    fn forget_old_names(&mut self) {
        let excess = self.named.len().saturating_sub(self.sizes.named_again);
        self.named.drain(..excess);
    }

    fn take_fresh(&mut self) -> Vec<Positions> {
        let due: Vec<_> = self.fresh.iter().take_while(|(first, _)| *first <= self.received).collect();
        let mut taken = Vec::new();
        for (first, last) in due.into_iter().take(self.sizes.reported_at_once) {
            let last = last.min(self.received);
            self.fresh.remove(first, last);
            taken.push(Positions { first, last });
        }
        taken
    }

    fn insert(&mut self, first: u64, last: u64) {
        if planted::is(Mistake::DoneByHighest) {
            self.done.insert(self.through + 1, last);
        }
        self.done.insert(first.max(self.through + 1), last);
        if let Some(end) = self.done.end_of(self.through + 1) {
            self.through = end;
            self.done.cut(end);
        }
    }
}

fn given_up(entry: &Abandoned) -> GivenUp {
    GivenUp { position: entry.position, topic: entry.topic.to_string(), reason: entry.reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(entries: u64) -> Progress {
        let mut progress = Progress::default();
        progress.opened(0, &[]);
        for position in 1..=entries {
            assert_eq!(progress.receive(position), Ok(true));
        }
        progress
    }

    fn ranges(report: &Published) -> (u64, Vec<(u64, u64)>) {
        (report.through, report.done.iter().map(|range| (range.first, range.last)).collect())
    }

    #[test]
    fn each_position_is_reported_once_and_holes_close() {
        let mut progress = received(6);
        for position in [2, 3, 5] {
            progress.finish(position);
        }
        assert_eq!(progress.report(true).as_ref().map(ranges), Some((0, vec![(2, 3), (5, 5)])));
        assert_eq!(progress.report(true), None);
        progress.finish(1);
        progress.finish(6);
        assert_eq!(progress.report(true).as_ref().map(ranges), Some((3, vec![(6, 6)])));
        assert!(progress.is_done(1, 3) && progress.is_done(5, 6) && !progress.is_done(3, 5));
        progress.finish(4);
        assert_eq!(progress.report(true).as_ref().map(ranges), Some((6, vec![])));
    }

    #[test]
    fn runtime_without_queues_is_told_of_one_position() {
        let mut progress = received(3);
        progress.finish(3);
        progress.give_up(2, "t".into(), "NotAuthorized");
        assert_eq!(progress.report(false), None);
        progress.finish(1);
        assert_eq!(progress.report(false), Some(Published { through: 3, ..Published::default() }));
    }

    #[test]
    fn entries_that_were_given_up_are_named_before_a_range_covers_them() {
        let reported_at_once = Sizes::default().reported_at_once;
        let entries = 3 * reported_at_once as u64;
        let mut progress = received(entries);
        for position in (1..=entries).rev() {
            progress.give_up(position, "t".into(), "NotAuthorized");
        }
        let mut named = Ranges::default();
        while let Some(report) = progress.report(true) {
            assert!(report.given_up.len() <= reported_at_once && report.done.len() <= reported_at_once);
            report.given_up.iter().for_each(|entry| named.insert(entry.position, entry.position));
            assert!(report.through == 0 || named.covers(1, report.through));
            assert!(report.done.iter().all(|range| named.covers(range.first, range.last)));
        }
        assert_eq!(progress.through(), entries);
    }

    #[test]
    fn reports_are_as_small_as_the_sizes_ask_for() {
        let sizes = Sizes { reported_at_once: 2, reported_at_opening: 3, named_again: 1, undeliverable_topics: 8 };
        let mut progress = Progress::new(sizes);
        progress.opened(0, &[]);
        for position in 1..=20 {
            assert_eq!(progress.receive(position), Ok(true));
        }
        (1..=10).for_each(|half| progress.finish(2 * half));
        let reported: Vec<usize> =
            std::iter::from_fn(|| progress.report(true)).map(|report| report.done.len()).collect();
        assert_eq!(reported, [2; 5]);
        (1..=3).for_each(|position| progress.give_up(2 * position - 1, "t".into(), "NotAuthorized"));
        let named: Vec<usize> =
            std::iter::from_fn(|| progress.report(true)).map(|report| report.given_up.len()).collect();
        assert_eq!(named, [2, 1]);
        let begun = progress.begin();
        assert_eq!((begun.through, begun.done.len(), begun.given_up.len()), (6, 3, 1));
    }

    #[test]
    fn reports_wait_until_the_stream_has_brought_the_entry() {
        let mut progress = received(4);
        progress.finish(1);
        progress.finish(3);
        progress.give_up(4, "t".into(), "NoAnswer");
        let begun = progress.begin();
        assert_eq!((ranges(&begun), begun.given_up.len()), ((1, vec![(3, 4)]), 1));
        progress.finish(2);
        // The runtime has not counted `Open.published`.
        progress.opened(0, &[]);
        assert_eq!(progress.through(), 4);
        assert_eq!(progress.report(true), None);
        assert_eq!(progress.receive(1), Ok(false));
        assert_eq!(progress.receive(2), Ok(false));
        assert_eq!(progress.report(true).as_ref().map(ranges), Some((2, vec![])));
        assert_eq!(progress.receive(3), Ok(false));
        assert_eq!(progress.receive(4), Ok(false));
        assert_eq!(progress.report(true).as_ref().map(ranges), Some((4, vec![])));
    }

    #[test]
    fn stream_opens_with_bounded_ranges_and_reports_the_rest_later() {
        let reported_at_opening = Sizes::default().reported_at_opening;
        let entries = 4 * reported_at_opening as u64;
        let mut progress = received(entries);
        (1..=entries).filter(|position| position % 2 == 0).for_each(|position| progress.finish(position));
        let begun = progress.begin();
        assert_eq!(begun.done.len(), reported_at_opening);
        progress.opened(0, &begun.done);
        for position in (1..=entries).filter(|position| position % 2 == 1 || *position > 2 * reported_at_opening as u64)
        {
            assert_eq!(progress.receive(position), Ok(position % 2 == 1));
        }
        let reported: usize = std::iter::from_fn(|| progress.report(true)).map(|report| report.done.len()).sum();
        assert_eq!(reported, reported_at_opening);
    }

    #[test]
    fn replay_leaves_out_what_the_runtime_knows_to_be_done() {
        let mut progress = Progress::default();
        progress.opened(2, &[Positions { first: 4, last: 5 }, Positions { first: 8, last: 8 }]);
        assert_eq!(progress.receive(4), Err(MissingPosition { expected: 3, found: 4 }));
        assert_eq!(progress.receive(3), Ok(true));
        assert_eq!(progress.receive(7), Err(MissingPosition { expected: 6, found: 7 }));
        assert_eq!(progress.receive(6), Ok(true));
        assert_eq!(progress.receive(7), Ok(true));
        assert_eq!(progress.receive(9), Ok(true));
        for position in [3, 6, 7, 9] {
            progress.finish(position);
        }
        assert_eq!((progress.through(), progress.report(true).unwrap().through), (9, 9));
    }
}
