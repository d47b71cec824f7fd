//! Reads decisions beside the writer, so that a long list does not delay it.

use std::path::Path;

use intuition_api::v1::Decision;
use rusqlite::Connection;

use super::{checkpoints, entries, outbox, place::Place, rows};
use crate::{ledger::LedgerError, wire};

/// Why decisions cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadDecisionsError {
    /// They were dropped.
    #[error(
        "decision {from} was dropped by `spec.storage.retain`, and the first kept decision is {first}: begin there; \
         `algo-runtime archive` writes entries to a file before they are dropped"
    )]
    Dropped {
        /// The decision that was asked for.
        from: u64,
        /// The first kept decision.
        first: u64,
    },
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] LedgerError),
}

/// A connection of its own to an open ledger. Each page is a transaction, so that the log can be moved into the file
/// between two of them.
#[derive(Debug)]
pub(crate) struct DecisionReader {
    connection: Connection,
    place: Place,
}

impl DecisionReader {
    /// Reads the ledger in the folder `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, LedgerError> {
        let place = Place::new(dir);
        Ok(Self { connection: place.reader()?, place })
    }

    /// At most `limit` decisions from number `from` on, in order, as of the last commit. 0: from the first kept one.
    pub(crate) fn page(&mut self, from: u64, limit: usize) -> Result<Vec<Decision>, ReadDecisionsError> {
        let failed = self.place.store("read the journal");
        let transaction = self.connection.transaction().map_err(&failed)?;
        let account = rows::account(&transaction).map_err(&failed)?;
        let ids = outbox::ledger_ids(&transaction, &account.ledger_id).map_err(&failed)?;
        let first = first(&transaction).map_err(&failed)?;
        if (1..first).contains(&from) {
            return Err(ReadDecisionsError::Dropped { from, first });
        }
        let entries = entries::decisions(&transaction, from.max(first), limit).map_err(&failed)?;
        Ok(entries.iter().map(|entry| wire::decision(&account.name, &ids, entry)).collect())
    }
}

/// Number of the first kept decision.
fn first(connection: &Connection) -> rusqlite::Result<u64> {
    if checkpoints::base_number(connection)? == 0 {
        return Ok(1);
    }
    Ok(checkpoints::base(connection)?.map_or(0, |base| base.books.decisions) + 1)
}
