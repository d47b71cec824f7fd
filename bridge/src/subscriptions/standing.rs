//! Messages among their copies, by the filters that they came for.

use intuition_api::topic;
use intuition_common::planted::{self, Mistake};

use super::{Held, Known};

/// How a message of the session stands among those that the broker sends for other filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts: it came for the filter that is held longest of those that match.
    Counts,
    /// It is a further copy: the broker sends, or sent, one for a filter that is held longer.
    Copy,
    /// It came for filters that are not held any more, or not wanted.
    Unheld,
}

/// How a message on `topic` stands that came for subscriptions with these identifiers.
pub(super) fn among(held: &[Held], topic: &str, subscription_ids: &[u32]) -> Standing {
    // Without subscription identifiers copies cannot be distinguished.
    if subscription_ids.is_empty() || planted::is(Mistake::CopiesTraded) {
        return Standing::Counts;
    }
    let staying = || held.iter().filter(|held| !held.is_leaving);
    if staying().all(|held| !subscription_ids.contains(&held.filter.subscription_id)) {
        return Standing::Unheld;
    }
    let matching = |known: Known| {
        let fits = |held: &&Held| held.known == known && topic::matches(&held.filter.filter, topic);
        staying().find(fits).map(|held| held.filter.subscription_id)
    };
    match matching(Known::Active).or_else(|| matching(Known::Pending)) {
        Some(owner) if !subscription_ids.contains(&owner) => Standing::Copy,
        _ => Standing::Counts,
    }
}
