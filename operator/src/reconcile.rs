//! Reconciling, for every kind.
//!
//! A kind implements `Reconciler`: its plan, build, apply and status steps are in `Reconciler::reconcile_object`.
//! Everything around the steps is here, once:
//! - `reconcile`: one pass over an object, with its deadline, leadership, status, metrics and next requeue.
//! - `watch`: the controller with its watches; `change_filter` keeps irrelevant events from waking it.
//! - `context`: settings, clock, Events and memory that every pass needs.
//! - `finding`, `reason`, `conditions`: from findings to conditions and Events; pure.
//! - `topics`: topics that a namespace may not use, in the status; pure.
//! - `requeue`: the delay until the next pass.

pub(crate) mod change_filter;
pub(crate) mod condition_type;
pub(crate) mod conditions;
pub mod context;
pub(crate) mod derived;
pub mod error;
pub(crate) mod event_limit;
pub(crate) mod finding;
pub(crate) mod reason;
pub mod requeue;
pub(crate) mod rights;
pub(crate) mod rollout;
pub(crate) mod status_cache;
pub(crate) mod topics;
pub(crate) mod watch;

use std::{sync::Arc, time::Instant};

use intuition_common::exit::with_causes;
use intuition_resources::validate::FieldError;
use kube::{Resource as _, runtime::controller::Action};

use self::{context::Context, derived::Derived, error::ReconcileError, requeue::MAX_PASS, rollout::Rollout};
use crate::kubernetes::{
    apply_error::{ApplyError, Outlook},
    call::CallError,
    object::{PartialObject, WatchedKind},
    writer::Writer,
};

/// The status type of the kind that a reconciler is for.
pub(crate) type StatusOf<R> = <<R as Reconciler>::Kind as WatchedKind>::Status;
/// An object of the kind that a reconciler is for.
pub(crate) type ObjectOf<R> = PartialObject<<R as Reconciler>::Kind>;

/// The steps that differ from kind to kind. One value reconciles all objects of the kind in the namespaces of one watch.
pub(crate) trait Reconciler: Send + Sync + Sized + 'static {
    /// The kind.
    type Kind: WatchedKind;

    /// The context of a pass, for every kind.
    fn context(&self) -> &Context<Self::Kind>;

    /// The writer of the children and of the status.
    fn writer(&self) -> &Writer;

    /// Completes once every cache has been filled. Before that, existing objects look as if they were absent.
    fn caches_filled(&self) -> impl Future<Output = ()> + Send;

    /// Plan, build, apply, observe and derive the status. Errors are for passes from which no status follows.
    fn reconcile_object(
        &self,
        object: &ObjectOf<Self>,
        previous: Option<&StatusOf<Self>>,
    ) -> impl Future<Output = Result<ReconcileOutcome<StatusOf<Self>>, ReconcileError>> + Send;

    /// The status of an object that cannot be reconciled because of these problems.
    fn derive_refused(
        &self,
        object: &ObjectOf<Self>,
        previous: Option<&StatusOf<Self>>,
        problems: &[FieldError],
    ) -> Derived<StatusOf<Self>>;

    /// Forgets the children of a deleted object.
    fn forget_children(&self, namespace: &str, name: &str);

    /// Whether a pass that failed is repeated soon, without the growing delay.
    fn is_urgent(&self, _object: &ObjectOf<Self>) -> bool {
        false
    }
}

/// The result of one pass: the status to write, and the error for which the pass is repeated.
pub(crate) struct ReconcileOutcome<S> {
    pub(crate) derived: Derived<S>,
    pub(crate) failed: Option<ReconcileError>,
}

impl<S> ReconcileOutcome<S> {
    /// A pass without an error.
    pub(crate) const fn done(derived: Derived<S>) -> Self {
        Self { derived, failed: None }
    }

    /// A pass with the worst apply error. An error that passes by itself, or stays, has the delay of its rollout; any other
    /// call is tried again with a growing delay.
    pub(crate) fn applied(derived: Derived<S>, error: Option<ApplyError>) -> Self {
        let failed = error.filter(|error| error.outlook() == Outlook::Uncertain).map(ReconcileError::Apply);
        Self { derived, failed }
    }
}

/// One pass over an object: makes the cluster match the spec, and the status match the cluster.
#[expect(clippy::disallowed_methods, reason = "an edge: it measures the time of a pass")]
pub(crate) async fn reconcile<R: Reconciler>(
    object: Arc<ObjectOf<R>>,
    reconciler: Arc<R>,
) -> Result<Action, ReconcileError> {
    let began = Instant::now();
    let outcome = tokio::time::timeout(MAX_PASS, pass(&object, &*reconciler)).await;
    let outcome = outcome.unwrap_or(Err(ReconcileError::TimeOut(MAX_PASS.as_secs())));
    let context = reconciler.context();
    if let Err(error) = &outcome {
        let derive =
            |previous: Option<&_>, problems: &[FieldError]| reconciler.derive_refused(&object, previous, problems);
        context.publish_missing_right(reconciler.writer(), &object, error, derive).await;
    }
    let failed = outcome.as_ref().err().map(ReconcileError::reason);
    context.metrics.reconciled(R::Kind::KIND, began.elapsed(), failed);
    outcome
}

async fn pass<R: Reconciler>(object: &ObjectOf<R>, reconciler: &R) -> Result<Action, ReconcileError> {
    let context = reconciler.context();
    if object.meta().deletion_timestamp.is_some() {
        // The garbage collector deletes the children.
        return Ok(Action::await_change());
    }
    context.check_leads()?;
    let filled = tokio::time::timeout(context.cache_timeout(object), reconciler.caches_filled());
    filled.await.map_err(|_| ReconcileError::FillCaches(CallError::TimeOut))?;
    let previous = context.statuses.status_of(object);
    // Boxed: it is most of a pass's memory.
    let outcome = Box::pin(reconciler.reconcile_object(object, previous.as_ref())).await?;
    context.check_leads()?;
    context.publish_status(reconciler.writer(), object, previous.as_ref(), &outcome.derived).await?;
    match outcome.failed {
        Some(error) => Err(error),
        None => Ok(context.requeue.after(object.uid_or_empty(), outcome.derived.rollout)),
    }
}

/// The delay after a pass that failed.
#[expect(clippy::needless_pass_by_value, reason = "the controller calls it so")]
pub(crate) fn on_error<R: Reconciler>(object: Arc<ObjectOf<R>>, error: &ReconcileError, reconciler: Arc<R>) -> Action {
    let (kind, name, reason) = (R::Kind::KIND, object.full_name(), error.reason());
    tracing::warn!(kind, name, reason, error = with_causes(error), "failed, trying again");
    let requeue = &reconciler.context().requeue;
    if reconciler.is_urgent(&object) {
        return requeue.after(object.uid_or_empty(), Rollout::Progressing);
    }
    requeue.after_failure(object.uid_or_empty())
}
