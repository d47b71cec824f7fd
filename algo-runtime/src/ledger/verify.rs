//! Recomputes a ledger from its journal alone: no settings, no runtime, nothing written.

use std::{collections::BTreeMap, fmt, path::Path};

use intuition_api::decimal::Money;
use intuition_common::text::printable;

pub use super::books::Finding;
use super::{
    Holding, LedgerError, LedgerIds,
    sqlite::{self, Inspected, Refused},
};

/// Errors of a verification.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The folder has no ledger.
    #[error("there is no ledger in {0}")]
    MissLedger(String),
    /// The ledger cannot be read far enough to recompute it.
    #[error(transparent)]
    Read(LedgerError),
    /// The ledger contradicts its journal: the first wrong journal entry, if there is one.
    #[error(
        "the ledger in {dir} is wrong: {finding}; put a copy in its place with `algo-runtime restore`, or keep its sound part with \
         `algo-runtime salvage`"
    )]
    Contradict {
        /// The ledger's folder.
        dir: String,
        /// The contradiction.
        finding: Finding,
    },
}

impl VerifyError {
    /// Stable code, for logs and exit messages.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MissLedger(_) => "LedgerMissing",
            Self::Read(error) => error.reason(),
            Self::Contradict { .. } => "LedgerDamaged",
        }
    }
}

/// The account of a sound ledger, from its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `<namespace>/<name>`.
    pub account: String,
    /// All ids, the newest last.
    pub ledger_ids: LedgerIds,
    /// Journal entries.
    pub entries: u64,
    /// The first kept one.
    pub first_entry: u64,
    /// Buys and sales among the journal entries.
    pub decisions: u64,
    /// Deposits less withdrawals.
    pub deposits: Money,
    /// Cash.
    pub cash: Money,
    /// Cost of the holdings.
    pub invested: Money,
    /// Result of the sales.
    pub realised: Money,
    /// Holdings by symbol.
    pub holdings: BTreeMap<String, Holding>,
    /// Outbox entries without a report of their publication.
    pub unpublished: u64,
    /// Hash of the last entry, hex. Two copies with the same hash have the same journal.
    pub head: String,
}

/// Recomputes the ledger in the folder `dir`, in one read transaction, also while a runtime uses it.
pub fn verify(dir: &Path) -> Result<Report, VerifyError> {
    let shown = || dir.display().to_string();
    match sqlite::inspect_alone(dir) {
        Ok(Some(inspected)) => Ok(report(inspected)),
        Ok(None) => Err(VerifyError::MissLedger(shown())),
        Err(Refused::Unreadable(error)) => Err(VerifyError::Read(error)),
        Err(Refused::Wrong(finding)) => Err(VerifyError::Contradict { dir: shown(), finding }),
    }
}

fn report(Inspected { account, ledger_ids, books, head, base, .. }: Inspected) -> Report {
    Report {
        unpublished: account.position - account.published_through,
        account: account.name,
        ledger_ids,
        entries: books.entries,
        first_entry: base + 1,
        decisions: books.decisions,
        deposits: books.deposits,
        cash: books.cash,
        invested: books.invested,
        realised: books.realised,
        holdings: books.holdings,
        head: hex::encode(head),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: [(&str, &dyn fmt::Display); 10] = [
            ("account", &self.account),
            ("ledger", &self.ledger_ids.newest().id),
            ("entries", &self.entries),
            ("decisions", &self.decisions),
            ("deposits", &self.deposits),
            ("cash", &self.cash),
            ("invested", &self.invested),
            ("realised", &self.realised),
            ("unpublished", &self.unpublished),
            ("head", &self.head),
        ];
        for (name, value) in lines {
            writeln!(f, "{name:<12} {value}")?;
        }
        if self.first_entry > 1 {
            writeln!(f, "{:<12} entry {}: the entries before it were dropped", "begins at", self.first_entry)?;
        }
        for (earlier, next) in self.ledger_ids.iter().zip(self.ledger_ids.iter().skip(1)) {
            let last = next.first_seq - 1;
            writeln!(f, "{:<12} {} for decisions {} to {last}", "earlier id", earlier.id, earlier.first_seq)?;
        }
        for (sid, holding) in &self.holdings {
            let sid = printable(sid);
            writeln!(f, "{:<12} {sid} {} at a cost of {}", "position", holding.quantity, holding.cost)?;
        }
        Ok(())
    }
}
