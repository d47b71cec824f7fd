//! The delay until the next pass over a resource.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use intuition_common::backoff::Backoff;
use kube::runtime::controller::Action;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

use crate::reconcile::rollout::Rollout;

/// Longest time of one pass. Every call in it has a deadline of its own, and a pass that is under way at a shutdown ends
/// within the grace period of the pod.
pub(crate) const MAX_PASS: Duration = Duration::from_secs(28);
/// First delay while a change is on its way. Changes in the cluster wake the controller sooner, so that this delay is for
/// changes that no watch shows, such as a process that begins to answer.
const MIN_PROGRESS_DELAY: Duration = Duration::from_secs(1);
/// Delay during a swap.
const SWAP_DELAY: Duration = Duration::from_secs(1);
const MIN_FAILURE_DELAY: Duration = Duration::from_secs(1);
const MAX_FAILURE_DELAY: Duration = Duration::from_mins(5);

/// The delays of one kind.
#[derive(Debug, Clone, Copy)]
pub struct RequeuePolicy {
    /// Between two passes over a settled resource.
    pub settled: Duration,
    /// Between two passes over a degraded resource.
    pub degraded: Duration,
    /// Between two passes over a stalled resource.
    pub stalled: Duration,
    /// Whether no watch shows the end of a degradation. The delay grows then as while a change is on its way.
    pub polls_degraded: bool,
}

/// Growing delays, by uid: they start anew once a pass does not fail, or a change is not on its way any more.
#[derive(Debug)]
pub(crate) struct RequeueState {
    policy: RequeuePolicy,
    failing: Mutex<HashMap<String, Backoff>>,
    progressing: Mutex<HashMap<String, Backoff>>,
    jitter: Mutex<ChaCha8Rng>,
}

impl RequeueState {
    /// Two with one seed draw the same delays.
    pub(crate) fn new(policy: RequeuePolicy, seed: u64) -> Self {
        let jitter = Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        Self { policy, failing: Mutex::default(), progressing: Mutex::default(), jitter }
    }

    /// The delay after a pass without an error. It has jitter, so that resources that were created together are not
    /// reconciled together.
    pub(crate) fn after(&self, uid: &str, rollout: Rollout) -> Action {
        let RequeuePolicy { settled, degraded, stalled, polls_degraded } = self.policy;
        lock(&self.failing).remove(uid);
        if rollout == Rollout::Progressing || rollout == Rollout::Degraded && polls_degraded {
            let growing = || self.growing(MIN_PROGRESS_DELAY, degraded.max(MIN_PROGRESS_DELAY));
            return Action::requeue(lock(&self.progressing).entry(uid.to_owned()).or_insert_with(growing).pause());
        }
        lock(&self.progressing).remove(uid);
        let delay = match rollout {
            Rollout::Stalled => stalled,
            Rollout::Swapping => SWAP_DELAY.min(degraded),
            Rollout::Degraded | Rollout::Progressing => degraded,
            Rollout::Settled => settled,
        };
        Action::requeue(delay.mul_f64(lock(&self.jitter).random_range(0.8..1.2)))
    }

    /// The delay after a pass that failed.
    pub(crate) fn after_failure(&self, uid: &str) -> Action {
        let growing = || self.growing(MIN_FAILURE_DELAY, MAX_FAILURE_DELAY);
        Action::requeue(lock(&self.failing).entry(uid.to_owned()).or_insert_with(growing).pause())
    }

    fn growing(&self, first: Duration, longest: Duration) -> Backoff {
        Backoff::new(first, longest, lock(&self.jitter).random())
    }

    /// Forgets a deleted resource.
    pub(crate) fn forget(&self, uid: &str) {
        lock(&self.failing).remove(uid);
        lock(&self.progressing).remove(uid);
    }

    /// Forgets all resources but those with these uids.
    pub(crate) fn retain(&self, uids: &HashSet<String>) {
        lock(&self.failing).retain(|uid, _| uids.contains(uid));
        lock(&self.progressing).retain(|uid, _| uids.contains(uid));
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic cannot leave a map or a generator half changed.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
