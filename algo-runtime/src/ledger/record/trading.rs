//! Rows about the trading state and about holdings that are closed by hand.

use std::collections::{BTreeMap, BTreeSet};

use intuition_api::{decimal::Price, v1::TradingState};

/// Code of a cause, and whether `suspend` of the settings set it. A call and `suspend` can set the cause `User` side by
/// side; the stricter one holds.
pub type CauseKey = (String, bool);

/// A cause that keeps an account from Active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Reducing or Halted.
    pub state: TradingState,
    /// Author and reason, for a person. May be empty.
    pub message: String,
    /// Time since which its state is in force, microseconds since the epoch.
    pub since_micros: i64,
}

/// The trading state with its causes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TradingRecord {
    /// uid of the resource that `generation` belongs to; empty for a runtime that was started by flags.
    pub resource_uid: String,
    /// Grows by one with each change of the causes.
    pub number: u64,
    /// The highest generation with causes that were taken; 0 without a resource.
    pub generation: i64,
    /// Generation and `suspend` of the settings record as this release wrote it last. If the record has other values, v0.1.0
    /// wrote it.
    pub settings: Option<(i64, bool)>,
    /// All causes.
    pub causes: BTreeMap<CauseKey, Cause>,
}

/// A sale by hand on a tick without an outcome. After a crash the tick comes again, and its outcome then names the sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledSale {
    /// Number of the decision.
    pub seq: u64,
    /// Its outbox position.
    pub position: u64,
    /// Topic of the tick.
    pub channel: String,
    /// The decision's [`Trade::event`](crate::ledger::Trade::event).
    pub event: String,
    /// Symbol of the quote.
    pub sid: String,
    /// Price of the quote.
    pub price: Price,
    /// Time of the quote, microseconds since the epoch.
    pub time_micros: i64,
}

/// Holdings that are closed by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClosingRecords {
    /// Symbols that wait for their next quote.
    pub waiting: BTreeSet<String>,
    /// Ids of the last requests, the oldest first.
    pub requests: Vec<String>,
    /// In order of their numbers.
    pub unsettled: Vec<UnsettledSale>,
}

/// The changes of one transaction to [`ClosingRecords`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClosingChanges {
    /// Whether each symbol waits from now on.
    pub waiting: BTreeMap<String, bool>,
    /// Appended. Of all ids the last [`Sizes::close_requests`](crate::sizes::Sizes::close_requests) are
    /// kept.
    pub requests: Vec<String>,
    /// Added, by number.
    pub unsettled: BTreeMap<u64, UnsettledSale>,
    /// Deleted, by number: their ticks have their outcomes.
    pub settled: Vec<u64>,
}
