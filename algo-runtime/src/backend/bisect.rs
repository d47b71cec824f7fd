//! The size of batches to a backend, and the search for a tick at which it fails.
//!
//! A backend may fail at one tick of a batch. After each failure the batch is halved, after a timeout it is quartered,
//! until a tick is alone. A tick that fails alone [`Sizes::strikes`] times, each time followed by a Describe that the
//! backend answers, is rejected. Then another tick has to be answered before the next one may be rejected: two in a row
//! mean that the backend is broken, and nothing is rejected any more until it answers. A backend that is away answers no
//! Describe, so that it never costs a tick.
//!
//! Values of indicators count as one tick with the quote behind them: everything here counts such groups, so that a quote
//! never goes without its values.
//!
//! A batch may also have been too large for the deadline. The size that failed is remembered as the ceiling: the limit
//! grows below it, and beyond it only after [`Sizes::calm_batches`] batches that were answered (ADR 0032).

use super::{BackendError, ConditionReason};
use crate::sizes::Sizes;

/// How much a batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Quotes, each with the values of indicators in front of it.
    pub groups: usize,
    /// Events. A single group that is larger is cut.
    pub events: usize,
}

impl BatchLimit {
    /// Everything.
    pub const NONE: Self = Self { groups: usize::MAX, events: usize::MAX };
}

/// See the module.
#[derive(Debug)]
pub(super) struct BatchBisect {
    sizes: Sizes,
    /// Groups of a batch while there is no suspect.
    limit: usize,
    /// The smallest batch that failed for its size; `None`: none did.
    ceiling: Option<usize>,
    /// Batches answered since the limit came to its highest value below the ceiling.
    calm: u32,
    /// The tick that failed is among so many groups at the head; 0: there is no suspect.
    suspect_count: usize,
    /// The suspects were not answered in time.
    hung: bool,
    /// The tick at the head failed alone, and the backend has to answer Describe before that counts.
    awaiting_describe: bool,
    /// Times that the tick at the head failed alone while the backend was present.
    strikes: u32,
    /// The last failure alone, for a person.
    last: String,
    given_up: GivenUp,
}

/// Ticks that failed often enough to be rejected, since one was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GivenUp {
    None,
    /// One was rejected.
    One,
    /// A second failed as often: the backend is broken, and the second waits.
    Two,
}

impl BatchBisect {
    pub(super) const fn new(sizes: Sizes) -> Self {
        Self {
            sizes,
            limit: sizes.batch_events,
            ceiling: None,
            calm: 0,
            suspect_count: 0,
            hung: false,
            awaiting_describe: false,
            strikes: 0,
            last: String::new(),
            given_up: GivenUp::None,
        }
    }

    /// Events of any batch, at most.
    pub(super) const fn most_events(&self) -> usize {
        self.sizes.batch_events
    }

    /// Groups of the next batch, at most.
    pub(super) fn batch_limit(&self) -> usize {
        // A suspect batch that hangs costs a deadline, an answered one costs little: with small parts, fewer batches hang.
        let parts = if self.hung { 4 } else { 2 };
        match self.suspect_count {
            0 => self.limit,
            suspect_count => (suspect_count / parts).max(1),
        }
    }

    /// Whether a batch of so many serves to find the tick that hangs, and has only a part of the deadline. The last attempt
    /// before a tick is rejected has the whole deadline, as the contract promises.
    pub(super) const fn is_search(&self, asked: usize) -> bool {
        self.hung
            && self.suspect_count > 0
            && !self.is_failing()
            && (asked > 1 || self.strikes + 1 < self.sizes.strikes)
    }

    /// A batch of so many failed.
    pub(super) fn failed(&mut self, asked: usize, error: &BackendError) {
        if !self.is_search(asked) {
            // The size of the batch is not why a tick fails alone.
            self.ceiling = (asked > 1).then_some(asked);
        }
        self.hung = error.reason == ConditionReason::Timeout;
        self.suspect_count = asked;
        self.limit = (asked / 2).max(1);
        self.calm = 0;
        if asked == 1 {
            self.awaiting_describe = true;
            self.last.clone_from(&error.message);
        }
    }

    /// The backend answers Describe.
    pub(super) const fn on_describe_ok(&mut self) {
        if self.awaiting_describe {
            self.awaiting_describe = false;
            self.strikes += 1;
            if self.strikes >= self.sizes.strikes && matches!(self.given_up, GivenUp::One) {
                self.given_up = GivenUp::Two;
            }
        }
    }

    /// A batch of so many was answered.
    pub(super) fn answered(&mut self, asked: usize) {
        // A batch below the limit shows nothing about a larger one.
        if self.suspect_count == 0 && asked >= self.limit {
            self.grow();
        }
        self.suspect_count = self.suspect_count.saturating_sub(asked);
        self.hung &= self.suspect_count > 0;
        (self.strikes, self.awaiting_describe) = (0, false);
        self.given_up = GivenUp::None;
    }

