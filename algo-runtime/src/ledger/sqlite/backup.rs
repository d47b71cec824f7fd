//! Copies of a ledger: made while it is in use, and put back.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, backup::Backup};

use super::{
    Opening, SqliteLedger, checkpoints,
    inspect::{Depth, Inspected},
    place::{Place, Refused, Shape},
    rows, schema,
};
use crate::ledger::{Account, Changes, Ledger as _, LedgerError, LedgerId};

/// A copy that was made or put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// `<namespace>/<name>`.
    pub account: String,
    /// Journal entries.
    pub entries: u64,
    /// Buys and sales among them.
    pub decisions: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// A ledger that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The ledger now.
    pub copied: Copied,
    /// Its id from now on; `None`: the file was left as it is.
    pub ledger_id: Option<String>,
    /// The files that were there before, if there were any.
    pub replaced: Option<PathBuf>,
    /// Published decisions that it does not have; `None`: the ledger before cannot be read.
    pub lost: Option<u64>,
}

/// Why a copy cannot be made or put back.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The folder has no ledger.
    #[error("there is no ledger in {0}")]
    MissLedger(String),
    /// The target of a backup exists.
    #[error("{0} exists already; nothing was written")]
    Exists(String),
    /// A runtime has the ledger open.
    #[error("the ledger in {0} is in use; stop its runtime first. Nothing was changed")]
    InUse(String),
    /// The ledger in the folder is newer than the copy.
    #[error(
        "the ledger in {dir} is newer than {from}: it has {there} journal entries, the copy has {copy}; nothing was changed. \
         With --force the copy replaces it, and the ledger there is kept beside it"
    )]
    Newer {
        /// The folder.
        dir: String,
        /// The copy.
        from: String,
        /// Entries of the ledger there.
        there: u64,
        /// Entries of the copy.
        copy: u64,
    },
    /// The ledger in the folder is another account's.
    #[error("the ledger in {dir} is of the account {there}, the copy of {copy}; nothing was changed")]
    OtherAccount {
        /// The folder.
        dir: String,
        /// Account of the ledger there.
        there: String,
        /// Account of the copy.
        copy: String,
    },
    /// A file cannot be read or written, or the copy is damaged.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl CopyError {
    /// Stable code, for logs and exit messages.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MissLedger(_) => "LedgerMissing",
            Self::Exists(_) => "FileExists",
            Self::InUse(_) => "LedgerInUse",
            Self::Newer { .. } => "LedgerNewer",
            Self::OtherAccount { .. } => "LedgerOfOtherAccount",
            Self::Ledger(error) => error.reason(),
        }
    }
}

/// Copies the ledger in the folder `dir` into a new file, as of one commit, also while a runtime writes to it. The copy is
/// checked as an opening checks a ledger.
pub fn backup(dir: &Path, to: &Path) -> Result<Copied, CopyError> {
    let place = Place::new(dir);
    if place.shape()? == Shape::Missing {
        return Err(CopyError::MissLedger(dir.display().to_string()));
    }
    if to.exists() {
        return Err(CopyError::Exists(to.display().to_string()));
    }
    let target = Place::of_file(to);
    let unfinished = Place::of_file(&target.beside(".part"));
    let made = copy_pages(&place, &unfinished).and_then(|()| {
        let inspected = inspected(&unfinished, Depth::Recent)?;
        sync(unfinished.file()).map_err(target.access("write"))?;
        fs::rename(unfinished.file(), to).map_err(target.access("create"))?;
        Ok(inspected)
    });
    if made.is_err() {
        // The first error is returned.
        unfinished.remove().unwrap_or_default();
    }
    let inspected = made?;
    Ok(copied(&inspected, length(to)?))
}

/// Puts a copy into the folder `dir` in place of the ledger there, which is kept beside it. Later decisions get another ledger id, so
/// that no id is given twice. `keep_format`: the file stays as it is, for a runtime of v0.1.0.
pub fn restore(
    dir: &Path,
    from: &Path,
    force: bool,
    keep_format: bool,
    opening: Opening,
) -> Result<Restored, CopyError> {
    let source = Place::of_file(from);
    if source.shape()? == Shape::Missing {
        return Err(CopyError::MissLedger(from.display().to_string()));
    }
    let inspected = inspected(&source, Depth::All)?;
    let place = Place::new(dir);
    let folder = place.enter()?;
    let is_there = !matches!(place.shape(), Ok(Shape::Missing));
    if is_there {
        refuse_a_ledger_in_use(&place, dir)?;
    }
    let before = if is_there { account_of(&place) } else { None };
    if let Some((before, _)) = &before {
        if before.name != inspected.account.name {
            let (there, copy) = (before.name.clone(), inspected.account.name);
            return Err(CopyError::OtherAccount { dir: dir.display().to_string(), there, copy });
        }
        if before.entries > inspected.account.entries && !force {
            return Err(CopyError::Newer {
                dir: dir.display().to_string(),
                from: from.display().to_string(),
                there: before.entries,
                copy: inspected.account.entries,
            });
        }
    }
    let unfinished = place.unfinished();
    unfinished.remove().map_err(place.access("remove the unfinished file of"))?;
    copy_pages(&source, &unfinished)?;
    sync(unfinished.file()).map_err(place.access("write"))?;
    let replaced = is_there.then(|| set_aside(&place)).transpose()?;
    fs::rename(unfinished.file(), place.file()).map_err(place.access("create"))?;
    folder.sync_all().map_err(place.access("write the folder of"))?;
    drop(folder);
    let lost = match before {
        None if is_there => None,
        None => Some(0),
        Some((before, published)) => {
            let ours = inspected.account.decisions;
            Some(if before.decisions > ours { published.saturating_sub(ours) } else { 0 })
        }
    };
    let ledger_id = if keep_format { None } else { Some(take_id(dir, &inspected.account.name, opening)?) };
    Ok(Restored { copied: copied(&inspected, length(place.file())?), ledger_id, replaced, lost })
}

