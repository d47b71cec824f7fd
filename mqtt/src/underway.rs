//! Requests that have no answer yet on one connection, and their packet identifiers. Pure.
//!
//! One SUBSCRIBE or UNSUBSCRIBE is under way at a time: brokers that limit the packets in flight count those too.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use intuition_common::planted::{self, Mistake};
use tokio::time::Instant;

use super::{Capabilities, Code, Event, Message, codes, deadlines::Deadlines, error::Awaited, output::Output};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
}

#[derive(Debug)]
struct Sent {
    kind: Kind,
    token: u64,
    /// For [`Deadlines`].
    number: u64,
}

/// A request about a subscription that waits for its turn.
#[derive(Debug)]
enum Turn {
    Subscribe { token: u64, filter: String, id: u32 },
    LookUp { token: u64, filter: String },
    Unsubscribe { token: u64, filter: String },
}

/// Requests without an answer.
#[derive(Debug)]
pub(super) struct Underway {
    capabilities: Capabilities,
    pub(super) deadlines: Deadlines,
    /// By packet identifier. Looked up only, never iterated: the order of a `HashMap` differs between runs.
    sent: HashMap<u16, Sent>,
    /// Publications among them.
    publications: usize,
    /// Publications that wait until the broker takes another.
    waiting: VecDeque<(u64, Message)>,
    /// Publications without an answer of the broker that wait for room in the output.
    unconfirmed: VecDeque<(u64, Message)>,
    /// A SUBSCRIBE or an UNSUBSCRIBE is among those sent.
    is_subscribing: bool,
    turns: VecDeque<Turn>,
    last_packet_id: u16,
}

impl Underway {
    pub(super) fn new(capabilities: Capabilities, answer_timeout: Duration) -> Self {
        Self {
            // 0 is a protocol error of the broker's; at least something can be published then.
            capabilities: Capabilities { receive_maximum: capabilities.receive_maximum.max(1), ..capabilities },
            deadlines: Deadlines::new(answer_timeout),
            sent: HashMap::new(),
            publications: 0,
            waiting: VecDeque::new(),
            unconfirmed: VecDeque::new(),
            is_subscribing: false,
            turns: VecDeque::new(),
            last_packet_id: 0,
        }
    }

    /// Queues a publication, which [`Underway::publish_waiting`] writes.
    pub(super) fn publish(&mut self, token: u64, message: Message) {
        self.waiting.push_back((token, message));
    }

    /// Queues a publication with `QoS` 0, which [`Underway::publish_unconfirmed_waiting`] writes.
    pub(super) fn publish_unconfirmed(&mut self, token: u64, message: Message) {
        self.unconfirmed.push_back((token, message));
    }

    /// Queues a SUBSCRIBE, which [`Underway::take_turns`] writes.
    pub(super) fn subscribe(&mut self, token: u64, filter: String, id: u32) {
        self.turns.push_back(Turn::Subscribe { token, filter, id });
    }

    /// Queues a SUBSCRIBE that asks for retained messages too, which [`Underway::take_turns`] writes.
    pub(super) fn look_up(&mut self, token: u64, filter: String) {
        self.turns.push_back(Turn::LookUp { token, filter });
    }

    /// Queues an UNSUBSCRIBE, which [`Underway::take_turns`] writes.
    pub(super) fn unsubscribe(&mut self, token: u64, filter: String) {
        self.turns.push_back(Turn::Unsubscribe { token, filter });
    }

    /// Writes publications while the broker takes another. Gives refusals of this client's own.
    pub(super) fn publish_waiting(&mut self, output: &mut impl Output, until: usize, now: Instant) -> Vec<Event> {
        let mut refused = Vec::new();
        let window = usize::from(self.capabilities.receive_maximum);
        while (self.publications < window || planted::is(Mistake::StateBeyondWindow)) && output.len() < until {
            let Some((token, message)) = self.waiting.pop_front() else { break };
            let (packet_id, topic) = (self.unused_packet_id(), message.topic.clone());
            let written = self
                .objection(&message)
                .map_or_else(|| output.publish(message, packet_id, self.capabilities.max_packet_size), Err);
            match written {
                Ok(()) => {
                    self.insert(packet_id, Kind::Publish, token, Awaited::Publish(topic), now);
                    self.publications += 1;
                }
                Err(code) => refused.push(Event::Published { token, code }),
            }
        }
        refused
    }

