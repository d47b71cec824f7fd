//! The ledger that trades: one SQLite file, `ledger.db`, with a write-ahead log beside it while it is open.
//!
//! - `place`: the files and connections to them; `create`: new files; `schema`: versions of the format; `migrate`: from one to the
//!   next; `complete`: columns that v0.1.0 leaves empty; `keep`: the copy of a file from before its migration; `epoch`: keeps other
//!   writers out.
//! - `archive`: the journal as CSV.
//! - `backup`: copies, made and put back; `salvage`: a sound ledger of a damaged one; `replace`: another file in the place of a ledger.
//! - `inspect`: the ledger is checked before anything is written; `verification`: the journal beside the writer; `replay`: the journal is
//!   recomputed; `checkpoints`: the books that it begins with; `digest`: the number over all tables but the journal that shows damage.
//! - `files`: detects removed and replaced files; `volume`: its space; `reserve`: the file that is deleted when the disk is full; `reader`:
//!   reads decisions beside the writer.
//! - `retention`: which entries may be dropped; `dropping`: drops them.
//! - `entries`: the journal; `segment` and `window`: outcomes of the last ticks; `outbox`: the outbox and the ledger's ids; `packed_marks`
//!   and `marks`: last numbers of sources; `sources`: the other rows about sources; `trading`: the trading state; `replaced`: rows that
//!   most commits replace; `broken`: packed rows that are damaged.
//! - `rows`, `write` and `writer`: between rows and types; `snapshot`: the state as a whole.

mod archive;
mod backup;
mod broken;
mod checkpoints;
mod complete;
mod copy_error;
mod create;
mod digest;
mod dropping;
mod entries;
mod epoch;
mod files;
mod inspect;
mod inspect_error;
mod keep;
mod marks;
mod migrate;
mod outbox;
mod packed_marks;
mod place;
mod reader;
mod replace;
mod replaced;
mod replay;
mod reserve;
mod retention;
mod rows;
mod salvage;
mod schema;
mod segment;
mod snapshot;
mod sources;
mod trading;
mod verification;
mod volume;
mod window;
mod write;
mod writer;

use std::{error::Error, fs::File, io, path::Path};

use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};
use rusqlite::{Connection, TransactionBehavior};

pub(crate) use self::reader::{DecisionReader, ReadDecisionsError};
pub use self::{
    archive::{ArchiveError, Archived, archive},
    backup::{Copied, Restored, backup, restore},
    copy_error::CopyError,
    retention::{Droppable, droppable},
    salvage::{LeftOut, SalvageError, Salvaged, salvage},
    verification::{Progress, Verification, VerificationError},
};
use self::{
    digest::{Digest, Letters, Remembered, Seal},
    epoch::{check_epoch, take_epoch},
    files::Files,
    inspect::Depth,
    marks::MarkChanges,
    migrate::Migrated,
    place::{Place, Shape},
    schema::{MIGRATIONS, Migration},
    window::Segments,
    write::{Before, WriteError, Written},
    writer::Writer,
};
pub(super) use self::{inspect::Inspected, place::Refused};
use super::{
    Account, Changes, Checkpoint, Class, Dropped, IdQuery, JournalEntry, Ledger, LedgerError, OutboxPage, OutboxRow,
    PacketQuery, Snapshot, Space, WindowRow,
    books::{Books, Finding},
    chain::Hash,
};
use crate::sizes::Sizes;

/// Options of opening a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Bounds of the ledger.
    pub sizes: Sizes,
    /// Seed of the id of a new ledger. Two ledgers of one account need different ids, so that each opening takes another
    /// seed.
    pub seed: u64,
    /// Faults that commits outlast.
    pub durability: Durability,
}

/// Faults that the commits of a ledger outlast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, and of the machine: every commit is synced.
    Machine,
    /// The end of the process alone: nothing is synced. For simulations, which end no machine.
    Process,
}

impl Opening {
    /// The options of a runtime: the numbers of the design, and synced.
    pub const fn new(seed: u64) -> Self {
        Self { sizes: Sizes::DESIGN, seed, durability: Durability::Machine }
    }
}

