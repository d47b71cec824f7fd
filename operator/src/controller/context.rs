//! What every look needs.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use intuition_common::{clock::Clock, exit::with_causes};
use intuition_resources::{Algorithm, TradingAlgo, validate::Problem};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Resource as _, ResourceExt as _,
    runtime::{
        events::{Event, EventType, Recorder, Reporter},
        reflector::Store,
    },
};

use super::{ReconcileError, Shared, namespaces::Namespaces, pace::Pauses};
use crate::{
    ask::Asker,
    cluster::{CALL, CallError, Cluster, Rights, Writer, call, code},
    confine,
    controller::hourly::Hourly,
    guarded::{Guarded, Watched},
    lease::Belief,
    metrics::Metrics,
    names::{MANAGER, credential},
    plan::Credentials,
    settings::{DefaultBroker, LoginNamespaces, Settings},
    status::{Derived, Notice, Progress},
};

/// How long a look waits for caches one of which may not be filled.
const IN_VAIN: Duration = Duration::from_millis(50);

/// What every look at a `TradingAlgo` needs.
pub struct Context {
    pub(super) cluster: Cluster,
    /// To be found by their names.
    pub(super) algorithms: Store<Guarded<Algorithm>>,
    pub(super) credentials: CredentialsDir,
    pub(super) asker: Asker,
    pub(super) namespaces: Namespaces,
    pub(super) common: Common<TradingAlgo>,
}

impl Context {
    /// The problem of a resource that uses the default broker by its login, where its namespace does not get that.
    pub(super) async fn login_problem(
        &self,
        algo: &TradingAlgo,
        credentials: Option<&Credentials>,
    ) -> Result<Option<Problem>, CallError> {
        let is_limited = |broker: &DefaultBroker| broker.login_namespaces == LoginNamespaces::Labelled;
        let has_login = credentials.is_some_and(|credentials| !credentials.0.is_empty());
        if algo.spec.broker.is_some() || !has_login || !self.common.settings.broker.as_ref().is_some_and(is_limited) {
            return Ok(None);
        }
        let namespace = algo.namespace().unwrap_or_default();
        Ok(confine::login_problem(&namespace, &self.namespaces.labels(&namespace).await?))
    }
}

/// What every look at a resource needs, whatever its kind.
pub(crate) struct Common<K: Watched> {
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: Metrics,
    pub(crate) rights: Rights,
    pub(crate) pauses: Pauses,
    pub(crate) recent: Recent<K>,
    hourly: Hourly,
    /// Without an election nobody else leads.
    pub(crate) belief: Option<Belief>,
}

