//! The books at an entry of the journal.

use super::{books::Books, chain::Hash};

/// The books at an entry. The journal begins behind the lowest one of a ledger, which is its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last entry that it covers.
    pub(super) number: u64,
    pub(super) head: Hash,
    pub(super) books: Books,
}

impl Checkpoint {
    /// The last entry that it covers; 0 before the first one.
    pub const fn number(&self) -> u64 {
        self.number
    }
}
