//! The bounds of the writer.

use std::time::Duration;

use intuition_api::bounds::MESSAGE_BYTES;

use crate::responses;

/// The bounds of the writer. The defaults are those in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Ticks that end a group: large enough to share a disk sync, small enough that the first of them does not wait long.
    /// The driver of the writer counts them, by [`Command::ticks`](super::Command::ticks).
    pub group_ticks: usize,
    /// Outbox entries, or sources, read at once, at most. At least 1.
    pub page: usize,
    /// Size up to which a message to a bridge is filled with entries and outcomes, bytes in its encoded form. A larger part
    /// goes alone. More than 16.
    pub message_bytes: usize,
    /// How long reports about the outbox wait for another commit.
    pub report_pause: Duration,
    /// Outbox entries reported that wait for another commit, at most. A crash publishes them again.
    pub report_entries: u64,
    /// Of the queue of a stream's responses.
    pub responses: responses::Sizes,
    /// Of the engine.
    pub engine: crate::sizes::Sizes,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            group_ticks: 4_096,
            page: 1_000,
            message_bytes: MESSAGE_BYTES,
            report_pause: Duration::from_millis(100),
            report_entries: 1_000,
            responses: responses::Sizes::default(),
            engine: crate::sizes::Sizes::DESIGN,
        }
    }
}
