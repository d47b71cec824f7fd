//! Reconciling one `Feed`: the steps of a pass, in order.
//!
//! - `plan`: from the spec to a plan, or all its violations; pure.
//! - `build`: from the plan to the children; pure.
//! - `apply`: the caches of the children, and the writes in their order.
//! - `status`: from the observation to conditions and Events; pure.
//! - `controller`: the watches that trigger a pass.

pub(crate) mod apply;
pub mod build;
pub(crate) mod controller;
pub mod plan;
pub(crate) mod status;

use intuition_resources::{FEED_KIND, Feed, FeedStatus, validate::FieldError};
use kube::{Resource as _, ResourceExt as _};

use self::{
    apply::Cluster,
    build::desired,
    plan::{Plan, plan},
    status::{Answers, Observation, Outcome},
};
use crate::{
    kubernetes::{
        apply_error::ApplyFailure,
        object::{PartialObject, WatchedKind},
        writer::Writer,
    },
    reconcile::{ReconcileOutcome, Reconciler, context::Context, derived::Derived, error::ReconcileError},
    workload::{broker, broker_login::BrokerLogins, pages::PageReader, pod_state::PodState},
};

impl WatchedKind for Feed {
    const KIND: &'static str = FEED_KIND;
    const RAW_FIELDS: &'static [&'static str] = &[];
    type Status = FeedStatus;
}

/// The page of a feed with its numbers.
const STATUS_PAGE: &str = "/status";

/// Reconciles the `Feed`s of one namespace, or of all.
pub(crate) struct FeedReconciler {
    cluster: Cluster,
    logins: BrokerLogins,
    pages: PageReader,
    context: Context<Feed>,
}

impl Reconciler for FeedReconciler {
    type Kind = Feed;

    fn context(&self) -> &Context<Feed> {
        &self.context
    }

    fn writer(&self) -> &Writer {
        self.cluster.writer()
    }

    async fn caches_filled(&self) {
        self.cluster.caches_filled().await;
    }

    /// Plan, build, apply, read the pages, derive.
    async fn reconcile_object(
        &self,
        object: &PartialObject<Feed>,
        previous: Option<&FeedStatus>,
    ) -> Result<ReconcileOutcome<FeedStatus>, ReconcileError> {
        let feed = match &object.parsed {
            Ok(feed) => feed,
            Err(error) => {
                return Ok(ReconcileOutcome::done(self.derive(object, previous, &Outcome::Unreadable(error))));
            }
        };
        let settings = &self.context.settings;
        let namespace = object.namespace().unwrap_or_default();
        let (credentials, login) = self.logins.of(feed.spec.broker.as_ref(), &namespace, settings).await?;
        let plan = match broker::with_problem(plan(feed, settings, credentials.as_ref()), login) {
            Ok(plan) => plan,
            Err(problems) => return Ok(ReconcileOutcome::done(self.derive_refused(object, previous, &problems))),
        };
        let applied = self.cluster.apply(&plan, &desired(&plan, settings)).await;
        let pod = self.cluster.pod_state(&plan.owner, applied.generation);
        let observation = Observation {
            answers: self.answers(&plan, &pod).await,
            failure: applied.error.as_ref().map(ApplyFailure::from),
            plan: &plan,
            pod,
        };
        let derived = self.derive(object, previous, &Outcome::Observed(&observation));
        Ok(ReconcileOutcome::applied(derived, applied.error))
    }

    fn derive_refused(
        &self,
        object: &PartialObject<Feed>,
        previous: Option<&FeedStatus>,
        problems: &[FieldError],
    ) -> Derived<FeedStatus> {
        self.derive(object, previous, &Outcome::Refused(problems))
    }

    fn forget_children(&self, namespace: &str, name: &str) {
        self.cluster.forget(namespace, name);
    }
}

impl FeedReconciler {
    /// The pages of a process that runs.
    async fn answers(&self, plan: &Plan, pod: &PodState) -> Option<Answers> {
        let PodState::Running(running) = pod else { return None };
        if plan.is_suspended {
            return None;
        }
        let (readiness, numbers) =
            tokio::join!(self.pages.readiness(&running.ip), self.pages.read(&running.ip, STATUS_PAGE));
        Some(Answers { readiness, numbers: numbers.ok() })
    }

    fn derive(
        &self,
        object: &PartialObject<Feed>,
        previous: Option<&FeedStatus>,
        outcome: &Outcome<'_>,
    ) -> Derived<FeedStatus> {
        let generation = object.meta().generation.unwrap_or_default();
        status::derive(previous, generation, outcome, self.context.now())
    }
}
