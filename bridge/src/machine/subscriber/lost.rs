//! Further copies of the messages of sessions that the broker has lost.

use std::collections::{HashMap, VecDeque};

use crate::{
    inflight::Arrival,
    subscriptions::{LostFilters, Standing},
};

/// Bound on remembered sessions. The broker has to lose as many while a message waits to be read.
const MAX_SESSIONS: usize = 16;

/// Connection, topic, and SHA-256 of payload and user properties.
type Content = (u64, String, [u8; 32]);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LostSessions {
    /// The oldest is in front.
    sessions: VecDeque<LostSession>,
}

#[derive(Debug)]
struct LostSession {
    /// Its first connection.
    since: u64,
    filters: LostFilters,
    /// Messages by content and by the identifiers of their subscriptions.
    taken: HashMap<Content, HashMap<Vec<u32>, u32>>,
}

impl LostSessions {
    /// The broker has lost the session that began with the connection `since`.
    pub(super) fn push(&mut self, since: u64, filters: LostFilters) {
        self.sessions.push_back(LostSession { since, filters, taken: HashMap::new() });
        if self.sessions.len() > MAX_SESSIONS {
            self.sessions.pop_front();
        }
    }

    /// Whether a message of a lost session is a further copy. Each message has to be shown once after the loss, in the order in
    /// which they came.
    ///
    /// Before its first stream a bridge does not know the filters of its session. On a connection a broker sends a message once for
    /// each filter, so that equal messages for different filters are copies.
    pub(super) fn is_copy(&mut self, arrival: &Arrival) -> bool {
        let Arrival { epoch, topic, subscription_ids, envelope_sha256, .. } = arrival;
        let session = self.sessions.iter_mut().rev().find(|session| session.since <= *epoch);
        let Some(session) = session.filter(|_| !subscription_ids.is_empty()) else { return false };
        if let Some(standing) = session.filters.standing(topic, subscription_ids) {
            return standing == Standing::Copy;
        }
        let taken = session.taken.entry((*epoch, topic.clone(), *envelope_sha256)).or_default();
        let others = taken.iter().filter(|(ids, _)| *ids != subscription_ids).map(|(_, count)| *count).max();
        let own = taken.entry(subscription_ids.clone()).or_default();
        *own += 1;
        *own <= others.unwrap_or_default()
    }
}