    /// Doubles the limit up to half the ceiling, then adds a sixteenth of the ceiling at a time, and stays an eighth below
    /// it.
    fn grow(&mut self) {
        let most = self.sizes.batch_events;
        let ceiling = self.ceiling.unwrap_or(most);
        let highest = self.ceiling.map_or(most, |ceiling| ceiling - (ceiling / 8).max(1));
        if self.limit < highest {
            let doubled = self.limit * 2;
            let next = if doubled <= ceiling / 2 { doubled } else { self.limit + (ceiling / 16).max(1) };
            self.limit = next.min(highest);
            return;
        }
        self.calm += 1;
        if self.ceiling.is_some() && self.calm >= self.sizes.calm_batches {
            self.calm = 0;
            self.ceiling = Some(ceiling + (ceiling / 4).max(1)).filter(|raised| *raised <= most);
        }
    }

    /// Why the tick at the head is to be rejected, once.
    pub(super) fn rejection(&mut self) -> Option<String> {
        if self.strikes < self.sizes.strikes || self.given_up != GivenUp::None {
            return None;
        }
        self.given_up = GivenUp::One;
        let message = format!("failed {} times at this quote alone, last: {}", self.sizes.strikes, self.last);
        self.forget_head();
        Some(message)
    }

    /// A tick was rejected before this process began, and none was answered since.
    pub(super) const fn resume(&mut self) {
        if matches!(self.given_up, GivenUp::None) {
            self.given_up = GivenUp::One;
        }
    }

    /// Another tick is at the head.
    const fn forget_head(&mut self) {
        self.suspect_count = 0;
        self.hung = false;
        self.limit = 1;
        (self.strikes, self.awaiting_describe) = (0, false);
    }

    /// It failed at a tick that is not answered yet.
    pub(super) const fn is_suspicious(&self) -> bool {
        self.suspect_count > 0 || self.is_failing()
    }

