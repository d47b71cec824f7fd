//! Requests that have no answer yet on one connection, and their packet identifiers. Pure.

use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;

use super::{Code, Event, Message, packets};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
}

/// Requests without an answer.
#[derive(Debug)]
pub(super) struct Underway {
    receive_maximum: usize,
    max_packet_size: Option<u32>,
    /// By packet identifier.
    sent: HashMap<u16, (Kind, u64)>,
    /// Publications among them.
    publications: usize,
    /// Publications that wait until the broker takes another.
    waiting: VecDeque<(u64, Message)>,
    last_packet_id: u16,
}

impl Underway {
    pub(super) fn new(receive_maximum: u16, max_packet_size: Option<u32>) -> Self {
        Self {
            // 0 is a protocol error of the broker's; at least something can be published then.
            receive_maximum: usize::from(receive_maximum.max(1)),
            max_packet_size,
            sent: HashMap::new(),
            publications: 0,
            waiting: VecDeque::new(),
            last_packet_id: 0,
        }
    }

    /// Queues a publication, which [`Underway::publish_waiting`] writes.
    pub(super) fn publish(&mut self, token: u64, message: Message) {
        self.waiting.push_back((token, message));
    }

    /// Writes publications while the broker takes another. Gives refusals of this client's own.
    pub(super) fn publish_waiting(&mut self, output: &mut BytesMut, until: usize) -> Vec<Event> {
        let mut refused = Vec::new();
        while self.publications < self.receive_maximum && output.len() < until {
            let Some((token, message)) = self.waiting.pop_front() else { break };
            let packet_id = self.unused_packet_id();
            match packets::publish(message, packet_id, self.max_packet_size, output) {
                Ok(()) => {
                    self.sent.insert(packet_id, (Kind::Publish, token));
                    self.publications += 1;
                }
                Err(code) => refused.push(Event::Published { token, code }),
            }
        }
        refused
    }

    /// Writes a SUBSCRIBE, or gives the refusal of this client's own.
    pub(super) fn subscribe(&mut self, token: u64, filter: String, id: u32, output: &mut BytesMut) -> Option<Event> {
        let packet_id = self.unused_packet_id();
        match packets::subscribe(filter, id, packet_id, output) {
            Ok(()) => {
                self.sent.insert(packet_id, (Kind::Subscribe, token));
                None
            }
            Err(code) => Some(Event::Subscribed { token, code }),
        }
    }

    /// Writes an UNSUBSCRIBE, or gives the refusal of this client's own.
    pub(super) fn unsubscribe(&mut self, token: u64, filter: String, output: &mut BytesMut) -> Option<Event> {
        let packet_id = self.unused_packet_id();
        match packets::unsubscribe(filter, packet_id, output) {
            Ok(()) => {
                self.sent.insert(packet_id, (Kind::Unsubscribe, token));
                None
            }
            Err(code) => Some(Event::Unsubscribed { token, code }),
        }
    }

    /// A PUBACK came.
    pub(super) fn published(&mut self, packet_id: u16, code: Code) -> Option<Event> {
        let token = self.answered(packet_id, |kind| matches!(kind, Kind::Publish))?;
        self.publications -= 1;
        Some(Event::Published { token, code })
    }

    /// A SUBACK came.
    pub(super) fn subscribed(&mut self, packet_id: u16, code: Code) -> Option<Event> {
        let token = self.answered(packet_id, |kind| matches!(kind, Kind::Subscribe))?;
        Some(Event::Subscribed { token, code })
    }

    /// An UNSUBACK came.
    pub(super) fn unsubscribed(&mut self, packet_id: u16, code: Code) -> Option<Event> {
        let token = self.answered(packet_id, |kind| matches!(kind, Kind::Unsubscribe))?;
        Some(Event::Unsubscribed { token, code })
    }

    /// `None`: the broker answered nothing of this kind, which is passed over.
    fn answered(&mut self, packet_id: u16, is_kind: impl Fn(Kind) -> bool) -> Option<u64> {
        let (kind, token) = *self.sent.get(&packet_id)?;
        if !is_kind(kind) {
            return None;
        }
        self.sent.remove(&packet_id);
        Some(token)
    }

    /// Packet identifiers of one client are one set, whatever they are for (section 2.2.1).
    fn unused_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            // At most 65,535 publications and a few subscriptions are under way, and the driver's windows are far below.
            if !self.sent.contains_key(&self.last_packet_id) || self.sent.len() >= usize::from(u16::MAX) {
                return self.last_packet_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::codes;

    fn message(payload: &str) -> Message {
        Message::new("decisions".to_owned(), payload.to_owned().into())
    }

    /// Packet identifiers of the PUBLISH packets without properties of the topic `decisions`.
    fn packet_ids(output: &BytesMut) -> Vec<u16> {
        let mut rest = &output[..];
        let mut ids = Vec::new();
        while let [_, length, packet @ ..] = rest {
            ids.push(u16::from_be_bytes([packet[11], packet[12]]));
            rest = &packet[usize::from(*length)..];
        }
        ids
    }

    #[test]
    fn broker_gets_no_more_publications_than_its_receive_maximum() {
        let (mut underway, mut output) = (Underway::new(2, None), BytesMut::new());
        for token in 1..=4 {
            underway.publish(token, message("x"));
        }
        assert!(underway.publish_waiting(&mut output, usize::MAX).is_empty());
        assert_eq!(packet_ids(&output), [1, 2]);
        output.clear();
        let answer = underway.published(2, codes::code(0));
        assert!(matches!(answer, Some(Event::Published { token: 2, .. })));
        assert!(underway.published(2, codes::code(0)).is_none(), "answered already");
        underway.publish_waiting(&mut output, usize::MAX);
        assert_eq!(packet_ids(&output), [3]);
    }

    #[test]
    fn packet_identifiers_in_use_are_passed_over() {
        let (mut underway, mut output) = (Underway::new(u16::MAX, None), BytesMut::new());
        underway.subscribe(1, "quotes".to_owned(), 1, &mut output);
        underway.last_packet_id = u16::MAX;
        underway.publish(2, message("x"));
        output.clear();
        underway.publish_waiting(&mut output, usize::MAX);
        assert_eq!(packet_ids(&output), [2]);
        assert!(underway.published(1, codes::code(0)).is_none(), "1 is a subscription's");
        assert!(underway.subscribed(1, codes::code(0)).is_some());
    }

    #[test]
    fn publication_that_the_broker_cannot_take_is_answered_and_not_sent() {
        let (mut underway, mut output) = (Underway::new(10, Some(40)), BytesMut::new());
        underway.publish(1, message(&"x".repeat(40)));
        underway.publish(2, Message { topic: "a/#".to_owned(), ..message("x") });
        let refused = underway.publish_waiting(&mut output, usize::MAX);
        let codes: Vec<u8> = refused
            .iter()
            .map(|event| if let Event::Published { code, .. } = event { code.value } else { 0 })
            .collect();
        assert_eq!(codes, [0x95, 0x90]);
        assert!(output.is_empty());
    }
}
