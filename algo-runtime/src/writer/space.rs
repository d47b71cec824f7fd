//! Space of the ledger's volume: its metrics, and a warning before the disk is full.

use std::time::Duration;

use intuition_api::{part, reason::NEARLY_FULL};
use intuition_common::readiness::Readiness;
use tokio::time::Instant;

use super::Writer;
use crate::ledger::Space;

/// Used part of the volume in percent from which on it is nearly full.
const NEARLY_FULL_PERCENT: u64 = 80;
/// Used part below which it is not nearly full any more.
const ROOMY_PERCENT: u64 = 78;
/// Free space from which on a volume has room, however full it is: a laptop's disk is 80 % full as a rule.
const ROOM_BYTES: u64 = 1 << 30;
/// The ledger's share of its size that is to be free as well, so that a volume of its own warns at 80 %.
const LEDGER_SHARE: u64 = 4;
/// Shortest time between two log lines.
const LOG_INTERVAL: Duration = Duration::from_hours(1);

/// The warning.
#[derive(Debug, Default)]
pub(super) struct SpaceWatch {
    /// The percentage in the warning; `None`: there is no warning.
    shown: Option<u64>,
    logged: Option<Instant>,
}

impl SpaceWatch {
    fn look(&mut self, account: &str, space: &Space, readiness: &Readiness, now: Instant) {
        let percent = space.used_percent();
        // Less to end it than to begin it, so that it does not come and go.
        let (threshold, slack_percent) =
            if self.shown.is_some() { (ROOMY_PERCENT, 10) } else { (NEARLY_FULL_PERCENT, 0) };
        let room = ROOM_BYTES.max(space.ledger_bytes / LEDGER_SHARE);
        if percent < threshold || space.free_bytes > room + room / 100 * slack_percent {
            if self.shown.take().is_some() {
                readiness.clear_warning(part::runtime::LEDGER, NEARLY_FULL);
                tracing::info!(account, percent, "the volume of the ledger has room again");
            }
            return;
        }
        // With the percentage, so that the operator does not write a status at each look.
        if self.shown.replace(percent) == Some(percent) {
            return;
        }
        let Space { ledger_bytes, free_bytes, volume_bytes } = *space;
        let used_bytes = space.used_bytes();
        let message = format!(
            "the volume of the ledger is {percent} % full: {used_bytes} of {volume_bytes} bytes are used, and the ledger has {ledger_bytes}; \
             raise `storage.size`, or free space on the disk, before no quote can be committed"
        );
        readiness.warn(part::runtime::LEDGER, NEARLY_FULL, &message);
        if self.logged.is_none_or(|logged| now.duration_since(logged) >= LOG_INTERVAL) {
            self.logged = Some(now);
            tracing::warn!(account, reason = NEARLY_FULL, ledger_bytes, free_bytes, volume_bytes, "{message}");
        }
    }
}

impl Writer {
    /// Measures the ledger and its volume for the metrics, shows where the journal begins, and warns of a volume that is nearly full.
    pub fn look_at_space(&mut self, now: Instant) {
        self.metrics.dropped(0, self.ledger.first_entry());
        let Some(space) = self.ledger.look_at_space() else { return };
        self.metrics.measured(&space);
        self.space_watch.look(self.engine.names().0, &space, &self.readiness, now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use intuition_common::clock::SystemClock;

    use super::*;

    #[test]
    fn warning_begins_at_80_percent_and_ends_below_78() {
        let (readiness, start) = (Readiness::new(&[], Arc::new(SystemClock)), Instant::now());
        let mut watch = SpaceWatch::default();
        let mut look = |free_bytes| {
            watch.look("default/test", &Space { ledger_bytes: 7, free_bytes, volume_bytes: 1_000 }, &readiness, start);
            readiness.warnings().pop().map(|warning| (warning.part, warning.reason, warning.message))
        };
        assert_eq!(look(201), None);
        let (part, reason, message) = look(200).unwrap();
        assert_eq!((part, reason.as_str()), ("ledger", "NearlyFull"));
        assert!(message.starts_with("the volume of the ledger is 80 % full: 800 of 1000 bytes are used"), "{message}");
        assert!(message.contains("the ledger has 7") && message.contains("`storage.size`"), "{message}");
        assert_eq!(look(195).unwrap().2, message, "the same percentage");
        assert!(look(220).unwrap().2.contains("78 % full: 780 of"));
        assert!(look(0).unwrap().2.contains("100 % full"));
        assert_eq!(look(221), None);
        assert_eq!(look(201), None);
        assert!(look(200).is_some());
        watch.look("", &Space { ledger_bytes: 1, free_bytes: 0, volume_bytes: 0 }, &readiness, start);
        assert!(readiness.warnings().is_empty(), "a file system that reports no size");
    }

    #[test]
    fn large_disk_with_room_is_not_nearly_full_and_a_volume_of_its_own_is() {
        const GIB: u64 = 1 << 30;
        let (readiness, start) = (Readiness::new(&[], Arc::new(SystemClock)), Instant::now());
        let mut watch = SpaceWatch::default();
        let mut look = |ledger_bytes, free_bytes, volume_bytes| {
            watch.look("", &Space { ledger_bytes, free_bytes, volume_bytes }, &readiness, start);
            !readiness.warnings().is_empty()
        };
        assert!(!look(GIB, 11 * GIB, 100 * GIB), "a laptop's disk, 89 % full");
        assert!(look(GIB, GIB, 100 * GIB));
        assert!(look(GIB, GIB + GIB / 20, 100 * GIB), "a little more does not end it");
        assert!(!look(GIB, GIB + GIB / 5, 100 * GIB));
        assert!(look(80 * GIB, 20 * GIB, 100 * GIB), "a volume of its own");
    }

    #[test]
    fn a_log_line_comes_once_an_hour_at_most() {
        let (readiness, start) = (Readiness::new(&[], Arc::new(SystemClock)), Instant::now());
        let mut watch = SpaceWatch::default();
        let mut logged = |minutes, free_bytes| {
            let now = start + Duration::from_mins(minutes);
            watch.look("", &Space { ledger_bytes: 0, free_bytes, volume_bytes: 100 }, &readiness, now);
            watch.logged.unwrap() == now
        };
        assert!(logged(0, 20));
        assert!(!logged(1, 19));
        assert!(!logged(2, 50));
        assert!(!logged(59, 10), "flapping is no news");
        assert!(!logged(61, 10), "the same percentage");
        assert!(logged(62, 9));
    }
}
