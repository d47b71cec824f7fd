//! Detects removed and replaced files of an open ledger. Such a file takes every commit and is gone with the process.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rusqlite::Connection;

use super::place::Place;
use crate::ledger::LedgerError;

/// A file of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct File {
    device: u64,
    number: u64,
    bytes: u64,
}

impl File {
    /// `None`: there is none.
    fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(found) => Ok(Some(Self { device: found.dev(), number: found.ino(), bytes: found.len() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_same(self, other: Option<Self>) -> bool {
        other.is_some_and(|other| (self.device, self.number) == (other.device, other.number))
    }
}

/// The files of a ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files {
    ledger: Option<File>,
    log: Option<File>,
}

impl Files {
    /// The files now.
    pub(super) fn of(place: &Place) -> io::Result<Self> {
        Ok(Self { ledger: File::at(place.file())?, log: File::at(&place.beside("-wal"))? })
    }

    /// Compares them with the files now. If the log was removed, its commits are written into the ledger's file first.
    pub(super) fn check(&self, place: &Place, connection: &Connection) -> Result<(), LedgerError> {
        // The next commit reports a folder that cannot be read now.
        let Ok(now) = Self::of(place) else { return Ok(()) };
        let displaced =
            |finding: &str| Err(LedgerError::Displaced { path: place.shown(), finding: finding.to_owned() });
        let is_same = |ours: Option<File>, found: Option<File>| ours.is_none_or(|ours| ours.is_same(found));
        if !is_same(self.ledger, now.ledger) {
            return displaced(
                "the file was removed or replaced; nothing was written into the one that is there now, and the next \
                 start takes it as it is",
            );
        }
        if is_same(self.log, now.log) {
            return Ok(());
        }
        if now.log.is_some_and(|log| log.bytes > 0) {
            return displaced(
                "its write-ahead log was replaced; commits since the log was last moved into the file are lost, and \
                 the next start takes the file and the new log as they are",
            );
        }
        if move_log(connection).map_err(place.store("write the removed log into the file"))? {
            return displaced(
                "its write-ahead log was removed; the file has all commits, and the next start goes on from it",
            );
        }
        displaced(
            "its write-ahead log was removed, and its last commits could not be written into the file: they are lost",
        )
    }
}

/// Whether the file has all commits of the log.
fn move_log(connection: &Connection) -> rusqlite::Result<bool> {
    let moved = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?);
    connection.query_row("PRAGMA wal_checkpoint(FULL)", [], moved)
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;
    use crate::ledger::{Changes, Ledger as _, sqlite::SqliteLedger};

    fn state(value: u8) -> Changes {
        Changes { state: [(("random".to_owned(), String::new()), Some(vec![value]))].into(), ..Changes::default() }
    }

    fn finding(ledger: &mut SqliteLedger) -> String {
        match ledger.check_files().unwrap_err() {
            LedgerError::Displaced { finding, .. } => finding,
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn commits_of_a_removed_log_are_moved_into_the_file() {
        let dir = tempdir().unwrap();
        let mut ledger = SqliteLedger::open(dir.path(), "default/test").unwrap();
        ledger.commit(&state(1)).unwrap();
        ledger.check_files().unwrap();
        fs::remove_file(dir.path().join("ledger.db-wal")).unwrap();
        ledger.commit(&state(2)).unwrap();
        let before = ledger.snapshot().unwrap();
        assert!(finding(&mut ledger).contains("the file has all commits"));
        // A copy of the file alone: the process may end without closing anything.
        let copy = tempdir().unwrap();
        fs::copy(dir.path().join("ledger.db"), copy.path().join("ledger.db")).unwrap();
        let mut again = SqliteLedger::open(copy.path(), "default/test").unwrap();
        assert_eq!(again.snapshot().unwrap(), before);
    }

    #[test]
    fn a_file_or_a_log_that_was_replaced_is_left_as_it_is() {
        for name in ["ledger.db", "ledger.db-wal"] {
            let dir = tempdir().unwrap();
            let mut ledger = SqliteLedger::open(dir.path(), "default/test").unwrap();
            ledger.commit(&state(1)).unwrap();
            let (file, kept) = (dir.path().join(name), dir.path().join("kept"));
            fs::rename(&file, &kept).unwrap();
            fs::copy(&kept, &file).unwrap();
            let before = fs::read(&file).unwrap();
            assert!(finding(&mut ledger).contains("replaced"));
            assert_eq!(fs::read(&file).unwrap(), before);
        }
    }
}