impl<K: Watched> Common<K> {
    pub(crate) fn new(shared: &Shared, pauses: Pauses) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(shared.instance.clone()) };
        Self {
            settings: Arc::clone(&shared.settings),
            clock: Arc::clone(&shared.clock),
            recorder: Recorder::new(shared.client.clone(), reporter),
            metrics: shared.metrics.clone(),
            rights: shared.rights.clone(),
            pauses,
            recent: Recent::default(),
            hourly: Hourly::default(),
            belief: shared.belief.clone(),
        }
    }

    /// Whether this replica still leads, by the clock: right also where the process was stopped for a while.
    pub(crate) fn leads(&self) -> bool {
        self.belief.as_ref().is_none_or(Belief::is_held)
    }

    /// Now, in whole seconds, as Kubernetes writes the times of conditions.
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::from_microsecond(self.clock.now_micros()).unwrap_or_default();
        Timestamp::from_second(now.as_second()).unwrap_or_default()
    }

    /// How long a look waits for caches that were never filled: hardly at all where a watch is refused, so that looks that are
    /// in vain do not keep the workers from others.
    pub(crate) fn patience(&self, seen: &Guarded<K>) -> Duration {
        if self.rights.lacking(seen.meta().namespace.as_deref()).is_empty() { CALL } else { IN_VAIN }
    }

    /// A resource is gone.
    pub(crate) fn forget(&self, seen: &Guarded<K>) {
        self.pauses.forget(seen.uid_or_empty());
        self.recent.forget(seen);
        self.hourly.forget(seen.uid_or_empty());
    }

    /// Forgets all resources but these.
    pub(crate) fn retain(&self, uids: &HashSet<String>) {
        self.pauses.retain(uids);
        self.recent.retain(uids);
        self.hourly.retain(uids);
    }

    /// Writes the status where it differs, and then tells people what is new.
    pub(crate) async fn tell(
        &self,
        writer: &Writer,
        seen: &Guarded<K>,
        previous: Option<&K::Status>,
        derived: &Derived<K::Status>,
    ) -> Result<(), ReconcileError> {
        if previous != Some(&derived.status) {
            match writer.save_status(seen, &derived.status).await {
                Ok(()) => self.recent.saved(seen, &derived.status),
                // It was deleted meanwhile: there is nobody left to tell.
                Err(error) if error.is(code::NOT_FOUND) => {
                    self.forget(seen);
                    return Ok(());
                }
                Err(error) => return Err(ReconcileError::SaveStatus(error)),
            }
        }
        if derived.progress == Progress::Settled && !derived.notices.is_empty() {
            tracing::info!(kind = K::KIND, name = seen.full_name(), "is as it shall be");
        }
        let now_micros = self.clock.now_micros();
        for notice in &derived.notices {
            if self.hourly.admits(seen.uid_or_empty(), notice, now_micros) {
                self.publish(seen, notice).await;
            }
        }
        Ok(())
    }

    /// Tells people. That it could not be told fails nothing.
    async fn publish(&self, seen: &Guarded<K>, notice: &Notice) {
        let event = Event {
            type_: if notice.is_warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.clone(),
            note: Some(notice.note.clone()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let name = seen.full_name();
        if notice.is_warning {
            tracing::warn!(kind = K::KIND, name, reason = notice.reason, "{}", notice.note);
        }
        if let Err(error) = call(self.recorder.publish(&event, &seen.object_ref(&()))).await {
            tracing::warn!(kind = K::KIND, name, error = with_causes(&error), "cannot publish an Event");
        }
    }
}

/// The folder with the default broker's credentials, as a Secret is mounted. Read at each look, so that a Secret that is
/// rotated reaches every resource.
#[derive(Debug, Clone, Default)]
pub struct CredentialsDir(pub Option<PathBuf>);

impl CredentialsDir {
    /// The files that are there; `None`: no folder was named.
    pub(super) async fn read(&self) -> io::Result<Option<Credentials>> {
        let Some(folder) = &self.0 else { return Ok(None) };
        let mut files = BTreeMap::new();
        for file in [credential::USERNAME, credential::PASSWORD, credential::CA] {
            match tokio::fs::read(folder.join(file)).await {
                Ok(content) => drop(files.insert(file.to_owned(), content)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Credentials(files)))
    }
}

/// The statuses written last: right after a write the cache still shows the one before, and what was told once would be
/// told again.
#[derive(Debug)]
pub(crate) struct Recent<K: Watched>(Mutex<HashMap<String, Saved<K::Status>>>);

#[derive(Debug)]
struct Saved<S> {
    /// Version of the resource that was seen when it was written.
    seen: Option<String>,
    status: S,
}

impl<K: Watched> Default for Recent<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Watched> Recent<K> {
    /// The status of a resource as it was written last.
    pub(crate) fn status_of(&self, seen: &Guarded<K>) -> Option<K::Status> {
        let saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = saved.get(seen.uid_or_empty()).filter(|saved| saved.seen == seen.meta().resource_version);
        behind.map(|saved| saved.status.clone()).or_else(|| seen.status.clone())
    }

    pub(crate) fn saved(&self, seen: &Guarded<K>, status: &K::Status) {
        let saved = Saved { seen: seen.meta().resource_version.clone(), status: status.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(seen.uid_or_empty().to_owned(), saved);
    }

    pub(crate) fn forget(&self, seen: &Guarded<K>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(seen.uid_or_empty());
    }

    /// Forgets all but these.
    pub(crate) fn retain(&self, uids: &HashSet<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| uids.contains(uid));
    }
}
