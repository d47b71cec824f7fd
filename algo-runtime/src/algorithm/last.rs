//! The last values of each symbol, for algorithms that compare each quote with the quote before it.

use std::collections::{BTreeMap, BTreeSet};

use super::SavedState;

/// A state of each symbol after its last quote. The text of a state names the published values that it was made of, so that an algorithm
/// does not compare it with values of other names.
#[derive(Debug)]
pub(super) struct Last<T> {
    values: BTreeMap<String, T>,
    changed: BTreeSet<String>,
}

impl<T: Copy + PartialEq> Last<T> {
    /// Begins with a saved state. `parse` returns `None` for the text of other names.
    pub(super) fn restore(saved: &SavedState, parse: impl Fn(&str) -> Option<T>) -> Self {
        let mut last = Self { values: BTreeMap::new(), changed: BTreeSet::new() };
        for (sid, state) in saved {
            if let Some(value) = std::str::from_utf8(state).ok().and_then(&parse) {
                last.values.insert(sid.clone(), value);
            } else if !state.is_empty() {
                // It is forgotten, so that it does not count when its names come back.
                last.changed.insert(sid.clone());
            }
        }
        last
    }

    /// Keeps the value of a symbol's quote, and returns that of the quote before.
    pub(super) fn replace(&mut self, sid: &str, value: T) -> Option<T> {
        let before = self.values.insert(sid.to_owned(), value);
        if before != Some(value) {
            self.changed.insert(sid.to_owned());
        }
        before
    }

    /// Forgets the values of all symbols.
    pub(super) fn clear(&mut self) {
        self.changed.extend(std::mem::take(&mut self.values).into_keys());
    }

    /// The symbols that changed since the last call, with the text of their value; with none where it was forgotten.
    pub(super) fn take_changes(&mut self, text: impl Fn(T) -> String) -> SavedState {
        let changed = std::mem::take(&mut self.changed);
        let save = |sid: String| {
            let state = self.values.get(&sid).map(|value| text(*value)).unwrap_or_default();
            (sid, state.into_bytes())
        };
        changed.into_iter().map(save).collect()
    }
}
