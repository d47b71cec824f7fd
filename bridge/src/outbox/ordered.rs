//! The strict queue: entries keep their order, and none is given up. Pure.
//!
//! Behind an entry that the broker refuses nothing is sent until the broker takes it. A consumer would otherwise see a hole
//! in the decisions, or in the quotes of an indicator, that nothing explains.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use intuition_common::planted::{self, Mistake};
use tokio::time::Instant;

use super::{Content, Ranges, entry::Flight};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    InFlight { since: Instant },
    Accepted,
}

#[derive(Debug)]
struct Slot<T> {
    content: T,
    state: State,
}

#[derive(Debug, Clone, Copy)]
struct Blocked {
    position: u64,
    /// It is being tried again.
    is_under_way: bool,
}

#[derive(Debug)]
pub(super) struct Ordered<T> {
    slots: BTreeMap<u64, Slot<T>>,
    ready: BTreeSet<u64>,
    pub(super) flight: Flight,
    /// The connection before ended over an entry that was under way.
    is_cautious: bool,
    blocked: Option<Blocked>,
}

/// A PUBACK of an entry of this queue.
#[derive(Debug)]
pub(super) struct Answered<T> {
    pub(super) latency: Duration,
    /// Entries that are published, in order: each once, when all before it are.
    pub(super) published: Vec<T>,
}

impl<T: Content> Ordered<T> {
    pub(super) const fn new() -> Self {
        Self { slots: BTreeMap::new(), ready: BTreeSet::new(), flight: Flight::NONE, is_cautious: false, blocked: None }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, position: u64) -> Option<&T> {
        self.slots.get(&position).map(|slot| &slot.content)
    }

    /// The refused entry, behind which no entry is sent.
    pub(super) fn blocked(&self) -> Option<(u64, &T)> {
        let position = self.blocked?.position;
        self.get(position).map(|content| (position, content))
    }

    /// An entry is under way, and its answer is awaited before another entry is sent.
    pub(super) const fn is_probing(&self) -> bool {
        self.is_cautious && self.flight.count > 0
    }

    /// The next entry waits until nothing else is under way.
    pub(super) fn wants_to_be_alone(&self) -> bool {
        self.is_cautious && self.blocked.is_none() && !self.ready.is_empty()
    }

    pub(super) fn push(&mut self, position: u64, content: T) {
        self.slots.insert(position, Slot { content, state: State::Ready });
        self.ready.insert(position);
    }

    /// Removes entries that the runtime knows to be published. Gives their contents.
    pub(super) fn remove_done(&mut self, through: u64, done: &Ranges) -> Vec<T> {
        let is_done = |position: u64| position <= through || done.covers(position, position);
        let mut removed = Vec::new();
        for (position, slot) in self.slots.extract_if(.., |position, _| is_done(*position)) {
            self.ready.remove(&position);
            if matches!(slot.state, State::InFlight { .. }) {
                self.flight.land(slot.content.size());
            }
            removed.push(slot.content);
        }
        self.blocked.take_if(|blocked| is_done(blocked.position));
        removed
    }

    pub(super) fn disconnected(&mut self) {
        self.is_cautious |= self.flight.count > 0;
        self.flight = Flight::NONE;
        for (position, slot) in &mut self.slots {
            if matches!(slot.state, State::InFlight { .. }) {
                slot.state = State::Ready;
                self.ready.insert(*position);
            }
        }
        if let Some(blocked) = &mut self.blocked {
            // An entry before it may have lost its answer with the connection, and comes first.
            let first = self.ready.first().copied().unwrap_or(blocked.position);
            let is_under_way = blocked.is_under_way && planted::is(Mistake::TrialOfEarlierConnection);
            *blocked = Blocked { position: first.min(blocked.position), is_under_way };
        }
    }

    /// The next entry to be sent, which counts as sent. `others`: entries of other queues that are under way.
    ///
    /// After a connection that ended over an entry one is sent alone: some brokers end the connection over an entry that
    /// they refuse, and the answer is lost when more is being written.
    pub(super) fn next_to_send(&mut self, others: usize, now: Instant) -> Option<(u64, &T)> {
        if self.blocked.is_some() || (self.is_cautious && self.flight.count + others > 0) {
            return None;
        }
        let position = self.ready.pop_first()?;
        self.send(position, now)
    }

    /// Tries the refused entry again. `None`: nothing is refused, or it is under way.
    pub(super) fn retry(&mut self, now: Instant) -> Option<(u64, &T)> {
        let blocked = self.blocked.as_mut().filter(|blocked| !blocked.is_under_way)?;
        blocked.is_under_way = true;
        let position = blocked.position;
        self.ready.remove(&position);
        self.send(position, now)
    }

    /// A PUBACK. `None`: the entry is not under way in this queue.
    pub(super) fn answered(&mut self, position: u64, is_accepted: bool, now: Instant) -> Option<Answered<T>> {
        let slot = self.slots.get_mut(&position)?;
        let State::InFlight { since } = slot.state else { return None };
        self.flight.land(slot.content.size());
        let mut answered = Answered { latency: now.saturating_duration_since(since), published: Vec::new() };
        if !is_accepted {
            slot.state = State::Ready;
            self.ready.insert(position);
            // The first waiting entry is tried next. Other refusals do not end a trial that is under way.
            let first = self.ready.first().copied().unwrap_or(position);
            if planted::is(Mistake::RefusedOvertaken) {
                self.blocked = Some(Blocked { position, is_under_way: false });
            } else if self.blocked.is_none_or(|blocked| first <= blocked.position) {
                self.blocked = Some(Blocked { position: first, is_under_way: false });
            }
            return Some(answered);
        }
        slot.state = State::Accepted;
        self.is_cautious = false;
        self.blocked.take_if(|blocked| blocked.position == position);
        while let Some(first) = self.slots.first_entry().filter(|first| first.get().state == State::Accepted) {
            answered.published.push(first.remove().content);
        }
        Some(answered)
    }

    fn send(&mut self, position: u64, now: Instant) -> Option<(u64, &T)> {
        let slot = self.slots.get_mut(&position)?;
        slot.state = State::InFlight { since: now };
        self.flight.launch(slot.content.size());
        Some((position, &slot.content))
    }
}
