//! Reconciling one `Algorithm`: the steps of a pass, in order.
//!
//! - `plan`: from the spec to a plan, or all its violations; pure.
//! - `build`: from the plan to the children; pure.
//! - `apply`: the caches of the children, the writes, and the removal of old images.
//! - `describe`: calls the algorithm's server.
//! - `users`: the `TradingAlgo`s that refer to it or have it as their active algorithm; pure.
//! - `status`: from the observation to conditions and Events; pure.
//! - `controller`: the watches that trigger a pass.

pub(crate) mod apply;
pub mod build;
pub(crate) mod controller;
pub(crate) mod describe;
pub mod plan;
pub(crate) mod status;
pub(crate) mod users;

use intuition_resources::{
    ALGORITHM_KIND, Algorithm, AlgorithmStatus, RunningImage, TradingAlgo, validate::FieldError,
};
use kube::{Resource as _, ResourceExt as _, runtime::reflector::Store};

use self::{
    apply::{Applied, Cluster, OldImage, ports},
    build::desired,
    describe::describe,
    plan::{Plan, plan},
    status::{Observation, Outcome},
    users::Users,
};
use crate::{
    kubernetes::{
        apply_error::{ApplyError, ApplyFailure},
        object::{PartialObject, WatchedKind},
        writer::Writer,
    },
    reconcile::{ReconcileOutcome, Reconciler, context::Context, derived::Derived, error::ReconcileError},
};

impl WatchedKind for Algorithm {
    const KIND: &'static str = ALGORITHM_KIND;
    const RAW_FIELDS: &'static [&'static str] = &[];
    type Status = AlgorithmStatus;
}

/// Reconciles the `Algorithm`s of one namespace, or of all.
pub(crate) struct AlgorithmReconciler {
    cluster: Cluster,
    /// The `TradingAlgo`s, which may refer to it.
    algos: Store<PartialObject<TradingAlgo>>,
    context: Context<Algorithm>,
}

impl Reconciler for AlgorithmReconciler {
    type Kind = Algorithm;

    fn context(&self) -> &Context<Algorithm> {
        &self.context
    }

    fn writer(&self) -> &Writer {
        self.cluster.writer()
    }

    async fn caches_filled(&self) {
        // An error means that a watch has ended, and with it the controller.
        drop(tokio::join!(self.cluster.caches_filled(), self.algos.wait_until_ready()));
    }

    /// Plan, build, apply, describe, remove old images, derive.
    async fn reconcile_object(
        &self,
        object: &PartialObject<Algorithm>,
        previous: Option<&AlgorithmStatus>,
    ) -> Result<ReconcileOutcome<AlgorithmStatus>, ReconcileError> {
        let settings = &self.context.settings;
        let plan = match object.parsed.as_ref().map(|algorithm| plan(algorithm, settings)) {
            Ok(Ok(plan)) => plan,
            Ok(Err(problems)) => {
                return Ok(ReconcileOutcome::done(self.derive_refused(object, previous, &problems)));
            }
            Err(error) => {
                let outcome = Outcome::Unreadable(error);
                return Ok(ReconcileOutcome::done(self.derive(object, previous, &self.users(object), &outcome)));
            }
        };
        let desired = desired(&plan, settings, &ports(&self.cluster.old_images(&plan)));
        let mut applied = self.cluster.apply(&plan, desired.as_ref()).await;
        let fleet = self.cluster.fleet(&plan, applied.generation);
        let is_servable = fleet.as_ref().is_none_or(|fleet| fleet.ready > 0);
        let answer = if is_servable { Some(describe(&plan.url, &plan.owner.full_name()).await) } else { None };
        // Read now and not before the calls, which take their time: a user may have moved meanwhile.
        let users = self.users(object);
        let kept = self.remove_old_images(&plan, &users, matches!(answer, Some(Ok(_))), &mut applied).await;
        let failure = applied.error.as_ref().map(ApplyFailure::from);
        let ready = fleet.as_ref().map(|fleet| fleet.ready).unwrap_or_default();
        let images = images(&plan, ready, &kept, &users);
        let observation = Observation { plan: &plan, failure, fleet, answer, images };
        let derived = self.derive(object, previous, &users, &Outcome::Observed(&observation));
        Ok(ReconcileOutcome::applied(derived, applied.error))
    }

    fn derive_refused(
        &self,
        object: &PartialObject<Algorithm>,
        previous: Option<&AlgorithmStatus>,
        problems: &[FieldError],
    ) -> Derived<AlgorithmStatus> {
        self.derive(object, previous, &self.users(object), &Outcome::Refused(problems))
    }

    fn forget_children(&self, namespace: &str, name: &str) {
        self.cluster.forget(namespace, name);
    }
}

impl AlgorithmReconciler {
    /// Deletes the old images that are no account's active algorithm, and returns the others. While an account refers
    /// to the algorithm, old images stay until the new one answers, because their pods still decide.
    async fn remove_old_images(
        &self,
        plan: &Plan,
        users: &Users,
        is_healthy: bool,
        applied: &mut Applied,
    ) -> Vec<OldImage> {
        let mut kept = Vec::new();
        for old in self.cluster.old_images(plan) {
            if !is_removable(&old, users, is_healthy) || !self.context.leads() {
                kept.push(old);
                continue;
            }
            if let Err(error) = self.cluster.remove(plan, &old).await {
                kept.push(old);
                if applied.error.as_ref().is_none_or(|worst: &ApplyError| worst.outlook() < error.outlook()) {
                    applied.error = Some(error);
                }
            }
        }
        kept
    }

    fn users(&self, object: &PartialObject<Algorithm>) -> Users {
        let algos = self.algos.state_filter(|algo| algo.namespace() == object.namespace());
        Users::of(&object.namespace().unwrap_or_default(), &object.name_any(), algos.iter().map(AsRef::as_ref))
    }

    fn derive(
        &self,
        object: &PartialObject<Algorithm>,
        previous: Option<&AlgorithmStatus>,
        users: &Users,
        outcome: &Outcome<'_>,
    ) -> Derived<AlgorithmStatus> {
        let generation = object.meta().generation.unwrap_or_default();
        status::derive(previous, generation, users, outcome, self.context.now())
    }
}

fn is_removable(old: &OldImage, users: &Users, is_healthy: bool) -> bool {
    users.active_at(&old.name) == 0 && (is_healthy || users.referring.is_empty())
}

fn images(plan: &Plan, ready: i32, kept: &[OldImage], users: &Users) -> Vec<RunningImage> {
    let current = plan.image.as_ref().map(|image| RunningImage {
        image: image.image.clone(),
        name: image.name.clone(),
        ready,
        deciding: users.active_at(&image.name),
    });
    let old = kept.iter().map(|old| RunningImage {
        image: old.image.clone(),
        name: old.name.clone(),
        ready: old.ready,
        deciding: users.active_at(&old.name),
    });
    current.into_iter().chain(old).collect()
}

#[cfg(test)]
mod tests;
