//! Undeliverable topics: the broker does not take their messages. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;

/// Trials in one pause where a refusal costs the connection.
const COSTLY_TRIALS: u32 = 6;

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

/// How long dead letters and publications are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the first sending of an entry to the time at which it is given up.
    pub give_up: Duration,
    /// The same for an entry to a topic that is undeliverable already, which is sent once.
    pub once: Duration,
    /// Between two entries of an undeliverable topic that are retried for the whole time.
    pub trial_pause: Duration,
}

impl Deadlines {
    /// The time that an entry has on these terms.
    pub(super) const fn of(&self, terms: Terms) -> Duration {
        match terms {
            Terms::Retried => self.give_up,
            Terms::Once => self.once,
        }
    }
}

impl Deadlines {
    /// The pause between two trials. `is_costly`: a refusal costs the connection, so that the entries between two trials are
    /// not sent at all; the pause is shorter, since they are lost where the broker would take them by then.
    pub(super) fn trial_pause(self, is_costly: bool) -> Duration {
        if is_costly { self.trial_pause / COSTLY_TRIALS } else { self.trial_pause }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { give_up: Duration::from_mins(1), once: Duration::from_secs(5), trial_pause: Duration::from_mins(1) }
    }
}

/// Undeliverable topics with the reason of each.
#[derive(Debug)]
pub(super) struct Topics {
    topics: BTreeMap<Arc<str>, Undeliverable>,
    /// Most topics that are remembered.
    remembered: usize,
}

impl Topics {
    /// None is undeliverable. At most `remembered` are kept.
    pub(super) const fn new(remembered: usize) -> Self {
        Self { topics: BTreeMap::new(), remembered }
    }

    /// The terms of an entry that is sent for the first time. `is_costly`: a refusal costs the connection.
    pub(super) fn terms(&mut self, topic: &Arc<str>, now: Instant, deadlines: Deadlines, is_costly: bool) -> Terms {
        match self.topics.get_mut(topic) {
            None => Terms::Retried,
            Some(undeliverable) if undeliverable.trial_at <= now => {
                let terms = if is_costly { Terms::Once } else { Terms::Retried };
                // The pause is between two trials: without it one would always hold acknowledgements back.
                undeliverable.trial_at = now + deadlines.of(terms) + deadlines.trial_pause(is_costly);
                terms
            }
            Some(_) => Terms::Once,
        }
    }

    /// The reason why entries for this topic are given up at the moment, without a trial.
    pub(super) fn withheld(&self, topic: &Arc<str>, now: Instant) -> Option<&'static str> {
        self.topics
            .get(topic)
            .filter(|undeliverable| undeliverable.trial_at > now)
            .map(|undeliverable| undeliverable.reason)
    }

    pub(super) fn is_undeliverable(&self, topic: &Arc<str>) -> bool {
        self.topics.contains_key(topic)
    }

    /// An entry was given up. True: its topic was deliverable until now, or had another reason.
    pub(super) fn refused(&mut self, topic: &Arc<str>, reason: &'static str, now: Instant, pause: Duration) -> bool {
        if let Some(known) = self.topics.get_mut(topic) {
            return std::mem::replace(&mut known.reason, reason) != reason;
        }
        if self.topics.len() >= self.remembered {
            let oldest = self.topics.iter().min_by_key(|(_, topic)| topic.since).map(|(name, _)| Arc::clone(name));
            oldest.and_then(|name| self.topics.remove(&name));
        }
        self.topics.insert(Arc::clone(topic), Undeliverable { reason, since: now, trial_at: now + pause });
        true
    }

    /// The broker took an entry. True: its topic was undeliverable until now.
    pub(super) fn delivered(&mut self, topic: &Arc<str>) -> bool {
        self.topics.remove(topic).is_some()
    }

    /// Each with its reason, by name.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &'static str)> {
        self.topics.iter().map(|(name, topic)| (&**name, topic.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_that_has_been_undeliverable_for_longest_is_forgotten_first() {
        let (mut topics, start) = (Topics::new(2), Instant::now());
        let minute = Duration::from_mins(1);
        for (second, name) in [(2, "a"), (1, "b"), (3, "c")] {
            assert!(topics.refused(&name.into(), "NotAuthorized", start + Duration::from_secs(second), minute));
        }
        assert_eq!(topics.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "c"]);
    }
}
