//! The objects that were written last, and their live form after the write: while neither has changed, nothing has to
//! be written.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::ResourceExt as _;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::kubernetes::caches::Kind;

/// The Deployment controller's counter of pod templates.
const REVISION: &str = "deployment.kubernetes.io/revision";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Clone, Copy)]
struct Written {
    wanted_hash: u64,
    live_hash: u64,
    at: Instant,
}

/// How long a write is trusted. Edits that no watch reported are reverted after this time. A write that changes nothing
/// costs one call.
const MAX_TRUST: Duration = Duration::from_mins(5);
/// How often an object that cannot be read is written anyway.
const UNREADABLE_INTERVAL: Duration = Duration::from_secs(10);

/// The objects that were written last, by type, namespace and name.
#[derive(Debug, Default)]
pub(crate) struct AppliedCache {
    written: Mutex<HashMap<Key, Written>>,
    unreadable: Mutex<HashMap<Key, (u64, Instant)>>,
}

impl AppliedCache {
    /// Whether the last write was of `wanted`, not long ago, and `live` has not changed since.
    pub(crate) fn is_unchanged<K: Kind>(&self, wanted: &K, live: &K, now: Instant) -> bool {
        let written = lock(&self.written).get(&key(wanted)).copied();
        written.filter(|written| now.duration_since(written.at) < MAX_TRUST).is_some_and(|written| {
            Some(written.wanted_hash) == fingerprint(wanted) && Some(written.live_hash) == fingerprint(live)
        })
    }

    /// Notes a write and its outcome.
    pub(crate) fn remember<K: Kind>(&self, wanted: &K, outcome: &K, at: Instant) {
        if let (Some(wanted_hash), Some(live_hash)) = (fingerprint(wanted), fingerprint(outcome)) {
            lock(&self.written).insert(key(wanted), Written { wanted_hash, live_hash, at });
        }
    }

    /// Whether an object that cannot be read has to be written: `wanted` is new, or was written some time ago. An
    /// object that is not wanted is deleted once.
    pub(crate) fn is_due<K: Kind>(&self, namespace: &str, name: &str, wanted: Option<&K>, now: Instant) -> bool {
        let key = Key { kind: K::kind(&()).into_owned(), namespace: namespace.to_owned(), name: name.to_owned() };
        let print = wanted.and_then(fingerprint).unwrap_or_default();
        let mut unreadable = lock(&self.unreadable);
        let fresh = |(known, at): &(u64, Instant)| {
            *known == print && (wanted.is_none() || now.duration_since(*at) < UNREADABLE_INTERVAL)
        };
        if unreadable.get(&key).is_some_and(fresh) {
            return false;
        }
        unreadable.insert(key, (print, now));
        true
    }

    /// The write failed and is due again.
    pub(crate) fn retry_later<K: Kind>(&self, namespace: &str, name: &str) {
        let kind = K::kind(&()).into_owned();
        lock(&self.unreadable).remove(&Key { kind, namespace: namespace.to_owned(), name: name.to_owned() });
    }

    /// Forgets everything about a resource's children.
    pub(crate) fn forget(&self, namespace: &str, is_child: impl Fn(&str) -> bool) {
        let stays = |key: &Key| key.namespace != namespace || !is_child(&key.name);
        lock(&self.written).retain(|key, _| stays(key));
        lock(&self.unreadable).retain(|key, _| stays(key));
    }
}

fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic cannot leave the map half changed.
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key<K: Kind>(object: &K) -> Key {
    Key { kind: K::kind(&()).into_owned(), namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

/// A hash of the editable fields, without those that change by themselves.
fn fingerprint<K: Kind>(object: &K) -> Option<u64> {
    let mut value = serde_json::to_value(object).ok()?;
    let members = value.as_object_mut()?;
    members.remove("status");
    if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
        for name in ["resourceVersion", "managedFields", "generation"] {
            metadata.remove(name);
        }
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove(REVISION);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use serde_json::{from_value, json};

    use super::*;

    fn deployment(replicas: i32) -> Deployment {
        from_value(json!({
            "metadata": { "name": "a", "namespace": "n" },
            "spec": { "replicas": replicas, "selector": {}, "template": {} },
        }))
        .unwrap()
    }

    #[test]
    fn an_edit_is_seen_and_what_changes_by_itself_is_not() {
        let (cache, now) = (AppliedCache::default(), Instant::now());
        let wanted = deployment(1);
        let mut live = deployment(1);
        live.metadata.generation = Some(4);
        assert!(!cache.is_unchanged(&wanted, &live, now), "never written");
        cache.remember(&wanted, &live, now);
        live.metadata.resource_version = Some("17".to_owned());
        live.metadata.annotations = Some([(REVISION.to_owned(), "2".to_owned())].into());
        live.status = from_value(json!({ "replicas": 1 })).unwrap();
        assert!(cache.is_unchanged(&wanted, &live, now));
        assert!(!cache.is_unchanged(&wanted, &live, now + MAX_TRUST), "no watch shows everything");
        assert!(!cache.is_unchanged(&deployment(2), &live, now), "something else is wanted");
        live.metadata.labels = Some([("by".to_owned(), "hand".to_owned())].into());
        assert!(!cache.is_unchanged(&wanted, &live, now), "edited");
        cache.remember(&wanted, &live, now);
        cache.forget("n", |name| name == "a");
        assert!(!cache.is_unchanged(&wanted, &live, now), "forgotten");
    }

    #[test]
    fn what_cannot_be_read_is_written_when_it_is_new_and_now_and_then() {
        let (cache, now) = (AppliedCache::default(), Instant::now());
        let due = |wanted: Option<&Deployment>, at: Instant| cache.is_due("n", "a", wanted, at);
        assert!(due(Some(&deployment(1)), now));
        assert!(!due(Some(&deployment(1)), now));
        assert!(due(Some(&deployment(2)), now));
        assert!(!due(Some(&deployment(2)), now + UNREADABLE_INTERVAL / 2));
        assert!(due(Some(&deployment(2)), now + UNREADABLE_INTERVAL));
        assert!(due(None, now + UNREADABLE_INTERVAL));
        assert!(!due(None, now + UNREADABLE_INTERVAL * 9), "it cannot come back by itself");
        cache.retry_later::<Deployment>("n", "a");
        assert!(due(None, now + UNREADABLE_INTERVAL), "it was not deleted");
    }
}
