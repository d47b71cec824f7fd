//! MQTT packets as bytes and back. Only this file, `connack` and `write` know rumqttc's codec; the faults of its
//! version 0.25.1 are worked around here.
//!
//! This file parses CONNACK with a refusal, PUBACK, SUBACK, UNSUBACK and DISCONNECT itself: the codec takes a packet
//! without a property length for an incomplete one, and refuses reason codes that it does not know.

mod connack;
mod write;

use bytes::{BufMut as _, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::{
    Error as CodecError, QoS,
    v5::{self, PublishProperties},
};

pub use self::connack::Accepted;
pub(super) use self::write::{connect, disconnect};
use super::{Code, Incoming, codes};

/// The largest packet that the broker may send.
const MAX_PACKET_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes of a packet that a kept payload may hold on to, beside itself.
const MAX_KEPT_BYTES: usize = 512;
/// Bytes that an allocator adds to a text, about: a user property of 5 bytes in the packet takes 80 in memory.
const ALLOCATION_BYTES: usize = 16;
/// A packet from the broker.
#[derive(Debug)]
pub enum Packet {
    /// A CONNACK that accepts the connection.
    Accepted(Accepted),
    /// A CONNACK that refuses the connection.
    Refused(Code),
    /// A PUBLISH. [`Protocol`](super::Protocol) sets its epoch.
    Message(Incoming),
    /// A PUBACK.
    Published {
        /// Of the PUBLISH.
        packet_id: u16,
        /// The broker's answer.
        code: Code,
    },
    /// A SUBACK for one filter.
    Subscribed {
        /// Of the SUBSCRIBE.
        packet_id: u16,
        /// The broker's answer.
        code: Code,
    },
    /// An UNSUBACK for one filter.
    Unsubscribed {
        /// Of the UNSUBSCRIBE.
        packet_id: u16,
        /// The broker's answer.
        code: Code,
    },
    /// A PINGRESP.
    Pong,
    /// A DISCONNECT.
    Ended(Code),
}

/// Errors in the bytes from the broker.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The codec cannot read them.
    #[error("a packet cannot be read")]
    Read(#[source] CodecError),
    /// A packet that ends early.
    #[error("a packet of type {0} is too short")]
    TooShort(u8),
    /// A packet of a type that no broker sends to this client, for example AUTH.
    #[error("a packet of type {0} was not expected")]
    Unexpected(u8),
    /// Another packet came first.
    #[error("the first packet was no CONNACK")]
    NoConnAck,
}

/// Takes the first packet from the front of `buffer`. `None`: it is not complete yet.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Packet>, Malformed> {
    let header = match v5::check(buffer.iter(), Some(MAX_PACKET_BYTES)) {
        Ok(header) => header,
        Err(CodecError::InsufficientBytes(missing)) => {
            buffer.reserve(missing);
            return Ok(None);
        }
        Err(error) => return Err(Malformed::Read(error)),
    };
    let frame = buffer.split_to(header.frame_length());
    read(frame).map(Some)
}

fn read(mut frame: BytesMut) -> Result<Packet, Malformed> {
    let kind = frame.first().map_or(0, |byte| byte >> 4);
    let mut body = Body { kind, rest: after_header(&frame) };
    match kind {
        2 => {
            let (flags, reason) = (body.byte()?, body.byte()?);
            if reason != 0 {
                return Ok(Packet::Refused(connack::refused(reason)));
            }
            // Without a property length: as MQTT 3.1.1 has it, and some brokers of MQTT 5.
            if body.rest.is_empty() {
                return Ok(Packet::Accepted(connack::accepted(flags & 1 == 1, None)));
            }
            match decode(&mut frame)? {
                v5::Packet::ConnAck(packet) => {
                    Ok(Packet::Accepted(connack::accepted(packet.session_present, packet.properties.as_ref())))
                }
                _ => Err(Malformed::Unexpected(kind)),
            }
        }
        3 => message(frame).map(Packet::Message),
        4 => {
            let packet_id = body.u16()?;
            // Without a reason code it is 0, Success.
            Ok(Packet::Published { packet_id, code: codes::code(body.byte().unwrap_or(0)) })
        }
        9 => body.subscription_answer().map(|(packet_id, reason)| {
            let code = if reason < 0x80 { Code { value: reason, name: "Granted" } } else { codes::code(reason) };
            Packet::Subscribed { packet_id, code }
        }),
        11 => body
            .subscription_answer()
            .map(|(packet_id, reason)| Packet::Unsubscribed { packet_id, code: codes::code(reason) }),
        13 => Ok(Packet::Pong),
        14 => Ok(Packet::Ended(match body.byte() {
            Ok(0) | Err(_) => Code { value: 0, name: "Disconnected" },
            Ok(reason) => codes::code(reason),
        })),
        _ => Err(Malformed::Unexpected(kind)),
    }
}

