//! Sizes of messages of the service `Runtime`, bytes in their encoded form.

/// What a message of several parts is filled up to: a batch of deliveries, a commit's outbox entries. A part that is larger
/// than this goes alone.
pub const MESSAGE_BYTES: usize = 1 << 20;
/// The largest message that either side takes. A delivery that would be larger is one dead letter.
pub const LARGEST_MESSAGE_BYTES: usize = 16 << 20;
