//! What the directory knows, and what of it somebody was told. Pure but for the waking of those who wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use intuition_api::v1::{AlgorithmBackend, BackendChange, backend_change::Change};
use kube::ResourceExt as _;
use tokio::sync::watch;

use crate::{guarded::Guarded, resource::Algorithm, status::condition};

/// Namespace and name.
type Key = (String, String);
/// All that is known, in order.
pub(super) type Pages = BTreeMap<Key, Arc<AlgorithmBackend>>;

/// All algorithms that there are. Each of the watches that fill it has a scope of its own.
#[derive(Debug)]
pub struct Book {
    kept: Mutex<Kept>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    pages: Pages,
    scopes: Vec<Scope>,
}

/// What one watch brought.
#[derive(Debug, Default)]
struct Scope {
    is_read: bool,
    /// What is there by the reading that is under way.
    reading: Option<BTreeSet<Key>>,
    keys: BTreeSet<Key>,
}

impl Book {
    /// An empty one, to be filled by so many watches.
    pub fn new(scopes: usize) -> Self {
        let scopes = (0..scopes).map(|_| Scope::default()).collect();
        let kept = Mutex::new(Kept { pages: Pages::new(), scopes });
        Self { kept, changed: watch::Sender::new(0) }
    }

    /// Wakes whenever something changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All that is known; `None`: not everything has been read once.
    pub(super) fn pages(&self) -> Option<Pages> {
        let kept = self.lock();
        kept.scopes.iter().all(|scope| scope.is_read).then(|| kept.pages.clone())
    }

    /// A reading of everything in a scope begins.
    pub(super) fn begin(&self, scope: usize) {
        if let Some(scope) = self.lock().scopes.get_mut(scope) {
            scope.reading = Some(BTreeSet::new());
        }
    }

    /// It came to its end: what was not in it is gone.
    pub(super) fn complete(&self, scope: usize) {
        let mut kept = self.lock();
        let Kept { pages, scopes } = &mut *kept;
        if let Some(scope) = scopes.get_mut(scope) {
            if let Some(reading) = scope.reading.take() {
                for gone in scope.keys.difference(&reading) {
                    pages.remove(gone);
                }
                scope.keys = reading;
            }
            scope.is_read = true;
        }
        drop(kept);
        self.wake();
    }

    /// A scope cannot be read now: what is known has to do.
    pub(super) fn give_up(&self, scope: usize) {
        let was_read = match self.lock().scopes.get_mut(scope) {
            Some(scope) => std::mem::replace(&mut scope.is_read, true),
            None => true,
        };
        if !was_read {
            self.wake();
        }
    }

    pub(super) fn update(&self, scope: usize, algorithm: &Guarded<Algorithm>) {
        let backend = backend(algorithm);
        let key = (backend.namespace.clone(), backend.name.clone());
        let mut kept = self.lock();
        let Kept { pages, scopes } = &mut *kept;
        if let Some(scope) = scopes.get_mut(scope) {
            if let Some(reading) = &mut scope.reading {
                reading.insert(key.clone());
            }
            scope.keys.insert(key.clone());
        }
        let is_new = pages.get(&key).is_none_or(|known| **known != backend);
        if is_new {
            pages.insert(key, Arc::new(backend));
        }
        drop(kept);
        if is_new {
            self.wake();
        }
    }

    pub(super) fn delete(&self, scope: usize, algorithm: &Guarded<Algorithm>) {
        let key = (algorithm.namespace().unwrap_or_default(), algorithm.name_any());
        let mut kept = self.lock();
        if let Some(scope) = kept.scopes.get_mut(scope) {
            scope.keys.remove(&key);
        }
        kept.pages.remove(&key);
        drop(kept);
        self.wake();
    }

    fn wake(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // It is whole at every step.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody was told.
#[derive(Debug, Default)]
pub(super) struct Told(Pages);

impl Told {
    /// What has to be told so that all of `pages` in the namespace is known; taken for told from here on.
    pub(super) fn differences(&mut self, pages: &Pages, namespace: &str) -> Vec<BackendChange> {
        let wanted = pages.iter().filter(|((place, _), _)| namespace.is_empty() || place == namespace);
        let wanted: Pages = wanted.map(|(key, backend)| (key.clone(), Arc::clone(backend))).collect();
        let gone = self.0.keys().filter(|key| !wanted.contains_key(*key)).map(|(namespace, name)| {
            Change::Deleted(AlgorithmBackend {
                namespace: namespace.clone(),
                name: name.clone(),
                ..AlgorithmBackend::default()
            })
        });
        let new = wanted.iter().filter(|(key, backend)| self.0.get(*key) != Some(*backend));
        let new = new.map(|(_, backend)| Change::Updated(backend.as_ref().clone()));
        let changes = gone.chain(new).map(|change| BackendChange { change: Some(change) }).collect();
        self.0 = wanted;
        changes
    }
}

/// A resource as the contract shows it: as its status has it.
fn backend(algorithm: &Guarded<Algorithm>) -> AlgorithmBackend {
    let status = algorithm.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|known| known.type_ == condition::READY);
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
        used_by: status.users,
    }
}
