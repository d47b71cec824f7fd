//! What every look needs.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use intuition_common::{clock::Clock, exit::with_causes};
use kube::{
    Resource as _,
    runtime::events::{Event, EventType, Recorder},
};

use super::pace::Pauses;
use crate::{
    ask::Asker,
    cluster::{Cluster, call},
    guarded::Guarded,
    lease::Belief,
    metrics::Metrics,
    names::credential,
    plan::Credentials,
    resource::TradingAlgoStatus,
    settings::Settings,
    status::Notice,
};

/// What every look needs.
pub struct Context {
    pub(super) cluster: Cluster,
    pub(super) settings: Arc<Settings>,
    pub(super) credentials: CredentialsDir,
    pub(super) asker: Asker,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) recorder: Recorder,
    pub(super) metrics: Metrics,
    pub(super) pauses: Pauses,
    pub(super) recent: Recent,
    /// Without an election nobody else leads.
    pub(super) belief: Option<Belief>,
}

impl Context {
    /// Whether this replica still leads, by the clock: right also where the process was stopped for a while.
    pub(super) fn leads(&self) -> bool {
        self.belief.as_ref().is_none_or(Belief::is_held)
    }

    /// Tells people. That it could not be told fails nothing.
    pub(super) async fn publish(&self, seen: &Guarded, notice: &Notice) {
        let event = Event {
            type_: if notice.is_warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.clone(),
            note: Some(notice.note.clone()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if notice.is_warning {
            tracing::warn!(algo = seen.full_name(), reason = notice.reason, "{}", notice.note);
        }
        if let Err(error) = call(self.recorder.publish(&event, &seen.object_ref(&()))).await {
            tracing::warn!(algo = seen.full_name(), error = with_causes(&error), "cannot publish an Event");
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
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<String, Saved>>);

#[derive(Debug)]
struct Saved {
    /// Version of the resource that was seen when it was written.
    seen: Option<String>,
    status: TradingAlgoStatus,
}

impl Recent {
    /// The status of a resource as it was written last.
    pub(super) fn status_of(&self, seen: &Guarded) -> Option<TradingAlgoStatus> {
        let saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = saved.get(seen.uid_or_empty()).filter(|saved| saved.seen == seen.meta().resource_version);
        behind.map(|saved| saved.status.clone()).or_else(|| seen.status.clone())
    }

    pub(super) fn saved(&self, seen: &Guarded, status: &TradingAlgoStatus) {
        let saved = Saved { seen: seen.meta().resource_version.clone(), status: status.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(seen.uid_or_empty().to_owned(), saved);
    }

    pub(super) fn forget(&self, seen: &Guarded) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(seen.uid_or_empty());
    }

    /// Forgets all but these.
    pub(super) fn retain(&self, uids: &HashSet<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| uids.contains(uid));
    }
}
