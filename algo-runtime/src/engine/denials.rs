//! Denied signals since the last commit. A tick has one outcome, but an algorithm may send several signals about it: each
//! denial counts, also beside a signal that was booked.

use std::collections::BTreeMap;

use super::counters::{Counters, counter};
use crate::portfolio::Denial;

/// Denied signals of one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Number of signals, at least one.
    pub signals: u64,
    /// Symbol of the first of them.
    pub sid: String,
}

/// Denied signals by reason.
#[derive(Debug, Default)]
pub(super) struct Denials(BTreeMap<&'static str, Denied>);

impl Denials {
    /// Counts a denied signal.
    pub(super) fn note(&mut self, denial: Denial, sid: &str, counters: &mut Counters) {
        let reason = denial.reason();
        counters.count(counter::SIGNALS_DENIED, reason, 1);
        let first = || Denied { signals: 0, sid: sid.to_owned() };
        self.0.entry(reason).or_insert_with(first).signals += 1;
    }

    /// Those since the last call.
    pub(super) fn take(&mut self) -> BTreeMap<&'static str, Denied> {
        std::mem::take(&mut self.0)
    }
}
