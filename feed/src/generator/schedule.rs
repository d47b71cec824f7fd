//! The times of a generator's steps. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// A feed does not catch up steps that are late by more than this: the steps behind them are as much later.
const MOST_LATE: Duration = Duration::from_secs(10);

/// The times of steps at equal distances.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    next: Instant,
}

impl Schedule {
    /// The first step is due at `start`.
    pub(super) const fn new(interval: Duration, start: Instant) -> Self {
        Self { interval, next: start }
    }

    /// When the next step is due.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Goes on to the step behind the next one, if that is due.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.next > now {
            return false;
        }
        if now.duration_since(self.next) > MOST_LATE {
            self.next = now;
        }
        self.next += self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(schedule: &mut Schedule, now: Instant) -> u64 {
        std::iter::from_fn(|| schedule.take(now).then_some(1)).sum()
    }

    #[test]
    fn late_steps_are_caught_up_but_for_long_pauses() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_millis(100), start);
        assert_eq!(due(&mut schedule, start), 1);
        assert_eq!(due(&mut schedule, start + Duration::from_millis(99)), 0);
        assert_eq!(due(&mut schedule, start + Duration::from_secs(1)), 10);
        assert_eq!(due(&mut schedule, start + Duration::from_secs(10)), 90, "nine seconds are caught up");
        let later = start + Duration::from_secs(100);
        assert_eq!(due(&mut schedule, later), 1, "ninety are not");
        assert_eq!(schedule.next(), later + Duration::from_millis(100));
    }
}
