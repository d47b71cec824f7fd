//! The way of a message: from its publisher to the sessions that subscribe to it, and to its PUBACK.

use std::rc::Rc;

use intuition_api::topic;

use super::{
    Broker, ServerPacket, Subscribe, code,
    session::{Acknowledged, Queued},
};
use crate::facts::{Body, ConnectionId, Fact, Loss, MessageId, Time};

impl Broker {
    /// SUBSCRIBE.
    pub(super) fn subscribe(&mut self, connection: ConnectionId, client_id: &str, subscribe: &Subscribe) {
        let packet_id = subscribe.packet_id;
        let refusal = if topic::check_filter(&subscribe.filter).is_err() {
            Some(code::TOPIC_FILTER_INVALID)
        } else if subscribe.subscription_id.is_some() && !self.options.subscription_ids {
            self.violate(
                "capabilities",
                format!("connection {connection}: a Subscription Identifier, which the broker has not"),
            );
            Some(code::SUBSCRIPTION_IDS_NOT_SUPPORTED)
        } else {
            None
        };
        if let Some(code) = refusal {
            self.respond(connection, ServerPacket::Suback { packet_id, code });
            return;
        }
        self.respond(connection, ServerPacket::Suback { packet_id, code: 1 });
        let Some(session) = self.state.sessions.get_mut(client_id) else { return };
        session.subscribe(subscribe);
        if subscribe.retained || self.options.ignores_retain_handling {
            for body in self.state.retained.values().filter(|body| topic::matches(&subscribe.filter, &body.topic)) {
                session.queue_retained(body, subscribe.subscription_id);
            }
        }
    }

    /// PUBACK.
    pub(super) fn acknowledge(&mut self, connection: ConnectionId, client_id: &str, packet_id: u16) {
        let Some(session) = self.state.sessions.get_mut(client_id) else { return };
        let acknowledged = session.acknowledge(packet_id);
        let message = match acknowledged {
            Acknowledged::InOrder(message) => message,
            Acknowledged::OutOfOrder(message) => {
                let text = format!(
                    "connection {connection}: the PUBACK of packet {packet_id} (message {message:?}) comes before that of an older message"
                );
                self.violate("acknowledgement-order", text);
                message
            }
            Acknowledged::Unknown => {
                let text =
                    format!("connection {connection}: a PUBACK of packet {packet_id}, which the broker did not send");
                self.violate("acknowledgement-order", text);
                None
            }
        };
        if let Some(message) = message {
            self.facts.push(Fact::Acknowledged { message, connection });
        }
    }

    /// Gives a message to every session that subscribes to it. Whether there is one.
    pub(super) fn route(&mut self, message: MessageId, body: &Rc<Body>) -> bool {
        let mut is_subscribed = false;
        for (client_id, session) in &mut self.state.sessions {
            let queued = session.queue(message, body, &self.options);
            is_subscribed |= queued != Queued::NotSubscribed;
            let loss = match queued {
                Queued::Held => continue,
                Queued::NotSubscribed => Loss::NotSubscribed,
                Queued::Overflow => Loss::Overflow,
            };
            if message != 0 && self.followed.contains(client_id) {
                self.facts.push(Fact::Lost { message, client_id: client_id.clone(), loss });
            }
        }
        if message != 0 {
            for client_id in self.followed.iter().filter(|id| !self.state.sessions.contains_key(*id)) {
                self.facts.push(Fact::Lost { message, client_id: client_id.clone(), loss: Loss::NotSubscribed });
            }
        }
        is_subscribed
    }

    /// Keeps a message for later subscribers; one without payload ends that.
    pub(super) fn keep(&mut self, body: &Rc<Body>) {
        if !self.options.retain {
            return;
        }
        if body.payload.is_empty() {
            self.state.retained.remove(&body.topic);
        } else {
            self.state.retained.insert(body.topic.clone(), Rc::clone(body));
        }
    }

    /// Writes the messages that clients take now.
    pub(super) fn write(&mut self, now: Time) {
        for session in self.state.sessions.values_mut() {
            let Some(connection) = session.connection else { continue };
            for delivery in session.write(&self.options, now) {
                if delivery.message != 0 {
                    self.facts.push(Fact::Delivered {
                        message: delivery.message,
                        connection,
                        packet_id: delivery.packet_id,
                        duplicate: delivery.duplicate,
                        subscription_ids: delivery.subscription_ids.clone(),
                    });
                }
                self.output.push((connection, ServerPacket::Publish(delivery)));
            }
        }
    }

    /// Ends a session with everything that it holds.
    pub(super) fn discard(&mut self, client_id: &str, loss: Loss) {
        let Some(session) = self.state.sessions.remove(client_id) else { return };
        if self.followed.contains(client_id) {
            let waiting = session.waiting().into_iter();
            self.facts.extend(waiting.map(|message| Fact::Lost { message, client_id: client_id.to_owned(), loss }));
        }
    }
}
