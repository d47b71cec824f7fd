//! The entries of the directory, and the changes between two snapshots. Pure except for waking the watches.

mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use intuition_api::v1::{AlgorithmBackend, BackendChange, WatchSynced, backend_change::Change};
use intuition_resources::Algorithm;
use kube::{ResourceExt as _, runtime::watcher::Event};
use tokio::sync::watch;

use self::table::{Key, State, Table};
use crate::{
    algorithm::users::refs,
    kubernetes::object::{PartialObject, WatchedKind},
    reconcile::{condition_type, reason},
};

/// All entries, in order.
pub(crate) type Entries = BTreeMap<Key, Arc<AlgorithmBackend>>;

/// Why the entries of a namespace, or of all, are not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    /// The operator watches other namespaces.
    #[error("the operator does not watch the namespace {0}")]
    NotWatched(String),
    /// The operator has just started.
    #[error("the directory has not been read yet: try again")]
    NotRead,
    /// The namespace was never read, for this reason.
    #[error("the directory cannot be read, and the operator goes on trying: {0}")]
    Failing(String),
}

/// All algorithms. A scope is a namespace with watches of its own, or all namespaces.
#[derive(Debug)]
pub struct DirectoryStore {
    snapshot: Mutex<Snapshot>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Snapshot {
    scopes: Vec<Scope>,
    entries: Arc<Entries>,
}

/// The objects of one scope.
#[derive(Debug)]
struct Scope {
    namespace: Option<String>,
    /// From their statuses, without their users.
    algorithms: Table<AlgorithmBackend>,
    /// The `Algorithm` that each `TradingAlgo` names.
    users: Table<Option<String>>,
}

impl Scope {
    fn concerns(&self, namespace: &str) -> bool {
        namespace.is_empty() || self.namespace.as_deref().is_none_or(|own| own == namespace)
    }

    const fn is_read(&self) -> bool {
        self.algorithms.is_read() && self.users.is_read()
    }

    /// Why the scope is not available.
    fn lack(&self) -> Option<Unavailable> {
        match (self.algorithms.state(), self.users.state()) {
            (State::Read, State::Read) => None,
            (State::Failing(problem), _) | (_, State::Failing(problem)) => Some(Unavailable::Failing(problem.clone())),
            _ => Some(Unavailable::NotRead),
        }
    }
}

impl DirectoryStore {
    /// An empty store for these namespaces; `None` stands for all of them.
    pub fn new(namespaces: &[Option<String>]) -> Self {
        let scope = |namespace: &Option<String>| Scope {
            namespace: namespace.clone(),
            algorithms: Table::default(),
            users: Table::default(),
        };
        let kept = Snapshot { scopes: namespaces.iter().map(scope).collect(), entries: Arc::default() };
        Self { snapshot: Mutex::new(kept), changed: watch::Sender::new(0) }
    }

    /// A receiver that is woken by each change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All entries, once every scope of the namespace (of all, if it is empty) was read. A scope that cannot be read,
    /// because its namespace or Role is gone, does not withhold the others.
    pub(crate) fn entries(&self, namespace: &str) -> Result<Arc<Entries>, Unavailable> {
        let kept = self.lock();
        let lacks: Vec<_> = kept.scopes.iter().filter(|scope| scope.concerns(namespace)).map(Scope::lack).collect();
        if lacks.contains(&Some(Unavailable::NotRead)) {
            return Err(Unavailable::NotRead);
        }
        if lacks.contains(&None) {
            return Ok(Arc::clone(&kept.entries));
        }
        Err(lacks.into_iter().flatten().next().unwrap_or_else(|| Unavailable::NotWatched(namespace.to_owned())))
    }

    /// Handles a watch event of an `Algorithm`.
    pub(crate) fn take_algorithm(&self, scope: usize, event: Event<PartialObject<Algorithm>>) {
        let event = with_key(event, backend);
        self.change(scope, |scope| scope.algorithms.take(event));
    }

    /// Handles a watch event of a `TradingAlgo`.
    pub(crate) fn take_user(&self, scope: usize, event: Event<PartialObject>) {
        let event = with_key(event, |algo| refs(algo).0);
        self.change(scope, |scope| scope.users.take(event));
    }

    /// Notes an error of the `Algorithm` watch. Known entries stay.
    pub(crate) fn lose_algorithms(&self, scope: usize, problem: &str) {
        self.change(scope, |scope| scope.algorithms.fail(problem));
    }

    /// Notes an error of the `TradingAlgo` watch.
    pub(crate) fn lose_users(&self, scope: usize, problem: &str) {
        self.change(scope, |scope| scope.users.fail(problem));
    }

