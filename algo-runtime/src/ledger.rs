//! The ledger: everything that must survive, behind one trait.
//!
//! The engine holds the same state in memory and never reads the ledger while it decides: it loads a [`Snapshot`] once and
//! then hands over [`Changes`], each a transaction. [`sqlite`] is the ledger that trades; [`memory`] serves backtests and
//! tests; [`verify`] recomputes a ledger from its journal alone.

mod books;
mod chain;
mod checkpoint;
mod ids;
pub mod memory;
mod positions;
mod record;
mod retention;
mod space;
pub mod sqlite;
pub(crate) mod stretch;
mod transaction;
pub mod verify;

use std::io::ErrorKind;

pub use checkpoint::Checkpoint;
pub use ids::{Known, LedgerId, LedgerIds};
pub use positions::Positions;
pub use record::{
    Account, Cause, CauseKey, Class, ClosingChanges, ClosingRecords, Conflict, CounterKey, EntryKind, Gap, HeldFilter,
    Holding, JournalEntry, Mark, OutboxContent, OutboxRow, Outcome, Reset, SettingsRecord, SourceChanges, SourceHash,
    SourceKey, SourceRecords, StateKey, Trade, TradingRecord, UnsettledSale, WindowRow, packet_key,
};
pub use retention::{Dropped, Retention};
pub use space::Space;
pub use stretch::{Sender, Stretch};
pub use transaction::{Changes, Snapshot};

/// Asks for rows of the window by the packet that they came in.
#[derive(Debug, Clone, Copy)]
pub struct PacketQuery {
    /// [`WindowRow::packet_key`].
    pub key: i64,
    /// The class of the window.
    pub class: Class,
    /// Rows behind this ordinal.
    pub after: u64,
    /// Rows before this ordinal.
    pub before: u64,
    /// Rows of this run and delivery alone.
    pub of: Option<(u64, u64)>,
    /// Bound on the number of rows, the oldest first.
    pub limit: usize,
}

/// Asks for the latest row of the window with an id.
#[derive(Debug, Clone, Copy)]
pub struct IdQuery<'a> {
    /// Topic.
    pub channel: &'a str,
    /// Empty for none.
    pub source: &'a str,
    /// The id.
    pub id: &'a str,
    /// See [`WindowRow::rank`].
    pub rank: u32,
    /// See [`WindowRow::era`].
    pub era: u64,
    /// Rows before this ordinal.
    pub before: u64,
}

/// Asks for entries of the outbox.
#[derive(Debug, Clone, Copy)]
pub struct OutboxPage {
    /// Entries behind this position.
    pub after: u64,
    /// Bound on the number of entries.
    pub rows: usize,
    /// Bound on the bytes of content, exceeded by one entry. A decision counts for a few hundred.
    pub bytes: usize,
}

impl OutboxPage {
    /// All entries behind a position.
    pub const fn all(after: u64) -> Self {
        Self { after, rows: usize::MAX, bytes: usize::MAX }
    }
}

