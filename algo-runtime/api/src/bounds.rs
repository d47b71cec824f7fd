//! Bounds of the service `Runtime` that its two sides share. Sizes of messages are bytes in their encoded form.

/// Size up to which a message of several parts is filled: a batch of deliveries, the outbox entries of a commit. A larger part
/// goes alone.
pub const MESSAGE_BYTES: usize = 1 << 20;
/// The largest message that either side takes. A delivery that would be larger is one dead letter.
pub const LARGEST_MESSAGE_BYTES: usize = 16 << 20;

/// Ticks of a delivery, at most.
pub const DELIVERY_TICKS: usize = 10_000;
/// Payload that a delivery carries, bytes at most.
pub const PAYLOAD_BYTES: usize = 64 << 10;
/// Topic of MQTT, bytes at most.
pub const TOPIC_BYTES: usize = 65_535;
/// Symbol, bytes at most. The bridge takes 64 characters.
pub const SYMBOL_BYTES: usize = 256;
/// Reason of an unusable tick, bytes at most.
pub const REASON_BYTES: usize = 64;
/// A price, or the text of a reason, bytes at most.
pub const TEXT_BYTES: usize = 64 << 10;
/// Ticks at the runtime without an outcome, at most: the largest window that a bridge can be given, and a delivery more.
pub const WAITING_TICKS: usize = 65_536 + DELIVERY_TICKS;
/// Deliveries at the runtime without an outcome, bytes at most.
pub const WAITING_BYTES: usize = 64 << 20;
