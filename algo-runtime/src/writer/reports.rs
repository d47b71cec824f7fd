//! When reports about the outbox are saved that no other commit takes along. Losing one repeats publications and nothing
//! else, so that each need not have a disk sync of its own. Pure.

use std::time::{Duration, Instant};

/// How long a report waits for another commit.
const PAUSE: Duration = Duration::from_millis(100);
/// Entries reported that wait, at most: what a crash publishes again.
const ENTRIES: u64 = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Since when a report waits.
    since: Option<Instant>,
}

impl Reports {
    /// Takes note of what waits, as the engine has it: the entries reported; `None`: no report.
    pub(super) fn note(&mut self, unsaved: Option<u64>, now: Instant) {
        self.since = unsaved.and(self.since.or(Some(now)));
    }

    /// Whether they are to be saved alone.
    pub(super) fn is_due(&self, unsaved: Option<u64>, now: Instant) -> bool {
        let is_late = self.deadline().is_some_and(|deadline| deadline <= now);
        unsaved.is_some_and(|entries| entries > ENTRIES || is_late)
    }

    /// When they are to be saved alone; `None`: nothing waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_saved_alone_after_a_pause_or_when_they_are_many() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        assert!(!reports.is_due(Some(ENTRIES), start));
        reports.note(Some(1), start);
        reports.note(Some(2), start + PAUSE / 2);
        assert_eq!(reports.deadline(), Some(start + PAUSE), "since the first of them");
        assert!(!reports.is_due(Some(2), start + PAUSE / 2));
        assert!(reports.is_due(Some(2), start + PAUSE));
        assert!(reports.is_due(Some(ENTRIES + 1), start));
        reports.note(None, start + PAUSE);
        assert_eq!((reports.deadline(), reports.is_due(None, start + PAUSE * 2)), (None, false));
    }
}
