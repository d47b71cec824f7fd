//! Further copies of messages, which some brokers send for each filter that matches.

use std::collections::VecDeque;

use crate::{
    inflight::Arrival,
    subscriptions::{Standing, Subscriptions},
};

/// Messages among which the other copy is looked for. Brokers send the copies of a message one after the other. Among more, a quote that
/// a publisher repeats would be taken for a copy.
const RECENT: usize = 2;

/// A message without its other copy.
#[derive(Debug)]
struct Single {
    topic: String,
    /// SHA-256 of payload and user properties.
    envelope_sha256: [u8; 32],
    /// It came for filters that are not held any more.
    is_unheld: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The connection, and the changes of the filters so far. A message from before has no copy after.
    since: (u64, u64),
    recent: VecDeque<Single>,
}

impl Copies {
    /// Whether a message is a further copy. Each message has to be shown once, in the order in which they came.
    ///
    /// During a swap the broker may still deliver messages for a filter of the previous algorithm. Some of these have a copy for a
    /// held filter, some have none. If two equal messages follow each other, one for a filter of each kind, the second is
    /// the copy.
    pub(super) fn is_copy(&mut self, arrival: &Arrival, subscriptions: &Subscriptions) -> bool {
        let Arrival { epoch, topic, subscription_ids, envelope_sha256, .. } = arrival;
        let is_unheld = match subscriptions.standing(topic, subscription_ids) {
            Standing::Copy => return true,
            Standing::Counts if subscription_ids.is_empty() => return false,
            Standing::Counts => false,
            Standing::Unheld => true,
        };
        let since = (*epoch, subscriptions.changes());
        if since != self.since {
            (self.since, self.recent) = (since, VecDeque::new());
        }
        let is_other = |single: &Single| {
            single.is_unheld != is_unheld && single.topic == *topic && single.envelope_sha256 == *envelope_sha256
        };
        if let Some(place) = self.recent.iter().position(is_other) {
            self.recent.remove(place);
            return true;
        }
        self.recent.push_back(Single { topic: topic.clone(), envelope_sha256: *envelope_sha256, is_unheld });
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        false
    }
}
