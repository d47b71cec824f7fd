//! The state of a session for conditions, metrics and logs.

use std::{collections::BTreeMap, sync::Arc};

use crate::quote::{Gap, GapReason};

/// See the module. All counters begin at 0 with the session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// A connection is open, and all its subscriptions are in force.
    pub is_connected: bool,
    /// Connections, those that are opening included.
    pub connections: usize,
    /// Connections that ended without a successor.
    pub reconnects: u64,
    /// Why the last of them ended.
    pub last_error: Option<String>,
    /// Symbols with missing numbers that are being fetched.
    pub recovering: usize,
    /// Counters of the whole session.
    pub counters: Counters,
    /// State of each symbol.
    pub symbols: Vec<SymbolStatus>,
}

/// Counters of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Quotes given.
    pub quotes: u64,
    /// Quotes of them that did not come live.
    pub backfilled: u64,
    /// Numbers that came again and were dropped.
    pub repetitions: u64,
    /// Numbers that were given up, by reason.
    pub missing: BTreeMap<&'static str, u64>,
    /// Messages and answers that are not of their documented form.
    pub malformed: u64,
    /// REST requests that failed.
    pub failed_requests: u64,
}

/// State of one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolStatus {
    /// The symbol as the exchange writes it.
    pub symbol: Arc<str>,
    /// Number of the last quote or gap.
    pub last_number: Option<u64>,
    /// Event time of the last quote, microseconds since the Unix epoch.
    pub last_time_micros: Option<i64>,
    /// The exchange's text, if it refused the subscription.
    pub refused: Option<String>,
}

impl Counters {
    pub(super) fn gap(&mut self, gap: &Gap) {
        let numbers = (gap.last - gap.first).saturating_add(1);
        let counter = self.missing.entry(gap.reason.reason()).or_default();
        *counter = counter.saturating_add(numbers);
        tracing::warn!(source = %gap.source, first = gap.first, last = gap.last, reason = %gap.reason, "numbers are missing");
    }

    /// Numbers given up for this reason.
    pub fn missing_by(&self, reason: GapReason) -> u64 {
        self.missing.get(reason.reason()).copied().unwrap_or(0)
    }
}
