//! A heartbeat: shows that a loop of the process still turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The time of the last turn of a loop. Copies share it.
#[derive(Debug, Clone)]
pub struct Heartbeat(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    /// Milliseconds from `start` to the last beat.
    beat: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::new()
    }
}

impl Heartbeat {
    /// A heartbeat whose first beat is now.
    #[expect(clippy::disallowed_methods, reason = "an edge: the loops that beat are edges")]
    pub fn new() -> Self {
        Self(Arc::new(Inner { start: Instant::now(), beat: AtomicU64::new(0) }))
    }

    /// The loop has made a turn.
    pub fn beat(&self) {
        self.0.beat.store(self.now(), Ordering::Relaxed);
    }

    /// Time since the last beat, to the millisecond.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.0.beat.load(Ordering::Relaxed)))
    }

    /// A heartbeat with its last beat this long ago.
    #[cfg(test)]
    pub(crate) fn of_age(age: Duration) -> Self {
        let start = Instant::now().checked_sub(age).unwrap();
        Self(Arc::new(Inner { start, beat: AtomicU64::new(0) }))
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: the loops that beat are edges")]
    fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
