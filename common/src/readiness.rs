//! The parts that a process lacks, and its warnings, each with its time. The operator turns them into conditions; a person
//! reads them on `/readyz`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use crate::clock::{Clock, rfc3339_millis};

/// A missing part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The part, for example `broker`.
    pub part: &'static str,
    /// CamelCase code.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
    /// The time since which it is missing for this reason, RFC 3339.
    pub since: String,
}

/// The parts that a process needs. Copies share them.
#[derive(Clone)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeMap<&'static str, Missing>>>,
    /// Warnings by part and reason.
    warnings: Arc<Mutex<BTreeMap<(&'static str, String), Missing>>>,
    clock: Arc<dyn Clock>,
}

impl Readiness {
    /// Begins with all of `parts` missing, for the reason `Starting`.
    pub fn new(parts: &[&'static str], clock: Arc<dyn Clock>) -> Self {
        let readiness = Self { missing: Arc::default(), warnings: Arc::default(), clock };
        for part in parts {
            readiness.set_missing(part, "Starting", "not ready yet");
        }
        readiness
    }

    /// `part` is ready.
    pub fn set_ready(&self, part: &'static str) {
        lock(&self.missing).remove(part);
    }

    /// `part` is missing. The time is kept while the reason is the same.
    pub fn set_missing(&self, part: &'static str, reason: &str, message: &str) {
        let mut missing = lock(&self.missing);
        let since = match missing.get(part) {
            Some(known) if known.reason == reason => known.since.clone(),
            _ => rfc3339_millis(self.clock.now_micros()),
        };
        missing.insert(part, Missing { part, reason: reason.to_owned(), message: message.to_owned(), since });
    }

    /// `part` is missing. Another reason for which it is missing stays, since it is more precise.
    pub fn set_missing_unless_other_reason(&self, part: &'static str, reason: &str, message: &str) {
        if lock(&self.missing).get(part).is_none_or(|known| known.reason == reason) {
            self.set_missing(part, reason, message);
        }
    }

    /// `part` is ready, if it was missing for `reason`.
    pub fn set_ready_if_missing_for(&self, part: &'static str, reason: &str) {
        let mut missing = lock(&self.missing);
        if missing.get(part).is_some_and(|known| known.reason == reason) {
            missing.remove(part);
        }
    }

    /// All missing parts, by name; empty when ready.
    pub fn missing(&self) -> Vec<Missing> {
        lock(&self.missing).values().cloned().collect()
    }

    /// `part` works with a restriction. The process stays ready. The time is kept until the warning is cleared.
    pub fn warn(&self, part: &'static str, reason: &str, message: &str) {
        let mut warnings = lock(&self.warnings);
        let known = warnings.entry((part, reason.to_owned())).or_insert_with(|| Missing {
            part,
            reason: reason.to_owned(),
            message: String::new(),
            since: rfc3339_millis(self.clock.now_micros()),
        });
        message.clone_into(&mut known.message);
    }

    /// Clears a warning.
    pub fn clear_warning(&self, part: &'static str, reason: &str) {
        lock(&self.warnings).remove(&(part, reason.to_owned()));
    }

    /// All warnings that were not cleared, by part and reason.
    pub fn warnings(&self) -> Vec<Missing> {
        lock(&self.warnings).values().cloned().collect()
    }
}

/// No code panics while it holds a lock, and the maps are whole at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Ticking(AtomicI64);

    impl Clock for Ticking {
        fn now_micros(&self) -> i64 {
            self.0.fetch_add(1_000_000, Ordering::Relaxed)
        }
    }

    #[test]
    fn the_time_stays_while_the_reason_does() {
        let readiness = Readiness::new(&["broker", "runtime"], Arc::new(Ticking::default()));
        readiness.set_ready("runtime");
        readiness.set_missing("broker", "Unreachable", "refused");
        let since = readiness.missing()[0].since.clone();
        readiness.set_missing("broker", "Unreachable", "timed out");
        assert_eq!(readiness.missing()[0].since, since);
        assert_eq!(readiness.missing()[0].message, "timed out");
        readiness.set_missing("broker", "NotAuthorized", "wrong password");
        assert_ne!(readiness.missing()[0].since, since);
        readiness.set_ready("broker");
        assert!(readiness.missing().is_empty());
    }

    #[test]
    fn a_reason_that_says_more_is_neither_replaced_nor_removed() {
        let readiness = Readiness::new(&[], Arc::new(Ticking::default()));
        readiness.set_missing_unless_other_reason("ledger", "LedgerNotAnswering", "31 seconds");
        readiness.set_missing_unless_other_reason("ledger", "LedgerNotAnswering", "32 seconds");
        assert_eq!(readiness.missing()[0].message, "32 seconds");
        readiness.set_missing("ledger", "LedgerUnwritable", "disk full");
        readiness.set_missing_unless_other_reason("ledger", "LedgerNotAnswering", "33 seconds");
        readiness.set_ready_if_missing_for("ledger", "LedgerNotAnswering");
        assert_eq!(readiness.missing()[0].reason, "LedgerUnwritable");
        readiness.set_ready_if_missing_for("ledger", "LedgerUnwritable");
        assert!(readiness.missing().is_empty());
    }

    #[test]
    fn warnings_stand_beside_what_is_missing() {
        let readiness = Readiness::new(&[], Arc::new(Ticking::default()));
        readiness.warn("publishing", "Undeliverable", "one topic");
        let since = readiness.warnings()[0].since.clone();
        readiness.warn("publishing", "Undeliverable", "two topics");
        readiness.warn("subscriptions", "QosTooLow", "quotes");
        let warnings = readiness.warnings();
        assert_eq!((warnings.len(), warnings[0].message.as_str(), &warnings[0].since), (2, "two topics", &since));
        assert!(readiness.missing().is_empty());
        readiness.clear_warning("publishing", "Undeliverable");
        assert_eq!(readiness.warnings().len(), 1);
    }
}
