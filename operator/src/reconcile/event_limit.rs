//! Limits Events that are derived in every pass to one an hour.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::reconcile::conditions::EventRecord;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Times of the last Events, by uid of the resource and key of the Event. Kept in memory: an operator that restarts
/// publishes each once more.
#[derive(Debug, Default)]
pub(crate) struct Hourly(Mutex<HashMap<String, HashMap<String, i64>>>);

impl Hourly {
    /// Whether to publish an Event now. An Event without a key is always published.
    pub(crate) fn admits(&self, uid: &str, notice: &EventRecord, now_micros: i64) -> bool {
        let Some(key) = &notice.hourly else { return true };
        let mut all = self.lock();
        let times = all.entry(uid.to_owned()).or_default();
        // A clock that goes back must not suppress Events for long.
        times.retain(|_, time| (0..HOUR_MICROS).contains(&now_micros.saturating_sub(*time)));
        let is_due = !times.contains_key(key);
        if is_due {
            times.insert(key.clone(), now_micros);
        }
        is_due
    }

    /// Forgets a deleted resource.
    pub(crate) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Forgets all resources but those with these uids.
    pub(crate) fn retain(&self, uids: &HashSet<String>) {
        self.lock().retain(|uid, _| uids.contains(uid));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, i64>>> {
        // A panic cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(hourly: Option<&str>) -> EventRecord {
        let (reason, note) = ("SourceConflict".to_owned(), "why".to_owned());
        EventRecord { is_warning: true, reason, note, hourly: hourly.map(str::to_owned) }
    }

    #[test]
    fn a_notice_that_holds_is_published_once_an_hour_for_each_resource() {
        let hourly = Hourly::default();
        let admits = |uid: &str, key, now| hourly.admits(uid, &notice(Some(key)), now);
        assert!(admits("u-1", "a", 0));
        assert!(!admits("u-1", "a", HOUR_MICROS - 1));
        assert!(admits("u-1", "b", 1) && admits("u-2", "a", 1));
        assert!(admits("u-1", "a", HOUR_MICROS) && !admits("u-1", "a", HOUR_MICROS + 1));
        assert!(admits("u-1", "a", 5), "the clock went back");
        hourly.forget("u-1");
        assert!(admits("u-1", "a", 6));
        assert!(hourly.admits("u-1", &notice(None), 6) && hourly.admits("u-1", &notice(None), 6));
    }
}
