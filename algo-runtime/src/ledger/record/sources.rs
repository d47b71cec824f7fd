//! Rows about sources: last numbers, resets, conflicts, sources that were forgotten, gaps and symbols.

use std::collections::{BTreeMap, BTreeSet};

/// Channel and source.
pub type SourceKey = (String, String);

/// First half of a SHA-256 over channel and source, all that the ledger keeps of a forgotten source.
pub type SourceHash = [u8; 16];

/// The last number of a source on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Topic.
    pub channel: String,
    /// Publisher's name.
    pub source: String,
    /// Highest sequence number taken in the source's present era.
    pub seq: i64,
    /// Highest place taken among the ticks with that number.
    pub index: u32,
    /// Time at which the number was taken, microseconds since the epoch; 0 if v0.1.0 took it.
    pub taken_micros: i64,
    /// For a number that v0.1.0 took: the account's last commit before this release read the number for the first time,
    /// so that the number is at least so old. 0 otherwise. The ledger sets it.
    pub found_micros: i64,
}

/// The end of an era: a source began again under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// Topic.
    pub channel: String,
    /// Publisher's name.
    pub source: String,
    /// The era that ended, from 0.
    pub era: u64,
    /// The last number of that era.
    pub last: i64,
    /// Time of the reset, microseconds since the epoch.
    pub reset_micros: i64,
}

/// Dead letters in a row of one source on one channel, for its identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conflict {
    /// Their number.
    pub dead_letters: u32,
    /// Code of the last dead letter.
    pub reason: String,
    /// Text of the last dead letter, with the remedy.
    pub message: String,
}

/// Sequence numbers that never came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Topic.
    pub channel: String,
    /// Publisher's name.
    pub source: String,
    /// First missing.
    pub first: i64,
    /// Last missing.
    pub last: i64,
    /// Time at which the gap was found.
    pub seen_micros: i64,
}

/// All state about sources but their last numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRecords {
    /// In the order in which they were made.
    pub resets: Vec<Reset>,
    /// All of them.
    pub forgotten: BTreeSet<SourceHash>,
    /// Runs that no accepted tick has ended.
    pub conflicts: BTreeMap<SourceKey, Conflict>,
    /// Symbols of which the account took a quote.
    pub symbols: BTreeSet<String>,
    /// The last gap.
    pub last_gap: Option<Gap>,
}

/// The changes of one transaction to [`SourceRecords`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceChanges {
    /// Last numbers that are deleted, before those of the transaction are set.
    pub removed: Vec<SourceKey>,
    /// Appended.
    pub resets: Vec<Reset>,
    /// Added.
    pub forgotten: Vec<SourceHash>,
    /// Set, or deleted.
    pub conflicts: BTreeMap<SourceKey, Option<Conflict>>,
    /// Added.
    pub symbols: Vec<String>,
}
