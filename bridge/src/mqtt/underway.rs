//! What was handed to the client library on one connection, and which answer belongs to what.

use std::collections::{HashMap, VecDeque};

use rumqttc::{
    Outgoing,
    v5::{
        AsyncClient,
        mqttbytes::{
            QoS,
            v5::{Filter, Packet, Publish, PublishProperties, RetainForwardRule, SubscribeProperties},
        },
    },
};

use super::{Code, Event, Message, Request, codes};

/// What was handed to the client library on this connection.
#[derive(Default)]
pub(super) struct Underway {
    /// The connection's epoch; `None` before its CONNACK.
    pub(super) epoch: Option<u64>,
    pub(super) max_packet_size: Option<u32>,
    /// Handed over and not yet written.
    pub(super) queued: usize,
    /// Tokens of what waits to be written, in order; the packet ids are given out when it is.
    publishes: VecDeque<u64>,
    subscribes: VecDeque<u64>,
    unsubscribes: VecDeque<u64>,
    /// Tokens of what was written and has no answer, by packet id.
    published: HashMap<u16, u64>,
    subscribed: HashMap<u16, u64>,
    unsubscribed: HashMap<u16, u64>,
}

impl Underway {
    /// Hands a request over, or answers it.
    pub(super) fn submit(&mut self, client: &AsyncClient, request: Request) -> Option<Event> {
        match request {
            Request::Publish { epoch, token, message } if self.epoch == Some(epoch) => {
                self.publish(client, token, message).err().map(|code| Event::Published { token, code })
            }
            Request::Subscribe { epoch, token, filter, subscription_id } if self.epoch == Some(epoch) => {
                let mut filter = Filter::new(filter, QoS::AtLeastOnce);
                filter.retain_forward_rule = RetainForwardRule::Never;
                let id = usize::try_from(subscription_id).ok();
                let properties = SubscribeProperties { id, user_properties: Vec::new() };
                if client.try_subscribe_many_with_properties([filter], properties).is_err() {
                    return Some(Event::Subscribed { token, code: codes::TOPIC_FILTER_INVALID });
                }
                self.queued += 1;
                self.subscribes.push_back(token);
                None
            }
            Request::Unsubscribe { epoch, token, filter } if self.epoch == Some(epoch) => {
                if client.try_unsubscribe(filter).is_err() {
                    return Some(Event::Unsubscribed { token, code: codes::TOPIC_FILTER_INVALID });
                }
                self.queued += 1;
                self.unsubscribes.push_back(token);
                None
            }
            Request::Acknowledge { epoch, packet_id } if self.epoch == Some(epoch) && packet_id != 0 => {
                let publish = Publish { qos: QoS::AtLeastOnce, pkid: packet_id, ..Publish::default() };
                if client.try_ack(&publish).is_ok() {
                    self.queued += 1;
                }
                None
            }
            _ => None,
        }
    }

    fn publish(&mut self, client: &AsyncClient, token: u64, message: Message) -> Result<(), Code> {
        // Generous for the header: the library ends the connection over a packet that is too large.
        let properties: usize = message.user_properties.iter().map(|(key, value)| key.len() + value.len() + 5).sum();
        let size = message.payload.len() + message.topic.len() + properties + 32;
        if self.max_packet_size.is_some_and(|max| u32::try_from(size).is_ok_and(|size| size > max)) {
            return Err(codes::PACKET_TOO_LARGE);
        }
        if message.topic.is_empty() || message.topic.len() > 65_535 || message.topic.contains(['+', '#', '\0']) {
            return Err(codes::TOPIC_NAME_INVALID);
        }
        let properties = PublishProperties {
            message_expiry_interval: message.expiry_seconds,
            user_properties: message.user_properties,
            ..PublishProperties::default()
        };
        client
            .try_publish_with_properties(message.topic, QoS::AtLeastOnce, message.retain, message.payload, properties)
            .map_err(|_| codes::TOPIC_NAME_INVALID)?;
        self.queued += 1;
        self.publishes.push_back(token);
        Ok(())
    }

    /// The library wrote a packet: those of one kind in the order they were handed over.
    pub(super) fn written(&mut self, outgoing: &Outgoing) {
        let (waiting, underway, packet_id) = match outgoing {
            Outgoing::Publish(packet_id) => (&mut self.publishes, &mut self.published, packet_id),
            Outgoing::Subscribe(packet_id) => (&mut self.subscribes, &mut self.subscribed, packet_id),
            Outgoing::Unsubscribe(packet_id) => (&mut self.unsubscribes, &mut self.unsubscribed, packet_id),
            Outgoing::PubAck(_) => {
                self.queued = self.queued.saturating_sub(1);
                return;
            }
            _ => return,
        };
        self.queued = self.queued.saturating_sub(1);
        if let Some(token) = waiting.pop_front() {
            underway.insert(*packet_id, token);
        }
    }

    pub(super) fn answered(&mut self, packet: &Packet) -> Option<Event> {
        match packet {
            Packet::PubAck(ack) => {
                let token = self.published.remove(&ack.pkid)?;
                Some(Event::Published { token, code: codes::puback(ack.reason) })
            }
            Packet::SubAck(ack) => {
                let token = self.subscribed.remove(&ack.pkid)?;
                let code = ack.return_codes.first().copied().map_or(codes::TOPIC_FILTER_INVALID, codes::suback);
                Some(Event::Subscribed { token, code })
            }
            Packet::UnsubAck(ack) => {
                let token = self.unsubscribed.remove(&ack.pkid)?;
                let code = ack.reasons.first().copied().map_or(codes::TOPIC_FILTER_INVALID, codes::unsuback);
                Some(Event::Unsubscribed { token, code })
            }
            _ => None,
        }
    }
}
