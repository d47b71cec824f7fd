//! The queues of dead letters and of publications, in which every entry ends in bounded time. Pure.
//!
//! Entries are sent for the first time in the order of their positions. A refused or unanswered one is tried again without
//! holding the others back. An entry is given up when its time has passed on a connection that brought a PUBACK after the
//! entry was sent on it: a broker that answers nothing at all costs no entry. One over which several connections ended,
//! while nothing else was under way, is given up too.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use intuition_common::planted::{self, Mistake};
use intuition_mqtt::Code;
use tokio::time::Instant;

use super::{
    Content, Deadlines, Ranges,
    entry::Flight,
    topics::{Terms, Topics},
};

/// The first pause between attempts is a sixtieth of the entry's time, the longest is eight times the first.
const FIRST_PAUSE_DIVISOR: u32 = 60;
const LONGEST_PAUSE_FACTOR: u32 = 8;
/// Reason of an entry that the broker did not answer.
const NO_ANSWER: &str = "NoAnswer";
/// Connections that end over an entry before it is given up.
const MAX_CONNECTION_ENDS: u32 = 3;
/// Packet too large.
const PACKET_TOO_LARGE_CODE: u8 = 0x95;
/// Not authorized, topic name invalid: a shorter payload changes nothing.
const ABOUT_THE_TOPIC: [u8; 2] = [0x87, 0x90];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    InFlight,
    /// Refused, and tried again then.
    Refused {
        retry_at: Instant,
    },
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    /// PUBACKs of the connection before it was sent.
    pubacks: u64,
    /// When it has had its time on this connection.
    until: Instant,
}

/// The time that an entry has.
#[derive(Debug, Clone, Copy)]
struct Clock {
    terms: Terms,
    until: Instant,
}

#[derive(Debug)]
struct Slot<T> {
    content: T,
    state: State,
    /// From the first sending on.
    clock: Option<Clock>,
    /// On this connection, the last time.
    sent: Option<Sent>,
    refusal: Option<Code>,
    refusals: u32,
    /// Connections that ended while it alone was under way.
    ends: u32,
}

#[derive(Debug)]
pub(super) struct Bounded<T> {
    slots: BTreeMap<u64, Slot<T>>,
    ready: BTreeSet<u64>,
    /// When refused entries are tried again.
    retries: BTreeSet<(Instant, u64)>,
    /// When the entries that were sent on this connection have had their time.
    deadlines: BTreeSet<(Instant, u64)>,
    pub(super) flight: Flight,
    /// The connection before ended over an entry that was under way.
    is_cautious: bool,
}

/// The end of an attempt at an entry.
#[derive(Debug)]
pub(super) enum Verdict<T> {
    Published(T),
    /// It stays in the queue.
    Kept,
    GivenUp(T, &'static str),
}

/// Clock, topics and connection, on which sending depends beside the queue.
pub(super) struct Now<'a> {
    pub(super) time: Instant,
    /// PUBACKs of the connection until now.
    pub(super) pubacks: u64,
    pub(super) topics: &'a mut Topics,
    pub(super) deadlines: Deadlines,
    /// The broker ends the connection after a refusal.
    pub(super) ends_over_refusals: bool,
}

