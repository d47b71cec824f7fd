//! What the directory knows, and what of it somebody was told. Pure but for the waking of those who wait.

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
    reconcile::condition_type,
};

/// All that is known, in order.
pub(crate) type Entries = BTreeMap<Key, Arc<AlgorithmBackend>>;

/// Why nothing can be said of a namespace, or of all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    /// The operator was told of other namespaces.
    #[error("the operator does not watch the namespace {0}")]
    NotWatched(String),
    /// The operator has just started.
    #[error("the directory has not been read yet: try again")]
    NotRead,
    /// It was never read, and why.
    #[error("the directory cannot be read, and the operator goes on trying: {0}")]
    Failing(String),
}

/// All algorithms that there are. What is watched on its own is a scope: a namespace, or all of them.
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

/// What the watches of one scope brought.
#[derive(Debug)]
struct Scope {
    namespace: Option<String>,
    /// As their statuses have them, without their users.
    algorithms: Table<AlgorithmBackend>,
    /// By each `TradingAlgo`, the name of the `Algorithm` that it refers to.
    users: Table<Option<String>>,
}

impl Scope {
    fn concerns(&self, namespace: &str) -> bool {
        namespace.is_empty() || self.namespace.as_deref().is_none_or(|own| own == namespace)
    }

    const fn is_read(&self) -> bool {
        self.algorithms.is_read() && self.users.is_read()
    }

    /// Why it was not read.
    fn lack(&self) -> Option<Unavailable> {
        match (self.algorithms.state(), self.users.state()) {
            (State::Read, State::Read) => None,
            (State::Failing(problem), _) | (_, State::Failing(problem)) => Some(Unavailable::Failing(problem.clone())),
            _ => Some(Unavailable::NotRead),
        }
    }
}

impl DirectoryStore {
    /// An empty one, to be filled by the watches of these namespaces; `None` is all of them.
    pub fn new(namespaces: &[Option<String>]) -> Self {
        let scope = |namespace: &Option<String>| Scope {
            namespace: namespace.clone(),
            algorithms: Table::default(),
            users: Table::default(),
        };
        let kept = Snapshot { scopes: namespaces.iter().map(scope).collect(), entries: Arc::default() };
        Self { snapshot: Mutex::new(kept), changed: watch::Sender::new(0) }
    }

    /// Wakes whenever something changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All that is known, where everything that concerns the namespace (all, where it is empty) was read once. One that cannot
    /// be read, because it is gone or the role in it is, keeps nobody from the others.
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

    /// Takes what the watch of a scope's resources `Algorithm` brought.
    pub(crate) fn take_algorithm(&self, scope: usize, event: Event<PartialObject<Algorithm>>) {
        let event = with_key(event, backend);
        self.change(scope, |scope| scope.algorithms.take(event));
    }

    /// Takes what the watch of a scope's resources `TradingAlgo` brought.
    pub(crate) fn take_user(&self, scope: usize, event: Event<PartialObject>) {
        let event = with_key(event, |algo| refs(algo).0);
        self.change(scope, |scope| scope.users.take(event));
    }

    /// Notes that the watch of a scope's resources `Algorithm` failed. What is known has to do.
    pub(crate) fn lose_algorithms(&self, scope: usize, problem: &str) {
        self.change(scope, |scope| scope.algorithms.fail(problem));
    }

    /// The same of its resources `TradingAlgo`.
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
        // It is whole at every step.
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event of a resource as one of its key and what is kept of it.
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

/// The directory by what was read. What is as it was stays the same in memory, for those who compare.
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

/// One thing to into_change. Shared with the book until it is told, so that who is slow to take it holds little.
#[derive(Debug)]
pub(crate) enum ChangeEvent {
    /// It is there, for the first time or changed.
    Updated(Arc<AlgorithmBackend>),
    /// It was deleted.
    Deleted(Key),
    /// All was told that was there.
    Synced,
}

impl ChangeEvent {
    /// In the contract's words.
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

/// What has to be told to somebody who knows `before`, so that all of `after` in the namespace is known; of each one thing.
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

/// A resource as the contract shows it: as its status has it. Who uses it, those who do know better.
fn backend(algorithm: &PartialObject<Algorithm>) -> AlgorithmBackend {
    let status = algorithm.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|known| known.type_ == condition_type::READY);
    let (reason, message) = match ready.filter(|_| !status.healthy) {
        Some(ready) => (ready.reason.clone(), ready.message.clone()),
        None if status.healthy => (String::new(), String::new()),
        None => ("Waiting".to_owned(), "the operator has not looked at it yet".to_owned()),
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
