//! Errors of commands that copy or replace a ledger.

use crate::ledger::LedgerError;

/// Why a copy cannot be made or put back.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The folder has no ledger.
    #[error("there is no ledger in {0}")]
    MissLedger(String),
    /// The target of a backup exists.
    #[error("{0} exists already; nothing was written")]
    Exists(String),
    /// A runtime has the ledger open.
    #[error("the ledger in {0} is in use; stop its runtime first. Nothing was changed")]
    InUse(String),
    /// The ledger in the folder is newer than the copy.
    #[error(
        "the ledger in {dir} is newer than {from}: it has {there} journal entries, the copy has {copy}; nothing was changed. \
         With --force the copy replaces it, and the ledger there is kept beside it"
    )]
    Newer {
        /// The folder.
        dir: String,
        /// The copy.
        from: String,
        /// Entries of the ledger there.
        there: u64,
        /// Entries of the copy.
        copy: u64,
    },
    /// The ledger in the folder is another account's.
    #[error("the ledger in {dir} is of the account {there}, the copy of {copy}; nothing was changed")]
    OtherAccount {
        /// The folder.
        dir: String,
        /// Account of the ledger there.
        there: String,
        /// Account of the copy.
        copy: String,
    },
    /// A file cannot be read or written, or the copy is damaged.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl CopyError {
    /// Stable code, for logs and exit messages.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MissLedger(_) => "LedgerMissing",
            Self::Exists(_) => "FileExists",
            Self::InUse(_) => "LedgerInUse",
            Self::Newer { .. } => "LedgerNewer",
            Self::OtherAccount { .. } => "LedgerOfOtherAccount",
            Self::Ledger(error) => error.reason(),
        }
    }
}