impl<T: Content> Bounded<T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: BTreeMap::new(),
            ready: BTreeSet::new(),
            retries: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            flight: Flight::NONE,
            is_cautious: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, position: u64) -> Option<&T> {
        self.slots.get(&position).map(|slot| &slot.content)
    }

    pub(super) fn push(&mut self, position: u64, content: T) {
        let slot = Slot { content, state: State::Ready, clock: None, sent: None, refusal: None, refusals: 0, ends: 0 };
        self.slots.insert(position, slot);
        self.ready.insert(position);
    }

    /// Removes entries that the runtime knows to be done. Gives their contents.
    pub(super) fn remove_done(&mut self, through: u64, done: &Ranges) -> Vec<T> {
        let is_done = |position: u64| position <= through || done.covers(position, position);
        let positions: Vec<u64> = self.slots.keys().copied().filter(|position| is_done(*position)).collect();
        positions.into_iter().filter_map(|position| self.remove(position)).collect()
    }

    /// The connection is gone. Clocks go on, but nothing is given up before it was sent on the next connection; an exception
    /// is an entry over which connections end. `is_alone`: no other entry was under way, in any queue.
    pub(super) fn disconnected(&mut self, is_alone: bool, now: &Now<'_>) -> Vec<(u64, Verdict<T>)> {
        self.is_cautious |= self.flight.count > 0;
        self.flight = Flight::NONE;
        self.deadlines.clear();
        let mut over = Vec::new();
        for (position, slot) in &mut self.slots {
            slot.sent = None;
            if slot.state != State::InFlight {
                continue;
            }
            slot.state = State::Ready;
            self.ready.insert(*position);
            slot.ends += u32::from(is_alone);
            let is_over = |clock: Clock| {
                let ends = if clock.terms == Terms::Once { 1 } else { MAX_CONNECTION_ENDS };
                clock.until <= now.time && slot.ends >= ends
            };
            if slot.clock.is_some_and(is_over) {
                over.push(*position);
            }
        }
        over.into_iter().map(|position| (position, self.end(position, now))).collect()
    }

    /// The position of the only entry under way.
    pub(super) fn alone(&self) -> Option<u64> {
        if self.flight.count != 1 {
            return None;
        }
        self.slots.iter().find(|(_, slot)| slot.state == State::InFlight).map(|(position, _)| *position)
    }

    /// The entries that would be next and are not sent at all: their topic is undeliverable, and each of them would cost a
    /// connection.
    pub(super) fn withheld(&mut self, now: &Now<'_>) -> Vec<(u64, Verdict<T>)> {
        self.wake_refused(now.time);
        let mut withheld = Vec::new();
        // An entry that is sent once may be the trial.
        let is_retried = |slot: &&Slot<T>| slot.clock.is_none_or(|clock| clock.terms == Terms::Retried);
        while now.ends_over_refusals
            && let Some(position) = self.ready.first().copied()
            && let Some(slot) = self.slots.get(&position).filter(is_retried)
            && let Some(reason) = now.topics.withheld(slot.content.topic(), now.time)
        {
            let verdict = self.remove(position).map(|content| (position, Verdict::GivenUp(content, reason)));
            withheld.extend(verdict);
        }
        withheld
    }

    /// The next entry, if it is to be sent while nothing else is under way, so that its answer is not lost with the
    /// connection.
    pub(super) fn lone_candidate(&mut self, now: &Now<'_>) -> Option<u64> {
        self.wake_refused(now.time);
        let position = *self.ready.first()?;
        let slot = self.slots.get(&position)?;
        let is_suspect = slot.refusals > 0 || now.topics.is_undeliverable(slot.content.topic());
        (self.is_cautious || (now.ends_over_refusals && is_suspect)).then_some(position)
    }

    /// The next entry to be sent, which counts as sent.
    pub(super) fn next_to_send(&mut self, now: &mut Now<'_>) -> Option<(u64, &T)> {
        self.wake_refused(now.time);
        let position = self.ready.pop_first()?;
        let slot = self.slots.get_mut(&position)?;
        let clock = *slot.clock.get_or_insert_with(|| {
            let terms = now.topics.terms(slot.content.topic(), now.time, now.deadlines, now.ends_over_refusals);
            Clock { terms, until: now.time + now.deadlines.of(terms) }
        });
        // A broker that is back after a long time answers one entry after another: the first PUBACK must not end the other
        // entries.
        let until = slot.sent.map_or(clock.until.max(now.time + now.deadlines.of(Terms::Once)), |sent| sent.until);
        self.deadlines.insert((until, position));
        slot.sent = Some(Sent { at: now.time, pubacks: now.pubacks, until });
        slot.state = State::InFlight;
        self.flight.launch(slot.content.size());
        Some((position, &slot.content))
    }

    fn wake_refused(&mut self, now: Instant) {
        while let Some((_, position)) = self.retries.first().copied().filter(|(at, _)| *at <= now) {
            self.retries.pop_first();
            if let Some(slot) = self.slots.get_mut(&position) {
                slot.state = State::Ready;
                self.ready.insert(position);
            }
        }
    }

    /// A PUBACK, with the time since the entry was sent. `None`: the entry is not under way in this queue.
    pub(super) fn answered(&mut self, position: u64, code: Code, now: &Now<'_>) -> Option<(Verdict<T>, Duration)> {
        // The broker may still take the first message of an entry that waits to be sent without its payload.
        let is_awaited =
            |slot: &&mut Slot<T>| slot.state == State::InFlight || (code.is_success() && slot.clock.is_some());
        let slot = self.slots.get_mut(&position).filter(is_awaited)?;
        let latency = slot.sent.map_or(Duration::ZERO, |sent| now.time.saturating_duration_since(sent.at));
        self.is_cautious = false;
        if code.is_success() {
            return self.remove(position).map(|content| (Verdict::Published(content), latency));
        }
        self.flight.land(slot.content.size());
        slot.state = State::Ready;
        slot.refusal = Some(code);
        let is_last = slot.clock.is_some_and(|clock| clock.terms == Terms::Once || clock.until <= now.time);
        let is_kept_whole = code.value == PACKET_TOO_LARGE_CODE && planted::is(Mistake::LetterNotShortened);
        if code.value == PACKET_TOO_LARGE_CODE && !is_kept_whole && slot.content.shorten() {
            self.ready.insert(position);
        } else if is_last && !is_kept_whole {
            return Some((self.end(position, now), latency));
        } else {
            let unit = now.deadlines.give_up / FIRST_PAUSE_DIVISOR;
            let pause = unit * 2_u32.saturating_pow(slot.refusals).min(LONGEST_PAUSE_FACTOR);
            slot.refusals = slot.refusals.saturating_add(1);
            let retry_at = now.time + pause;
            slot.state = State::Refused { retry_at };
            self.retries.insert((retry_at, position));
        }
        Some((Verdict::Kept, latency))
    }

    /// Entries after their time, each with its verdict.
    pub(super) fn expire(&mut self, now: &Now<'_>) -> Vec<(u64, Verdict<T>)> {
        let due: Vec<u64> = self.deadlines.range(..=(now.time, u64::MAX)).map(|(_, position)| *position).collect();
        let answers = |slot: &Slot<T>| slot.sent.is_some_and(|sent| now.pubacks > sent.pubacks);
        let ended = due.into_iter().filter(|position| self.slots.get(position).is_some_and(answers));
        let ended: Vec<u64> = ended.collect();
        ended.into_iter().map(|position| (position, self.end(position, now))).collect()
    }

    /// An entry has had its time on this connection, and no PUBACK shows whether the broker is well.
    pub(super) fn awaits_evidence(&self, now: Instant) -> bool {
        self.deadlines.first().is_some_and(|(until, _)| *until <= now)
    }

    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        // Entries that are due already wait for an answer of the broker, not for time.
        let retry = self.retries.range((now, u64::MAX)..).next().map(|(at, _)| *at);
        let deadline = self.deadlines.range((now, u64::MAX)..).next().map(|(until, _)| *until);
        [retry, deadline].into_iter().flatten().min()
    }

    /// Gives an entry up, unless it can be shortened.
    fn end(&mut self, position: u64, now: &Now<'_>) -> Verdict<T> {
        let Some(slot) = self.slots.get_mut(&position) else { return Verdict::Kept };
        let is_about_topic = slot.refusal.is_some_and(|code| ABOUT_THE_TOPIC.contains(&code.value));
        let size = slot.content.size();
        if is_about_topic || !slot.content.shorten() {
            let reason = slot.refusal.map_or(NO_ANSWER, |code| code.name);
            return self.remove(position).map_or(Verdict::Kept, |content| Verdict::GivenUp(content, reason));
        }
        if slot.state == State::InFlight {
            self.flight.land(size);
        }
        slot.ends = 0;
        slot.clock = Some(Clock { terms: Terms::Once, until: now.time + now.deadlines.once });
        if let Some(sent) = slot.sent.take() {
            self.deadlines.remove(&(sent.until, position));
        }
        if let State::Refused { retry_at } = slot.state {
            self.retries.remove(&(retry_at, position));
        }
        slot.state = State::Ready;
        self.ready.insert(position);
        Verdict::Kept
    }

    fn remove(&mut self, position: u64) -> Option<T> {
        let slot = self.slots.remove(&position)?;
        self.ready.remove(&position);
        if slot.state == State::InFlight {
            self.flight.land(slot.content.size());
        }
        if let State::Refused { retry_at } = slot.state {
            self.retries.remove(&(retry_at, position));
        }
        if let Some(sent) = slot.sent {
            self.deadlines.remove(&(sent.until, position));
        }
        Some(slot.content)
    }
}
