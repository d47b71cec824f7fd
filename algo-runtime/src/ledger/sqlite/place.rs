//! The ledger as files: their paths, the required first bytes, and the two kinds of connections.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{
    Durability,
    inspect::{Depth, Inspected, inspect},
    inspect_error::InspectError,
    schema::{APPLICATION_ID, PAGE_SIZE},
};
use crate::ledger::LedgerError;

const FILE: &str = "ledger.db";
/// Name of a new ledger until it is whole.
const UNFINISHED: &str = "ledger.db.new";
/// Longest wait for another connection's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of write-ahead log that a commit moves into the file once they are there: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4096;

/// Least size of the index that SQLite keeps beside an open log.
const LOG_INDEX_BYTES: usize = 32 * 1024;

/// The files that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// No ledger.
    Missing,
    /// A single file.
    Settled,
    /// A file and a write-ahead log: it is in use, or was not closed.
    Logged,
}

/// Folder and file of a ledger.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    file: PathBuf,
    shown: String,
}

impl Place {
    pub(super) fn new(dir: &Path) -> Self {
        let file = dir.join(FILE);
        Self { dir: dir.to_owned(), shown: file.display().to_string(), file }
    }

    /// The place of a ledger under any name.
    pub(super) fn of_file(file: &Path) -> Self {
        let dir = file.parent().unwrap_or_else(|| Path::new("")).to_owned();
        Self { dir, shown: file.display().to_string(), file: file.to_owned() }
    }

    /// The place of an unfinished ledger. Errors name the final ledger.
    pub(super) fn unfinished(&self) -> Self {
        Self { dir: self.dir.clone(), file: self.dir.join(UNFINISHED), shown: self.shown() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Creates a missing folder, and keeps other openers out of it until the result is dropped.
    pub(super) fn enter(&self) -> Result<File, LedgerError> {
        let access =
            |action| move |source| LedgerError::Access { action, path: self.dir.display().to_string(), source };
        fs::create_dir_all(&self.dir).map_err(access("create the folder"))?;
        let folder = File::open(&self.dir).map_err(access("open the folder"))?;
        folder.lock().map_err(access("lock the folder"))?;
        Ok(folder)
    }

    /// Checks names, lengths and the header, without SQLite.
    pub(super) fn shape(&self) -> Result<Shape, LedgerError> {
        let log = length(&self.beside("-wal")).map_err(self.access("inspect the log of"))?;
        let mut file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && log.is_none() => return Ok(Shape::Missing),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.damaged("the file is missing, but its write-ahead log is there"));
            }
            Err(error) => return Err(self.access("open")(error)),
        };
        let metadata = file.metadata().map_err(self.access("look at"))?;
        if !metadata.is_file() {
            return Err(self.damaged("it is no file"));
        }
        let settled = log.unwrap_or(0) == 0;
        let mut header = [0; 100];
        match file.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.damaged(&format!("it has {} bytes, fewer than any ledger", metadata.len())));
            }
            Err(error) => return Err(self.access("read")(error)),
        }
        check_header(&header, settled.then_some(metadata.len())).map_err(|finding| self.damaged(&finding))?;
        Ok(if settled { Shape::Settled } else { Shape::Logged })
    }

    /// Checks the ledger through a connection that cannot write.
    pub(super) fn inspect(&self, shape: Shape, reads: i64, depth: Depth) -> Result<Inspected, Refused> {
        let read = || {
            let mut connection = self.observer(shape)?;
            let transaction = connection.transaction()?;
            inspect(&transaction, reads, depth)
        };
        read().map_err(|error| self.refused(error, reads))
    }

    /// A connection that cannot write, and makes no file beside a ledger without a log.
    pub(super) fn observer(&self, shape: Shape) -> rusqlite::Result<Connection> {
        // Without a log nothing beside the file is needed, and `immutable` keeps SQLite from making anything.
        let mode = if shape == Shape::Settled { "mode=ro&immutable=1" } else { "mode=ro" };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.uri(mode), flags)?;
        wait_and_spill_nothing(&connection)?;
        Ok(connection)
    }

    /// A second connection, for reading.
    pub(super) fn reader(&self) -> Result<Connection, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(&self.file, flags)?;
            wait_and_spill_nothing(&connection)?;
            Ok(connection)
        };
        connect().map_err(self.store("open the tables"))
    }

    /// The connection that writes.
    pub(super) fn writer(&self, durability: Durability) -> Result<Connection, LedgerError> {
        let metadata = fs::metadata(&self.file).map_err(self.access("look at"))?;
        if metadata.permissions().readonly() {
            // Also for root, although the system lets root write: a read-only file must not change.
            return Err(self.access("write")(io::Error::from(io::ErrorKind::PermissionDenied)));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(&self.file, flags)?;
            if connection.is_readonly("main")? {
                return Ok(None);
            }
            configure(&connection, durability)?;
            Ok(Some(connection))
        };
        let connection = connect().map_err(self.store("open the tables"))?;
        connection.ok_or_else(|| self.access("write")(io::Error::from(io::ErrorKind::PermissionDenied)))
    }

    pub(super) fn shown(&self) -> String {
        self.shown.clone()
    }

    pub(super) fn access(&self, action: &'static str) -> impl Fn(io::Error) -> LedgerError + '_ {
        move |source| LedgerError::Access { action, path: self.shown(), source }
    }

    pub(super) fn store(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> LedgerError + '_ {
        move |source| {
            self.hindrance(&source).unwrap_or_else(|| LedgerError::Store { action, path: self.shown(), source })
        }
    }

    pub(super) fn damaged(&self, finding: &str) -> LedgerError {
        LedgerError::Damaged { path: self.shown(), finding: finding.to_owned() }
    }

    /// An error while reading a ledger that was written whole: damage of the file, unless the system failed.
    pub(super) fn refused(&self, error: InspectError, reads: i64) -> Refused {
        match error {
            InspectError::TooNew { needs, notice } => {
                let notice = if notice.is_empty() { notice } else { format!(". {notice}") };
                Refused::Unreadable(LedgerError::TooNew { path: self.shown(), needs, reads, notice })
            }
            InspectError::Wrong(finding) => Refused::Wrong(finding),
            InspectError::Sql(error) if of_the_system(&error) => Refused::Unreadable(self.store("read")(error)),
            InspectError::Sql(error) => Refused::Unreadable(self.damaged(&error.to_string())),
        }
    }

    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.file.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// SQLite reports "unable to open", "readonly" or "disk I/O error" and no more, most often because it cannot create the
    /// files beside the ledger. This function tries the same, for the system's error.
    fn hindrance(&self, error: &rusqlite::Error) -> Option<LedgerError> {
        let vague = [ErrorCode::CannotOpen, ErrorCode::ReadOnly, ErrorCode::SystemIoFailure];
        if !vague.contains(&error.sqlite_error_code()?) {
            return None;
        }
        let probe = self.beside(".probe");
        let tried = fs::write(&probe, vec![0; LOG_INDEX_BYTES]);
        // A failed removal has no effect: the file is never read, and the next attempt overwrites it.
        fs::remove_file(&probe).unwrap_or_default();
        tried.err().map(self.access("write beside"))
    }

    /// The file as SQLite's URI: every byte but the plainest in hex.
    fn uri(&self, parameters: &str) -> String {
        let absolute = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        let mut uri = "file:".to_owned();
        for byte in absolute.as_os_str().as_encoded_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
                // Writing to a string cannot fail.
                _ => write!(uri, "%{byte:02X}").unwrap_or_default(),
            }
        }
        uri + "?" + parameters
    }
}

