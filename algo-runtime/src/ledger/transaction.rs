//! The state that is read from a ledger, and the changes that are written to it.

use std::collections::BTreeMap;

use super::{
    Account, Class, ClosingChanges, ClosingRecords, CounterKey, Gap, HeldFilter, Holding, JournalEntry, LedgerIds,
    Mark, OutboxRow, Positions, SettingsRecord, SourceChanges, SourceRecords, StateKey, Stretch, TradingRecord,
    WindowRow,
};

/// All state but the journal, the outbox and the gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Totals.
    pub account: Account,
    /// All ids of the ledger.
    pub ledger_ids: LedgerIds,
    /// Outbox positions beyond `account.published_through` that are published or given up.
    pub done: Positions,
    /// By symbol.
    pub holdings: BTreeMap<String, Holding>,
    /// By channel and source.
    pub marks: Vec<Mark>,
    /// The rest about sources.
    pub sources: SourceRecords,
    /// By class and ordinal, of each class the last [`Sizes::window`](crate::sizes::Sizes::window). Empty from
    /// [`Ledger::read`](super::Ledger::read).
    pub window: Vec<WindowRow>,
    /// The rows before the window, of each class in order.
    pub older: Vec<Stretch>,
    /// Values.
    pub counters: BTreeMap<CounterKey, u64>,
    /// Saved state of algorithms and of the policy.
    pub state: BTreeMap<StateKey, Vec<u8>>,
    /// `None`: never started with a resource's settings.
    pub settings: Option<SettingsRecord>,
    /// `None`: no release that knows trading states has committed one.
    pub trading: Option<TradingRecord>,
    /// Holdings that are closed by hand.
    pub closing: ClosingRecords,
    /// Name of the last session by broker URL, for any client id.
    pub sessions: BTreeMap<String, String>,
    /// Session name by MQTT client id and broker URL.
    pub client_sessions: BTreeMap<(String, String), String>,
    /// Filters in the order in which they were first held.
    pub held: Vec<HeldFilter>,
}

/// One transaction. Values are absolute, so that applying one twice changes nothing more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The totals after it.
    pub account: Option<Account>,
    /// Replaced as a whole; the newest is that of `account`. From then on v0.1.0 cannot read the ledger.
    pub ledger_ids: Option<LedgerIds>,
    /// Appended.
    pub journal: Vec<JournalEntry>,
    /// Set, or deleted where nothing is held any more.
    pub holdings: BTreeMap<String, Option<Holding>>,
    /// Set, by channel and source.
    pub marks: BTreeMap<(String, String), Mark>,
    /// The rest about sources.
    pub sources: SourceChanges,
    /// Inserted.
    pub window: Vec<WindowRow>,
    /// Deleted: of each class every row up to the ordinal.
    pub evict: Vec<(Class, u64)>,
    /// Appended. Entries up to `account.published_through` are deleted.
    pub outbox: Vec<OutboxRow>,
    /// Added to the positions that are done. Those up to `account.published_through` are deleted.
    pub done: Positions,
    /// Appended. Of all gaps the last [`Sizes::gaps`](crate::sizes::Sizes::gaps) are kept.
    pub gaps: Vec<Gap>,
    /// Set.
    pub counters: BTreeMap<CounterKey, u64>,
    /// Set, or deleted.
    pub state: BTreeMap<StateKey, Option<Vec<u8>>>,
    /// Set.
    pub settings: Option<SettingsRecord>,
    /// Replaced as a whole.
    pub trading: Option<TradingRecord>,
    /// Holdings that are closed by hand.
    pub closing: ClosingChanges,
    /// Set.
    pub sessions: BTreeMap<String, String>,
    /// Set.
    pub client_sessions: BTreeMap<(String, String), String>,
    /// Replaced as a whole.
    pub held: Option<Vec<HeldFilter>>,
}