fn decode(frame: &mut BytesMut) -> Result<v5::Packet, Malformed> {
    v5::Packet::read(frame, None).map_err(Malformed::Read)
}

fn message(mut frame: BytesMut) -> Result<Incoming, Malformed> {
    let (length, payload_length) = (frame.len(), payload_length(&frame)?);
    let v5::Packet::Publish(publish) = decode(&mut frame)? else { return Err(Malformed::Unexpected(3)) };
    // Nothing is subscribed to with QoS 2, and its handshake is not spoken here.
    if publish.qos == QoS::ExactlyOnce {
        return Err(Malformed::Unexpected(3));
    }
    let mut properties = publish.properties.unwrap_or_default();
    let mut payload = publish.payload;
    // The codec counts one byte too many for each Subscription Identifier, so that it stops early and takes the last
    // properties for payload. They are whole properties, and are read as a block of their own, if need be once more.
    let mut left = payload.split_to(payload.len().saturating_sub(payload_length));
    while !left.is_empty() {
        let more = properties_block(&mut left)?;
        properties.subscription_identifiers.extend(more.subscription_identifiers);
        properties.user_properties.extend(more.user_properties);
    }
    // A payload keeps its whole packet in memory, and the bounds of its receiver know of the payload alone.
    if length - payload_length > MAX_KEPT_BYTES {
        payload = Bytes::copy_from_slice(&payload);
    }
    let properties_memory: usize = properties
        .user_properties
        .iter()
        .map(|(name, value)| size_of::<(String, String)>() + name.len() + value.len() + 2 * ALLOCATION_BYTES)
        .sum();
    Ok(Incoming {
        epoch: 0,
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload,
        packet_id: publish.pkid,
        duplicate: publish.dup,
        retained: publish.retain,
        subscription_ids: properties.subscription_identifiers.iter().filter_map(|id| u32::try_from(*id).ok()).collect(),
        user_properties: properties.user_properties,
        size: size_of::<Incoming>() + length + properties_memory,
        room: None,
    })
}

/// Reads properties that have lost their length; those that the codec leaves again stay in `left`.
fn properties_block(left: &mut Bytes) -> Result<PublishProperties, Malformed> {
    let mut block = BytesMut::with_capacity(left.len() + 4);
    let mut length = left.len();
    while length >= 0x80 {
        block.put_u8(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    block.put_u8(u8::try_from(length).unwrap_or_default());
    block.extend_from_slice(left);
    let mut block = block.freeze();
    let read = PublishProperties::read(&mut block).map_err(Malformed::Read)?.unwrap_or_default();
    *left = block;
    Ok(read)
}

/// The length of a PUBLISH's payload, by the lengths in front of it.
fn payload_length(frame: &[u8]) -> Result<usize, Malformed> {
    let qos = frame.first().map_or(0, |byte| byte >> 1 & 0b11);
    let mut body = Body { kind: 3, rest: after_header(frame) };
    let topic = body.u16()?;
    body.skip(topic.into())?;
    if qos > 0 {
        body.u16()?;
    }
    let properties = body.variable_integer()?;
    body.skip(properties)?;
    Ok(body.rest.len())
}

/// The packet behind the fixed header.
fn after_header(frame: &[u8]) -> &[u8] {
    let mut body = Body { kind: 0, rest: frame.get(1..).unwrap_or_default() };
    // The frame was cut by this length.
    drop(body.variable_integer());
    body.rest
}

/// The rest of a packet that is read by hand.
struct Body<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl Body<'_> {
    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed::TooShort(self.kind))?;
        self.rest = rest;
        Ok(*first)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn variable_integer(&mut self) -> Result<usize, Malformed> {
        let mut value = 0;
        for place in 0..4 {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(value)
    }

    fn skip(&mut self, length: usize) -> Result<(), Malformed> {
        self.rest = self.rest.get(length..).ok_or(Malformed::TooShort(self.kind))?;
        Ok(())
    }

    /// Packet identifier and reason code of a SUBACK or an UNSUBACK: each of ours names one filter.
    fn subscription_answer(&mut self) -> Result<(u16, u8), Malformed> {
        let packet_id = self.u16()?;
        let properties = self.variable_integer()?;
        self.skip(properties)?;
        Ok((packet_id, self.byte()?))
    }
}

#[cfg(test)]
mod tests;
