//! Remembers the relevant fields of each watched object, so that events that change none of them do not trigger a reconcile.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Relevant fields by uid of the object.
#[derive(Debug)]
pub(crate) struct ChangeFilter<T>(Mutex<HashMap<String, T>>);

impl<T> Default for ChangeFilter<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> ChangeFilter<T> {
    /// Remembers the fields of an object and returns those before.
    pub(crate) fn replace(&self, uid: &str, now: T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), now)
    }

    /// Forgets a deleted object and returns its fields.
    pub(crate) fn forget(&self, uid: &str) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid)
    }
}
