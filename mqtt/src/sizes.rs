//! Bounds of one connection.

/// Bounds of one connection that no user sets. A simulation makes them small, so that it reaches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bound on the memory of waiting messages, bytes, or one message: a lane full of the largest packets would be
    /// gigabytes. Above `u32::MAX` it is `u32::MAX`.
    pub waiting_bytes: usize,
    /// Bytes that may wait to be written before further publications are left in their queue.
    pub write_ahead: usize,
    /// PUBACKs after which a confirmation is asked for although more of them wait.
    pub acks_per_confirmation: u32,
    /// PINGREQs without an answer after which none is sent for a confirmation: a broker answers behind the backlog that
    /// it has written.
    pub unanswered_pings: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { waiting_bytes: 16 << 20, write_ahead: 64 * 1024, acks_per_confirmation: 8_192, unanswered_pings: 1_024 }
    }
}
