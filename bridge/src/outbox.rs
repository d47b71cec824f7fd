//! Entries on their way to the broker, without I/O and clock.
//!
//! Contract, ledger and outcomes number all entries in one sequence of positions. They are sent in three queues, so that a topic
//! that the broker refuses holds back no other kind of entry (ADR 0029):
//!
//! - decisions, and in an indicator's account quotes with their indicators, in strict order; nothing behind a refused one is sent, and
//!   none is given up;
//! - dead letters, and publications: each is retried beside the others and ends in bounded time, published or given up.
//!
//! A position is *done* when its entry has a PUBACK with a reason code below 0x80, or was given up.

mod bounded;
mod ends;
mod entry;
mod ordered;
mod progress;
mod ranges;
mod room;
mod sizes;
mod topics;

use std::{sync::Arc, time::Duration};

use intuition_api::v1::{Positions, Published};
use intuition_common::planted::{self, Mistake};
use tokio::time::Instant;

use self::{
    bounded::{Bounded, Now, Verdict},
    entry::Flight,
    ordered::Ordered,
    progress::Progress,
    topics::Topics,
};
pub use self::{
    ends::may_be_about_a_message,
    entry::{Change, Content, Queue},
    progress::MissingPosition,
    ranges::Ranges,
    room::{Cost, Room},
    sizes::Sizes,
    topics::Deadlines,
};
use intuition_mqtt::Code;

/// The share of the window that entries in strict order have for themselves.
const STRICT_SHARE: usize = 4;

/// Refusals that may be the client's own, of messages that it did not send: topic name invalid, packet too large, retain or
/// `QoS` not supported. They are no sign that the broker is well.
const OWN_REFUSALS: [u8; 4] = [0x90, 0x95, 0x9a, 0x9b];

/// Entries that are not done.
#[derive(Debug)]
pub struct Outbox<T> {
    progress: Progress,
    strict: Ordered<T>,
    letters: Bounded<T>,
    publications: Bounded<T>,
    topics: Topics,
    deadlines: Deadlines,
    sizes: Sizes,
    /// Bytes of messages under way.
    max_bytes: usize,
    window: usize,
    /// On this connection.
    pubacks: u64,
    /// The last answer on this connection was a refusal.
    is_refused: bool,
    /// The last refusal ended the connection, as it does with mosquitto 2.0.11.
    ends_over_refusals: bool,
    /// A letter or publication beside which nothing is sent.
    lone: Option<u64>,
    /// Entries in strict order go before the next lone entry.
    is_turn_of_strict: bool,
    changes: Vec<Change<T>>,
}

impl<T: Content> Outbox<T> {
    /// An empty one. At most `max_bytes` of messages are under way, or one message.
    pub fn new(deadlines: Deadlines, max_bytes: usize, sizes: Sizes) -> Self {
        Self {
            progress: Progress::new(sizes),
            strict: Ordered::new(),
            letters: Bounded::new(),
            publications: Bounded::new(),
            topics: Topics::new(sizes.undeliverable_topics),
            deadlines,
            sizes,
            max_bytes,
            window: 0,
            pubacks: 0,
            is_refused: false,
            ends_over_refusals: false,
            lone: None,
            is_turn_of_strict: false,
            changes: Vec::new(),
        }
    }

