//! The part of a feed that may be on its way. Pure.

use std::{collections::BTreeSet, time::Duration};

/// Bound on published quotes without an outcome. Brokers drop messages beyond their queue and still answer Success.
const WINDOW_QUOTES: u64 = 500;

/// Lines a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// As fast as outcomes come.
    Max,
    /// This many lines a second, at least 1.
    PerSecond(u32),
}

impl std::str::FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Self::PerSecond).ok_or("must be max, or a whole number of lines a second from 1 on")
    }
}

/// The lines that are sent, and those that are next.
#[derive(Debug)]
pub(crate) struct Window {
    rate: Rate,
    total: u64,
    /// Lines before this run's first one.
    skipped: u64,
    sent: u64,
    settled: u64,
    /// Sent without the broker's answer.
    unanswered: BTreeSet<u64>,
}

impl Window {
    /// The lines behind `settled`, which have their outcomes from earlier on, up to `total`.
    pub(crate) const fn new(rate: Rate, total: u64, settled: u64) -> Self {
        Self { rate, total, skipped: settled, sent: settled, settled, unanswered: BTreeSet::new() }
    }

    /// The next line to send, `elapsed` after the start, on a connection that takes `receive_maximum` unanswered lines.
    pub(crate) fn next(&mut self, elapsed: Duration, receive_maximum: u16) -> Option<u64> {
        let open = self.has_room(receive_maximum) && self.due().is_none_or(|due| due <= elapsed);
        open.then(|| {
            self.sent += 1;
            self.unanswered.insert(self.sent);
            self.sent
        })
    }

    /// The earliest time of the next line, after the start; `None`: at once, or it does not wait for the time alone.
    pub(crate) fn waits_until(&self, receive_maximum: u16) -> Option<Duration> {
        self.due().filter(|_| self.has_room(receive_maximum))
    }

    fn has_room(&self, receive_maximum: u16) -> bool {
        self.sent < self.total
            && self.sent < self.settled.saturating_add(WINDOW_QUOTES)
            && self.unanswered.len() < usize::from(receive_maximum)
    }

    /// The time at which the next line is due, after the start; `None`: at once, or there is no next line.
    fn due(&self) -> Option<Duration> {
        let Rate::PerSecond(rate) = self.rate else { return None };
        (self.sent < self.total).then(|| {
            let sent = self.sent - self.skipped;
            let (seconds, rest) = (sent / u64::from(rate), sent % u64::from(rate));
            // The rest is below the rate, so that the quotient is below a second.
            Duration::from_secs(seconds) + Duration::from_nanos(rest * 1_000_000_000 / u64::from(rate))
        })
    }

    /// The broker took a line.
    pub(crate) fn answered(&mut self, line: u64) {
        self.unanswered.remove(&line);
    }

    /// Every line up to this one has its outcome.
    pub(crate) fn settle(&mut self, through: u64) {
        self.settled = self.settled.max(through.min(self.total));
    }

    /// The lines to be sent again on a new connection, in order.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = u64> + '_ {
        self.unanswered.iter().copied()
    }

    /// Lines sent, those skipped included.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(window: &mut Window, elapsed: Duration, maximum: u16) -> Vec<u64> {
        std::iter::from_fn(|| window.next(elapsed, maximum)).collect()
    }

    #[test]
    fn at_most_500_lines_are_without_an_outcome() {
        let mut window = Window::new(Rate::Max, 2_000, 100);
        assert_eq!(drain(&mut window, Duration::ZERO, u16::MAX), (101..=600).collect::<Vec<_>>());
        window.settle(103);
        assert_eq!(drain(&mut window, Duration::ZERO, u16::MAX), [601, 602, 603]);
        window.settle(5_000);
        assert_eq!(drain(&mut window, Duration::ZERO, u16::MAX).len(), 2_000 - 603);
        assert_eq!(window.sent(), 2_000);
    }

    #[test]
    fn the_broker_gets_no_more_than_it_takes_and_what_it_did_not_answer_again() {
        let mut window = Window::new(Rate::Max, 10, 0);
        assert_eq!(drain(&mut window, Duration::ZERO, 3), [1, 2, 3]);
        window.answered(2);
        assert_eq!(drain(&mut window, Duration::ZERO, 3), [4]);
        assert_eq!(window.unanswered().collect::<Vec<_>>(), [1, 3, 4]);
    }

    #[test]
    fn a_rate_spreads_the_lines_evenly() {
        let mut window = Window::new(Rate::PerSecond(4), 10, 2);
        assert_eq!(drain(&mut window, Duration::ZERO, 100), [3]);
        assert_eq!(window.due(), Some(Duration::from_millis(250)));
        assert_eq!(drain(&mut window, Duration::from_millis(249), 100), [] as [u64; 0]);
        assert_eq!(drain(&mut window, Duration::from_secs(1), 100), [4, 5, 6, 7]);
        assert_eq!(drain(&mut window, Duration::from_mins(1), 100), [8, 9, 10]);
        assert_eq!(window.due(), None);
    }

    #[test]
    fn a_line_waits_for_the_time_alone_where_there_is_room_for_it() {
        let mut window = Window::new(Rate::PerSecond(4), 3, 0);
        assert_eq!(drain(&mut window, Duration::ZERO, 1), [1]);
        assert_eq!(window.waits_until(1), None);
        window.answered(1);
        assert_eq!(window.waits_until(1), Some(Duration::from_millis(250)));
        assert_eq!(drain(&mut window, Duration::from_secs(1), 100), [2, 3]);
        assert_eq!(window.waits_until(100), None);
        assert_eq!(Window::new(Rate::Max, 3, 0).waits_until(1), None);
    }

    #[test]
    fn a_rate_is_max_or_a_whole_number_from_1() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("20".parse(), Ok(Rate::PerSecond(20)));
        for text in ["0", "-1", "1.5", "fast", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
