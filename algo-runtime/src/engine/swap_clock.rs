//! Measures the time in which a swap leaves quotes without decisions.

use std::time::Duration;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SwapClock {
    /// Since when something waits and nothing was decided.
    waiting_since_micros: Option<i64>,
    /// Another algorithm is taking over, and has not decided yet.
    taking_over: bool,
    pauses: Vec<Duration>,
}

impl SwapClock {
    /// `has_work`: something waits for its outcome.
    pub(super) fn note_work(&mut self, has_work: bool, now_micros: i64) {
        if has_work {
            self.waiting_since_micros.get_or_insert(now_micros);
        }
    }

    /// Another algorithm takes over.
    pub(super) const fn begin(&mut self, has_work: bool) {
        self.taking_over = has_work;
    }

    /// The active algorithm decided. Returns the pause that ends, if the algorithm took over before this decision.
    pub(super) fn note_decision(&mut self, has_work: bool, now_micros: i64) -> Option<Duration> {
        let since = self.waiting_since_micros.take();
        self.note_work(has_work, now_micros);
        let (true, Some(since)) = (std::mem::take(&mut self.taking_over), since) else { return None };
        let micros = u64::try_from(now_micros.saturating_sub(since)).unwrap_or_default();
        let pause = Duration::from_micros(micros);
        self.pauses.push(pause);
        Some(pause)
    }

    /// The pauses since the last call.
    pub(super) fn take_pauses(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.pauses)
    }
}
