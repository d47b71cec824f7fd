//! Rows about the trading state and about holdings that are closed by hand.

use std::collections::{BTreeMap, BTreeSet};

use intuition_api::v1::TradingState;

/// Code of a cause, and whether `suspend` of the settings set it. A call and `suspend` can set the cause `User` side by
/// side; the stricter one holds.
pub type CauseKey = (String, bool);

/// Why an account is not Active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Reducing or Halted.
    pub state: TradingState,
    /// Who set it and why, for a person. May be empty.
    pub message: String,
    /// When its state came into force, microseconds since the epoch.
    pub since_micros: i64,
}

/// The trading state with its causes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TradingRecord {
    /// uid of the resource that `generation` belongs to; empty for a runtime that was started by flags.
    pub resource_uid: String,
    /// Grows by one with each change of the causes.
    pub number: u64,
    /// The highest generation whose causes were taken; 0 without a resource.
    pub generation: i64,
    /// Generation and `suspend` of the settings record as this release wrote it last. Other ones are those of v0.1.0,
    /// which knows that record alone.
    pub settings: Option<(i64, bool)>,
    /// All causes.
    pub causes: BTreeMap<CauseKey, Cause>,
}

/// Holdings that are closed by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClosingRecords {
    /// Symbols that wait for their next quote.
    pub waiting: BTreeSet<String>,
    /// Ids of the last requests, the oldest first.
    pub requests: Vec<String>,
}

/// The changes of one transaction to [`ClosingRecords`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClosingChanges {
    /// Whether each symbol waits from now on.
    pub waiting: BTreeMap<String, bool>,
    /// Appended. Of all ids the last [`CLOSE_REQUESTS`](crate::ledger::CLOSE_REQUESTS) are kept.
    pub requests: Vec<String>,
}
