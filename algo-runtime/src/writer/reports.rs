//! When reports about the outbox are saved that no other commit takes along. Losing one repeats publications and nothing
//! else, so that each need not have a disk sync of its own. Pure.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    time::{error::Elapsed, timeout_at},
};

use super::{Command, Writer};

/// How long a report waits for another commit.
const PAUSE: Duration = Duration::from_millis(100);
/// Entries reported that wait, at most. A crash publishes them again.
const ENTRIES: u64 = 1_000;

/// See the module. Pure.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Since when a report waits.
    since: Option<Instant>,
}

impl Reports {
    /// Takes note of the entries reported that wait; `None`: no report.
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

impl Writer {
    /// Saves reports about the outbox that no commit has taken along.
    pub(super) fn save_reports(&mut self) {
        let Some(changes) = self.engine.take_all_changes() else { return };
        if let Err(error) = self.ledger.commit(&changes) {
            let error = &error as &dyn Error;
            tracing::warn!(error, "the last publications are not recorded: those entries are published again");
        }
    }

    /// Waits for a command, and no longer than reports may wait. `None`: no command can come any more.
    pub(super) fn next(&self, commands: &mut mpsc::Receiver<Command>) -> Result<Option<Command>, Elapsed> {
        let Some(deadline) = self.reports.deadline() else { return Ok(commands.blocking_recv()) };
        self.timer.block_on(async { timeout_at(deadline.into(), commands.recv()).await })
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
