//! When reports about the outbox are saved that no other commit takes along. Losing one repeats publications and nothing
//! else, so that each need not have a disk sync of its own. An `Opened` names the positions that are done, and another bridge
//! holds on to them: all reports are saved before it is sent. Pure.

use std::{error::Error, time::Duration};

use tokio::time::Instant;

use super::{Sizes, Writer};

/// See the module. Pure.
#[derive(Debug)]
pub(super) struct Reports {
    /// See [`Sizes::report_pause`].
    pause: Duration,
    /// See [`Sizes::report_entries`].
    entries: u64,
    /// Since when a report waits.
    since: Option<Instant>,
    /// An `Opened` of the group names their positions.
    is_named: bool,
}

impl Reports {
    pub(super) const fn new(sizes: &Sizes) -> Self {
        Self { pause: sizes.report_pause, entries: sizes.report_entries, since: None, is_named: false }
    }

    /// Takes note of the entries reported that wait; `None`: no report.
    pub(super) fn note(&mut self, unsaved: Option<u64>, now: Instant) {
        self.since = unsaved.and(self.since.or(Some(now)));
        self.is_named = false;
    }

    /// Takes note of an `Opened` in the group.
    pub(super) const fn name(&mut self) {
        self.is_named = true;
    }

    /// Whether they are to be saved alone.
    pub(super) fn is_due(&self, unsaved: Option<u64>, now: Instant) -> bool {
        let is_late = self.deadline().is_some_and(|deadline| deadline <= now);
        unsaved.is_some_and(|entries| entries > self.entries || is_late || self.is_named)
    }

    /// When they are to be saved alone; `None`: nothing waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + self.pause)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_saved_alone_after_a_pause_or_when_they_are_many() {
        let (mut reports, start) = (Reports::new(&Sizes::default()), Instant::now());
        let Reports { pause, entries, .. } = reports;
        assert!(!reports.is_due(Some(entries), start));
        reports.note(Some(1), start);
        reports.note(Some(2), start + pause / 2);
        assert_eq!(reports.deadline(), Some(start + pause), "since the first of them");
        assert!(!reports.is_due(Some(2), start + pause / 2));
        assert!(reports.is_due(Some(2), start + pause));
        assert!(reports.is_due(Some(entries + 1), start));
        reports.note(None, start + pause);
        assert_eq!((reports.deadline(), reports.is_due(None, start + pause * 2)), (None, false));
        reports.name();
        assert_eq!((reports.is_due(None, start), reports.is_due(Some(1), start)), (false, true));
        reports.note(None, start);
        assert!(!reports.is_due(Some(1), start));
    }
}
