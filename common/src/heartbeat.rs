//! A sign of life of a loop, for `/healthz`. Reading and writing it cost one atomic operation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// When a loop last did a turn. Clones share it. It goes by the monotonic clock, so that a change of the wall clock is no
/// missed beat.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    began: Instant,
    /// Milliseconds from `began` to the last beat.
    last: Arc<AtomicU64>,
}

impl Heartbeat {
    /// A heartbeat whose first beat is `now`.
    pub fn new(now: Instant) -> Self {
        Self { began: now, last: Arc::default() }
    }

    /// The loop did a turn at `now`. A time before the last beat changes nothing.
    pub fn beat(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began).as_millis();
        self.last.fetch_max(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The time from the last beat to `now`, to the millisecond.
    pub fn age(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        now.saturating_duration_since(self.began).saturating_sub(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_counted_from_the_latest_beat_of_any_clone() {
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        let heartbeat = Heartbeat::new(began);
        assert_eq!(heartbeat.age(at(7)), Duration::from_secs(7));
        heartbeat.clone().beat(at(30));
        heartbeat.beat(at(20));
        assert_eq!(heartbeat.age(at(31)), Duration::from_secs(1));
        assert_eq!(heartbeat.age(at(29)), Duration::ZERO);
    }
}
