//! Drops entries of the journal: the base moves to a later checkpoint, and entries up to it are deleted, in commits of their own.
//!
//! The base moves with the first of these commits. A crash between two of them leaves entries that nothing reads, and the next call goes on.

use rusqlite::{Connection, TransactionBehavior, params};

use super::{SqliteLedger, checkpoints, epoch::check_epoch, retention, writer::Writer};
use crate::ledger::{Checkpoint, Dropped, LedgerError};

/// Why the base does not move.
enum DropError {
    /// The checkpoint does not fit the ledger: an error in this program.
    Refused(String),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for DropError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl SqliteLedger {
    /// See [`Ledger::drop_entries`](crate::ledger::Ledger::drop_entries).
    pub(super) fn drop_up_to(&mut self, base: Option<&Checkpoint>, most: u64) -> Result<Dropped, LedgerError> {
        let set = |enforced| self.connection.pragma_update(None, "foreign_keys", enforced);
        // For each entry of the format 1 SQLite would read the whole outbox. That none of them is named there is checked before.
        set(false).map_err(self.place.store("prepare to drop entries"))?;
        let dropped = self.drop_without_keys(base, most);
        let set = self.connection.pragma_update(None, "foreign_keys", true);
        set.map_err(self.place.store("check references again"))?;
        dropped
    }

    fn drop_without_keys(&mut self, base: Option<&Checkpoint>, most: u64) -> Result<Dropped, LedgerError> {
        let failed = self.place.store("drop entries");
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        check_epoch(&transaction, &self.seal, &self.place)?;
        let (remembered, letters) = (&mut self.remembered, &mut self.letters);
        let (connection, sizes) = (&transaction, self.sizes);
        let (digest, head, min_reader) = (self.digest, self.head, self.seal.min_reader);
        let mut writer = Writer { connection, digest, head, min_reader, sizes, remembered, letters };
        let written = writer.drop_entries(self.base, base, most);
        let (number, dropped) = written.map_err(|error| match error {
            DropError::Sql(error) => failed(error),
            DropError::Refused(finding) => LedgerError::Refused { path: self.place.shown(), finding },
        })?;
        let digest = writer.digest;
        let seal = self.seal.over(digest);
        seal.write(&transaction).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        drop(failed);
        (self.seal, self.digest, self.base) = (seal, digest, number);
        Ok(dropped)
    }
}

impl Writer<'_> {
    /// Moves the base from the entry `before` to `base`, and deletes the first entries up to it. Returns the number of the base.
    fn drop_entries(&mut self, before: u64, base: Option<&Checkpoint>, most: u64) -> Result<(u64, Dropped), DropError> {
        if let Some(base) = base {
            self.check_base(before, base)?;
            self.move_base(base)?;
        }
        let number = base.map_or(before, |base| base.number);
        let mut entries = delete_first(self.connection, "journal", number, most)?;
        if entries > 0 {
            let sql = "DELETE FROM manual_sales WHERE seq < ifnull((SELECT min(seq) FROM journal), ?1) RETURNING *";
            self.remove("manual_sales", sql, [i64::MAX])?;
        }
        entries += delete_first(self.connection, "entries", number, most - entries)?;
        let has_rest = retention::has_entries(self.connection, number)?;
        Ok((number, Dropped { entries, has_rest }))
    }

    fn check_base(&self, before: u64, base: &Checkpoint) -> Result<(), DropError> {
        let Checkpoint { number, head, books } = base;
        let stored = checkpoints::between(self.connection, *number, *number)?.remove(number);
        let refused =
            |why: &str| Err(DropError::Refused(format!("the journal cannot begin behind entry {number}: {why}")));
        if *number <= before || retention::next(self.connection, number.saturating_sub(1))? != Some(*number) {
            return refused("the last checkpoints stay");
        }
        if stored != Some((*head, checkpoints::hash_of(books))) {
            return refused("its books are not those of the checkpoint");
        }
        if retention::has_unpublished(self.connection, *number)? {
            return refused("an entry before it waits for its publication");
        }
        Ok(())
    }

    fn move_base(&mut self, base: &Checkpoint) -> rusqlite::Result<()> {
        let number = base.number.cast_signed();
        self.remove("checkpoints", "SELECT * FROM checkpoints WHERE number = ?1", [number])?;
        let with_books = "UPDATE checkpoints SET books = ?2 WHERE number = ?1 RETURNING *";
        self.add("checkpoints", with_books, params![number, checkpoints::bytes_of(&base.books)])?;
        self.remove("checkpoints", "DELETE FROM checkpoints WHERE number < ?1 RETURNING *", [number])
    }
}

/// Deletes the first entries of a table of the journal up to number `through`, at most so many, and returns their number.
fn delete_first(connection: &Connection, table: &str, through: u64, most: u64) -> rusqlite::Result<u64> {
    let sql = format!("DELETE FROM {table} WHERE number <= min(?1, (SELECT min(number) FROM {table}) + ?2 - 1)");
    let bounds = [through, most].map(|bound| i64::try_from(bound).unwrap_or(i64::MAX >> 1));
    connection.prepare_cached(&sql)?.execute(bounds).map(|rows| rows as u64)
}