/// Errors of the check before a ledger is opened.
#[derive(Debug)]
pub(in crate::ledger) enum Refused {
    Unreadable(LedgerError),
    Wrong(crate::ledger::books::Finding),
}

/// `None`: there is no such file.
pub(super) fn length(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The header's fields (<https://www.sqlite.org/fileformat.html>) that are the same in every ledger. `length`: the
/// file's, where no log can hold pages beyond it.
fn check_header(header: &[u8; 100], length: Option<u64>) -> Result<(), String> {
    let page_size = PAGE_SIZE.to_be_bytes();
    let fields: [(&str, usize, &[u8]); 8] = [
        ("the first bytes are not SQLite's", 0, b"SQLite format 3\0"),
        ("the page size in the header is wrong", 16, page_size.get(2..).unwrap_or_default()),
        ("the header's fractions are wrong", 20, &[0, 64, 32, 32]),
        ("the header's schema format is wrong", 44, &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("the header's text encoding is wrong", 56, &[0, 0, 0, 1]),
        ("the header's vacuum mode is wrong", 64, &[0; 4]),
        ("the application id is not that of a ledger", 68, &APPLICATION_ID.to_be_bytes()),
        ("the header's reserved bytes are not zero", 72, &[0; 20]),
    ];
    for (finding, offset, expected) in fields {
        if header.get(offset..offset + expected.len()) != Some(expected) {
            return Err(finding.to_owned());
        }
    }
    // 2: with a write-ahead log. 1: without, as `VACUUM INTO` writes a copy.
    if !matches!(header.get(18..20), Some([1, 1] | [2, 2])) {
        return Err("the header's format version is wrong".to_owned());
    }
    let pages = header.iter().skip(28).take(4).fold(0_u64, |pages, byte| pages << 8 | u64::from(*byte));
    match length {
        Some(length) if length != pages * u64::from(PAGE_SIZE) => {
            Err(format!("it has {length} bytes, its header says {}", pages * u64::from(PAGE_SIZE)))
        }
        _ => Ok(()),
    }
}

fn configure(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    wait_and_spill_nothing(connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let synchronous = match durability {
        Durability::Machine => "FULL",
        Durability::Process => "OFF",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.query_row(&format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}"), [], |_| Ok(()))
}

/// Temporary tables stay in memory: the file system around the data folder may be read-only.
pub(super) fn wait_and_spill_nothing(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn of_the_system(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        // A file that ends early is damaged.
        Some(ErrorCode::SystemIoFailure) => {
            error.sqlite_error().is_some_and(|error| error.extended_code != rusqlite::ffi::SQLITE_IOERR_SHORT_READ)
        }
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::DiskFull
            | ErrorCode::ReadOnly,
        ) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn what_sqlite_leaves_open_is_told_with_the_systems_reason() {
        let dir = tempdir().unwrap();
        let vague = || Connection::open(dir.path().join("no folder/ledger.db")).map(drop).unwrap_err();
        match Place::new(&dir.path().join("no folder")).store("open the tables")(vague()) {
            LedgerError::Access { action: "write beside", source, .. } => {
                assert_eq!(source.kind(), io::ErrorKind::NotFound);
            }
            error => panic!("{error:?}"),
        }
        let unhindered = Place::new(dir.path()).store("open the tables")(vague());
        assert!(matches!(unhindered, LedgerError::Store { .. }), "{unhindered:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the attempt leaves nothing");
    }
}
