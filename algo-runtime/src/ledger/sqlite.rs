//! The ledger that trades: one SQLite file, `ledger.db`, with a write-ahead log beside it while it is open.
//!
//! - `place`: the files and connections to them; `create`: new files; `schema`: versions of the format;
//!   `complete`: columns that v0.1.0 leaves empty.
//! - `inspect`: the whole ledger is read and recomputed before anything is written; `digest`: the number over all
//!   tables that shows damage.
//! - `files`: detects removed and replaced files; `reader`: reads decisions beside the writer.
//! - `rows` and `write`: between rows and types; `snapshot`: the state as a whole; `outbox`: the outbox and the ledger's
//!   ids; `sources`: rows about sources; `trading`: the trading state.

mod complete;
mod create;
mod digest;
mod files;
mod inspect;
mod outbox;
mod place;
mod reader;
mod rows;
mod schema;
mod snapshot;
mod sources;
mod trading;
mod write;

use std::path::Path;

use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};
use rusqlite::{Connection, TransactionBehavior};

pub(crate) use self::reader::DecisionReader;
use self::{
    digest::{Digest, Seal},
    files::Files,
    place::{Place, Shape},
    schema::{MIGRATIONS, Migration},
    write::{WriteError, Writer},
};
pub(super) use self::{inspect::Inspected, place::Refused};
use super::{
    Account, Changes, IdQuery, JournalEntry, Ledger, LedgerError, OutboxPage, OutboxRow, PacketQuery, Snapshot,
    WindowRow,
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
    place: Place,
    /// The epoch of this opening.
    files: Files,
    sizes: Sizes,
    /// State as of the last commit, like all fields below.
    seal: Seal,
    digest: Digest,
    head: Hash,
    account: Account,
    books: Books,
}

impl SqliteLedger {
    /// Whether there is a ledger in the folder `dir`.
    pub fn is_in(dir: &Path) -> Result<bool, LedgerError> {
        Ok(Place::new(dir).shape()? != Shape::Missing)
    }

    /// Opens the ledger of `account` in the folder `dir`, or creates folder and ledger. From here on a process that opened it
    /// earlier can commit nothing.
    ///
    /// The ledger is read as a whole first. Where it is not sound, too new or another account's, no byte changes.
    #[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of a new ledger's ids")]
    pub fn open(dir: &Path, account: &str) -> Result<Self, LedgerError> {
        Self::open_as(dir, account, Opening::new(rand::random()))
    }

    /// The same with other bounds, a seed, and perhaps without syncs.
    pub fn open_as(dir: &Path, account: &str, opening: Opening) -> Result<Self, LedgerError> {
        Self::open_at(dir, account, MIGRATIONS, opening)
    }

    #[cfg(test)]
    fn open_with(dir: &Path, account: &str, migrations: &[Migration]) -> Result<Self, LedgerError> {
        Self::open_at(dir, account, migrations, Opening::new(1))
    }

    fn open_at(dir: &Path, account: &str, migrations: &[Migration], opening: Opening) -> Result<Self, LedgerError> {
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
        let inspected = place.inspect(shape, reads).map_err(damaged)?;
        if inspected.account.name != account {
            let (found, wanted) = (inspected.account.name, account.to_owned());
            return Err(LedgerError::OtherAccount { path: place.shown(), found, wanted });
        }

        let mut connection = place.writer(durability)?;
        let failed = place.store("take over the tables");
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        // A process that had it open until now may have committed in the meantime.
        let inspected = if Seal::read(&transaction).map_err(&failed)? == inspected.seal {
            inspected
        } else {
            inspect::inspect(&transaction, reads).map_err(|error| damaged(place.refused(error, reads)))?
        };
        let (seal, digest) = take_epoch(&transaction, migrations, &inspected, &sizes).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        drop(failed);
        let Inspected { account, books, head, .. } = inspected;
        let files = Files::of(&place).map_err(place.access("look at"))?;
        Ok(Self { connection, place, files, sizes, seal, digest, head, account, books })
    }

    fn write(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        let failed = |action| self.place.store(action);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("begin a transaction"))?;
        check_epoch(&transaction, &self.seal, &self.place)?;
        let refused =
            |finding: Finding| LedgerError::Refused { path: self.place.shown(), finding: finding.to_string() };
        let books = self.books.after(&self.account, changes).map_err(refused)?;
        let mut writer = Writer { connection: &transaction, digest: self.digest, head: self.head, sizes: self.sizes };
        writer.write(changes).map_err(|WriteError { action, source }| failed(action)(source))?;
        let (digest, head) = (writer.digest, writer.head);
        let mut seal = self.seal.clone();
        if changes.ledger_ids.as_ref().is_some_and(|ids| ids.records().next().is_some()) {
            seal.min_reader = seal.min_reader.max(outbox::SINCE);
        }
        let seal = seal.over(digest);
        seal.write(&transaction).map_err(failed("write the seal"))?;
        transaction.commit().map_err(failed("commit"))?;

