//! Entries on their way to the broker, without I/O and clock.
//!
//! Contract, ledger and outcomes number all entries in one sequence of positions. They are sent in three queues, so that a topic
//! that the broker refuses holds back no other kind of entry (ADR 0029):
//!
//! - decisions in strict order; nothing behind a refused one is sent, and none is given up;
//! - dead letters, and publications: each is retried beside the others and ends in bounded time, published or given up.
//!
//! A position is *done* when its entry has a PUBACK with a reason code below 0x80, or was given up.

mod bounded;
mod ordered;
mod progress;
mod ranges;
mod room;
mod topics;

use std::{sync::Arc, time::Duration};

use intuition_api::v1::{Positions, Published};
use tokio::time::Instant;

use self::{
    bounded::{Bounded, Now, Verdict},
    ordered::Ordered,
    progress::Progress,
    topics::Topics,
};
pub use self::{
    progress::MissingPosition,
    ranges::Ranges,
    room::{Cost, Room},
};
use crate::mqtt::Code;

/// The share of the window that decisions have for themselves.
const SHARE_OF_DECISIONS: usize = 4;

/// Refusals that may be the client's own, of messages that it did not send: topic name invalid, packet too large, retain or
/// `QoS` not supported. They are no sign that the broker is well.
const OWN_REFUSALS: [u8; 4] = [0x90, 0x95, 0x9a, 0x9b];

/// What the outbox knows of an entry.
pub trait Content {
    /// The topic that it goes to.
    fn topic(&self) -> &Arc<str>;
    /// Bytes of its message, at most.
    fn size(&self) -> usize;
    /// Leaves out what makes it large. False: it has nothing that may be left out.
    fn shorten(&mut self) -> bool;
}

/// A send queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Strict order, retried for ever.
    Decisions,
    /// Each ends in bounded time.
    DeadLetters,
    /// Each ends in bounded time.
    Publications,
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

impl Default for Deadlines {
    fn default() -> Self {
        Self { give_up: Duration::from_secs(60), once: Duration::from_secs(5), trial_pause: Duration::from_secs(60) }
    }
}

/// Entries under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flight {
    count: usize,
    bytes: usize,
}

impl Flight {
    const NONE: Self = Self { count: 0, bytes: 0 };

