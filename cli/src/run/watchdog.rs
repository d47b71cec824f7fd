//! Detects a run without progress. Pure: times and observations are arguments.

use std::{collections::BTreeMap, time::Duration};

/// A run ends after this time without progress, if every part is connected and a quote is on its way.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A part that is missing for this time ends the run.
pub(super) const MISSING_TIMEOUT: Duration = Duration::from_mins(1);
/// Permanent refusals: the broker does not know the name or the password.
const PERMANENT: [&str; 2] = ["BadUserNameOrPassword", "NotAuthorized"];

/// A part that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingPart {
    /// Owner and part, for example `default/goog-random: broker`.
    pub(crate) part: String,
    /// CamelCase code.
    pub(crate) reason: String,
    /// A sentence for a person.
    pub(crate) message: String,
    /// Whether it is a connection to the broker, for which a wrong password is permanent.
    pub(crate) is_connection: bool,
}

/// The reason to end a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The broker refuses this part for good.
    Refused(MissingPart),
    /// The part was missing for too long.
    Gone(MissingPart),
    /// No progress for too long although every part is connected.
    Stalled,
}

/// The observations so far.
#[derive(Debug)]
pub(crate) struct Watchdog {
    missing_since: BTreeMap<String, Duration>,
    progress: u64,
    moved: Duration,
}

impl Watchdog {
    /// Begins to watch at `now`.
    pub(crate) const fn new(now: Duration) -> Self {
        Self { missing_since: BTreeMap::new(), progress: 0, moved: now }
    }

    /// Takes an observation: missing parts, a number that changes with every progress, and whether a quote is on its way.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        missing: &[MissingPart],
        progress: u64,
        is_waiting: bool,
    ) -> Option<Verdict> {
        self.missing_since.retain(|part, _| missing.iter().any(|missing| missing.part == *part));
        for part in missing {
            let since = *self.missing_since.entry(part.part.clone()).or_insert(now);
            if part.is_connection && PERMANENT.contains(&part.reason.as_str()) {
                return Some(Verdict::Refused(part.clone()));
            }
            if now.saturating_sub(since) >= MISSING_TIMEOUT {
                return Some(Verdict::Gone(part.clone()));
            }
        }
        if progress != self.progress || !missing.is_empty() || !is_waiting {
            self.progress = progress;
            self.moved = now;
        }
        (now.saturating_sub(self.moved) >= STALL_TIMEOUT).then_some(Verdict::Stalled)
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn missing(part: &str, reason: &str) -> MissingPart {
        MissingPart { part: part.to_owned(), reason: reason.to_owned(), message: String::new(), is_connection: true }
    }

    #[test]
    fn a_run_that_waits_without_progress_stalls_after_30_seconds() {
        let mut watchdog = Watchdog::new(at(0));
        assert_eq!(watchdog.look(at(1), &[], 1, true), None);
        assert_eq!(watchdog.look(at(30), &[], 1, true), None);
        assert_eq!(watchdog.look(at(31), &[], 1, true), Some(Verdict::Stalled));
    }

    #[test]
    fn progress_nothing_to_wait_for_and_a_missing_part_start_the_time_again() {
        let mut watchdog = Watchdog::new(at(0));
        assert_eq!(watchdog.look(at(29), &[], 1, true), None);
        assert_eq!(watchdog.look(at(50), &[], 1, false), None);
        assert_eq!(watchdog.look(at(75), &[missing("broker", "Unreachable")], 1, true), None);
        assert_eq!(watchdog.look(at(104), &[], 1, true), None);
        assert_eq!(watchdog.look(at(105), &[], 1, true), Some(Verdict::Stalled));
    }

    #[test]
    fn part_missing_for_60_seconds_ends_the_run_unless_it_returns() {
        let mut watchdog = Watchdog::new(at(0));
        let (broker, feed) = (missing("broker", "Unreachable"), missing("feed", "Unreachable"));
        assert_eq!(watchdog.look(at(0), from_ref(&broker), 0, true), None);
        assert_eq!(watchdog.look(at(40), from_ref(&feed), 0, true), None);
        assert_eq!(watchdog.look(at(61), &[broker, feed.clone()], 0, true), None);
        assert_eq!(watchdog.look(at(100), from_ref(&feed), 0, true), Some(Verdict::Gone(feed)));
    }

    #[test]
    fn a_wrong_password_ends_the_run_at_once_and_a_denied_publish_does_not() {
        let mut watchdog = Watchdog::new(at(0));
        let refused = missing("broker", "BadUserNameOrPassword");
        assert_eq!(watchdog.look(at(0), from_ref(&refused), 0, true), Some(Verdict::Refused(refused)));
        let denied = MissingPart { is_connection: false, ..missing("decisions", "NotAuthorized") };
        assert_eq!(watchdog.look(at(0), &[denied], 0, true), None);
    }
}
