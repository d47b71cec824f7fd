//! Entries of an outbox, and their changes.

use std::sync::Arc;

/// Properties of an entry that the outbox needs.
pub trait Content {
    /// The topic that it goes to.
    fn topic(&self) -> &Arc<str>;
    /// Bytes of its message, at most.
    fn size(&self) -> usize;
    /// Leaves out its largest part. False: it has nothing that may be left out.
    fn shorten(&mut self) -> bool;
}

/// A send queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Of decisions, and of quotes with their indicators: strict order, retried for ever.
    Strict,
    /// Each ends in bounded time.
    DeadLetters,
    /// Each ends in bounded time.
    Publications,
}

/// Entries under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Flight {
    pub(super) const NONE: Self = Self { count: 0, bytes: 0 };

    pub(super) const fn launch(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    pub(super) const fn land(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// A change of an entry or a topic, to be taken by [`Outbox::take_changes`](super::Outbox::take_changes).
#[derive(Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// The broker has it.
    Published(T),
    /// It was given up, with the name of the last refusal's code.
    GivenUp(T, &'static str),
    /// Entries for this topic are given up from here on, for this reason.
    Undeliverable(Arc<str>, &'static str),
    /// The broker takes entries for this topic again.
    Deliverable(Arc<str>),
    /// The runtime knew that it is done.
    Dropped(T),
}