    /// Writes publications with `QoS` 0 while the output has room. Gives the answer to each: the broker gives none.
    pub(super) fn publish_unconfirmed_waiting(&mut self, output: &mut impl Output, until: usize) -> Vec<Event> {
        let mut answers = Vec::new();
        while output.len() < until {
            let Some((token, message)) = self.unconfirmed.pop_front() else { break };
            let is_refused = message.retain && !self.capabilities.retain;
            let written = if is_refused {
                Err(codes::RETAIN_NOT_SUPPORTED)
            } else {
                output.publish_unconfirmed(message, self.capabilities.max_packet_size)
            };
            let code = written.err().unwrap_or_else(|| codes::code(0));
            answers.push(Event::Published { token, code });
        }
        answers
    }

    /// Writes the next SUBSCRIBE or UNSUBSCRIBE, if none is under way. Gives refusals of this client's own.
    pub(super) fn take_turns(&mut self, output: &mut impl Output, now: Instant) -> Vec<Event> {
        let mut refused = Vec::new();
        while !self.is_subscribing {
            let Some(turn) = self.turns.pop_front() else { break };
            let packet_id = self.unused_packet_id();
            match turn {
                Turn::Subscribe { token, filter, id } => {
                    let id = self.capabilities.subscription_ids.then_some(id);
                    match output.subscribe(filter.clone(), id, packet_id) {
                        Ok(()) => self.insert(packet_id, Kind::Subscribe, token, Awaited::Subscribe(filter), now),
                        Err(code) => refused.push(Event::Subscribed { token, code }),
                    }
                }
                Turn::LookUp { token, filter } => match output.look_up(filter.clone(), packet_id) {
                    Ok(()) => self.insert(packet_id, Kind::Subscribe, token, Awaited::Subscribe(filter), now),
                    Err(code) => refused.push(Event::Subscribed { token, code }),
                },
                Turn::Unsubscribe { token, filter } => match output.unsubscribe(filter.clone(), packet_id) {
                    Ok(()) => self.insert(packet_id, Kind::Unsubscribe, token, Awaited::Unsubscribe(filter), now),
                    Err(code) => refused.push(Event::Unsubscribed { token, code }),
                },
            }
        }
        refused
    }

    /// A PUBACK came.
    pub(super) fn published(&mut self, packet_id: u16, code: Code) -> Option<Event> {
        let token = self.answered(packet_id, Kind::Publish)?;
        self.publications -= 1;
        Some(Event::Published { token, code })
    }

    /// A SUBACK came.
    pub(super) fn subscribed(&mut self, packet_id: u16, code: Code) -> Option<Event> {
        let token = self.answered(packet_id, Kind::Subscribe)?;
        Some(Event::Subscribed { token, code })
    }

    /// An UNSUBACK came.
    pub(super) fn unsubscribed(&mut self, packet_id: u16, code: Code) -> Option<Event> {
        let token = self.answered(packet_id, Kind::Unsubscribe)?;
        Some(Event::Unsubscribed { token, code })
    }

    /// The code that the broker would end the connection with, over this message.
    const fn objection(&self, message: &Message) -> Option<Code> {
        if self.capabilities.max_qos == 0 {
            Some(codes::QOS_NOT_SUPPORTED)
        } else if message.retain && !self.capabilities.retain {
            Some(codes::RETAIN_NOT_SUPPORTED)
        } else {
            None
        }
    }

    fn insert(&mut self, packet_id: u16, kind: Kind, token: u64, awaited: Awaited, now: Instant) {
        let number = self.deadlines.sent(awaited, now);
        self.sent.insert(packet_id, Sent { kind, token, number });
        self.is_subscribing |= kind != Kind::Publish;
    }

    /// `None`: no request of this kind has the identifier, and the answer means nothing.
    fn answered(&mut self, packet_id: u16, kind: Kind) -> Option<u64> {
        if self.sent.get(&packet_id)?.kind != kind {
            return None;
        }
        let Sent { token, number, .. } = self.sent.remove(&packet_id)?;
        self.deadlines.answered(number);
        self.is_subscribing &= kind == Kind::Publish;
        Some(token)
    }

    /// Packet identifiers of one client form one set for all kinds of packets (section 2.2.1).
    fn unused_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            // At most 65,535 publications and one subscription are under way, and the driver's windows are far below.
            if !self.sent.contains_key(&self.last_packet_id) || self.sent.len() >= usize::from(u16::MAX) {
                return self.last_packet_id;
            }
        }
    }
}

#[cfg(test)]
mod tests;
