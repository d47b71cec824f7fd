//! The CONNACK: a refusal, or an acceptance with the capabilities of the broker.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5;

use crate::{Capabilities, Code, codes};

/// A CONNACK that accepts the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The broker still has the session.
    pub session_present: bool,
    /// The capabilities of the broker.
    pub capabilities: Capabilities,
    /// The broker's own keep alive, which replaces the client's. `None`: the client's holds.
    pub keep_alive: Option<Duration>,
}

/// A CONNACK's refusal. Below 0x80 the codes are those of MQTT 3.1.1, from a broker that speaks nothing else.
pub(super) const fn refused(reason: u8) -> Code {
    codes::code(match reason {
        1 => 0x84,
        2 => 0x85,
        3 => 0x88,
        4 => 0x86,
        5 => 0x87,
        other => other,
    })
}

pub(super) fn accepted(session_present: bool, properties: Option<&v5::ConnAckProperties>) -> Accepted {
    Accepted {
        session_present,
        capabilities: capabilities(properties),
        keep_alive: properties
            .and_then(|properties| properties.server_keep_alive)
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into())),
    }
}

/// A property that is left out has the value that the specification gives it (section 3.2.2.3).
fn capabilities(properties: Option<&v5::ConnAckProperties>) -> Capabilities {
    Capabilities {
        receive_maximum: properties.and_then(|properties| properties.receive_max).unwrap_or(u16::MAX),
        max_packet_size: properties.and_then(|properties| properties.max_packet_size),
        retain: properties.and_then(|properties| properties.retain_available) != Some(0),
        subscription_ids: properties.and_then(|properties| properties.subscription_identifiers_available) != Some(0),
        max_qos: properties.and_then(|properties| properties.max_qos).unwrap_or(2),
        session_expiry: properties.and_then(|properties| properties.session_expiry_interval),
    }
}
