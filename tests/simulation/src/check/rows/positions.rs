//! Entries of the outbox and the outcomes that name them.

use algo_runtime::ledger::{Changes, OutboxContent};

use super::super::{hold, promise};
use crate::facts::Violation;

/// An outcome names all entries that came of its quote, so that the acknowledgement waits for them. A sale by hand is named by the
/// outcome that its quote has later, and the letter of a quote that an algorithm then rejects by none.
pub(super) fn check(changes: &Changes) -> Result<(), Violation> {
    let outcomes = || changes.window.iter().map(|row| &row.outcome);
    let is_named = |position: u64| {
        outcomes().any(|outcome| {
            (outcome.first_position..outcome.first_position + u64::from(outcome.positions)).contains(&position)
        })
    };
    for row in &changes.outbox {
        let is_free = match &row.content {
            OutboxContent::Decision(entry) => entry.trade.as_ref().is_some_and(|trade| trade.manual),
            OutboxContent::DeadLetter(_) => true,
            OutboxContent::Publication(_) | OutboxContent::Joined(_) => false,
        };
        hold!(
            is_free || is_named(row.position),
            promise::ACKNOWLEDGED,
            "no outcome of its commit names outbox position {}, so that no acknowledgement waits for it",
            row.position
        );
    }
    Ok(())
}
