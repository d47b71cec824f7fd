//! Publications of clients: taken, or refused.

use std::rc::Rc;

use super::{Broker, Publish, Refusal, code};
use crate::facts::{Body, ConnectionId, Fact, Time};

impl Broker {
    /// PUBLISH of a client.
    pub(super) fn take(&mut self, connection: ConnectionId, client_id: &str, publish: Publish, now: Time) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        let packet_id = publish.packet_id;
        if known.unanswered.len() >= usize::from(self.options.receive_maximum) {
            self.violate("receive-maximum", format!("connection {connection}: one publication too many on its way"));
            self.disconnect(connection, code::RECEIVE_MAXIMUM_EXCEEDED, now);
            return;
        }
        if !known.unanswered.insert(packet_id) || packet_id == 0 {
            self.violate("packet-identifiers", format!("connection {connection}: packet {packet_id} is in use"));
            self.disconnect(connection, code::PROTOCOL_ERROR, now);
            return;
        }
        if let Some(code) = self.refusal(connection, &publish, now) {
            self.facts.push(Fact::Refused { topic: publish.topic, code });
            self.refuse_publication(connection, packet_id, code, now);
            return;
        }
        let Publish { topic, payload, retain, user_properties, .. } = publish;
        let body = Rc::new(Body { topic, payload, user_properties, places: Vec::new() });
        self.facts.push(Fact::Publication {
            topic: body.topic.clone(),
            payload: body.payload.clone(),
            user_properties: body.user_properties.clone(),
        });
        let is_subscribed = self.route(0, &body);
        if retain {
            self.keep(&body);
        }
        if self.faults.takes_cut(client_id) {
            self.close(connection, now);
            return;
        }
        let is_reported = self.options.reports_no_subscribers && !is_subscribed;
        let code = if is_reported { code::NO_MATCHING_SUBSCRIBERS } else { 0 };
        self.queue_puback(connection, packet_id, code, false, now);
    }

    /// The code by which the broker refuses a publication.
    fn refusal(&mut self, connection: ConnectionId, publish: &Publish, now: Time) -> Option<u8> {
        if self.options.max_packet_size.is_some_and(|most| publish.size > usize::try_from(most).unwrap_or(usize::MAX)) {
            if self.options.announces_packet_size {
                let text = format!("connection {connection}: a packet of {} bytes", publish.size);
                self.violate("capabilities", text);
            }
            return Some(code::PACKET_TOO_LARGE);
        }
        if publish.retain && !self.options.retain {
            self.violate("capabilities", format!("connection {connection}: RETAIN, which the broker has not"));
            return Some(code::RETAIN_NOT_SUPPORTED);
        }
        self.faults.refused_topic(&publish.topic, now)
    }

    fn refuse_publication(&mut self, connection: ConnectionId, packet_id: u16, code: u8, now: Time) {
        match self.options.refusal {
            Refusal::Answer => self.queue_puback(connection, packet_id, code, false, now),
            Refusal::AnswerAndClose => self.queue_puback(connection, packet_id, code, true, now),
            Refusal::Disconnect => self.disconnect(connection, code, now),
        }
    }

    fn queue_puback(&mut self, connection: ConnectionId, packet_id: u16, code: u8, ends: bool, now: Time) {
        let at = now + self.puback_delay(now);
        // The publication stays without an answer.
        if self.faults.is_unanswering() {
            return;
        }
        if let Some(known) = self.connections.get_mut(&connection) {
            known.queue_answer(at, packet_id, code, ends);
        }
        self.answer(now);
    }
}
