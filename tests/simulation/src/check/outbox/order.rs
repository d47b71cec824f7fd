//! The order in which the broker takes decisions for the first time.

use std::collections::BTreeSet;

use super::super::{hold, promise};
use crate::facts::Violation;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The highest decision that is published.
    highest: u64,
    /// Decisions before that one which are not published.
    holes: BTreeSet<u64>,
    /// Refusals on the topic of decisions since there was no hole.
    refusals: u64,
}

impl Order {
    pub(super) fn refused(&mut self) {
        self.refusals += 1;
    }

    /// A decision is published already when it is booked: a ledger that went back booked it before.
    pub(super) fn is_published(&mut self, seq: u64) {
        self.highest = self.highest.max(seq);
    }

    /// A decision is published for the first time: in the order of the numbers, but for those that the broker refused.
    pub(super) fn note(&mut self, seq: u64, is_open: impl Fn(u64) -> bool) -> Result<(), Violation> {
        self.holes.remove(&seq);
        self.holes.extend((self.highest + 1..seq).filter(|missed| is_open(*missed)));
        self.highest = self.highest.max(seq);
        if self.holes.is_empty() {
            self.refusals = 0;
        }
        hold!(
            self.holes.len() as u64 <= self.refusals,
            promise::PUBLISHED,
            "decision {seq} is published before {:?}, and the broker refused {} publications since all were in order",
            self.holes.iter().take(5).collect::<Vec<_>>(),
            self.refusals
        );
        Ok(())
    }

    /// The ledger in force has so many decisions.
    pub(super) fn go_back(&mut self, decisions: u64) {
        self.highest = self.highest.min(decisions);
        self.holes.retain(|seq| *seq <= decisions);
    }
}
