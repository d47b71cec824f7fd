//! Sizes of messages of the service `Runtime`, bytes in their encoded form.

/// Size up to which a message of several parts is filled: a batch of deliveries, the outbox entries of a commit. A larger part
/// goes alone.
pub const MESSAGE_BYTES: usize = 1 << 20;
/// The largest message that either side takes. A delivery that would be larger is one dead letter.
pub const LARGEST_MESSAGE_BYTES: usize = 16 << 20;
