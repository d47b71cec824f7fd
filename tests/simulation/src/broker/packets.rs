//! The packets between a client and the broker, as values.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use intuition_mqtt::Capabilities;

use crate::facts::{Body, MessageId};

/// A message that the broker publishes when a connection ends without DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

/// CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Names the session.
    pub client_id: String,
    /// A session that the broker kept is discarded.
    pub clean_start: bool,
    /// How long the session outlives its connection.
    pub session_expiry: Duration,
    /// Messages without a PUBACK that the client takes.
    pub receive_maximum: u16,
    /// The last will.
    pub will: Option<Will>,
}

/// PUBLISH of a client, `QoS` 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Packet identifier.
    pub packet_id: u16,
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// MQTT 5 user properties.
    pub user_properties: Vec<(String, String)>,
    /// Bytes of the packet, for Maximum Packet Size.
    pub size: usize,
}

/// SUBSCRIBE with one filter and `QoS` 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Packet identifier.
    pub packet_id: u16,
    /// Topic filter.
    pub filter: String,
    /// Subscription Identifier.
    pub subscription_id: Option<u32>,
    /// Retain Handling 0: the broker sends its retained messages.
    pub retained: bool,
}

/// A packet from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientPacket {
    /// CONNECT, the first packet of a connection.
    Connect(Connect),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK with the code Success.
    Puback {
        /// Packet identifier of the message.
        packet_id: u16,
    },
    /// SUBSCRIBE.
    Subscribe(Subscribe),
    /// UNSUBSCRIBE with one filter.
    Unsubscribe {
        /// Packet identifier.
        packet_id: u16,
        /// Topic filter.
        filter: String,
    },
    /// PINGREQ.
    Pingreq,
    /// DISCONNECT, after which no will is published.
    Disconnect,
}

/// PUBLISH of the broker, `QoS` 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number of a message of a publisher; 0: a publication of a client, or a retained message.
    pub message: MessageId,
    /// Topic, payload and user properties.
    pub body: Rc<Body>,
    /// Packet identifier, never 0.
    pub packet_id: u16,
    /// The broker wrote it before, on an earlier connection.
    pub duplicate: bool,
    /// The broker had it from before the subscription.
    pub retained: bool,
    /// Identifiers of the subscriptions that it is sent for.
    pub subscription_ids: Vec<u32>,
}

/// A packet from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerPacket {
    /// CONNACK. With a code of 0x80 or above the connection ends.
    Connack {
        /// The broker still had the session.
        session_present: bool,
        /// Reason code, 0 for success.
        code: u8,
        /// The broker's capabilities.
        capabilities: Capabilities,
    },
    /// PUBLISH.
    Publish(Delivery),
    /// PUBACK.
    Puback {
        /// Packet identifier of the publication.
        packet_id: u16,
        /// Reason code.
        code: u8,
    },
    /// SUBACK.
    Suback {
        /// Packet identifier of the SUBSCRIBE.
        packet_id: u16,
        /// Granted `QoS`, or a code of 0x80 or above.
        code: u8,
    },
    /// UNSUBACK.
    Unsuback {
        /// Packet identifier of the UNSUBSCRIBE.
        packet_id: u16,
        /// Reason code.
        code: u8,
    },
    /// PINGRESP.
    Pingresp,
    /// DISCONNECT. The connection ends.
    Disconnect {
        /// Reason code.
        code: u8,
    },
}
