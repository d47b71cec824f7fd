//! Creates a ledger: under another name first, which is replaced once the whole file was read back.
//!
//! A disk that fills up on the way, or a crash, leaves nothing that looks like a ledger.

use std::{
    fs::{self, File},
    io,
};

use rusqlite::{Connection, TransactionBehavior};

use super::{
    inspect::Depth,
    migrate,
    place::{Place, Refused, Shape, wait_and_spill_nothing},
    schema::{self, Migration, PAGE_SIZE},
};
use crate::ledger::{Account, LedgerError};

impl Place {
    /// Creates a ledger without entries. After an error there is no ledger, and no part of it takes up space.
    pub(super) fn create(&self, folder: &File, migrations: &[Migration], account: &Account) -> Result<(), LedgerError> {
        let unfinished = self.unfinished();
        unfinished.remove().map_err(self.access("remove the unfinished file of"))?;
        let made = unfinished
            .build(|tables| migrate::create(tables, migrations, account))
            .and_then(|()| unfinished.check_whole(schema::newest(migrations)))
            .and_then(|()| fs::rename(unfinished.file(), self.file()).map_err(self.access("create")));
        if made.is_err() {
            // The first error is returned. The next start removes the rest in any case.
            unfinished.remove().unwrap_or_default();
        }
        made?;
        folder.sync_all().map_err(self.access("write the folder of"))
    }

    /// Makes a file of the tables that `fill` creates. Without a log: SQLite reports no error for a log that it cannot move into the
    /// file as it closes. The index of a log is on the heap, which needs less room on the disk.
    pub(super) fn build<T>(&self, fill: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        // SQLite reports no more than "unable to open", so that the system is asked first.
        File::create(self.file()).map_err(self.access("create"))?;
        let write = || {
            let mut connection = Connection::open(self.file())?;
            wait_and_spill_nothing(&connection)?;
            connection.pragma_update(None, "page_size", PAGE_SIZE)?;
            connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
            connection.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(()))?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let filled = fill(&transaction)?;
            transaction.commit()?;
            // The tables that a later version has dropped leave no free pages.
            connection.execute_batch("VACUUM")?;
            // Marks the file for a log from now on, and writes no log.
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            connection.close().map_err(|(_, error)| error)?;
            Ok(filled)
        };
        let filled = write().map_err(self.store("create the tables"))?;
        File::open(self.file()).and_then(|file| file.sync_all()).map_err(self.access("write"))?;
        Ok(filled)
    }

    /// Checks the new ledger by reading the file alone.
    pub(super) fn check_whole(&self, reads: i64) -> Result<(), LedgerError> {
        let incomplete = |finding: String| {
            self.access("create")(io::Error::other(format!("the written file is not complete: {finding}")))
        };
        let told = |error| match error {
            LedgerError::Damaged { finding, .. } => incomplete(finding),
            error => error,
        };
        let shape = self.shape().map_err(told)?;
        if shape != Shape::Settled {
            return Err(incomplete("a log was left beside the file".to_owned()));
        }
        match self.inspect(shape, reads, Depth::All) {
            Ok(_) => Ok(()),
            Err(Refused::Unreadable(error)) => Err(told(error)),
            Err(Refused::Wrong(finding)) => Err(incomplete(finding.to_string())),
        }
    }

    /// Removes the file and all that SQLite puts beside it.
    pub(super) fn remove(&self) -> io::Result<()> {
        ["", "-wal", "-shm", "-journal"].iter().try_for_each(|suffix| match fs::remove_file(self.beside(suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::ErrorCode;
    use tempfile::tempdir;

    use super::{
        super::{SqliteLedger, schema::MIGRATIONS},
        *,
    };
    use crate::ledger::Ledger as _;

    const ACCOUNT: &str = "default/goog-random";

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn unfinished(dir: &Path) -> Place {
        let place = Place::new(dir).unfinished();
        place.build(|tables| migrate::create(tables, MIGRATIONS, &Account::empty(ACCOUNT, "3f9c2a71"))).unwrap();
        place
    }

    #[test]
    fn disk_full_at_any_page_leaves_nothing_and_the_next_start_succeeds() {
        let (first, later) = MIGRATIONS.split_first().unwrap();
        let mut failed = 0;
        for pages in 1.. {
            let dir = tempdir().unwrap();
            let sql = format!("PRAGMA max_page_count = {pages}; {}", first.sql).leak();
            let limited = Migration { sql, ..*first };
            match SqliteLedger::open_with(dir.path(), ACCOUNT, &[&[limited], later].concat()) {
                Err(LedgerError::Store { action: "create the tables", source, .. }) => {
                    assert_eq!(source.sqlite_error_code(), Some(ErrorCode::DiskFull), "{pages} pages");
                    failed += 1;
                }
                Err(error) => panic!("{pages} pages: {error:?}"),
                Ok(_) => break,
            }
            assert_eq!(names(dir.path()), [""; 0], "{pages} pages");
            Box::new(SqliteLedger::open(dir.path(), ACCOUNT).unwrap()).close().unwrap();
            assert_eq!(names(dir.path()), ["ledger.db"], "{pages} pages");
        }
        assert!(failed > 10, "{failed}");
    }

    #[test]
    fn what_is_built_is_whole_by_itself() {
        let dir = tempdir().unwrap();
        let place = unfinished(dir.path());
        assert_eq!(names(dir.path()), ["ledger.db.new"]);
        place.check_whole(schema::newest(MIGRATIONS)).unwrap();
    }

    #[test]
    fn what_is_cut_or_spoilt_or_still_in_a_log_is_not_whole() {
        let dir = tempdir().unwrap();
        let place = unfinished(dir.path());
        let sound = fs::read(place.file()).unwrap();
        let refused = |what: &str| match place.check_whole(schema::newest(MIGRATIONS)) {
            Err(LedgerError::Access { action: "create", source, .. }) => {
                assert!(source.to_string().starts_with("the written file is not complete"), "{what}: {source}");
            }
            other => panic!("{what}: {other:?}"),
        };
        for length in (0..sound.len()).step_by(2048) {
            fs::write(place.file(), &sound[..length]).unwrap();
            refused(&format!("cut to {length} bytes"));
        }
        for page in (0..sound.len()).step_by(4096) {
            let mut hole = sound.clone();
            hole[page..page + 4096].fill(0);
            fs::write(place.file(), &hole).unwrap();
            refused(&format!("zeros from byte {page}"));
        }
        fs::write(place.file(), &sound).unwrap();
        fs::write(place.beside("-wal"), "a log").unwrap();
        refused("a log beside it");
        fs::remove_file(place.beside("-wal")).unwrap();
        place.check_whole(schema::newest(MIGRATIONS)).unwrap();
    }
}
