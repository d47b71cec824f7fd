//! Versions of the file format, and the way from one to the next.
//!
//! A migration leaves the file readable by the release before it (`min_reader`), so that a downgrade is possible: it adds tables and nullable columns, and raises `min_reader` only where the meaning of something changed. A row that an older release cannot read raises it too, when it is written. The versions from 6 on are the format 2, which
//! no release before them reads; the versions before are the format 1. Rows of the tables in `replaced` are hashed as this release
//! writes them, so that a column more in one of those needs a higher `min_reader`.

use rusqlite::{Connection, params};

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
    Migration { version: 6, min_reader: 6, sql: include_str!("schema/v6.sql") },
    Migration { version: 7, min_reader: 6, sql: include_str!("schema/v7.sql") },
];

/// Those of the format 1.
pub(super) const FORMAT_1: &[Migration] = MIGRATIONS.split_at(5).0;

/// The version that this release writes, and the highest `min_reader` that it reads.
pub(super) fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |migration| migration.version)
}

/// Runs the migrations that a file of the version `from` lacks. Inside a transaction.
pub(super) fn upgrade_from(connection: &Connection, migrations: &[Migration], from: i64) -> rusqlite::Result<()> {
    migrations.iter().filter(|migration| migration.version > from).try_for_each(|step| upgrade(connection, step))
}

pub(super) fn upgrade(connection: &Connection, migration: &Migration) -> rusqlite::Result<()> {
    step(connection, migration)?;
    // Rows may need a newer reader than the tables do.
    connection
        .execute("UPDATE seal SET min_reader = max(min_reader, ?1) WHERE id = 1", params![migration.min_reader])?;
    Ok(())
}

pub(super) fn step(connection: &Connection, migration: &Migration) -> rusqlite::Result<()> {
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
        sql: "ALTER TABLE sessions ADD COLUMN unit TEXT; CREATE TABLE limits (name TEXT PRIMARY KEY) STRICT;
              INSERT INTO limits VALUES ('cash');",
    };
    const THIRD: Migration = Migration { version: NEXT + 1, min_reader: NEXT + 1, sql: "DROP TABLE limits;" };

    fn open(dir: &Path, migrations: &[Migration]) -> Result<SqliteLedger, LedgerError> {
        SqliteLedger::open_with(dir, ACCOUNT, migrations)
    }

    fn count(ledger: &mut SqliteLedger, value: u64) {
        let counters = [(("decided".to_owned(), String::new()), value)].into();
        let sessions = [("mqtt://b".to_owned(), value.to_string())].into();
        ledger.commit(&Changes { counters, sessions, ..Changes::default() }).unwrap();
    }

    #[test]
    fn an_older_file_is_migrated_and_the_release_before_still_trades_on_it() {
        let newer = [MIGRATIONS, &[SECOND]].concat();
        let dir = tempdir().unwrap();
        count(&mut open(dir.path(), MIGRATIONS).unwrap(), 1);
        let ledger = open(dir.path(), &newer).unwrap();
        ledger.connection.execute("UPDATE sessions SET unit = 'ticks'", []).unwrap();
        ledger.reseal();
        drop(ledger);

        let mut older = open(dir.path(), MIGRATIONS).unwrap();
        count(&mut older, 2);
        drop(older);
        let mut newer = open(dir.path(), &newer).unwrap();
        let unit: String = newer.connection.query_row("SELECT unit FROM sessions", [], |row| row.get(0)).unwrap();
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
