//! Further copies of the messages of a session that the broker has lost.

use std::collections::HashMap;

use crate::{
    inflight::Arrival,
    subscriptions::{Standing, Subscriptions},
};

/// Connection, topic, and SHA-256 of payload and user properties.
type Content = (u64, String, [u8; 32]);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Its first connection.
    since: u64,
    /// Messages by content and by the identifiers of their subscriptions.
    taken: HashMap<Content, HashMap<Vec<u32>, u32>>,
}

impl Lost {
    pub(super) fn new(since: u64) -> Self {
        Self { since, taken: HashMap::new() }
    }

    /// Whether a message is a further copy. Each message has to be shown once, in the order in which they came.
    ///
    /// Before its first stream a bridge does not know the filters of its session. On a connection a broker sends a message once for
    /// each filter, so that equal messages for different filters are copies.
    pub(super) fn is_copy(&mut self, arrival: &Arrival, subscriptions: &Subscriptions) -> bool {
        let Arrival { epoch, topic, subscription_ids, envelope_sha256, .. } = arrival;
        if *epoch < self.since || subscription_ids.is_empty() {
            return false;
        }
        if let Some(standing) = subscriptions.standing_in_lost_session(topic, subscription_ids) {
            return standing == Standing::Copy;
        }
        let taken = self.taken.entry((*epoch, topic.clone(), *envelope_sha256)).or_default();
        let others = taken.iter().filter(|(ids, _)| *ids != subscription_ids).map(|(_, count)| *count).max();
        let own = taken.entry(subscription_ids.clone()).or_default();
        *own += 1;
        *own <= others.unwrap_or_default()
    }
}
