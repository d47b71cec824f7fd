//! Messages on their way to the broker, without I/O and clock.
//!
//! They are published in order. A position counts as published when it and all before it have a PUBACK with a reason
//! code below 0x80. With any other code nothing behind the refused one is sent any more: it is tried again alone until
//! the broker takes it.

use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    InFlight,
    Accepted,
}

#[derive(Debug)]
struct Slot<T> {
    content: T,
    state: State,
}

/// Entries by position, in order.
#[derive(Debug)]
pub struct Outbox<T> {
    /// Positions without holes, from `published_through` + 1.
    slots: VecDeque<Slot<T>>,
    published_through: u64,
    /// No entry before this position is ready to be sent.
    cursor: u64,
    in_flight: usize,
    window: usize,
    /// The connection before ended over something that was on its way.
    cautious: bool,
    blocked: Option<Blocked>,
}

#[derive(Debug, Clone, Copy)]
struct Blocked {
    position: u64,
    /// It is being tried again.
    probing: bool,
}

/// The runtime left a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the runtime sent outbox position {found} where {expected} was due")]
pub struct MissingPosition {
    /// The one that was due.
    pub expected: u64,
    /// The one that came.
    pub found: u64,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self {
            slots: VecDeque::new(),
            published_through: 0,
            cursor: 1,
            in_flight: 0,
            window: 0,
            cautious: false,
            blocked: None,
        }
    }
}

impl<T> Outbox<T> {
    /// Every position up to this one is published.
    pub const fn published_through(&self) -> u64 {
        self.published_through
    }

    /// Entries that are not published.
    pub fn unpublished(&self) -> usize {
        self.slots.len()
    }

    /// An entry that is not published.
    pub fn get(&self, position: u64) -> Option<&T> {
        self.slots.get(self.index(position)?).map(|slot| &slot.content)
    }

    /// The position whose refusal holds back what is behind it.
    pub fn blocked_at(&self) -> Option<u64> {
        self.blocked.map(|blocked| blocked.position)
    }

    /// The runtime knows of publications up to a position; entries behind it follow, also those that are here already.
    pub fn opened(&mut self, published_through: u64) {
        while self.published_through < published_through {
            if let Some(slot) = self.slots.pop_front() {
                self.in_flight -= usize::from(slot.state == State::InFlight);
                self.published_through += 1;
            } else {
                self.published_through = published_through;
            }
        }
        self.cursor = self.cursor.max(self.published_through + 1);
        if self.blocked.is_some_and(|blocked| blocked.position <= self.published_through) {
            self.blocked = None;
        }
    }

    /// Takes an entry, unless it is here or published already: false then.
    pub fn push(&mut self, position: u64, content: impl FnOnce() -> T) -> Result<bool, MissingPosition> {
        let expected = self.published_through + self.slots.len() as u64 + 1;
        if position > expected {
            return Err(MissingPosition { expected, found: position });
        }
        if position == expected {
            self.slots.push_back(Slot { content: content(), state: State::Ready });
        }
        Ok(position == expected)
    }

    /// A new connection, which takes `window` messages without having acknowledged them. What was sent on the one before
    /// and has no PUBACK is sent again; the first of it alone, since some brokers end the connection over what they
    /// refuse, and the answer is lost when more is being written.
    pub fn connected(&mut self, window: usize) {
        self.disconnected();
        self.window = window;
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.window = 0;
        self.cautious |= self.in_flight > 0;
        self.in_flight = 0;
        for slot in &mut self.slots {
            if slot.state == State::InFlight {
                slot.state = State::Ready;
            }
        }
        self.cursor = self.published_through + 1;
        if let Some(blocked) = &mut self.blocked {
            blocked.probing = false;
        }
    }

    /// The next entry to be sent, which counts as sent.
    pub fn next_to_send(&mut self) -> Option<(u64, &T)> {
        let window = if self.cautious { self.window.min(1) } else { self.window };
        if self.blocked.is_some() || self.in_flight >= window {
            return None;
        }
        loop {
            let position = self.cursor;
            let index = self.index(position)?;
            self.cursor += 1;
            if self.slots.get(index)?.state == State::Ready {
                return self.send(position);
            }
        }
    }

    /// Tries the refused entry again. `None`: nothing is refused, or the connection does not take it now.
    pub fn retry(&mut self) -> Option<(u64, &T)> {
        let blocked = self.blocked.as_mut()?;
        if blocked.probing || self.in_flight >= self.window {
            return None;
        }
        blocked.probing = true;
        let position = blocked.position;
        self.send(position)
    }

    /// A PUBACK. Gives what is published now and was not before, in order.
    pub fn answered(&mut self, position: u64, accepted: bool) -> Vec<(u64, T)> {
        let slot = self.index(position).and_then(|index| self.slots.get_mut(index));
        let Some(slot) = slot.filter(|slot| slot.state == State::InFlight) else { return Vec::new() };
        self.in_flight -= 1;
        if !accepted {
            slot.state = State::Ready;
            // The first of several refusals is the one to be tried; a trial that is on its way stays so, whatever else is
            // refused meanwhile.
            if self.blocked.is_none_or(|blocked| position <= blocked.position) {
                self.blocked = Some(Blocked { position, probing: false });
            }
            self.cursor = self.cursor.min(position);
            return Vec::new();
        }
        slot.state = State::Accepted;
        self.cautious = false;
        if self.blocked.is_some_and(|blocked| blocked.position == position) {
            self.blocked = None;
        }
        let mut published = Vec::new();
        while self.slots.front().is_some_and(|slot| slot.state == State::Accepted) {
            self.published_through += 1;
            published.extend(self.slots.pop_front().map(|slot| (self.published_through, slot.content)));
        }
        self.cursor = self.cursor.max(self.published_through + 1);
        published
    }

    fn send(&mut self, position: u64) -> Option<(u64, &T)> {
        let index = self.index(position)?;
        let slot = self.slots.get_mut(index)?;
        slot.state = State::InFlight;
        self.in_flight += 1;
        Some((position, &slot.content))
    }

    fn index(&self, position: u64) -> Option<usize> {
        let index = usize::try_from(position.checked_sub(self.published_through + 1)?).ok()?;
        (index < self.slots.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests;
