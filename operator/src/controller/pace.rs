//! When to look again.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use intuition_common::backoff::Backoff;
use kube::runtime::controller::Action;
use rand::RngExt as _;

use crate::status::Progress;

/// Longest that one look at a resource may take: every call in it has a deadline of its own, and a look that is under way when
/// the process is told to end comes to its end within the time that Kubernetes gives it.
pub(crate) const LONGEST_LOOK: Duration = Duration::from_secs(28);
/// While something is on its way. What happens in the cluster wakes the controller sooner, so that this is for what no watch
/// shows: a process that begins to answer.
const FIRST_MOVE: Duration = Duration::from_secs(1);
/// Looks at a stalled resource are this many times rarer than at a settled one.
const STALLED_FACTOR: u32 = 3;
/// While another algorithm takes over.
const SWAP: Duration = Duration::from_secs(1);
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
pub(crate) struct Pauses {
    settled: Duration,
    held_up: Duration,
    /// No watch shows that it has ended: it is looked for as for what is on its way.
    held_up_unseen: bool,
    stalled: Duration,
    failing: Mutex<HashMap<String, Backoff>>,
    moving: Mutex<HashMap<String, Backoff>>,
}

impl Pauses {
    /// For resources `TradingAlgo`.
    pub(crate) fn of_algos(Pace { resync }: Pace) -> Self {
        Self::new(resync, resync, resync * STALLED_FACTOR, false)
    }

    /// For resources `Algorithm`: of one that is well nothing is read but that it is. With the usual pace about a minute, a
    /// quarter of that where it does not answer, and at first more often: its pod is ready a moment before its Service leads
    /// there.
    pub(crate) fn of_algorithms(Pace { resync }: Pace) -> Self {
        Self::new(resync * 6, resync * 3 / 2, resync * 3, true)
    }

    fn new(settled: Duration, held_up: Duration, stalled: Duration, held_up_unseen: bool) -> Self {
        Self { settled, held_up, held_up_unseen, stalled, failing: Mutex::default(), moving: Mutex::default() }
    }

    /// After a look that came to an end. With jitter, so that many resources made at once do not come back at once.
    pub(crate) fn after(&self, uid: &str, progress: Progress) -> Action {
        lock(&self.failing).remove(uid);
        if progress == Progress::Moving || progress == Progress::HeldUp && self.held_up_unseen {
            let growing = || Backoff::new(FIRST_MOVE, self.held_up.max(FIRST_MOVE));
            return Action::requeue(lock(&self.moving).entry(uid.to_owned()).or_insert_with(growing).pause());
        }
        lock(&self.moving).remove(uid);
        let pause = match progress {
            Progress::Stalled => self.stalled,
            Progress::Swapping => SWAP.min(self.held_up),
            // What ends this wakes the controller: the pod becomes ready.
            Progress::HeldUp | Progress::Moving => self.held_up,
            Progress::Settled => self.settled,
        };
        Action::requeue(pause.mul_f64(rand::rng().random_range(0.8..1.2)))
    }

    /// After a look that failed.
    pub(crate) fn after_failure(&self, uid: &str) -> Action {
        let growing = || Backoff::new(FIRST_FAILURE, LONGEST_FAILURE);
        Action::requeue(lock(&self.failing).entry(uid.to_owned()).or_insert_with(growing).pause())
    }

    /// The resource is gone.
    pub(crate) fn forget(&self, uid: &str) {
        lock(&self.failing).remove(uid);
        lock(&self.moving).remove(uid);
    }

    /// Forgets all but these.
    pub(crate) fn retain(&self, uids: &HashSet<String>) {
        lock(&self.failing).retain(|uid, _| uids.contains(uid));
        lock(&self.moving).retain(|uid, _| uids.contains(uid));
    }
}

fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    // A map is whole at every step.
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
