//! A transaction that is being written: the digest follows every row. Statements return the rows that they wrote or removed.

use rusqlite::{Connection, Params};

use super::digest::{Digest, Letters, Remembered};
use crate::{ledger::chain::Hash, sizes::Sizes};

/// Writes within an open transaction.
pub(super) struct Writer<'a> {
    pub(super) connection: &'a Connection,
    /// Digest of the tables, with the changes so far.
    pub(super) digest: Digest,
    /// Hash of the last journal entry.
    pub(super) head: Hash,
    /// Lowest version that reads the rows, as far as they need one.
    pub(super) min_reader: i64,
    pub(super) sizes: Sizes,
    pub(super) remembered: &'a mut Remembered,
    pub(super) letters: &'a mut Letters,
}

impl Writer<'_> {
    /// Runs a statement that returns the rows it wrote.
    pub(super) fn add(&mut self, table: &str, sql: &str, parameters: impl Params) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            self.digest.add(table, row)?;
        }
        Ok(())
    }

    /// Runs a statement that returns the rows it removed, or those that the next one replaces.
    pub(super) fn remove(&mut self, table: &str, sql: &str, parameters: impl Params) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            self.digest.subtract(table, row)?;
        }
        Ok(())
    }
}
