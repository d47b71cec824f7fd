//! Packets that wait to be written, and packets as the codec gives them.

use std::collections::VecDeque;

use intuition_mqtt::{Code, Incoming, Message, Output, Packet};

use crate::broker::{ClientPacket, Delivery, Publish, ServerPacket, Subscribe};

/// Bytes of a packet beside its topic and payload, about.
const FRAME_BYTES: usize = 16;

/// Packets that wait to be written, each with its bytes.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) packets: VecDeque<(ClientPacket, usize)>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn push(&mut self, packet: ClientPacket, size: usize) {
        self.packets.push_back((packet, size));
        self.bytes += size;
    }

    pub(super) fn pop(&mut self) -> Option<ClientPacket> {
        let (packet, size) = self.packets.pop_front()?;
        self.bytes -= size;
        Some(packet)
    }
}

impl Output for Waiting {
    fn publish(&mut self, message: Message, packet_id: u16, max_packet_size: Option<u32>) -> Result<(), Code> {
        let Message { topic, payload, retain, user_properties, .. } = message;
        let properties: usize = user_properties.iter().map(|(name, value)| name.len() + value.len() + 5).sum();
        let size = FRAME_BYTES + topic.len() + payload.len() + properties;
        if max_packet_size.is_some_and(|largest| size > usize::try_from(largest).unwrap_or(usize::MAX)) {
            return Err(intuition_mqtt::codes::code(0x95));
        }
        let packet = Publish { packet_id, topic, payload, retain, user_properties, size };
        self.push(ClientPacket::Publish(packet), size);
        Ok(())
    }

    /// Values of indicators go out so, and no account is an indicator's.
    fn publish_unconfirmed(&mut self, _: Message, _: Option<u32>) -> Result<(), Code> {
        Err(intuition_mqtt::codes::code(0x9b))
    }

    fn subscribe(&mut self, filter: String, subscription_id: Option<u32>, packet_id: u16) -> Result<(), Code> {
        let size = FRAME_BYTES + filter.len();
        let subscribe = Subscribe { packet_id, filter, subscription_id, retained: false };
        self.push(ClientPacket::Subscribe(subscribe), size);
        Ok(())
    }

    fn look_up(&mut self, filter: String, packet_id: u16) -> Result<(), Code> {
        let size = FRAME_BYTES + filter.len();
        let subscribe = Subscribe { packet_id, filter, subscription_id: None, retained: true };
        self.push(ClientPacket::Subscribe(subscribe), size);
        Ok(())
    }

    fn unsubscribe(&mut self, filter: String, packet_id: u16) -> Result<(), Code> {
        let size = FRAME_BYTES + filter.len();
        self.push(ClientPacket::Unsubscribe { packet_id, filter }, size);
        Ok(())
    }

    fn puback(&mut self, packet_id: u16) {
        self.push(ClientPacket::Puback { packet_id }, 4);
    }

    fn ping(&mut self) {
        self.push(ClientPacket::Pingreq, 2);
    }

    fn len(&self) -> usize {
        self.bytes
    }

    fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

/// A packet of the broker as the codec would give it.
pub(super) fn received(packet: ServerPacket) -> Option<Packet> {
    let code = intuition_mqtt::codes::code;
    Some(match packet {
        ServerPacket::Connack { .. } => return None,
        ServerPacket::Publish(delivery) => Packet::Message(incoming(delivery)),
        ServerPacket::Puback { packet_id, code: value } => Packet::Published { packet_id, code: code(value) },
        ServerPacket::Suback { packet_id, code: value } => {
            let granted = Code { value, name: "Granted" };
            Packet::Subscribed { packet_id, code: if value < 0x80 { granted } else { code(value) } }
        }
        ServerPacket::Unsuback { packet_id, code: value } => Packet::Unsubscribed { packet_id, code: code(value) },
        ServerPacket::Pingresp => Packet::Pong,
        ServerPacket::Disconnect { code: value } => Packet::Ended(code(value)),
    })
}

pub(super) fn incoming(delivery: Delivery) -> Incoming {
    let Delivery { body, packet_id, duplicate, retained, subscription_ids, .. } = delivery;
    let mut incoming = Incoming::new(0, packet_id, body.topic.clone(), body.payload.clone());
    (incoming.duplicate, incoming.retained, incoming.subscription_ids) = (duplicate, retained, subscription_ids);
    incoming.user_properties.clone_from(&body.user_properties);
    incoming
}
