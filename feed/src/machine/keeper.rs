//! The times at which the position is stored, and the bound on quotes that a stored position does not count.
//!
//! A run that goes on behind a stored position marks as repeated the quotes that an earlier run may have published behind it. So each
//! position counts them: those in flight, and those that may follow before the next position is stored. A run keeps to that
//! count: without an answer to its newest position it stops there.

use std::time::Duration;

use tokio::time::Instant;

/// Least time between two positions.
const INTERVAL: Duration = Duration::from_secs(1);
/// Quotes that may at least follow a position before the next one is stored.
const LEAST_AHEAD: u64 = 1_000;
/// Times as many as since the position before may follow, so that the next position comes in time.
const GROWTH: u64 = 8;
/// Bound on quotes that may follow a position.
const MOST_AHEAD: u64 = 1_000_000;

/// The way in which positions are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The broker keeps none.
    Off,
    /// Every quote is marked as repeated, so that none has to be counted.
    Uncounted,
    /// Quotes behind a position are counted.
    Counted,
}

/// The answer to the newest position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It is stored, or there is none.
    Given,
    /// It has not come yet.
    Awaited,
    /// The broker does not take the position.
    Refused,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keeper {
    mode: Mode,
    has_news: bool,
    /// The next position does not wait for its time.
    is_urgent: bool,
    /// When the last one was written, and how many quotes had been sent.
    last: Option<(Instant, u64)>,
    /// The number of sent quotes at which the stored position ends.
    stored: u64,
    /// The least of those at which positions without an answer end, and that of the newest.
    open: Option<(u64, u64)>,
    answer: Answer,
}

impl Keeper {
    /// Of a run that has sent no quote.
    pub(super) const fn new(mode: Mode) -> Self {
        Self { mode, has_news: true, is_urgent: false, last: None, stored: 0, open: None, answer: Answer::Given }
    }

    /// Quotes that may have been sent now.
    pub(super) fn limit(&self) -> u64 {
        if self.mode != Mode::Counted || self.answer == Answer::Refused {
            return u64::MAX;
        }
        self.open.map_or(self.stored, |(least, _)| least.min(self.stored))
    }

    /// Quotes have reached the broker, or the state has changed.
    pub(super) const fn note(&mut self) {
        self.has_news = true;
    }

    /// The next position is to be written at once.
    pub(super) const fn hurry(&mut self) {
        self.is_urgent = true;
    }

    /// Whether everything is stored.
    pub(super) fn is_settled(&self) -> bool {
        match self.answer {
            Answer::Given => self.mode == Mode::Off || !self.has_news,
            Answer::Awaited => false,
            Answer::Refused => true,
        }
    }

    /// Whether a position is to be written now. `at_once`: without regard to the interval.
    pub(super) fn is_due(&self, now: Instant, at_once: bool) -> bool {
        let is_time = at_once || self.is_urgent || self.last.is_none_or(|(at, _)| at + INTERVAL <= now);
        self.can_write() && is_time
    }

    fn can_write(&self) -> bool {
        self.mode != Mode::Off && self.has_news && self.answer != Answer::Awaited
    }

    /// When a position is due later.
    pub(super) fn wake(&self) -> Option<Instant> {
        let (at, _) = self.last.filter(|_| self.can_write())?;
        Some(at + INTERVAL)
    }

    /// A position is written, after so many sent quotes. Gives the number of quotes that may follow it.
    pub(super) fn write(&mut self, sent: u64, at: Instant) -> u64 {
        let recent = self.last.map_or(0, |(_, before)| sent.saturating_sub(before));
        let ahead = recent.saturating_mul(GROWTH).clamp(LEAST_AHEAD, MOST_AHEAD);
        let end = sent.saturating_add(ahead);
        self.open = Some((self.open.map_or(end, |(least, _)| least.min(end)), end));
        (self.last, self.has_news, self.answer) = (Some((at, sent)), false, Answer::Awaited);
        self.is_urgent = false;
        ahead
    }

    /// The newest position is stored.
    pub(super) fn confirm(&mut self) {
        if let Some((_, end)) = self.open.take() {
            self.stored = end;
        }
        self.answer = Answer::Given;
    }

    /// The broker does not take the newest position. Quotes go on: without positions there is nothing to count.
    pub(super) const fn refuse(&mut self) {
        (self.answer, self.has_news) = (Answer::Refused, true);
    }

    /// The connection ended: the newest position may be stored or not.
    pub(super) fn forget(&mut self) {
        if self.answer == Answer::Awaited {
            (self.answer, self.has_news) = (Answer::Given, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a time to begin with")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn no_quote_is_sent_before_the_first_position_is_stored() {
        let (mut keeper, now) = (Keeper::new(Mode::Counted), now());
        assert!(keeper.limit() == 0 && keeper.is_due(now, false));
        assert_eq!(keeper.write(0, now), 1_000);
        assert!(keeper.limit() == 0 && !keeper.is_due(now, true));
        keeper.confirm();
        assert!(keeper.limit() == 1_000 && keeper.is_settled());
    }

    #[test]
    fn positions_are_a_second_apart() {
        let (mut keeper, now) = (Keeper::new(Mode::Counted), now());
        keeper.write(0, now);
        keeper.note();
        keeper.confirm();
        assert!(!keeper.is_due(now + Duration::from_millis(999), false) && keeper.is_due(now, true));
        assert!(keeper.is_due(now + INTERVAL, false));
        assert_eq!(keeper.wake(), Some(now + INTERVAL));
    }

    #[test]
    fn urgent_position_does_not_wait_for_its_time() {
        let (mut keeper, now) = (Keeper::new(Mode::Counted), now());
        keeper.write(0, now);
        keeper.note();
        keeper.hurry();
        assert!(!keeper.is_due(now, false), "one position at a time");
        keeper.confirm();
        assert!(keeper.is_due(now, false));
        keeper.write(1, now);
        keeper.note();
        keeper.confirm();
        assert!(!keeper.is_due(now, false));
    }

    #[test]
    fn limit_is_that_of_every_position_that_may_be_the_stored_one() {
        let (mut keeper, now) = (Keeper::new(Mode::Counted), now());
        keeper.write(0, now);
        keeper.confirm();
        assert_eq!(keeper.write(900, now), 7_200);
        assert_eq!(keeper.limit(), 1_000, "the earlier one may be stored still");
        keeper.forget();
        assert!(keeper.is_due(now, true));
        assert_eq!(keeper.write(950, now), 1_000);
        assert_eq!(keeper.limit(), 1_000);
        keeper.confirm();
        assert_eq!(keeper.limit(), 1_950);
    }

    #[test]
    fn without_stored_positions_nothing_is_held_back() {
        let now = now();
        for keeper in [Keeper::new(Mode::Off), Keeper::new(Mode::Uncounted)] {
            assert_eq!(keeper.limit(), u64::MAX);
        }
        assert!(!Keeper::new(Mode::Off).is_due(now, true));
        let mut keeper = Keeper::new(Mode::Counted);
        keeper.write(0, now);
        keeper.refuse();
        assert!(keeper.limit() == u64::MAX && keeper.is_due(now + INTERVAL, false));
        keeper.write(5, now);
        keeper.confirm();
        assert_eq!(keeper.limit(), 1_005);
    }
}
