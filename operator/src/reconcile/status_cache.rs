//! The statuses that were written last.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use kube::Resource as _;

use crate::kubernetes::object::{PartialObject, WatchedKind};

/// The statuses that were written last, by uid. Right after a write the watch still shows the status before it, from which
/// the same Events would be published again.
#[derive(Debug)]
pub(crate) struct StatusCache<K: WatchedKind>(Mutex<HashMap<String, Saved<K::Status>>>);

#[derive(Debug)]
struct Saved<S> {
    /// `resourceVersion` of the object from which the status was derived.
    version: Option<String>,
    status: S,
}

impl<K: WatchedKind> Default for StatusCache<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: WatchedKind> StatusCache<K> {
    /// The status that was written last, or the status in the watch if the object has changed since.
    pub(crate) fn status_of(&self, object: &PartialObject<K>) -> Option<K::Status> {
        let saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = saved.get(object.uid_or_empty()).filter(|saved| saved.version == object.meta().resource_version);
        newer.map(|saved| saved.status.clone()).or_else(|| object.status.clone())
    }

    /// Notes a status that was written.
    pub(crate) fn saved(&self, object: &PartialObject<K>, status: &K::Status) {
        let saved = Saved { version: object.meta().resource_version.clone(), status: status.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(object.uid_or_empty().to_owned(), saved);
    }

    /// Forgets a deleted object.
    pub(crate) fn forget(&self, object: &PartialObject<K>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(object.uid_or_empty());
    }

    /// Forgets all objects but those with these uids.
    pub(crate) fn retain(&self, uids: &HashSet<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| uids.contains(uid));
    }
}
