//! The bounds of the engine and of ledgers, as an argument: a simulation that makes them small meets their edges.

use intuition_api::{bounds, limits::MAX_EVENTS_PER_BATCH};

/// Bounds of an engine and of its ledger. The default has the numbers of the design.
///
/// Every field is at least 1. Where a bound depends on another, its field names the relation; the engine does not check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Outcomes of each [`Class`](crate::ledger::Class) in memory; the ledger has at least as many. At least twice
    /// `turn_ticks`, and at least the ticks that a bridge holds (its `--unacknowledged-ticks`, 32,768, at most 65,536): it sends
    /// them again on a new stream, and each is to be found by its number. A publisher's repetition is recognised that far back.
    /// While more than half of it was recognised and has no outcome, memory holds more.
    pub window: u64,
    /// Rows that leave the ledger together: a [`Stretch`](crate::ledger::Stretch) has so many rows at most. Those that are
    /// free stay until all of its rows are.
    pub stretch_rows: u64,
    /// Stretches of each class that leave the ledger with one commit. SQLite holds the rows that it deletes in memory until the commit: a broker
    /// that confirms a backlog at its end frees a million rows at once.
    pub evicted_stretches: usize,
    /// Rows after an acknowledged one within which it is still found by its packet: a broker may have lost its last seconds.
    pub acknowledged_rows: u64,
    /// Connections of a bridge for which the runtime remembers a place in the window and the first new delivery. At least as
    /// many as the deliveries that a bridge holds at one time came by.
    pub connections: usize,
    /// Runs of bridges since the last report. Beyond it the report is dropped, and more rows are kept.
    pub runs: usize,
    /// Repeated deliveries that the runtime remembers. At least the deliveries that a bridge holds: beyond that, a delivery that
    /// the bridge sends again may be taken for new.
    pub claims: usize,
    /// Rows that one look-up of a packet reads from the ledger at once.
    pub packet_page: usize,
    /// Ticks that are recognised together. At most half of `window`.
    pub turn_ticks: usize,
    /// Bytes of the dead letters that those may post.
    pub turn_bytes: usize,
    /// Ticks at the runtime without an outcome. At least those that a bridge holds, or its stream ends again and again.
    pub waiting_ticks: usize,
    /// Deliveries at the runtime without an outcome, bytes. Has the same relation to the bridge's bound in bytes.
    pub waiting_bytes: usize,
    /// Ranges, and entries given up, of a report about the outbox. At least the entries that a bridge has under way.
    pub report_ranges: usize,
    /// Reasons of a dead letter, the last of them `Other`. At least 2.
    pub letter_causes: usize,
    /// Reasons with a counter of their own under one name.
    pub counted_reasons: usize,
    /// Channels with a counter of gaps. Gaps of further channels are in the sum alone.
    pub gap_channels: usize,
    /// Sources of an account, counted for each channel. A ledger with more keeps them, and takes no new source.
    pub sources: usize,
    /// Symbols of an account. A ledger with more keeps them, and takes no new symbol.
    pub symbols: usize,
    /// Runs of dead letters for a source's identity that are kept. The run that grew the longest time ago goes first.
    pub conflict_runs: usize,
    /// Gaps in the ledger; older gaps are deleted.
    pub gaps: u64,
    /// Journal entries behind the last checkpoint of the ledger, about: a commit with so many behind it adds a checkpoint. An opening recomputes
    /// the entries behind the last one.
    pub checkpoint_entries: u64,
    /// A commit that changes at least so many last numbers packs them into one row of the ledger.
    pub packed_marks: usize,
    /// Packed changes of last numbers in the ledger, about, where four times the sources in them are fewer. Beyond it the oldest are
    /// written into rows of their own.
    pub mark_changes: usize,
    /// Ids of requests to close by hand in the ledger. Older ids are deleted, and a request with a deleted id is new. More than
    /// the requests that one commit answers: the ledger refuses a commit with an id twice.
    pub close_requests: usize,
    /// Names of remote algorithms with a saved state. The state used longest ago is deleted beyond it.
    pub saved_names: usize,
    /// Events of a batch to a backend.
    pub batch_events: usize,
    /// Failures of a backend at one tick alone until the tick is rejected.
    pub strikes: u32,
    /// Batches of the largest size below the ceiling that a backend answers before a larger one is tried.
    pub calm_batches: u32,
}

impl Sizes {
    /// The numbers of the design.
    pub const DESIGN: Self = Self {
        window: 65_536,
        stretch_rows: 1_024,
        evicted_stretches: 8,
        acknowledged_rows: 32_768,
        connections: 16,
        runs: 64,
        claims: 65_536,
        packet_page: 256,
        turn_ticks: 4_096,
        turn_bytes: 4 << 20,
        waiting_ticks: bounds::WAITING_TICKS,
        waiting_bytes: bounds::WAITING_BYTES,
        report_ranges: 32_768,
        letter_causes: 32,
        counted_reasons: 100,
        gap_channels: 1_000,
        sources: 10_000,
        symbols: 10_000,
        conflict_runs: 1_000,
        gaps: 10_000,
        checkpoint_entries: 10_000,
        packed_marks: 8,
        mark_changes: 1_024,
        close_requests: 1_000,
        saved_names: 32,
        batch_events: MAX_EVENTS_PER_BATCH,
        strikes: 5,
        calm_batches: 64,
    };
}

impl Default for Sizes {
    fn default() -> Self {
        Self::DESIGN
    }
}
