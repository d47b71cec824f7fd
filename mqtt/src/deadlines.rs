//! Deadlines of the broker's answers. No I/O, no clock.
//!
//! A broker may answer requests late for a good reason: it has written a backlog of messages, and the answer waits behind
//! them. So messages that come in move the deadline of a request, until a PINGRESP shows that the broker has read
//! the request: the broker answered a PINGREQ that was sent after it. While nothing is read here, no answer is due.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use intuition_common::planted::{self, Mistake};
use tokio::time::Instant;

use super::error::Awaited;

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Deadlines {
    answer_timeout: Duration,
    /// Requests without an answer, by number.
    waiting: BTreeMap<u64, Waiting>,
    /// The number of the last request.
    last: u64,
    /// The last request in front of each PINGREQ without a PINGRESP, oldest first.
    pings: VecDeque<u64>,
    /// The broker has read the requests up to this one.
    read_through: u64,
    message_at: Option<Instant>,
    is_reading: bool,
    /// When reading began again.
    resumed_at: Option<Instant>,
    /// The time since which the socket has taken none of the waiting bytes.
    blocked_since: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    awaited: Awaited,
    since: Instant,
}

impl Deadlines {
    /// Begins without a request. Each may be without an answer for `answer_timeout`.
    pub(super) const fn new(answer_timeout: Duration) -> Self {
        Self {
            answer_timeout,
            waiting: BTreeMap::new(),
            last: 0,
            pings: VecDeque::new(),
            read_through: 0,
            message_at: None,
            is_reading: true,
            resumed_at: None,
            blocked_since: None,
        }
    }

    /// A request was queued behind everything queued before it. Gives its number.
    pub(super) fn sent(&mut self, awaited: Awaited, now: Instant) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, Waiting { awaited, since: now });
        self.last
    }

    /// A request has its answer.
    pub(super) fn answered(&mut self, number: u64) {
        self.waiting.remove(&number);
    }

    /// A message came in.
    pub(super) const fn message(&mut self, now: Instant) {
        self.message_at = Some(now);
    }

    /// A PINGREQ was queued.
    pub(super) fn pinged(&mut self) {
        self.pings.push_back(self.last);
    }

    /// A PINGRESP came in.
    pub(super) fn ponged(&mut self) {
        let Some(through) = self.pings.pop_front().filter(|through| *through > self.read_through) else { return };
        // Messages that come from here on were not in front of these answers.
        for waiting in self.waiting.range_mut(self.read_through + 1..=through).map(|(_, waiting)| waiting) {
            waiting.since = self.message_at.map_or(waiting.since, |at| at.max(waiting.since));
        }
        self.read_through = through;
    }

    /// Whether anything is read from now on.
    pub(super) fn set_reading(&mut self, is_reading: bool, now: Instant) {
        if is_reading && !self.is_reading {
            self.resumed_at = Some(now);
        }
        self.is_reading = is_reading;
    }

    /// Whether bytes wait to be written.
    pub(super) fn set_writing(&mut self, is_writing: bool, now: Instant) {
        self.blocked_since = is_writing.then(|| self.blocked_since.unwrap_or(now));
    }

    /// The socket took bytes.
    pub(super) const fn wrote(&mut self) {
        self.blocked_since = None;
    }

    /// The next time at which an answer becomes overdue, if any is awaited.
    pub(super) fn next(&self) -> Option<Instant> {
        let blocked = self.blocked_since.map(|since| since + self.answer_timeout);
        [blocked, self.unanswered_at()].into_iter().flatten().min()
    }

    /// The request that has been without an answer for too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<Awaited> {
        if self.blocked_since.is_some_and(|since| since + self.answer_timeout <= now) {
            return Some(Awaited::Flush);
        }
        self.unanswered_at().filter(|at| *at <= now)?;
        self.waiting.first_key_value().map(|(_, oldest)| oldest.awaited.clone())
    }

    /// The oldest request has the earliest deadline, since an event that moves one deadline moves all later ones at least as far.
    fn unanswered_at(&self) -> Option<Instant> {
        if planted::is(Mistake::PubackAwaitedForever) {
            return None;
        }
        let (number, oldest) = self.waiting.first_key_value().filter(|_| self.is_reading)?;
        let moved_by = self.message_at.filter(|_| *number > self.read_through);
        let since = [moved_by, self.resumed_at].into_iter().flatten().fold(oldest.since, Instant::max);
        Some(since + self.answer_timeout)
    }
}

#[cfg(test)]
mod tests;
