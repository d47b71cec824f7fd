//! What a process still lacks, and since when. The operator turns it into conditions, a person reads it on `/readyz`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use crate::clock::{Clock, rfc3339_millis};

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Which part, for example `broker`.
    pub part: &'static str,
    /// CamelCase code.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
    /// Since when, RFC 3339. Stays while the reason does.
    pub since: String,
}

/// The parts that a process needs, shared by those who provide them and those who ask.
#[derive(Clone)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeMap<&'static str, Missing>>>,
    clock: Arc<dyn Clock>,
}

impl Readiness {
    /// Begins with all of `parts` missing, for the reason `Starting`.
    pub fn new(parts: &[&'static str], clock: Arc<dyn Clock>) -> Self {
        let readiness = Self { missing: Arc::default(), clock };
        for part in parts {
            readiness.lack(part, "Starting", "not there yet");
        }
        readiness
    }

    /// `part` is there.
    pub fn have(&self, part: &'static str) {
        self.lock().remove(part);
    }

    /// `part` is missing. The time is kept while the reason is the same.
    pub fn lack(&self, part: &'static str, reason: &str, message: &str) {
        let mut missing = self.lock();
        let since = match missing.get(part) {
            Some(known) if known.reason == reason => known.since.clone(),
            _ => rfc3339_millis(self.clock.now_micros()),
        };
        missing.insert(part, Missing { part, reason: reason.to_owned(), message: message.to_owned(), since });
    }

    /// Everything that is missing, by part; empty when ready.
    pub fn missing(&self) -> Vec<Missing> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Missing>> {
        // No code panics while it holds the lock, and the map is whole at every step.
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        readiness.have("runtime");
        readiness.lack("broker", "Unreachable", "refused");
        let since = readiness.missing()[0].since.clone();
        readiness.lack("broker", "Unreachable", "timed out");
        assert_eq!(readiness.missing()[0].since, since);
        assert_eq!(readiness.missing()[0].message, "timed out");
        readiness.lack("broker", "NotAuthorized", "wrong password");
        assert_ne!(readiness.missing()[0].since, since);
        readiness.have("broker");
        assert!(readiness.missing().is_empty());
    }
}