fn copied(inspected: &Inspected, bytes: u64) -> Copied {
    let Account { name, entries, decisions, .. } = &inspected.account;
    Copied { account: name.clone(), entries: *entries, decisions: *decisions, bytes }
}

fn length(path: &Path) -> Result<u64, LedgerError> {
    let read = |source| LedgerError::Access { action: "look at", path: path.display().to_string(), source };
    fs::metadata(path).map(|found| found.len()).map_err(read)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// In one step, which is one transaction: a copy in several would begin again with every commit.
fn copy_pages(from: &Place, to: &Place) -> Result<(), CopyError> {
    let source = from.untouching(from.shape()?).map_err(from.store("open the tables"))?;
    // SQLite reports no more than "unable to open", so that the system is asked first.
    File::create(to.file()).map_err(to.access("create"))?;
    let copy = || {
        let mut target = Connection::open(to.file())?;
        Backup::new(&source, &mut target)?.step(-1)?;
        target.close().map_err(|(_, error)| error)
    };
    copy().map_err(to.store("copy"))?;
    Ok(())
}

fn inspected(place: &Place, depth: Depth) -> Result<Inspected, CopyError> {
    let reads = schema::newest(schema::MIGRATIONS);
    place.inspect(place.shape()?, reads, depth).map_err(|refused| match refused {
        Refused::Unreadable(error) => error.into(),
        Refused::Wrong(finding) => place.damaged(&finding.to_string()).into(),
    })
}

/// The account of a ledger that may be damaged, and the last decision that was published; `None`: it cannot be read.
fn account_of(place: &Place) -> Option<(Account, u64)> {
    let connection = place.reader().ok()?;
    let account = rows::account(&connection).ok()?;
    let sql = "SELECT ifnull(max(seq), 0) FROM entries WHERE position <= ?1";
    let is_packed =
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).ok()? >= checkpoints::SINCE;
    let published = if is_packed {
        connection.query_row(sql, [account.published_through.cast_signed()], |row| rows::unsigned(row, 0)).ok()?
    } else {
        let waiting = "SELECT count(*) FROM outbox WHERE kind = 'decision'";
        let waiting = connection.query_row(waiting, [], |row| rows::unsigned(row, 0)).ok()?;
        account.decisions.saturating_sub(waiting)
    };
    Some((account, published))
}

fn refuse_a_ledger_in_use(place: &Place, dir: &Path) -> Result<(), CopyError> {
    let file = match File::open(place.file()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(place.access("open")(error).into()),
    };
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(CopyError::InUse(dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(place.access("lock")(error).into()),
    }
}

/// Keeps the files of the ledger under other names. The log is moved into the file first, where that is possible.
fn set_aside(place: &Place) -> Result<PathBuf, CopyError> {
    let checkpointed = Connection::open(place.file()).and_then(|connection| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        connection.close().map_err(|(_, error)| error)
    });
    if let Err(error) = checkpointed {
        tracing::warn!(error = &error as &dyn std::error::Error, "the ledger that is replaced keeps its log");
    }
    let free = |number: &u32| !place.beside(&replaced_suffix(*number)).exists();
    let aside = place.beside(&replaced_suffix((1..=u32::MAX).find(free).unwrap_or(u32::MAX)));
    let failed = place.access("keep");
    for suffix in ["-wal", "-shm"] {
        let mut to = aside.clone().into_os_string();
        to.push(suffix);
        match fs::rename(place.beside(suffix), to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error).into()),
            _ => {}
        }
    }
    // A second name, so that at no moment there is no ledger: a runtime that starts then would make a new one.
    fs::hard_link(place.file(), &aside).or_else(|_| fs::copy(place.file(), &aside).map(drop)).map_err(failed)?;
    Ok(aside)
}

fn replaced_suffix(number: u32) -> String {
    format!(".replaced-{number}")
}

/// Opens the ledger, and gives later decisions another id.
fn take_id(dir: &Path, account: &str, opening: Opening) -> Result<String, LedgerError> {
    let mut ledger = SqliteLedger::open_as(dir, account, opening)?;
    let snapshot = ledger.snapshot()?;
    let (mut account, mut ids) = (snapshot.account, snapshot.ledger_ids);
    account.ledger_id = super::new_id(opening.seed);
    ids.take(LedgerId {
        first_seq: account.decisions + 1,
        first_position: account.position + 1,
        id: account.ledger_id.clone(),
    });
    let id = account.ledger_id.clone();
    ledger.commit(&Changes { account: Some(account), ledger_ids: Some(ids), ..Changes::default() })?;
    Box::new(ledger).close()?;
    Ok(id)
}
