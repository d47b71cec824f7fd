//! Topics whose messages the broker does not take. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Deadlines;

/// Topics that are remembered: publications may name any number of them.
const REMEMBERED: usize = 1_024;

#[derive(Debug, Clone, Copy)]
struct Undeliverable {
    /// Name of the last refusal's code.
    reason: &'static str,
    since: Instant,
    /// When an entry is tried for the whole time again.
    trial_at: Instant,
}

/// How long an entry is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terms {
    /// Again and again, for [`Deadlines::give_up`].
    Retried,
    /// Sent once: it ends at the first refusal, or after [`Deadlines::once`] without an answer.
    Once,
}

/// Undeliverable topics with the reason of each.
#[derive(Debug, Default)]
pub(super) struct Topics(BTreeMap<Arc<str>, Undeliverable>);

impl Topics {
    /// The terms of an entry that is sent for the first time.
    pub(super) fn terms(&mut self, topic: &Arc<str>, now: Instant, deadlines: Deadlines) -> Terms {
        match self.0.get_mut(topic) {
            None => Terms::Retried,
            Some(undeliverable) if undeliverable.trial_at <= now => {
                // The pause is between two trials: without it one would always hold acknowledgements back.
                undeliverable.trial_at = now + deadlines.give_up + deadlines.trial_pause;
                Terms::Retried
            }
            Some(_) => Terms::Once,
        }
    }

    /// An entry was given up. True: its topic was deliverable until now, or had another reason.
    pub(super) fn refused(&mut self, topic: &Arc<str>, reason: &'static str, now: Instant, pause: Duration) -> bool {
        if let Some(known) = self.0.get_mut(topic) {
            return std::mem::replace(&mut known.reason, reason) != reason;
        }
        if self.0.len() >= REMEMBERED {
            let oldest = self.0.iter().min_by_key(|(_, topic)| topic.since).map(|(name, _)| Arc::clone(name));
            oldest.and_then(|name| self.0.remove(&name));
        }
        self.0.insert(Arc::clone(topic), Undeliverable { reason, since: now, trial_at: now + pause });
        true
    }

    /// The broker took an entry. True: its topic was undeliverable until now.
    pub(super) fn delivered(&mut self, topic: &Arc<str>) -> bool {
        self.0.remove(topic).is_some()
    }

    /// Each with its reason, by name.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &'static str)> {
        self.0.iter().map(|(name, topic)| (&**name, topic.reason))
    }
}
