//! When a PINGREQ is due, which acknowledgements a PINGRESP confirms, and when a connection is dead. No I/O, no clock.
//!
//! A broker handles the packets of a connection in their order. So a PINGRESP confirms that the broker has read
//! everything in front of its PINGREQ (MQTT 5, sections 3.12 and 3.13), and with it the PUBACKs there, for which the protocol has no
//! answer of its own.

use std::{collections::VecDeque, time::Duration};

use intuition_common::planted::{self, Mistake};
use tokio::time::Instant;

use super::sizes::Sizes;

/// Shortest time between two requests for a confirmation.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The signs of life of one connection, both ways.
#[derive(Debug)]
pub(super) struct Liveness {
    interval: Duration,
    sizes: Sizes,
    /// The last PUBACK in front of each PINGREQ without a PINGRESP, oldest first.
    unanswered: VecDeque<u64>,
    written_at: Instant,
    read_at: Instant,
    /// Since when a sign of life is due: the first PINGREQ after the last one.
    silent_since: Option<Instant>,
    /// Reading stops while there is no room. A broker's silence means nothing then.
    is_reading: bool,
    /// When a confirmation was last asked for; at first, when the connection began.
    asked_at: Instant,
    /// The last PUBACK.
    acked: u64,
    /// PUBACKs since the last PINGREQ.
    acks: u32,
    confirmed: u64,
}

impl Liveness {
    /// A connection that was just accepted.
    pub(super) const fn new(interval: Duration, sizes: Sizes, now: Instant) -> Self {
        Self {
            interval,
            sizes,
            unanswered: VecDeque::new(),
            written_at: now,
            read_at: now,
            silent_since: None,
            is_reading: true,
            asked_at: now,
            acked: 0,
            acks: 0,
            confirmed: 0,
        }
    }

    /// Bytes went out.
    pub(super) const fn wrote(&mut self, now: Instant) {
        self.written_at = now;
    }

    /// Bytes came in, so that the broker lives.
    pub(super) const fn read(&mut self, now: Instant) {
        self.read_at = now;
        self.silent_since = None;
    }

    /// Whether anything is read from now on.
    pub(super) fn set_reading(&mut self, is_reading: bool, now: Instant) {
        if is_reading && !self.is_reading {
            self.read_at = now;
            self.silent_since = (!self.unanswered.is_empty()).then_some(now);
        } else if !is_reading {
            self.silent_since = None;
        }
        self.is_reading = is_reading;
    }

    /// A PUBACK was queued behind everything queued before it.
    pub(super) const fn acknowledged(&mut self, number: u64) {
        self.acked = number;
        self.acks = self.acks.saturating_add(1);
    }

    /// Whether a PINGREQ is to be queued now; then it counts as queued. `is_dry`: no PUBACK waits.
    pub(super) fn ping(&mut self, now: Instant, is_dry: bool) -> bool {
        let is_asked = self.asks_at(is_dry).is_some_and(|at| at <= now);
        if !is_asked && self.keeps_alive_at() > now {
            return false;
        }
        if self.acks > 0 {
            self.asked_at = now;
        }
        self.unanswered.push_back(self.acked);
        self.acks = 0;
        // It counts as written already: behind a socket that takes nothing, PINGREQs must not pile up.
        self.written_at = now;
        if self.is_reading {
            self.silent_since.get_or_insert(now);
        }
        true
    }

    /// A PINGRESP came. Gives the last PUBACK that the broker has read, where that is news.
    pub(super) fn answered(&mut self) -> Option<u64> {
        let before = self.unanswered.pop_front()?;
        let through = if planted::is(Mistake::LaterAcksConfirmed) { self.acked } else { before };
        let is_news = through > self.confirmed;
        self.confirmed = self.confirmed.max(through);
        is_news.then_some(through)
    }

    /// The broker has given no sign of life for an interval, although one was due.
    pub(super) fn is_dead(&self, now: Instant) -> bool {
        self.dead_at().is_some_and(|at| at <= now)
    }

    /// When to look again. `is_dry`: no PUBACK waits.
    pub(super) fn wake(&self, is_dry: bool) -> Instant {
        [self.asks_at(is_dry), self.dead_at()].into_iter().flatten().fold(self.keeps_alive_at(), Instant::min)
    }

    fn dead_at(&self) -> Option<Instant> {
        self.silent_since.map(|since| since + self.interval)
    }

    /// When a confirmation may be asked for, if there is something to confirm.
    fn asks_at(&self, is_dry: bool) -> Option<Instant> {
        let is_worth_it = self.acks >= self.sizes.acks_per_confirmation || (is_dry && self.acks > 0);
        (is_worth_it && self.unanswered.len() < self.sizes.unanswered_pings).then(|| self.asked_at + PROBE_INTERVAL)
    }

    /// When a PINGREQ is due for want of other packets, from us or from the broker.
    fn keeps_alive_at(&self) -> Instant {
        let ours = self.written_at + self.interval;
        if self.is_reading && self.silent_since.is_none() { ours.min(self.read_at + self.interval) } else { ours }
    }
}

#[cfg(test)]
mod tests;
