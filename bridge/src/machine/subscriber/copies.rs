//! Further copies of messages, which some brokers send for each filter that matches.

use std::collections::VecDeque;

use crate::{
    inflight::Arrival,
    subscriptions::{Standing, Subscriptions},
};

/// Bound on the messages that may have another copy. Brokers send the copies of a message one after the other. With a higher bound, a quote that
/// a publisher repeats would count as a copy.
const MAX_RECENT_MESSAGES: usize = 2;

/// A message, with the copies of it so far.
#[derive(Debug)]
struct Recent {
    topic: String,
    /// SHA-256 of payload and user properties.
    envelope_sha256: [u8; 32],
    /// Identifiers of the subscriptions that the message and its copies came for.
    subscription_ids: Vec<u32>,
    /// [`Subscriptions::confirmations`] when it came.
    confirmations: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The connection. A message of an earlier one has no copy on it.
    epoch: u64,
    /// Those that leave first are in front.
    recent: VecDeque<Recent>,
}

impl Copies {
    /// Whether a message is a further copy. Each message has to be shown once, in the order in which they came.
    ///
    /// The filters show it, except during a swap. Then the broker may still deliver messages for filters of the previous algorithm,
    /// some of which have a copy for a held filter, and the filters may change between two copies. If equal messages follow each other,
    /// each for another filter, they are one message: a broker sends a message once for each filter that it has when it takes the
    /// message.
    pub(super) fn is_copy(&mut self, arrival: &Arrival, subscriptions: &Subscriptions) -> bool {
        let Arrival { epoch, topic, subscription_ids, envelope_sha256, .. } = arrival;
        match subscriptions.standing(topic, subscription_ids) {
            Standing::Copy => return true,
            Standing::Counts if subscription_ids.is_empty() => return false,
            Standing::Counts | Standing::Unheld => {}
        }
        if *epoch != self.epoch {
            (self.epoch, self.recent) = (*epoch, VecDeque::new());
        }
        let is_same = |recent: &Recent| {
            recent.topic == *topic
                && recent.envelope_sha256 == *envelope_sha256
                && recent.subscription_ids.iter().all(|id| !subscription_ids.contains(id))
                && !subscriptions.is_younger(subscription_ids, recent.confirmations)
        };
        if let Some(mut recent) = self.recent.iter().position(is_same).and_then(|place| self.recent.remove(place)) {
            recent.subscription_ids.extend(subscription_ids);
            self.recent.push_front(recent);
            return true;
        }
        self.recent.push_back(Recent {
            topic: topic.clone(),
            envelope_sha256: *envelope_sha256,
            subscription_ids: subscription_ids.clone(),
            confirmations: subscriptions.confirmations(),
        });
        if self.recent.len() > MAX_RECENT_MESSAGES {
            self.recent.pop_front();
        }
        false
    }
}
