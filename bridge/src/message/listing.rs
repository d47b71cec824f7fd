//! The symbols that an input lists for the messages on a topic.

use std::collections::HashSet;

/// The symbols listed for a topic. The default lists none: every symbol is taken, no name is known to be one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Listing<'a>(Option<&'a HashSet<String>>);

impl<'a> Listing<'a> {
    /// Of an input with these symbols; without any it lists none.
    pub(super) fn of(symbols: &'a HashSet<String>) -> Self {
        Self(Some(symbols).filter(|symbols| !symbols.is_empty()))
    }

    /// Whether a name is listed. A listed name is a symbol even if it is reserved.
    pub(super) fn has(self, name: &str) -> bool {
        self.0.is_some_and(|symbols| symbols.contains(name))
    }

    /// Whether there is a list, which then has every symbol of interest.
    pub(super) const fn is_complete(self) -> bool {
        self.0.is_some()
    }
}