    const fn launch(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    const fn land(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// What became of entries, to be taken by [`Outbox::take_changes`].
#[derive(Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// The broker has it.
    Published(T),
    /// It was given up, with the name of the last refusal's code.
    GivenUp(T, &'static str),
    /// Entries for this topic are given up from here on, for this reason.
    Undeliverable(Arc<str>, &'static str),
    /// The broker takes entries for this topic again.
    Deliverable(Arc<str>),
    /// The runtime knew that it is done.
    Dropped(T),
}

/// Entries that are not done.
#[derive(Debug)]
pub struct Outbox<T> {
    progress: Progress,
    decisions: Ordered<T>,
    letters: Bounded<T>,
    publications: Bounded<T>,
    topics: Topics,
    deadlines: Deadlines,
    /// Bytes of messages under way.
    max_bytes: usize,
    window: usize,
    /// On this connection.
    pubacks: u64,
    changes: Vec<Change<T>>,
}

impl<T: Content> Outbox<T> {
    /// An empty one. At most `max_bytes` of messages are under way, or one message.
    pub fn new(deadlines: Deadlines, max_bytes: usize) -> Self {
        Self {
            progress: Progress::default(),
            decisions: Ordered::new(),
            letters: Bounded::new(),
            publications: Bounded::new(),
            topics: Topics::default(),
            deadlines,
            max_bytes,
            window: 0,
            pubacks: 0,
            changes: Vec::new(),
        }
    }

    /// Begins with another sequence of positions. What is known of topics stays.
    pub fn restart(&mut self) {
        self.progress = Progress::default();
        self.decisions = Ordered::new();
        self.letters = Bounded::new();
        self.publications = Bounded::new();
        self.changes.clear();
    }

    /// Every position up to this one is done.
    pub const fn done_through(&self) -> u64 {
        self.progress.through()
    }

    /// Whether all of `first..=last` is done.
    pub fn is_done(&self, first: u64, last: u64) -> bool {
        self.progress.is_done(first, last)
    }

    /// Entries that are not done, and decisions that wait for the PUBACK of one before.
    pub fn unpublished(&self) -> usize {
        self.decisions.len() + self.letters.len() + self.publications.len()
    }

    /// An entry that is not done.
    pub fn get(&self, position: u64) -> Option<&T> {
        let bounded = || self.letters.get(position).or_else(|| self.publications.get(position));
        self.decisions.get(position).or_else(bounded)
    }

    /// The decision whose refusal holds back those behind it.
    pub fn blocked(&self) -> Option<(u64, &T)> {
        self.decisions.blocked()
    }

    /// Topics whose entries are given up, with the name of the last refusal's code.
    pub fn undeliverable(&self) -> impl ExactSizeIterator<Item = (&str, &'static str)> {
        self.topics.iter()
    }

    /// `Open.published` for a new stream.
    pub fn begin_stream(&mut self) -> Published {
        self.progress.begin()
    }

    /// The runtime's first answer: what it knows to be done. Other entries follow, also those that are here already.
    pub fn opened(&mut self, published_through: u64, done: &[Positions]) {
        self.progress.opened(published_through, done);
        let mut known = Ranges::default();
        for range in done {
            known.insert(range.first, range.last);
        }
        let mut dropped = self.decisions.remove_done(published_through, &known);
        dropped.append(&mut self.letters.remove_done(published_through, &known));
        dropped.append(&mut self.publications.remove_done(published_through, &known));
        self.changes.extend(dropped.into_iter().map(Change::Dropped));
    }

    /// Takes an entry, unless it is here or done already: false then.
    pub fn push(&mut self, position: u64, queue: Queue, content: impl FnOnce() -> T) -> Result<bool, MissingPosition> {
        let is_new = self.progress.receive(position)? && self.get(position).is_none();
        if is_new {
            match queue {
                Queue::Decisions => self.decisions.push(position, content()),
                Queue::DeadLetters => self.letters.push(position, content()),
                Queue::Publications => self.publications.push(position, content()),
            }
        }
        Ok(is_new)
    }

    /// What the runtime does not know yet: a bounded piece. Without the capability `outbox-queues` it is one position.
    pub fn report(&mut self, to_queues: bool) -> Option<Published> {
        self.progress.report(to_queues)
    }

    /// A new connection, which takes `window` messages without having acknowledged them. Entries without a PUBACK are sent
    /// again.
    pub fn connected(&mut self, window: usize) {
        self.disconnected();
        self.window = window;
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.window = 0;
        self.pubacks = 0;
        self.decisions.disconnected();
        self.letters.disconnected();
        self.publications.disconnected();
    }

    /// The broker ended the connection with a reason code. Where one dead letter or publication was the only entry under way,
    /// the code counts as a refusal of it.
    pub fn ended_with(&mut self, code: Code, now: Instant) {
        let alone = self.letters.alone().or_else(|| self.publications.alone());
        if let Some(position) = alone.filter(|_| self.under_way().count == 1) {
            self.answered(position, code, now);
        }
    }

    /// The next entry to be sent, which counts as sent. Decisions come first.
    pub fn next_to_send(&mut self, now: Instant) -> Option<(u64, &T)> {
        let Flight { count, bytes } = self.under_way();
        if count >= self.window || (count > 0 && bytes >= self.max_bytes) || self.decisions.is_probing() {
            return None;
        }
        let bounded = self.letters.flight.count + self.publications.flight.count;
        // Looked up twice, since a conditional return of the borrow would hold it to the end.
        if let Some(position) = self.decisions.next_to_send(bounded, now).map(|(position, _)| position) {
            return self.decisions.get(position).map(|content| (position, content));
        }
        let shared = self.window - (self.window / SHARE_OF_DECISIONS).max(usize::from(self.window > 1));
        if bounded >= shared {
            return None;
        }
        let each = (shared / 2).max(1);
        let (deadlines, pubacks) = (self.deadlines, self.pubacks);
        let mut now = Now { time: now, pubacks, topics: &mut self.topics, deadlines };
        if self.letters.flight.count < each
            && let Some(position) = self.letters.next_to_send(&mut now).map(|(position, _)| position)
        {
            return self.letters.get(position).map(|content| (position, content));
        }
        if self.publications.flight.count < each { self.publications.next_to_send(&mut now) } else { None }
    }

    /// Tries the refused decision again. `None`: none is refused, or the connection does not take it now.
    pub fn retry(&mut self, now: Instant) -> Option<(u64, &T)> {
        if self.under_way().count >= self.window { None } else { self.decisions.retry(now) }
    }

    /// A PUBACK of an entry, with the time since it was sent; `None` for one that is not under way.
    pub fn answered(&mut self, position: u64, code: Code, now: Instant) -> Option<Duration> {
        self.heard(code);
        if let Some(answered) = self.decisions.answered(position, code.is_success(), now) {
            if code.is_success() {
                self.progress.finish(position);
            }
            self.changes.extend(answered.published.into_iter().map(Change::Published));
            return Some(answered.latency);
        }
        let (deadlines, pubacks) = (self.deadlines, self.pubacks);
        let now = Now { time: now, pubacks, topics: &mut self.topics, deadlines };
        let letter = self.letters.answered(position, code, &now);
        let (verdict, latency) = letter.or_else(|| self.publications.answered(position, code, &now))?;
        let time = now.time;
        self.conclude(position, verdict, time);
        Some(latency)
    }

    /// An answer to a message that is no entry.
    pub fn heard(&mut self, code: Code) {
        self.pubacks += u64::from(!OWN_REFUSALS.contains(&code.value));
    }

    /// Gives up the entries whose time has passed.
    pub fn expire(&mut self, now: Instant) {
        if self.pubacks == 0 {
            return;
        }
        let (deadlines, pubacks) = (self.deadlines, self.pubacks);
        let at = Now { time: now, pubacks, topics: &mut self.topics, deadlines };
        let mut ended = self.letters.expire(&at);
        ended.append(&mut self.publications.expire(&at));
        for (position, verdict) in ended {
            self.conclude(position, verdict, now);
        }
    }

    /// An entry has had its time, and a PUBACK of anything would show that the broker is well: a probe is to be published.
    pub fn wants_probe(&self, now: Instant) -> bool {
        self.letters.awaits_evidence(now) || self.publications.awaits_evidence(now)
    }

    /// When time alone makes something possible.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        [self.letters.wake(now), self.publications.wake(now)].into_iter().flatten().min()
    }

    /// What has happened to entries and topics since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change<T>> {
        std::mem::take(&mut self.changes)
    }

    fn conclude(&mut self, position: u64, verdict: Verdict<T>, now: Instant) {
        match verdict {
            Verdict::Kept => {}
            Verdict::Published(content) => {
                let topic = Arc::clone(content.topic());
                self.progress.finish(position);
                self.changes.push(Change::Published(content));
                if self.topics.delivered(&topic) {
                    self.changes.push(Change::Deliverable(topic));
                }
            }
            Verdict::GivenUp(content, reason) => {
                let topic = Arc::clone(content.topic());
                self.progress.give_up(position, Arc::clone(&topic), reason);
                self.changes.push(Change::GivenUp(content, reason));
                if self.topics.refused(&topic, reason, now, self.deadlines.trial_pause) {
                    self.changes.push(Change::Undeliverable(topic, reason));
                }
            }
        }
    }

    const fn under_way(&self) -> Flight {
        let (decisions, letters, publications) = (self.decisions.flight, self.letters.flight, self.publications.flight);
        Flight {
            count: decisions.count + letters.count + publications.count,
            bytes: decisions.bytes + letters.bytes + publications.bytes,
        }
    }
}
