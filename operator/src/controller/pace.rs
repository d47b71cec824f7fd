//! When to look again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use intuition_common::backoff::Backoff;
use kube::{Resource as _, runtime::controller::Action};
use rand::RngExt as _;

use crate::{cluster::Guarded, status::Progress};

/// Longest that one look at a resource may take.
pub(super) const LONGEST_LOOK: Duration = Duration::from_mins(1);
/// While something is on its way; what happens in the cluster wakes the controller sooner.
const MOVING: Duration = Duration::from_secs(2);
/// Looks at a stalled resource are this many times rarer than at a settled one.
const STALLED_FACTOR: u32 = 3;
const FIRST_FAILURE: Duration = Duration::from_secs(1);
const LONGEST_FAILURE: Duration = Duration::from_mins(5);

/// When to look again at what went well.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often a settled resource's account is read.
    pub resync: Duration,
}

impl Pace {
    /// With jitter, so that many resources made at once do not come back at once.
    pub(super) fn next(self, progress: Progress) -> Action {
        let pause = match progress {
            // What ends this wakes the controller: the pod becomes ready.
            Progress::Settled | Progress::HeldUp => self.resync,
            Progress::Moving => MOVING.min(self.resync),
            Progress::Stalled => self.resync * STALLED_FACTOR,
        };
        Action::requeue(pause.mul_f64(rand::rng().random_range(0.8..1.2)))
    }
}

/// How often each resource failed in a row.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<String, Backoff>>);

impl Failures {
    /// When to try again.
    pub(super) fn failed(&self, seen: &Guarded) -> Action {
        let backoff = || Backoff::new(FIRST_FAILURE, LONGEST_FAILURE);
        Action::requeue(self.lock().entry(key(seen)).or_insert_with(backoff).pause())
    }

    pub(super) fn succeeded(&self, seen: &Guarded) {
        self.lock().remove(&key(seen));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Backoff>> {
        // The map is whole at every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(seen: &Guarded) -> String {
    seen.meta().uid.clone().unwrap_or_default()
}
