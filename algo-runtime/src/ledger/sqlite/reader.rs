//! Reads decisions beside the writer, so that a long list does not delay it.

use std::path::Path;

use intuition_api::v1::Decision;
use rusqlite::Connection;

use super::{entries, outbox, place::Place, rows};
use crate::{ledger::LedgerError, wire};

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

    /// At most `limit` decisions from number `from` on, in order, as of the last commit.
    pub(crate) fn page(&mut self, from: u64, limit: usize) -> Result<Vec<Decision>, LedgerError> {
        let failed = self.place.store("read the journal");
        let transaction = self.connection.transaction().map_err(&failed)?;
        let account = rows::account(&transaction).map_err(&failed)?;
        let ids = outbox::ledger_ids(&transaction, &account.ledger_id).map_err(&failed)?;
        let entries = entries::decisions(&transaction, from, limit).map_err(&failed)?;
        Ok(entries.iter().map(|entry| wire::decision(&account.name, &ids, entry)).collect())
    }
}
