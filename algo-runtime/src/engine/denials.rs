//! Denied signals since the last commit. A tick has one outcome, but an algorithm may send several signals about it: each
//! denial counts, also beside a signal that was booked.

use std::collections::BTreeMap;

use super::{Engine, counter};
use crate::portfolio::Denial;

/// Denied signals of one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// How many, at least one.
    pub signals: u64,
    /// Symbol of the first of them.
    pub sid: String,
}

impl Engine {
    /// Counts a denied signal.
    pub(super) fn note_denial(&mut self, denial: Denial, sid: &str) {
        let reason = denial.reason();
        self.count(counter::SIGNALS_DENIED, reason, 1);
        let first = || Denied { signals: 0, sid: sid.to_owned() };
        self.denials.entry(reason).or_insert_with(first).signals += 1;
    }

    /// Denied signals by reason, since the last call. To be called after the commit that holds them.
    pub fn take_denials(&mut self) -> BTreeMap<&'static str, Denied> {
        std::mem::take(&mut self.denials)
    }
}
