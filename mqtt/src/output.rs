//! The packets that a connection writes, as its rules see them.

use super::{Code, Message};

/// Packets on their way to the broker, in order.
pub trait Output {
    /// Adds a PUBLISH with `QoS` 1. An error: no broker, or not this one, takes it, and nothing was added.
    fn publish(&mut self, message: Message, packet_id: u16, max_packet_size: Option<u32>) -> Result<(), Code>;
    /// Adds a PUBLISH with `QoS` 0. An error: no broker, or not this one, takes it, and nothing was added.
    fn publish_unconfirmed(&mut self, message: Message, max_packet_size: Option<u32>) -> Result<(), Code>;
    /// Adds a SUBSCRIBE for one filter with `QoS` 1, without retained messages. An error: no broker takes the filter, and
    /// nothing was added.
    fn subscribe(&mut self, filter: String, subscription_id: Option<u32>, packet_id: u16) -> Result<(), Code>;
    /// Adds a SUBSCRIBE for one filter with `QoS` 1, which the broker answers with its retained messages too. An error: no
    /// broker takes the filter, and nothing was added.
    fn look_up(&mut self, filter: String, packet_id: u16) -> Result<(), Code>;
    /// Adds an UNSUBSCRIBE for one filter. An error: no broker takes the filter, and nothing was added.
    fn unsubscribe(&mut self, filter: String, packet_id: u16) -> Result<(), Code>;
    /// Adds a PUBACK with the reason code Success.
    fn puback(&mut self, packet_id: u16);
    /// Adds a PINGREQ.
    fn ping(&mut self);
    /// Bytes that wait to be written.
    fn len(&self) -> usize;
    /// Whether no byte waits to be written.
    fn is_empty(&self) -> bool;
}