    /// Begins with another sequence of positions. Undeliverable topics stay so.
    pub fn restart(&mut self) {
        self.progress = Progress::new(self.sizes);
        self.strict = Ordered::new();
        self.letters = Bounded::new();
        self.publications = Bounded::new();
        self.lone = None;
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

    /// Entries that are not done, and those in strict order that wait for the PUBACK of one before.
    pub fn unpublished(&self) -> usize {
        self.strict.len() + self.letters.len() + self.publications.len()
    }

    /// An entry that is not done.
    pub fn get(&self, position: u64) -> Option<&T> {
        let bounded = || self.letters.get(position).or_else(|| self.publications.get(position));
        self.strict.get(position).or_else(bounded)
    }

    /// The refused entry in strict order that holds back all behind it.
    pub fn blocked(&self) -> Option<(u64, &T)> {
        self.strict.blocked()
    }

    /// Undeliverable topics, with the name of the last refusal's code.
    pub fn undeliverable(&self) -> impl ExactSizeIterator<Item = (&str, &'static str)> {
        self.topics.iter()
    }

    /// `Open.published` for a new stream.
    pub fn begin_stream(&mut self) -> Published {
        self.progress.begin()
    }

    /// The runtime's first answer, with the positions that it knows to be done. All others follow, also those held already.
    pub fn opened(&mut self, published_through: u64, done: &[Positions]) {
        self.progress.opened(published_through, done);
        let mut known = Ranges::default();
        for range in done {
            known.insert(range.first, range.last);
        }
        let mut dropped = self.strict.remove_done(published_through, &known);
        dropped.append(&mut self.letters.remove_done(published_through, &known));
        dropped.append(&mut self.publications.remove_done(published_through, &known));
        self.changes.extend(dropped.into_iter().map(Change::Dropped));
    }

    /// Takes an entry, unless it is here or done already: false then.
    pub fn push(&mut self, position: u64, queue: Queue, content: impl FnOnce() -> T) -> Result<bool, MissingPosition> {
        let is_due = self.progress.receive(position)?;
        let is_new = (is_due && self.get(position).is_none()) || planted::is(Mistake::EntriesTakenTwice);
        if is_new {
            match queue {
                Queue::Strict => self.strict.push(position, content()),
                Queue::DeadLetters => self.letters.push(position, content()),
                Queue::Publications => self.publications.push(position, content()),
            }
        }
        Ok(is_new)
    }

    /// The next bounded report for the runtime. Without the capability `outbox-queues` it is one position.
    pub fn report(&mut self, to_queues: bool) -> Option<Published> {
        self.progress.report(to_queues)
    }

    /// A new connection, which takes `window` messages without having acknowledged them. Entries without a PUBACK are sent
    /// again.
    pub fn connected(&mut self, window: usize, now: Instant) {
        self.disconnected(false, now);
        self.window = window;
    }

    /// The connection is gone. `has_other`: another message than an entry was under way, so that the end may be about that one.
    pub fn disconnected(&mut self, has_other: bool, now: Instant) {
        let is_alone = self.under_way().count == 1 && !has_other;
        self.ends_over_refusals |= std::mem::take(&mut self.is_refused);
        self.window = 0;
        self.pubacks = 0;
        if !planted::is(Mistake::LoneOfEarlierConnection) {
            self.lone = None;
        }
        self.strict.disconnected();
        let (at, letters, publications) = self.bounded(now);
        let mut ended = letters.disconnected(is_alone, &at);
        ended.append(&mut publications.disconnected(is_alone, &at));
        self.conclude_all(ended, now);
    }

    /// The broker ended the connection with a reason code. If the code may be about a message, and one dead letter or publication was
    /// the only message under way, it counts as a refusal of that.
    pub fn ended_with(&mut self, code: Code, now: Instant) {
        let alone = self.letters.alone().or_else(|| self.publications.alone());
        let is_alone = self.under_way().count == 1;
        if let Some(position) = alone.filter(|_| may_be_about_a_message(code) && is_alone) {
            self.answered(position, code, now);
        }
    }

    /// The next entry to be sent, which counts as sent. Those in strict order come first.
    pub fn next_to_send(&mut self, now: Instant) -> Option<(u64, &T)> {
        let Flight { count, bytes } = self.under_way();
        if count >= self.window || (count > 0 && bytes >= self.max_bytes) {
            self.is_turn_of_strict = false;
            return None;
        }
        if self.strict.is_probing() || self.lone.is_some() {
            return None;
        }
        self.withhold(now);
        let is_alone_due = self.is_alone_due(now);
        let bounded = self.letters.flight.count + self.publications.flight.count;
        if !is_alone_due || self.is_turn_of_strict {
            // Looked up twice, since a conditional return of the borrow would hold it to the end.
            if let Some(position) = self.strict.next_to_send(bounded, now).map(|(position, _)| position) {
                return self.strict.get(position).map(|content| (position, content));
            }
            if bounded > 0 && self.strict.wants_to_be_alone() {
                return None;
            }
            self.is_turn_of_strict = false;
        }
        let position = match is_alone_due {
            true if count > 0 => None,
            true => self.send_alone(now),
            false => self.next_bounded(now),
        }?;
        self.get(position).map(|content| (position, content))
    }

    /// The next letter or publication, which counts as sent.
    fn next_bounded(&mut self, now: Instant) -> Option<u64> {
        let Flight { count: letters, .. } = self.letters.flight;
        let Flight { count: publications, .. } = self.publications.flight;
        let shared = self.window - (self.window / STRICT_SHARE).max(usize::from(self.window > 1));
        if letters + publications >= shared {
            return None;
        }
        let each = (shared / 2).max(1);
        let (mut at, letter_queue, publication_queue) = self.bounded(now);
        if letters < each
            && let Some((position, _)) = letter_queue.next_to_send(&mut at)
        {
            return Some(position);
        }
        let publication = if publications < each { publication_queue.next_to_send(&mut at) } else { None };
        publication.map(|(position, _)| position)
    }

    /// The oldest entry that is to be sent while nothing else is under way, which counts as sent.
    fn send_alone(&mut self, now: Instant) -> Option<u64> {
        let (mut at, letters, publications) = self.bounded(now);
        let letter = letters.lone_candidate(&at);
        let publication = publications.lone_candidate(&at);
        let is_letter = letter.is_some_and(|letter| publication.is_none_or(|publication| letter < publication));
        let queue = if is_letter { letters } else { publications };
        let position = queue.next_to_send(&mut at).map(|(position, _)| position);
        self.lone = position;
        self.is_turn_of_strict = true;
        position
    }

    /// Gives up entries that are not to be sent.
    fn withhold(&mut self, now: Instant) {
        let (at, letters, publications) = self.bounded(now);
        let mut withheld = letters.withheld(&at);
        withheld.append(&mut publications.withheld(&at));
        self.conclude_all(withheld, now);
    }

    /// A letter or a publication is to be sent while nothing else is under way.
    fn is_alone_due(&mut self, now: Instant) -> bool {
        let (at, letters, publications) = self.bounded(now);
        letters.lone_candidate(&at).is_some() || publications.lone_candidate(&at).is_some()
    }

    /// The queues of letters and publications, with the circumstances of sending.
    const fn bounded(&mut self, time: Instant) -> (Now<'_>, &mut Bounded<T>, &mut Bounded<T>) {
        let Self { deadlines, pubacks, topics, ends_over_refusals, letters, publications, .. } = self;
        let now =
            Now { time, pubacks: *pubacks, topics, deadlines: *deadlines, ends_over_refusals: *ends_over_refusals };
        (now, letters, publications)
    }

    /// Tries the refused entry in strict order again. `None`: none is refused, or the connection does not take it now.
    pub fn retry(&mut self, now: Instant) -> Option<(u64, &T)> {
        let is_full = self.under_way().count >= self.window || self.lone.is_some();
        if is_full { None } else { self.strict.retry(now) }
    }

    /// Takes the PUBACK of an entry and returns the time since it was sent; `None`: the entry is not under way.
    pub fn answered(&mut self, position: u64, code: Code, now: Instant) -> Option<Duration> {
        self.heard(code);
        self.lone.take_if(|lone| *lone == position);
        if let Some(answered) = self.strict.answered(position, code.is_success(), now) {
            if code.is_success() {
                self.progress.finish(position);
            }
            self.changes.extend(answered.published.into_iter().map(Change::Published));
            return Some(answered.latency);
        }
        let (at, letters, publications) = self.bounded(now);
        let letter = letters.answered(position, code, &at);
        let (verdict, latency) = letter.or_else(|| publications.answered(position, code, &at))?;
        self.conclude(position, verdict, now);
        Some(latency)
    }

    /// An answer of the broker, to any message.
    pub fn heard(&mut self, code: Code) {
        if OWN_REFUSALS.contains(&code.value) {
            return;
        }
        self.pubacks += 1;
        if std::mem::replace(&mut self.is_refused, !code.is_success()) {
            // The connection has survived a refusal.
            self.ends_over_refusals = false;
        }
    }

    /// Gives up entries after their time.
    pub fn expire(&mut self, now: Instant) {
        if self.pubacks == 0 {
            return;
        }
        let (at, letters, publications) = self.bounded(now);
        let mut ended = letters.expire(&at);
        ended.append(&mut publications.expire(&at));
        self.conclude_all(ended, now);
    }

    /// An entry has had its time, and a PUBACK of anything would show that the broker is well: a probe is to be published.
    pub fn wants_probe(&self, now: Instant) -> bool {
        self.letters.awaits_evidence(now) || self.publications.awaits_evidence(now)
    }

    /// The next time at which work becomes possible without an event.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        [self.letters.wake(now), self.publications.wake(now)].into_iter().flatten().min()
    }

    /// Changes of entries and topics since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change<T>> {
        std::mem::take(&mut self.changes)
    }

    fn conclude_all(&mut self, verdicts: Vec<(u64, Verdict<T>)>, now: Instant) {
        for (position, verdict) in verdicts {
            self.conclude(position, verdict, now);
        }
    }

    fn conclude(&mut self, position: u64, verdict: Verdict<T>, now: Instant) {
        self.lone.take_if(|lone| *lone == position);
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
                let pause = self.deadlines.trial_pause(self.ends_over_refusals);
                if self.topics.refused(&topic, reason, now, pause) {
                    self.changes.push(Change::Undeliverable(topic, reason));
                }
            }
        }
    }

    const fn under_way(&self) -> Flight {
        let (strict, letters, publications) = (self.strict.flight, self.letters.flight, self.publications.flight);
        Flight {
            count: strict.count + letters.count + publications.count,
            bytes: strict.bytes + letters.bytes + publications.bytes,
        }
    }
}

#[cfg(test)]
mod tests;