        (self.seal, self.digest, self.head, self.books) = (seal, digest, head, books);
        if let Some(account) = &changes.account {
            self.account.clone_from(account);
        }
        Ok(())
    }
}

impl Ledger for SqliteLedger {
    fn snapshot(&mut self) -> Result<Snapshot, LedgerError> {
        let failed = self.place.store("read all");
        let transaction = self.connection.transaction().map_err(&failed)?;
        snapshot::snapshot(&transaction, &self.sizes).map_err(failed)
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        self.write(changes)
    }

    fn outbox(&mut self, page: OutboxPage) -> Result<Vec<OutboxRow>, LedgerError> {
        let rows = outbox::page(&self.connection, page).map_err(self.place.store("read the outbox"))?;
        // After the page: if no other runtime has opened the ledger by now, all rows of the page were whole.
        check_epoch(&self.connection, &self.seal, &self.place)?;
        Ok(rows)
    }

    fn holds_decision(&mut self, position: u64) -> Result<bool, LedgerError> {
        outbox::holds_decision(&self.connection, position).map_err(self.place.store("read the outbox"))
    }

    fn delivered(&mut self, query: &PacketQuery) -> Result<Vec<WindowRow>, LedgerError> {
        rows::delivered(&self.connection, query).map_err(self.place.store("read the window"))
    }

    fn named(&mut self, query: &IdQuery<'_>) -> Result<Option<WindowRow>, LedgerError> {
        rows::named(&self.connection, query).map_err(self.place.store("read the window"))
    }

    fn decisions(&mut self, from: u64, limit: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        rows::decisions(&self.connection, from, limit).map_err(self.place.store("read the journal"))
    }

    fn check_files(&mut self) -> Result<(), LedgerError> {
        self.files.check(&self.place, &self.connection)
    }

    fn close(self: Box<Self>) -> Result<(), LedgerError> {
        let Self { connection, place, .. } = *self;
        // A concurrent reader keeps the log in place. Its content is safe all the same.
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(place.store("write the log into the file"))?;
        connection.close().map_err(|(_, error)| place.store("close")(error))
    }
}

/// Reads a ledger as a whole without a change, also while a runtime writes to it.
pub(super) fn inspect_alone(dir: &Path) -> Result<Option<Inspected>, Refused> {
    let place = Place::new(dir);
    let look = || match place.shape() {
        Ok(Shape::Missing) => (Some(Shape::Missing), Ok(None)),
        Ok(shape) => (Some(shape), place.inspect(shape, schema::newest(MIGRATIONS)).map(Some)),
        Err(error) => (None, Err(Refused::Unreadable(error))),
    };
    let (shape, found) = look();
    // A runtime may have started or stopped meanwhile, and have created or removed the log.
    if found.is_err() && place.shape().ok() != shape { look().1 } else { found }
}

fn new_account(name: &str, seed: u64) -> Account {
    Account::empty(name, &format!("{:08x}", ChaCha8Rng::seed_from_u64(seed).next_u32()))
}

fn take_epoch(
    connection: &Connection,
    migrations: &[Migration],
    inspected: &Inspected,
    sizes: &Sizes,
) -> rusqlite::Result<(Seal, Digest)> {
    let migrated = schema::migrate(connection, migrations, inspected.seal.user_version)?;
    let newest = schema::newest(migrations);
    let completed = newest >= complete::SINCE && complete::window(connection)?;
    let adopted = newest >= sources::SINCE && sources::adopt(connection, sizes)?;
    let cleaned = newest >= outbox::SINCE && outbox::clean(connection)?;
    let digest =
        if migrated || completed || adopted || cleaned { Digest::of_all(connection)? } else { inspected.digest };
    let mut seal = Seal::read(connection)?;
    seal.epoch += 1;
    let seal = seal.over(digest);
    seal.write(connection)?;
    Ok((seal, digest))
}

fn epoch(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT epoch FROM seal WHERE id = 1")?.query_row([], |row| row.get(0))
}

/// An error if another runtime has opened the ledger since.
fn check_epoch(connection: &Connection, seal: &Seal, place: &Place) -> Result<(), LedgerError> {
    let found = epoch(connection).map_err(place.store("read the epoch"))?;
    if found == seal.epoch {
        return Ok(());
    }
    Err(LedgerError::TakenOver { path: place.shown(), found, ours: seal.epoch })
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
        let state = [(("random".to_owned(), String::new()), Some(vec![7; 100_000]))].into();
        let changes = Changes { state, ..Changes::default() };
        match ledger.commit(&changes).unwrap_err() {
            LedgerError::Store { source, .. } => assert_eq!(source.sqlite_error_code(), Some(ErrorCode::DiskFull)),
            error => panic!("{error:?}"),
        }
        assert_eq!(ledger.snapshot().unwrap(), before);

        limit(&ledger, i64::from(u32::MAX - 1));
        ledger.commit(&changes).unwrap();
        let after = ledger.snapshot().unwrap();
        drop(ledger);
        let mut again = SqliteLedger::open(dir.path(), "default/goog-random").unwrap();
        assert_eq!(again.snapshot().unwrap(), after);
    }
}