    /// Two ticks in a row were to be rejected, and none was answered since.
    pub(super) const fn is_failing(&self) -> bool {
        matches!(self.given_up, GivenUp::Two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> BackendError {
        BackendError::new(ConditionReason::Error, "boom".to_owned())
    }

    /// Fails at the batch, and answers Describe then.
    fn fail(bisect: &mut BatchBisect) -> usize {
        let asked = bisect.batch_limit();
        bisect.failed(asked, &failure());
        bisect.on_describe_ok();
        asked
    }

    fn fail_times(bisect: &mut BatchBisect, times: usize) {
        for _ in 0..times {
            fail(bisect);
        }
    }

    #[test]
    fn after_each_failure_the_batch_is_halved_and_what_failed_is_cornered() {
        let mut bisect = BatchBisect::new(Sizes::default());
        let asked: Vec<usize> = (0..9).map(|_| fail(&mut bisect)).collect();
        assert_eq!(asked, [256, 128, 64, 32, 16, 8, 4, 2, 1]);
        let mut bisect = BatchBisect::new(Sizes::default());
        // The last of 256 is the bad one.
        let (mut left, mut answers) = (256, 0);
        while left > 1 {
            let asked = bisect.batch_limit().min(left);
            if asked == left {
                bisect.failed(asked, &failure());
                bisect.on_describe_ok();
            } else {
                bisect.answered(asked);
                left -= asked;
                answers += 1;
            }
        }
        assert_eq!((answers, bisect.batch_limit()), (8, 1));
    }

    #[test]
    fn a_tick_that_fails_alone_five_times_is_rejected_once() {
        let mut bisect = BatchBisect::new(Sizes::default());
        bisect.failed(2, &failure());
        for strike in 1..=5 {
            assert_eq!(bisect.rejection(), None, "{strike}");
            assert_eq!(fail(&mut bisect), 1);
        }
        assert_eq!(bisect.rejection().unwrap(), "failed 5 times at this quote alone, last: boom");
        assert_eq!(bisect.rejection(), None);
        bisect.answered(1);
        assert!(!bisect.is_suspicious());
        assert_eq!(bisect.batch_limit(), 2);
    }

    #[test]
    fn a_rejection_before_a_restart_counts_after_it() {
        let mut bisect = BatchBisect::new(Sizes::default());
        bisect.resume();
        bisect.failed(1, &failure());
        bisect.on_describe_ok();
        fail_times(&mut bisect, 10);
        assert_eq!((bisect.rejection(), bisect.is_failing()), (None, true));
    }

    #[test]
    fn a_backend_that_is_away_costs_nothing() {
        let mut bisect = BatchBisect::new(Sizes::default());
        bisect.failed(1, &failure());
        for _ in 0..100 {
            // Nobody answers Describe, so that nothing is asked either.
            assert_eq!(bisect.rejection(), None);
        }
        bisect.on_describe_ok();
        assert_eq!(bisect.strikes, 1);
    }

    #[test]
    fn two_failures_in_a_row_mean_a_broken_backend_and_end_rejections() {
        let mut bisect = BatchBisect::new(Sizes::default());
        bisect.failed(2, &failure());
        fail_times(&mut bisect, 5);
        assert!(bisect.rejection().is_some());
        for _ in 0..50 {
            assert_eq!(fail(&mut bisect), 1);
            assert_eq!(bisect.rejection(), None);
        }
        assert!(bisect.is_failing());
        bisect.answered(1);
        assert!(!bisect.is_failing());
        // Two at once, then five times one.
        fail_times(&mut bisect, 6);
        assert!(bisect.rejection().is_some(), "one was answered between the two");
    }

    /// Seconds that an answer is waited for.
    const DEADLINE: f64 = 10.0;

    /// How an algorithm was asked that needs so many seconds for a quote.
    #[derive(Debug, Default)]
    struct Course {
        asks: u32,
        late: u32,
        /// Seconds in all, and those of batches that were not answered in time.
        seconds: f64,
        wasted: f64,
    }

    fn late() -> BackendError {
        BackendError::new(ConditionReason::Timeout, "late".to_owned())
    }

    /// Asks about so many quotes, of which `poison` hangs for ever.
    fn course(bisect: &mut BatchBisect, quotes: usize, seconds_each: f64, poison: Option<usize>) -> Course {
        let (mut course, mut head) = (Course::default(), 0);
        while head < quotes {
            let asked = bisect.batch_limit().min(quotes - head);
            let patience = if bisect.is_search(asked) { DEADLINE / 4.0 } else { DEADLINE };
            let hangs = poison.is_some_and(|poison| (head..head + asked).contains(&poison));
            let needed = f64::from(u32::try_from(asked).unwrap()) * seconds_each;
            course.asks += 1;
            course.seconds += needed.min(patience);
            if hangs || needed > patience {
                course.seconds += patience - needed.min(patience);
                course.wasted += patience;
                course.late += 1;
                bisect.failed(asked, &late());
                bisect.on_describe_ok();
                head += usize::from(bisect.rejection().is_some());
            } else {
                bisect.answered(asked);
                head += asked;
            }
        }
        course
    }

    #[test]
    fn a_slow_algorithm_is_asked_in_batches_that_it_answers_in_time() {
        for capacity in [1, 2, 3, 5, 8, 12, 20, 33, 50, 64, 100, 127, 128, 129, 180, 200, 230, 255, 256, 1_000] {
            let (mut bisect, each) = (BatchBisect::new(Sizes::default()), DEADLINE / f64::from(capacity) * 0.999);
            course(&mut bisect, 10_000, each, None);
            let settled = course(&mut bisect, 100_000, each, None);
            assert!(f64::from(settled.late) <= 0.1 * f64::from(settled.asks), "{capacity}: {settled:?}");
            assert!(settled.wasted <= 0.1 * settled.seconds, "{capacity}: {settled:?}");
        }
    }

    #[test]
    fn no_quote_of_a_slow_algorithm_is_rejected() {
        // Needs nearly the whole deadline for a single quote.
        let mut bisect = BatchBisect::new(Sizes::default());
        let course = course(&mut bisect, 300, 0.9 * DEADLINE, None);
        assert_eq!(course.asks - course.late, 300, "each is answered alone: {course:?}");
    }

    #[test]
    fn a_quote_that_hangs_is_found_by_few_and_short_deadlines() {
        for poison in [0, 1, 100, 128, 254, 255] {
            let mut bisect = BatchBisect::new(Sizes::default());
            let course = course(&mut bisect, 256, 0.001, Some(poison));
            assert!(course.wasted <= 40.0 && course.late <= 9, "{poison}: {course:?}");
        }
    }

    #[test]
    fn an_algorithm_that_became_faster_is_asked_in_full_batches_again() {
        let mut bisect = BatchBisect::new(Sizes::default());
        course(&mut bisect, 5_000, 0.5, None);
        assert!(bisect.batch_limit() <= 20);
        course(&mut bisect, 200_000, 0.001, None);
        assert_eq!(bisect.batch_limit(), Sizes::DESIGN.batch_events);
    }

    #[test]
    fn batches_below_the_limit_do_not_raise_it() {
        let mut bisect = BatchBisect::new(Sizes::default());
        bisect.failed(64, &failure());
        bisect.answered(32);
        (0..100).for_each(|_| bisect.answered(8));
        assert_eq!(bisect.batch_limit(), 32);
        bisect.answered(32);
        assert_eq!(bisect.batch_limit(), 36);
    }
}
