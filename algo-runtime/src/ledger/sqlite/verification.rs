//! A verification of the journal beside the writer, in chunks. Each chunk is a connection and a transaction of its own, so that the
//! log can be moved into the file between two of them and an orderly close finds no reader.

use std::path::Path;

use rusqlite::{Connection, Transaction};

use super::{
    checkpoints,
    inspect_error::InspectError,
    outbox,
    place::{Place, Refused},
    replay::Replay,
    rows, schema,
};
use crate::ledger::{Checkpoint, LedgerError, books::Finding, chain};

/// Entries of a chunk.
const CHUNK: u64 = 10_000;

/// Why a verification cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The journal differs from the written one.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// The journal cannot be read now.
    #[error(transparent)]
    Unreadable(LedgerError),
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There are further entries.
    UnderWay,
    /// All entries that were there when it began are as they were written.
    Sound {
        /// The number of the last one.
        entries: u64,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Verification {
    place: Place,
    /// Books and head of the entries that were recomputed.
    replay: Replay,
    /// The last entry to recompute.
    through: u64,
    /// Entries of a chunk.
    chunk: u64,
}

impl Verification {
    /// Begins at the base of the ledger in the folder `dir`, which is open, for all entries that are there.
    pub fn begin(dir: &Path) -> Result<Self, VerificationError> {
        Self::begin_through(dir, u64::MAX)
    }

    /// The same for the entries up to number `through`.
    pub fn begin_through(dir: &Path, through: u64) -> Result<Self, VerificationError> {
        let place = Place::new(dir);
        let (replay, entries) = read(&place, |transaction| {
            let account = rows::account(transaction)?;
            let ids = outbox::ledger_ids(transaction, &account.ledger_id)?;
            let replay = Replay::at_base(transaction, chain::genesis(ids.first(), &account.name))?;
            Ok((replay, account.entries))
        })?;
        Ok(Self { place, replay, through: through.min(entries), chunk: CHUNK })
    }

    /// Recomputes the next entries. After an error the next step begins at the same entry.
    ///
    /// Damage is read once more, since it halts the account: by another connection, without the first one's pages.
    pub fn step(&mut self) -> Result<Progress, VerificationError> {
        let before = self.replay.clone();
        let mut stepped = self.try_step();
        if matches!(stepped, Err(VerificationError::Damaged(_))) {
            self.replay = before.clone();
            stepped = self.try_step();
        }
        if stepped.is_err() {
            self.replay = before;
        }
        stepped
    }

    /// The books at the last entry that was recomputed.
    pub fn into_checkpoint(self) -> Checkpoint {
        let Replay { books, head, .. } = self.replay;
        Checkpoint { number: books.entries, head, books }
    }

    fn try_step(&mut self) -> Result<Progress, VerificationError> {
        let Self { place, replay, through, chunk } = self;
        read(place, |transaction| take_chunk(transaction, replay, *through, *chunk))?;
        let entries = replay.books.entries;
        Ok(if entries < *through { Progress::UnderWay } else { Progress::Sound { entries } })
    }
}

fn take_chunk(
    transaction: &Transaction<'_>,
    replay: &mut Replay,
    through: u64,
    chunk: u64,
) -> Result<(), InspectError> {
    if let Some(base) = checkpoints::base(transaction)?
        && base.number > replay.books.entries
    {
        // Entries up to it may be gone by now.
        *replay = Replay::behind(base, [].into());
    }
    let last = through.min(replay.books.entries + chunk);
    replay.expect(checkpoints::between(transaction, replay.books.entries, last)?);
    replay.check_checkpoint()?;
    replay.take_format_1(transaction, last)?;
    replay.take(transaction, last)?;
    if replay.books.entries < last {
        return Err(Finding::MissEntry { number: replay.books.entries + 1 }.into());
    }
    let account = rows::account(transaction)?;
    if account.entries == last {
        replay.books.check_totals(&account)?;
    }
    Ok(())
}

/// Reads by a new connection, in one transaction.
fn read<T>(
    place: &Place,
    read: impl FnOnce(&Transaction<'_>) -> Result<T, InspectError>,
) -> Result<T, VerificationError> {
    let mut connection: Connection = place.reader().map_err(VerificationError::Unreadable)?;
    let result = connection.transaction().map_err(InspectError::from).and_then(|transaction| read(&transaction));
    result.map_err(|error| match place.refused(error, schema::newest(schema::MIGRATIONS)) {
        Refused::Wrong(finding) => VerificationError::Damaged(finding.to_string()),
        Refused::Unreadable(LedgerError::Damaged { finding, .. }) => VerificationError::Damaged(finding),
        Refused::Unreadable(error) => VerificationError::Unreadable(error),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::config::DbConfig;
    use tempfile::{TempDir, tempdir};

    use super::*;
    use crate::ledger::{Ledger as _, sqlite::SqliteLedger};

    const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ledgers/v0.1.0.db");

    /// An open ledger with entries of the format 1 alone.
    fn migrated() -> (TempDir, SqliteLedger) {
        let dir = tempdir().unwrap();
        fs::copy(FIXTURE, dir.path().join("ledger.db")).unwrap();
        let ledger = SqliteLedger::open(dir.path(), "default/test").unwrap();
        (dir, ledger)
    }

    /// Changes the ledger around its triggers.
    fn rewrite(dir: &Path, sql: &str) {
        let connection = Connection::open(dir.join("ledger.db")).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1);
    }

    /// The steps of a verification by chunks of an entry, and its end.
    fn verified(dir: &Path) -> (usize, Result<u64, String>) {
        let mut verification = Verification { chunk: 1, ..Verification::begin(dir).unwrap() };
        let mut steps = 0;
        loop {
            steps += 1;
            match verification.step() {
                Ok(Progress::UnderWay) => {}
                Ok(Progress::Sound { entries }) => return (steps, Ok(entries)),
                Err(error) => {
                    let repeated = verification.step().unwrap_err();
                    assert_eq!(repeated.to_string(), error.to_string());
                    return (steps, Err(error.to_string()));
                }
            }
        }
    }

    #[test]
    fn entries_of_format_1_are_verified_chunk_by_chunk() {
        let (dir, mut ledger) = migrated();
        let entries = ledger.snapshot().unwrap().account.entries;
        assert!(entries > 4, "{entries}");
        assert_eq!(verified(dir.path()), (usize::try_from(entries).unwrap(), Ok(entries)));
        rewrite(dir.path(), "UPDATE journal SET event = 'another' WHERE number = 3");
        let (steps, found) = verified(dir.path());
        let found = found.unwrap_err();
        assert!(steps == 3 && found.contains("journal entry 3: hash is "), "{steps}: {found}");
    }

    #[test]
    fn missing_entry_and_changed_checkpoint_are_damage() {
        for (sql, finding) in [
            ("DELETE FROM journal WHERE number = 3", "the ledger is damaged: journal entry 3 is missing"),
            ("UPDATE checkpoints SET head = zeroblob(32) WHERE number > 0", "has other hash than the journal"),
            ("UPDATE checkpoints SET books_sha256 = zeroblob(32) WHERE number = 0", "books of another hash"),
            ("UPDATE journal SET amount = 'much' WHERE number = 2", "journal entry 2 cannot be read"),
        ] {
            let (dir, _ledger) = migrated();
            rewrite(dir.path(), sql);
            let found = match Verification::begin(dir.path()) {
                Ok(_) => verified(dir.path()).1.unwrap_err(),
                Err(error) => error.to_string(),
            };
            assert!(found.contains(finding), "{sql}: {found}");
        }
    }

    #[test]
    fn ledger_that_cannot_be_read_is_not_damaged() {
        let dir = tempdir().unwrap();
        let error = Verification::begin(dir.path()).unwrap_err();
        assert!(matches!(error, VerificationError::Unreadable(_)), "{error:?}");
    }
}
