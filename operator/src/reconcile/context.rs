//! Settings, clock, Events and memory that every pass needs.

use std::{collections::HashSet, sync::Arc, time::Duration};

use intuition_common::{clock::Clock, exit::with_causes};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::{
    kubernetes::{
        call::{CALL_TIMEOUT, call, code},
        object::{PartialObject, WatchedKind},
        rights::Rights,
        writer::Writer,
    },
    lease::LeaderToken,
    metrics::Metrics,
    names::MANAGER,
    reconcile::{
        conditions::EventRecord, derived::Derived, error::ReconcileError, event_limit::Hourly, requeue::RequeueState,
        rollout::Rollout, status_cache::StatusCache,
    },
    settings::{Settings, credentials::CredentialsDir},
};

/// How long a pass waits for caches if the API server refuses their watches.
const REFUSED_CACHE_TIMEOUT: Duration = Duration::from_millis(50);

/// Fields that the controllers of all kinds and namespaces share.
#[derive(Clone)]
pub struct OperatorContext {
    /// Client of the API server.
    pub client: Client,
    /// How children are made.
    pub settings: Arc<Settings>,
    /// The default broker's credentials.
    pub credentials: CredentialsDir,
    /// Clock of conditions and Events.
    pub clock: Arc<dyn Clock>,
    /// The rights that the operator lacks.
    pub rights: Rights,
    /// Metrics.
    pub metrics: Metrics,
    /// Delay between two passes over a settled `TradingAlgo`; the delays of other states and kinds are multiples of it.
    pub resync: Duration,
    /// Objects that are reconciled at the same time, per kind and watched namespace.
    pub concurrency: u16,
    /// Reporting instance of Events: the operator's pod.
    pub instance: String,
    /// Whether this replica is the leader; `None` without leader election.
    pub leader: Option<LeaderToken>,
}

/// Settings, clients and memory of the passes over objects of one kind.
pub(crate) struct Context<K: WatchedKind> {
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: Metrics,
    pub(crate) rights: Rights,
    pub(crate) requeue: RequeueState,
    pub(crate) statuses: StatusCache<K>,
    hourly: Hourly,
    leader: Option<LeaderToken>,
}

impl<K: WatchedKind> Context<K> {
    pub(crate) fn new(operator: &OperatorContext, requeue: RequeueState) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(operator.instance.clone()) };
        Self {
            settings: Arc::clone(&operator.settings),
            clock: Arc::clone(&operator.clock),
            recorder: Recorder::new(operator.client.clone(), reporter),
            metrics: operator.metrics.clone(),
            rights: operator.rights.clone(),
            requeue,
            statuses: StatusCache::default(),
            hourly: Hourly::default(),
            leader: operator.leader.clone(),
        }
    }

    /// Whether this replica is the leader by the clock. Right also after the process was stopped for a
    /// while.
    pub(crate) fn leads(&self) -> bool {
        self.leader.as_ref().is_none_or(LeaderToken::is_held)
    }

    /// An error if this replica is not the leader.
    pub(crate) fn check_leads(&self) -> Result<(), ReconcileError> {
        if self.leads() { Ok(()) } else { Err(ReconcileError::LoseLead) }
    }

    /// Now, in whole seconds, as Kubernetes writes the times of conditions.
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::from_microsecond(self.clock.now_micros()).unwrap_or_default();
        Timestamp::from_second(now.as_second()).unwrap_or_default()
    }

    /// How long a pass waits for caches that have not been filled. Short if a watch is refused, so that passes that cannot
    /// succeed leave the workers to other objects.
    pub(crate) fn cache_timeout(&self, object: &PartialObject<K>) -> Duration {
        let is_refused = !self.rights.lacking(object.meta().namespace.as_deref()).is_empty();
        if is_refused { REFUSED_CACHE_TIMEOUT } else { CALL_TIMEOUT }
    }

    /// Forgets a deleted object.
    pub(crate) fn forget(&self, object: &PartialObject<K>) {
        self.requeue.forget(object.uid_or_empty());
        self.statuses.forget(object);
        self.hourly.forget(object.uid_or_empty());
    }

    /// Forgets all objects but those with these uids.
    pub(crate) fn retain(&self, uids: &HashSet<String>) {
        self.requeue.retain(uids);
        self.statuses.retain(uids);
        self.hourly.retain(uids);
    }

    /// Writes the status if it differs, then publishes its Events.
    pub(crate) async fn publish_status(
        &self,
        writer: &Writer,
        object: &PartialObject<K>,
        previous: Option<&K::Status>,
        derived: &Derived<K::Status>,
    ) -> Result<(), ReconcileError> {
        if previous != Some(&derived.status) {
            match writer.save_status(object, &derived.status).await {
                Ok(()) => self.statuses.saved(object, &derived.status),
                // The object was deleted meanwhile.
                Err(error) if error.is(code::NOT_FOUND) => {
                    self.forget(object);
                    return Ok(());
                }
                Err(error) => return Err(ReconcileError::SaveStatus(error)),
            }
        }
        if derived.rollout == Rollout::Settled && !derived.events.is_empty() {
            tracing::info!(kind = K::KIND, name = object.full_name(), "settled");
        }
        let now_micros = self.clock.now_micros();
        for event in &derived.events {
            if self.hourly.admits(object.uid_or_empty(), event, now_micros) {
                self.publish_event(object, event).await;
            }
        }
        Ok(())
    }

    /// Publishes an Event. An Event that cannot be published does not fail the pass.
    async fn publish_event(&self, object: &PartialObject<K>, record: &EventRecord) {
        let event = Event {
            type_: if record.is_warning { EventType::Warning } else { EventType::Normal },
            reason: record.reason.clone(),
            note: Some(record.note.clone()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let name = object.full_name();
        if record.is_warning {
            tracing::warn!(kind = K::KIND, name, reason = record.reason, "{}", record.note);
        }
        if let Err(error) = call(self.recorder.publish(&event, &object.object_ref(&()))).await {
            tracing::warn!(kind = K::KIND, name, error = with_causes(&error), "cannot publish an Event");
        }
    }
}
