//! Ends of a connection over a message.

use intuition_mqtt::Code;

/// Codes of a DISCONNECT that may be about the message sent last: malformed packet, protocol error, implementation specific
/// error, not authorized, topic name invalid, packet too large, quota exceeded, administrative action, payload format invalid,
/// retain or `QoS` not supported. Others are about the connection or the broker.
const ENDS_OVER_A_MESSAGE: [u8; 11] = [0x81, 0x82, 0x83, 0x87, 0x90, 0x95, 0x97, 0x98, 0x99, 0x9a, 0x9b];

/// Whether the broker may have ended a connection with this code over a message that was under way.
pub fn may_be_about_a_message(code: Code) -> bool {
    ENDS_OVER_A_MESSAGE.contains(&code.value)
}
