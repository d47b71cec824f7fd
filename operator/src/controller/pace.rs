//! When to look again.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use intuition_common::backoff::Backoff;
use kube::runtime::controller::Action;
use rand::RngExt as _;

use crate::{guarded::Guarded, status::Progress};

/// Longest that one look at a resource may take: every call in it has a deadline of its own, and a look that is under way when
/// the process is told to end comes to its end within the time that Kubernetes gives it.
pub(super) const LONGEST_LOOK: Duration = Duration::from_secs(28);
/// While something is on its way. What happens in the cluster wakes the controller sooner, so that this is for what no watch
/// shows: a process that begins to answer.
const FIRST_MOVE: Duration = Duration::from_secs(1);
/// Looks at a stalled resource are this many times rarer than at a settled one.
const STALLED_FACTOR: u32 = 3;
const FIRST_FAILURE: Duration = Duration::from_secs(1);
const LONGEST_FAILURE: Duration = Duration::from_mins(5);

/// When to look again.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often a settled resource's account is read.
    pub resync: Duration,
}

/// When to look again at each resource: the pauses grow while it fails, or is on its way, and begin anew after that.
#[derive(Debug)]
pub(super) struct Pauses {
    pace: Pace,
    failing: Mutex<HashMap<String, Backoff>>,
    moving: Mutex<HashMap<String, Backoff>>,
}

impl Pauses {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, failing: Mutex::default(), moving: Mutex::default() }
    }

    /// After a look that came to an end. With jitter, so that many resources made at once do not come back at once.
    pub(super) fn after(&self, seen: &Guarded, progress: Progress) -> Action {
        lock(&self.failing).remove(&key(seen));
        if progress == Progress::Moving {
            let growing = || Backoff::new(FIRST_MOVE, self.pace.resync.max(FIRST_MOVE));
            return Action::requeue(lock(&self.moving).entry(key(seen)).or_insert_with(growing).pause());
        }
        lock(&self.moving).remove(&key(seen));
        let pause = match progress {
            Progress::Stalled => self.pace.resync * STALLED_FACTOR,
            // What ends this wakes the controller: the pod becomes ready.
            Progress::Settled | Progress::HeldUp | Progress::Moving => self.pace.resync,
        };
        Action::requeue(pause.mul_f64(rand::rng().random_range(0.8..1.2)))
    }

    /// After a look that failed.
    pub(super) fn after_failure(&self, seen: &Guarded) -> Action {
        let growing = || Backoff::new(FIRST_FAILURE, LONGEST_FAILURE);
        Action::requeue(lock(&self.failing).entry(key(seen)).or_insert_with(growing).pause())
    }

    /// The resource is gone.
    pub(super) fn forget(&self, seen: &Guarded) {
        lock(&self.failing).remove(&key(seen));
        lock(&self.moving).remove(&key(seen));
    }

    /// Forgets all but these.
    pub(super) fn retain(&self, uids: &HashSet<String>) {
        lock(&self.failing).retain(|uid, _| uids.contains(uid));
        lock(&self.moving).retain(|uid, _| uids.contains(uid));
    }
}

fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    // A map is whole at every step.
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(seen: &Guarded) -> String {
    seen.uid_or_empty().to_owned()
}