/// The operations of a ledger for the engine.
pub trait Ledger: Send {
    /// All state but the journal, the outbox and the gaps. `row` gets the window, row by row, by class and ordinal, and
    /// [`Snapshot::window`] is empty: all rows at once would take more memory than the account needs afterwards.
    fn read(&mut self, row: &mut dyn FnMut(WindowRow)) -> Result<Snapshot, LedgerError>;
    /// The same as one value.
    fn snapshot(&mut self) -> Result<Snapshot, LedgerError> {
        let mut window = Vec::new();
        let snapshot = self.read(&mut |row| window.push(row))?;
        Ok(Snapshot { window, ..snapshot })
    }
    /// Makes `changes` durable, all or none. After an error the state is that before the call.
    fn commit(&mut self, changes: &Changes) -> Result<(), LedgerError>;
    /// A page of the outbox, in order, also entries that are done. An error if another runtime has opened the ledger: it deletes
    /// entries that this one expects.
    fn outbox(&mut self, page: OutboxPage) -> Result<Vec<OutboxRow>, LedgerError>;
    /// Whether the outbox has an entry of the strict queue at this position, as of the last commit.
    fn holds_strict(&mut self, position: u64) -> Result<bool, LedgerError>;
    /// Rows of the window under a packet's key, as of the last commit, but the last [`Sizes::window`](crate::sizes::Sizes::window) of the
    /// class, which are in memory. Different packets may share a key.
    fn delivered(&mut self, query: &PacketQuery) -> Result<Vec<WindowRow>, LedgerError>;
    /// The latest row of an id among the same rows.
    fn named(&mut self, query: &IdQuery<'_>) -> Result<Option<WindowRow>, LedgerError>;
    /// At most `limit` decisions from number `from` on, in order.
    fn decisions(&mut self, from: u64, limit: usize) -> Result<Vec<JournalEntry>, LedgerError>;
    /// Lets the journal begin behind `base`, and deletes the first entries up to there, at most `most` of them, in one transaction. `None`:
    /// the base stays, and entries that an earlier call left are deleted. After an error nothing has changed. A ledger without a
    /// file keeps all entries.
    fn drop_entries(&mut self, _base: Option<&Checkpoint>, _most: u64) -> Result<Dropped, LedgerError> {
        Ok(Dropped::default())
    }
    /// The first kept entry. Entries before it may be there until the next call of [`Ledger::drop_entries`].
    fn first_entry(&self) -> u64 {
        1
    }
    /// An error if a file of the open ledger was removed or replaced. Commits of a removed log are in the file then.
    fn check_files(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }
    /// Measures ledger and volume, and keeps a reserve for a full disk where there is room. `None`: there is no file, or it cannot
    /// be measured.
    fn look_at_space(&mut self) -> Option<Space> {
        None
    }
    /// Closes in order, and leaves a single file.
    fn close(self: Box<Self>) -> Result<(), LedgerError>;
}

/// Errors of opening, reading and writing a ledger. Each names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The folder or the file cannot be used at all.
    #[error("cannot {action} {path}")]
    Access {
        /// The action, for example `create`.
        action: &'static str,
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// SQLite failed: disk full, I/O error, locked.
    #[error("cannot {action} in the ledger {path}")]
    Store {
        /// The action, for example `append entries`.
        action: &'static str,
        /// The file.
        path: String,
        /// The cause.
        source: rusqlite::Error,
    },
    /// The file differs from the written ledger.
    #[error(
        "the ledger {path} is damaged: {finding}; nothing was changed: put a copy in its place with `algo-runtime restore`, or keep \
         its sound part with `algo-runtime salvage`"
    )]
    Damaged {
        /// The file.
        path: String,
        /// The contradiction and its place.
        finding: String,
    },
    /// A later release wrote it.
    #[error(
        "the ledger {path} needs a reader of version {needs}, this release reads up to {reads}; nothing was changed: use the newer release{notice}"
    )]
    TooNew {
        /// The file.
        path: String,
        /// Lowest version that reads it.
        needs: i64,
        /// The highest version that this release reads.
        reads: i64,
        /// The sentences in the file for releases that cannot read it, with `. ` in front; or empty.
        notice: String,
    },
    /// The ledger is another account's.
    #[error("the ledger {path} belongs to the account {found}, not to {wanted}; nothing was changed")]
    OtherAccount {
        /// The file.
        path: String,
        /// The ledger's account.
        found: String,
        /// The account of the runtime.
        wanted: String,
    },
    /// A commit contradicts the ledger or itself. It is an error in this program, and is not written.
    #[error("the ledger {path} refuses a commit that does not fit it: {finding}; nothing was written")]
    Refused {
        /// The file.
        path: String,
        /// The contradiction.
        finding: String,
    },
    /// A file of the open ledger was removed or replaced from outside.
    #[error("the ledger {path} was changed while it was open: {finding}")]
    Displaced {
        /// The file.
        path: String,
        /// The change, and the state in which the ledger was left.
        finding: String,
    },
    /// Another process opened it later (invariant 7).
    #[error(
        "the ledger {path} was taken over by another runtime (epoch {found}, ours is {ours}); this one may append nothing more"
    )]
    TakenOver {
        /// The file.
        path: String,
        /// The epoch now.
        found: i64,
        /// The epoch that this process opened.
        ours: i64,
    },
}

impl LedgerError {
    /// Whether the disk is full.
    pub(crate) fn is_of_full_disk(&self) -> bool {
        match self {
            Self::Access { source, .. } => matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded),
            Self::Store { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            _ => false,
        }
    }

    /// Stable code for conditions, Events and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Access { .. } => "LedgerInaccessible",
            Self::Store { .. } => "LedgerUnwritable",
            Self::Damaged { .. } => "LedgerDamaged",
            Self::TooNew { .. } => "LedgerTooNew",
            Self::OtherAccount { .. } => "LedgerOfOtherAccount",
            Self::Refused { .. } => "LedgerContradicted",
            Self::Displaced { .. } => "LedgerDisplaced",
            Self::TakenOver { .. } => "LedgerTakenOver",
        }
    }
}

#[cfg(test)]
mod tests {
    use documents::{Table, codes, reasons, section};

    /// Reasons of a ledger that cannot be opened: the process ends before it serves `/readyz`.
    const OF_START: [&str; 3] = ["LedgerDamaged", "LedgerTooNew", "LedgerOfOtherAccount"];

    #[test]
    fn operations_page_has_a_row_for_every_reason_of_an_open_ledger() {
        let (source, page) = ("algo-runtime/src/ledger.rs", "docs/operations.md");
        let (source, page) = (documents::page(source).unwrap(), documents::page(page).unwrap());
        for heading in [
            "### RuntimeReady: it decides, and its ledger can be written",
            "### LedgerHealthy: the ledger is there and can be written",
        ] {
            let tables = Table::all(section(&page, heading));
            let columns = tables.iter().filter_map(|table| table.column("Reason")).flatten();
            let documented: Vec<_> = columns.flat_map(codes).collect();
            let open = reasons(&source).filter(|reason| !OF_START.contains(reason));
            let lacking: Vec<_> = open.filter(|reason| !documented.contains(reason)).collect();
            assert!(lacking.is_empty(), "{heading}: without a row: {lacking:?}");
        }
    }
}
