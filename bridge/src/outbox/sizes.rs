//! Numbers that bound reports and memory, as arguments so that a test can reach their edges.

/// Bounds on the reports and the memory of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Ranges, and entries that were given up, in one report, at least 1.
    pub reported_at_once: usize,
    /// Ranges in the first message of a stream. A runtime takes twice the default; those left out are reported when their
    /// entries have come again.
    pub reported_at_opening: usize,
    /// Entries that were given up and are named again on the next stream: a report may be lost with its stream.
    pub named_again: usize,
    /// Undeliverable topics that are remembered, at least 1: publications may name any number of topics.
    pub undeliverable_topics: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { reported_at_once: 1_024, reported_at_opening: 16_384, named_again: 1_024, undeliverable_topics: 1_024 }
    }
}
