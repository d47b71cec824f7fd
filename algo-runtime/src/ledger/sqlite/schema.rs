//! Versions of the file format, and the way from one to the next.
//!
//! A migration leaves the file readable by the release before it (`min_reader`), so that a downgrade is possible: it adds tables and nullable columns, and raises `min_reader` only where the meaning of something changed.

use rusqlite::{Connection, params};

use super::digest::{Digest, Seal};
use crate::ledger::Account;

/// Marks the file as a ledger of Intuition: `INTU`.
pub(super) const APPLICATION_ID: u32 = 0x494e_5455;
/// Pages of this size, bytes. Fixed, so that the header can be checked.
pub(super) const PAGE_SIZE: u32 = 4096;

/// One step of the format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    /// `user_version` after it.
    pub(super) version: i64,
    /// Lowest version that reads the file after it.
    pub(super) min_reader: i64,
    /// The statements.
    pub(super) sql: &'static str,
}

/// All of them, in order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, min_reader: 1, sql: include_str!("schema/v1.sql") },
    Migration { version: 2, min_reader: 1, sql: include_str!("schema/v2.sql") },
    Migration { version: 3, min_reader: 1, sql: include_str!("schema/v3.sql") },
    Migration { version: 4, min_reader: 1, sql: include_str!("schema/v4.sql") },
    Migration { version: 5, min_reader: 1, sql: include_str!("schema/v5.sql") },
];

/// The version that this release writes, and the highest `min_reader` that it reads.
pub(super) fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |migration| migration.version)
}

/// Makes an empty file a ledger without entries. Inside a transaction.
pub(super) fn create(connection: &Connection, migrations: &[Migration], account: &Account) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    let (first, later) = migrations.split_first().map_or((None, migrations), |(first, later)| (Some(first), later));
    if let Some(first) = first {
        step(connection, first)?;
        connection.execute(
            "INSERT INTO seal (id, min_reader, epoch, digest) VALUES (1, ?1, 0, '')",
            params![first.min_reader],
        )?;
    }
    connection.execute(
        "INSERT INTO account (id, name, ledger_id, cash, invested, realised, deposits, entries, decisions, position,
             published_through, updated_micros) VALUES (1, ?1, ?2, '0.00', '0.00', '0.00', '0.00', 0, 0, 0, 0, 0)",
        params![account.name, account.ledger_id],
    )?;
    later.iter().try_for_each(|migration| upgrade(connection, migration))?;
    Seal::read(connection)?.over(Digest::of_all(connection)?).write(connection)
}

/// Migrates a file of an older version to the newest one. Returns whether anything changed. Inside a transaction.
pub(super) fn migrate(connection: &Connection, migrations: &[Migration], from: i64) -> rusqlite::Result<bool> {
    let missing = || migrations.iter().filter(|migration| migration.version > from);
    missing().try_for_each(|migration| upgrade(connection, migration))?;
    Ok(missing().next().is_some())
}

fn upgrade(connection: &Connection, migration: &Migration) -> rusqlite::Result<()> {
    step(connection, migration)?;
    // Rows may need a newer reader than the tables do.
    connection
        .execute("UPDATE seal SET min_reader = max(min_reader, ?1) WHERE id = 1", params![migration.min_reader])?;
    Ok(())
}

fn step(connection: &Connection, migration: &Migration) -> rusqlite::Result<()> {
    connection.execute_batch(migration.sql)?;
    connection.pragma_update(None, "user_version", migration.version)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use tempfile::tempdir;

    use super::{super::SqliteLedger, *};
    use crate::ledger::{Changes, Ledger as _, LedgerError};

    const ACCOUNT: &str = "default/goog-random";
    const NEXT: i64 = 1_000;
    const SECOND: Migration = Migration {
        version: NEXT,
        min_reader: 1,
        sql: "ALTER TABLE counters ADD COLUMN unit TEXT; CREATE TABLE limits (name TEXT PRIMARY KEY) STRICT;
              INSERT INTO limits VALUES ('cash');",
    };
    const THIRD: Migration = Migration { version: NEXT + 1, min_reader: NEXT + 1, sql: "DROP TABLE limits;" };

    fn open(dir: &Path, migrations: &[Migration]) -> Result<SqliteLedger, LedgerError> {
        SqliteLedger::open_with(dir, ACCOUNT, migrations)
    }

    fn count(ledger: &mut SqliteLedger, value: u64) {
        let counters = [(("decided".to_owned(), String::new()), value)].into();
        ledger.commit(&Changes { counters, ..Changes::default() }).unwrap();
    }

    #[test]
    fn an_older_file_is_migrated_and_the_release_before_still_trades_on_it() {
        let newer = [MIGRATIONS, &[SECOND]].concat();
        let dir = tempdir().unwrap();
        count(&mut open(dir.path(), MIGRATIONS).unwrap(), 1);
        let ledger = open(dir.path(), &newer).unwrap();
        ledger.connection.execute("UPDATE counters SET unit = 'ticks'", []).unwrap();
        let digest = Digest::of_all(&ledger.connection).unwrap();
        ledger.seal.over(digest).write(&ledger.connection).unwrap();
        drop(ledger);

        let mut older = open(dir.path(), MIGRATIONS).unwrap();
        count(&mut older, 2);
        drop(older);
        let mut newer = open(dir.path(), &newer).unwrap();
        let unit: String = newer.connection.query_row("SELECT unit FROM counters", [], |row| row.get(0)).unwrap();
        assert_eq!(unit, "ticks");
        assert_eq!(newer.snapshot().unwrap().counters.into_values().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_file_that_needs_a_newer_release_is_refused_as_it_is() {
        let dir = tempdir().unwrap();
        let all = [MIGRATIONS, &[SECOND, THIRD]].concat();
        Box::new(open(dir.path(), &all).unwrap()).close().unwrap();
        let file = dir.path().join("ledger.db");
        let before = fs::read(&file).unwrap();
        let error = SqliteLedger::open(dir.path(), ACCOUNT).unwrap_err();
        assert!(
            matches!(error, LedgerError::TooNew { needs: 1_001, reads, .. } if reads == newest(MIGRATIONS)),
            "{error:?}"
        );
        assert!(fs::read(&file).unwrap() == before);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