/// See the module. Dropped without [`Ledger::close`] it loses nothing that was committed.
#[derive(Debug)]
pub struct SqliteLedger {
    connection: Connection,
    /// Shows others that the ledger is in use. Dropped after the connection: with the last descriptor of a file, SQLite's locks go as well.
    in_use: File,
    place: Place,
    files: Files,
    sizes: Sizes,
    /// State as of the last commit, like all fields below.
    seal: Seal,
    digest: Digest,
    head: Hash,
    account: Account,
    books: Books,
    segments: Segments,
    mark_changes: MarkChanges,
    /// The last entry that a checkpoint covers.
    checkpoint: u64,
    /// The lowest entry that a checkpoint covers.
    base: u64,
    remembered: Remembered,
    letters: Letters,
}

impl SqliteLedger {
    /// Whether there is a ledger in the folder `dir`.
    pub fn is_in(dir: &Path) -> Result<bool, LedgerError> {
        Ok(Place::new(dir).shape()? != Shape::Missing)
    }

    /// Opens the ledger of `account` in the folder `dir`, or creates folder and ledger. From here on a process that opened it
    /// earlier can commit nothing.
    ///
    /// The tables and the journal behind the last checkpoint are checked first; a file of the format 1 is checked as a whole and
    /// migrated. Where it is not sound, too new or another account's, no byte changes.
    #[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of a new ledger's ids")]
    pub fn open(dir: &Path, account: &str) -> Result<Self, LedgerError> {
        Self::open_as(dir, account, Opening::new(rand::random()))
    }

    /// The same with other bounds, a seed, and perhaps without syncs.
    pub fn open_as(dir: &Path, account: &str, opening: Opening) -> Result<Self, LedgerError> {
        Self::open_at(dir, account, MIGRATIONS, opening)
    }

    /// Makes changes that came around the ledger look written by it.
    #[cfg(test)]
    fn reseal(&self) {
        let digest = migrate::digest_of(&self.connection, self.seal.user_version).unwrap();
        self.seal.over(digest).write(&self.connection).unwrap();
    }

    #[cfg(test)]
    fn open_with(dir: &Path, account: &str, migrations: &[Migration]) -> Result<Self, LedgerError> {
        Self::open_at(dir, account, migrations, Opening::new(1))
    }

    fn open_at(dir: &Path, account: &str, migrations: &[Migration], opening: Opening) -> Result<Self, LedgerError> {
        match Self::try_open(dir, account, migrations, opening) {
            Err(error) if error.is_of_full_disk() && Place::new(dir).release_reserve() => {
                tracing::warn!(%error, "the disk is full: the reserve of the ledger is deleted, and the ledger opened with it");
                Self::try_open(dir, account, migrations, opening)
            }
            opened => opened,
        }
    }

    fn try_open(dir: &Path, account: &str, migrations: &[Migration], opening: Opening) -> Result<Self, LedgerError> {
        let Opening { sizes, seed, durability } = opening;
        let place = Place::new(dir);
        let folder = place.enter()?;
        let shape = match place.shape()? {
            Shape::Missing => {
                place.create(&folder, migrations, &new_account(account, seed))?;
                Shape::Settled
            }
            shape => shape,
        };
        let reads = schema::newest(migrations);
        let damaged = |refused| match refused {
            Refused::Unreadable(error) => error,
            Refused::Wrong(finding) => place.damaged(&finding.to_string()),
        };
        let inspected = place.inspect(shape, reads, Depth::Recent).map_err(damaged)?;
        if inspected.account.name != account {
            let (found, wanted) = (inspected.account.name, account.to_owned());
            return Err(LedgerError::OtherAccount { path: place.shown(), found, wanted });
        }
        let is_old = inspected.seal.user_version < checkpoints::SINCE && reads >= checkpoints::SINCE;
        let notice = is_old.then(|| place.keep(&folder)).transpose()?;

        let mut connection = place.writer(durability)?;
        let failed = place.store("take over the tables");
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        // A process that had it open until now may have committed in the meantime.
        let inspected = if Seal::read(&transaction).map_err(&failed)? == inspected.seal {
            inspected
        } else {
            inspect::inspect(&transaction, reads, Depth::Recent)
                .map_err(|error| damaged(place.refused(error, reads)))?
        };
        let Migrated { digest, checkpoint } =
            migrate::migrate(&transaction, migrations, &inspected, sizes, notice.as_deref()).map_err(&failed)?;
        let seal = take_epoch(&transaction, digest).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        drop(failed);
        let Inspected { account, books, head, segments, mark_changes, base, .. } = inspected;
        let in_use = File::open(place.file())
            .and_then(|file| file.try_lock_shared().map(|()| file).map_err(io::Error::from))
            .map_err(place.access("lock"))?;
        let files = Files::of(&place).map_err(place.access("look at"))?;
        Ok(Self {
            connection,
            in_use,
            place,
            files,
            sizes,
            seal,
            digest,
            head,
            account,
            books,
            segments,
            mark_changes,
            checkpoint,
            base,
            remembered: Remembered::default(),
            letters: Letters::default(),
        })
    }

