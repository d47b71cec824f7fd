//! What was known of objects when a watch told of them last, so that what concerns nobody wakes nobody.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// By uid.
#[derive(Debug)]
pub(crate) struct Known<T>(Mutex<HashMap<String, T>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Known<T> {
    /// Remembers this; what was known before comes back.
    pub(crate) fn replace(&self, uid: &str, now: T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), now)
    }

    /// The object is gone; what was known of it comes back.
    pub(crate) fn forget(&self, uid: &str) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid)
    }
}