    fn change(&self, scope: usize, change: impl FnOnce(&mut Scope) -> bool) {
        let mut kept = self.lock();
        if kept.scopes.get_mut(scope).is_some_and(change) {
            kept.entries = Arc::new(entries(&kept.scopes, &kept.entries));
            drop(kept);
            self.changed.send_modify(|version| *version = version.wrapping_add(1));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // A panic cannot leave the snapshot half changed.
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event with the object's key and the value kept for it.
fn with_key<K: WatchedKind, V>(
    event: Event<PartialObject<K>>,
    kept: impl Fn(&PartialObject<K>) -> V,
) -> Event<(Key, V)> {
    let entry = |object: &PartialObject<K>| ((object.namespace().unwrap_or_default(), object.name_any()), kept(object));
    match event {
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(entry(&object)),
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(entry(&object)),
        Event::Delete(object) => Event::Delete(entry(&object)),
    }
}

/// The entries from all scopes. Unchanged entries keep their `Arc`, so that comparisons are cheap.
fn entries(scopes: &[Scope], before: &Entries) -> Entries {
    let read = || scopes.iter().filter(|scope| scope.is_read());
    let mut users: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for ((namespace, name), algorithm) in read().flat_map(|scope| scope.users.known()) {
        if let Some(algorithm) = algorithm {
            users.entry((namespace, algorithm)).or_default().insert(name);
        }
    }
    let page = |(key, algorithm): (&Key, &AlgorithmBackend)| {
        let users = users.get(&(key.0.as_str(), key.1.as_str())).into_iter().flatten();
        let now = AlgorithmBackend { used_by: users.map(|&name| name.to_owned()).collect(), ..algorithm.clone() };
        let known = before.get(key).filter(|known| ***known == now).cloned();
        (key.clone(), known.unwrap_or_else(|| Arc::new(now)))
    };
    read().flat_map(|scope| scope.algorithms.known()).map(page).collect()
}

/// A pending change for one watcher, shared by `Arc` so that slow watchers hold little memory.
#[derive(Debug)]
pub(crate) enum ChangeEvent {
    /// An entry that is new or has changed.
    Updated(Arc<AlgorithmBackend>),
    /// An entry that was deleted.
    Deleted(Key),
    /// All entries were sent.
    Synced,
}

impl ChangeEvent {
    /// The change as the contract's message.
    pub(crate) fn into_change(self) -> BackendChange {
        let change = match self {
            Self::Updated(backend) => Change::Updated(backend.as_ref().clone()),
            Self::Deleted((namespace, name)) => {
                Change::Deleted(AlgorithmBackend { namespace, name, ..AlgorithmBackend::default() })
            }
            Self::Synced => Change::Synced(WatchSynced {}),
        };
        BackendChange { change: Some(change) }
    }
}

/// The changes from `before` to `after` in the namespace, one for each entry.
pub(crate) fn differences(before: &Entries, after: &Entries, namespace: &str) -> Vec<ChangeEvent> {
    let concerns = |key: &Key| namespace.is_empty() || key.0 == namespace;
    let is_new = |key: &Key, backend: &Arc<AlgorithmBackend>| {
        before.get(key).is_none_or(|known| !Arc::ptr_eq(known, backend) && known != backend)
    };
    let gone = before.keys().filter(|key| concerns(key) && !after.contains_key(*key));
    let new = after.iter().filter(|(key, backend)| concerns(key) && is_new(key, backend));
    gone.map(|key| ChangeEvent::Deleted(key.clone()))
        .chain(new.map(|(_, backend)| ChangeEvent::Updated(Arc::clone(backend))))
        .collect()
}

/// Converts an `Algorithm` to its wire form from its status. `used_by` is filled from the `TradingAlgo`s, which are
/// authoritative.
fn backend(algorithm: &PartialObject<Algorithm>) -> AlgorithmBackend {
    let status = algorithm.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|known| known.type_ == condition_type::READY);
    let (reason, message) = match ready.filter(|_| !status.healthy) {
        Some(ready) => (ready.reason.clone(), ready.message.clone()),
        None if status.healthy => (String::new(), String::new()),
        None => (reason::WAITING.to_owned(), "the operator has not looked at it yet".to_owned()),
    };
    let schema = status.parameters_schema.map(|schema| serde_json::Value::Object(schema).to_string());
    AlgorithmBackend {
        namespace: algorithm.namespace().unwrap_or_default(),
        name: algorithm.name_any(),
        address: status.address.unwrap_or_default(),
        algorithm: status.algorithm.unwrap_or_default(),
        version: status.version.unwrap_or_default(),
        contract: status.contract.unwrap_or_default(),
        parameters_schema_json: schema.unwrap_or_default(),
        channels: status.channels,
        healthy: status.healthy,
        reason,
        message,
        used_by: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