    /// Takes the entries into the books and writes all rows. After an error books and rows are those before it.
    fn write(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        let refused = |place: &Place, finding: Finding| LedgerError::Refused {
            path: place.shown(),
            finding: finding.to_string(),
        };
        let undo = self.books.take(&self.account, changes).map_err(|finding| refused(&self.place, finding))?;
        self.write_rows(changes).inspect_err(|_| {
            self.books.revert(undo);
            self.remembered.clear();
            self.letters.clear();
        })
    }

    fn write_rows(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        let failed = |action| self.place.store(action);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("begin a transaction"))?;
        check_epoch(&transaction, &self.seal, &self.place)?;
        let (connection, sizes) = (&transaction, self.sizes);
        let (remembered, letters) = (&mut self.remembered, &mut self.letters);
        let (digest, head, min_reader) = (self.digest, self.head, self.seal.min_reader);
        let mut writer = Writer { connection, digest, head, min_reader, sizes, remembered, letters };
        let before = Before {
            account: &self.account,
            segments: &self.segments,
            mark_changes: &self.mark_changes,
            checkpoint: self.checkpoint,
        };
        let written = writer.write(changes, before, &self.books);
        let Written { steps, mark_step, checkpoint } =
            written.map_err(|WriteError { action, source }| failed(action)(source))?;
        let (digest, head) = (writer.digest, writer.head);
        let seal = Seal { min_reader: writer.min_reader, ..self.seal.clone() }.over(digest);
        seal.write(&transaction).map_err(failed("write the seal"))?;
        transaction.commit().map_err(failed("commit"))?;

        (self.seal, self.digest, self.head, self.checkpoint) = (seal, digest, head, checkpoint);
        self.segments.take(steps);
        self.mark_changes.take(&mark_step, changes);
        if let Some(account) = &changes.account {
            self.account.clone_from(account);
        }
        Ok(())
    }
}

impl Ledger for SqliteLedger {
    fn read(&mut self, row: &mut dyn FnMut(WindowRow)) -> Result<Snapshot, LedgerError> {
        let failed = self.place.store("read all");
        let transaction = self.connection.transaction().map_err(&failed)?;
        snapshot::read(&transaction, &self.sizes, &self.books.holdings, row).map_err(failed)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        self.write(changes).inspect_err(|error| {
            if error.is_of_full_disk() && self.place.release_reserve() {
                tracing::warn!(
                    "the disk is full: the reserve of the ledger is deleted, so that the next commits can write"
                );
            }
        })
    }

    fn outbox(&mut self, page: OutboxPage) -> Result<Vec<OutboxRow>, LedgerError> {
        let rows = outbox::page(&self.connection, page).map_err(self.place.store("read the outbox"))?;
        // After the page: if no other runtime has opened the ledger by now, all rows of the page were whole.
        check_epoch(&self.connection, &self.seal, &self.place)?;
        Ok(rows)
    }

    fn holds_strict(&mut self, position: u64) -> Result<bool, LedgerError> {
        outbox::holds_strict(&self.connection, position).map_err(self.place.store("read the outbox"))
    }

    fn delivered(&mut self, query: &PacketQuery) -> Result<Vec<WindowRow>, LedgerError> {
        let before = query.before.min(self.segments.recent_from(query.class, &self.sizes));
        rows::delivered(&self.connection, &PacketQuery { before, ..*query })
            .map_err(self.place.store("read the window"))
    }

