//! The connections of a session: the working connection, and its successor before the exchange closes it.

use std::time::Duration;

use intuition_common::backoff::Backoff;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use tokio::time::Instant;

use super::connection::{Connection, ConnectionId, Request, Work};
use crate::{market::Limits, message::Subscription};

/// Most connections at a time: the working connection, its successor, and a connection about to be closed.
const MAX_CONNECTIONS: usize = 3;
/// A connection is replaced within this last part of its lifetime, at a random time: feeds that started together do not
/// reconnect together.
const REPLACED_IN_LAST: u32 = 24;
/// A connection that worked for so long makes the next pause a short one again.
const PROVEN_AFTER: Duration = Duration::from_mins(1);

/// A request to the edge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Open a connection with this number.
    Open(ConnectionId),
    /// Send a message.
    Send(ConnectionId, String),
    /// Send a ping.
    Ping(ConnectionId),
    /// Close a connection. It has no further events.
    Close(ConnectionId),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    all: Vec<Connection>,
    opened: ConnectionId,
    /// No attempt before.
    retry_at: Option<Instant>,
    backoff: Backoff,
    jitter: ChaCha8Rng,
    /// Connections that ended without a successor.
    losses: u64,
    last_error: Option<String>,
}

impl Connections {
    pub(super) fn new(limits: Limits, seed: u64) -> Self {
        let (first, longest) = limits.pauses;
        let backoff = Backoff::new(first, longest, seed);
        let jitter = ChaCha8Rng::seed_from_u64(seed.rotate_left(32));
        Self { limits, all: Vec::new(), opened: 0, retry_at: None, backoff, jitter, losses: 0, last_error: None }
    }

    /// Whether a connection has all subscriptions.
    pub(super) fn is_live(&self) -> bool {
        self.all.iter().any(Connection::is_live)
    }

    /// Whether another connection than this one has all subscriptions.
    pub(super) fn is_covered(&self, id: ConnectionId) -> bool {
        self.all.iter().any(|connection| connection.id != id && connection.is_live())
    }

    /// Connections that were lost so far.
    pub(super) const fn losses(&self) -> u64 {
        self.losses
    }

    /// Why the last connection was lost.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Number of connections, those that open included.
    pub(super) const fn count(&self) -> usize {
        self.all.len()
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.all.iter_mut().find(|connection| connection.id == id)
    }

    /// A connection is open. `requests`: its subscriptions.
    pub(super) fn opened(&mut self, id: ConnectionId, requests: Vec<Request>, now: Instant) {
        let limits = self.limits;
        if let Some(connection) = self.find(id) {
            connection.opened(requests, &limits, now);
        }
    }

    /// A frame came. False: the connection was given up, and its frames mean nothing.
    pub(super) fn hear(&mut self, id: ConnectionId, now: Instant) -> bool {
        self.find(id).map(|connection| connection.hear(now)).is_some()
    }

    /// Reading is paused.
    pub(super) fn pause(&mut self, now: Instant) {
        for connection in &mut self.all {
            connection.pause(&self.limits, now);
        }
    }

    /// The symbols with a first answer to their subscription on this connection.
    pub(super) fn answered(
        &mut self,
        id: ConnectionId,
        answer: &Subscription,
        place: impl Fn(&str) -> Option<usize>,
    ) -> Vec<usize> {
        self.find(id).map(|connection| connection.answered(answer, place)).unwrap_or_default()
    }

    /// Makes the connection live if all is answered, and closes the connections before it. True: it is live from now on.
    pub(super) fn settle(&mut self, id: ConnectionId, now: Instant) -> bool {
        if !self.find(id).is_some_and(|connection| connection.settle(now)) {
            return false;
        }
        let at = now + self.limits.overlap;
        for connection in self.all.iter_mut().filter(|connection| connection.id != id && connection.is_leaving()) {
            connection.close_at(at);
        }
        true
    }

    /// The exchange is about to close this connection.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        if let Some(connection) = self.find(id) {
            connection.leave();
        }
    }

    /// A connection ended, or is given up.
    pub(super) fn lost(&mut self, id: ConnectionId, reason: &str, now: Instant) {
        let Some(at) = self.all.iter().position(|connection| connection.id == id) else { return };
        let connection = self.all.swap_remove(at);
        if connection.is_leaving() && self.is_live() {
            return;
        }
        self.losses += 1;
        self.last_error = Some(reason.to_owned());
        if connection.live_since().is_some_and(|since| since + PROVEN_AFTER <= now) {
            self.backoff.reset();
        }
        let pause = self.backoff.pause();
        self.retry_at = self.retry_at.max(Some(now + pause));
        tracing::warn!(connection = id, reason, pause_millis = pause.as_millis(), "a connection to the exchange ended");
    }

    /// Carries out all that is due.
    pub(super) fn advance(&mut self, now: Instant) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let mut ended = Vec::new();
        for connection in &mut self.all {
            while let Some(work) = connection.work(&self.limits, now) {
                match work {
                    Work::Send(text) => wanted.push(Wanted::Send(connection.id, text)),
                    Work::Ping => wanted.push(Wanted::Ping(connection.id)),
                    Work::Retire => ended.push((connection.id, None)),
                    Work::GiveUp(reason) => ended.push((connection.id, Some(reason))),
                }
                if matches!(ended.last(), Some((id, _)) if *id == connection.id) {
                    break;
                }
            }
        }
        for (id, reason) in ended {
            wanted.push(Wanted::Close(id));
            match reason {
                Some(reason) => self.lost(id, reason, now),
                None => self.all.retain(|connection| connection.id != id),
            }
        }
        // A connection that is to be replaced before it works is of no use.
        let useless: Vec<_> =
            self.all.iter().filter(|one| one.is_leaving() && !one.is_live()).map(|one| one.id).collect();
        for id in useless {
            wanted.push(Wanted::Close(id));
            self.lost(id, "the exchange is about to close it", now);
        }
        if self.needs_another(now) {
            self.opened += 1;
            let replace_at = self.limits.lifetime.map(|lifetime| self.replace_at(lifetime, now));
            self.all.push(Connection::new(self.opened, replace_at, &self.limits, now));
            wanted.push(Wanted::Open(self.opened));
        }
        wanted
    }

    fn needs_another(&self, now: Instant) -> bool {
        self.all.len() < MAX_CONNECTIONS
            && self.all.iter().all(Connection::is_leaving)
            && self.retry_at.is_none_or(|at| at <= now)
    }

    fn replace_at(&mut self, lifetime: Duration, now: Instant) -> Instant {
        let last = lifetime / REPLACED_IN_LAST;
        // At least half of the last part is left for attempts.
        now + lifetime.saturating_sub(last).saturating_sub(last.mul_f64(self.jitter.random::<f64>()))
    }

    /// When [`Connections::advance`] has something at the latest.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let work = self.all.iter().map(|connection| connection.wake(&self.limits));
        let is_short = self.all.len() < MAX_CONNECTIONS && self.all.iter().all(Connection::is_leaving);
        let retry = is_short.then(|| self.retry_at.unwrap_or(now));
        work.chain(retry).min()
    }
}