    fn named(&mut self, query: &IdQuery<'_>) -> Result<Option<WindowRow>, LedgerError> {
        let before = query.before.min(self.segments.recent_from(Class::Id, &self.sizes));
        rows::named(&self.connection, &IdQuery { before, ..*query }).map_err(self.place.store("read the window"))
    }

    fn decisions(&mut self, from: u64, limit: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        entries::decisions(&self.connection, from, limit).map_err(self.place.store("read the journal"))
    }

    fn drop_entries(&mut self, base: Option<&Checkpoint>, most: u64) -> Result<Dropped, LedgerError> {
        self.drop_up_to(base, most)
    }

    fn first_entry(&self) -> u64 {
        self.base + 1
    }

    fn check_files(&mut self) -> Result<(), LedgerError> {
        self.files.check(&self.place, &self.connection)
    }

    fn look_at_space(&mut self) -> Option<Space> {
        // At debug: a disk that fails is the error of the next commit.
        let failed = |error: &io::Error, action| tracing::debug!(error = error as &dyn Error, "cannot {action}");
        let space = self.place.space(&self.in_use).inspect_err(|error| failed(error, "measure the volume")).ok()?;
        self.place.keep_reserve(space.free_bytes).unwrap_or_else(|error| failed(&error, "make the reserve"));
        Some(space)
    }

    fn close(self: Box<Self>) -> Result<(), LedgerError> {
        let Self { connection, in_use, place, .. } = *self;
        // First, because moving the log may need its room.
        place.release_reserve();
        // A concurrent reader keeps the log in place. Its content is safe all the same.
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(place.store("write the log into the file"))?;
        let closed = connection.close().map_err(|(_, error)| place.store("close")(error));
        drop(in_use);
        closed
    }
}

/// Reads a ledger as a whole without a change, also while a runtime writes to it.
pub(super) fn inspect_alone(dir: &Path) -> Result<Option<Inspected>, Refused> {
    let place = Place::new(dir);
    let look = || match place.shape() {
        Ok(Shape::Missing) => (Some(Shape::Missing), Ok(None)),
        Ok(shape) => (Some(shape), place.inspect(shape, schema::newest(MIGRATIONS), Depth::All).map(Some)),
        Err(error) => (None, Err(Refused::Unreadable(error))),
    };
    let (shape, found) = look();
    // A runtime may have started or stopped meanwhile, and have created or removed the log.
    if found.is_err() && place.shape().ok() != shape { look().1 } else { found }
}

fn new_account(name: &str, seed: u64) -> Account {
    Account::empty(name, &new_id(seed))
}

/// A ledger id.
fn new_id(seed: u64) -> String {
    format!("{:08x}", ChaCha8Rng::seed_from_u64(seed).next_u32())
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_full_disk_fails_the_commit_and_nothing_else() {
        let dir = tempdir().unwrap();
        let mut ledger = SqliteLedger::open(dir.path(), "default/goog-random").unwrap();
        let before = ledger.snapshot().unwrap();
        let pages: i64 = ledger.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |ledger: &SqliteLedger, pages| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            ledger.connection.query_row(&sql, [], |_| Ok(())).unwrap();
        };
        limit(&ledger, pages);
        let reserve = dir.path().join("ledger.reserve");
        assert!(ledger.look_at_space().unwrap().ledger_bytes > 0);
        assert!(reserve.exists());
        let state = [(("random".to_owned(), String::new()), Some(vec![7; 100_000]))].into();
        let changes = Changes { state, ..Changes::default() };
        match ledger.commit(&changes).unwrap_err() {
            LedgerError::Store { source, .. } => assert_eq!(source.sqlite_error_code(), Some(ErrorCode::DiskFull)),
            error => panic!("{error:?}"),
        }
        assert_eq!(ledger.snapshot().unwrap(), before);
        assert!(!reserve.exists(), "the next commit can write");
        ledger.look_at_space().unwrap();
        assert!(reserve.exists(), "there is room again");

        limit(&ledger, i64::from(u32::MAX - 1));
        ledger.commit(&changes).unwrap();
        let after = ledger.snapshot().unwrap();
        drop(ledger);
        let mut again = SqliteLedger::open(dir.path(), "default/goog-random").unwrap();
        assert_eq!(again.snapshot().unwrap(), after);
    }
}
