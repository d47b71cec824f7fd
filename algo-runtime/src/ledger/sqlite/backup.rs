//! Copies of a ledger: made while it is in use, and put back.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, backup::Backup};

use super::{
    Opening, SqliteLedger,
    copy_error::CopyError,
    inspect::{Depth, Inspected},
    place::{Place, Refused, Shape},
    replace::{account_of, begin_id, put_in_place, refuse_a_ledger_in_use, sync},
    schema,
};
use crate::ledger::{Account, Changes, Ledger as _, LedgerError};

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
    /// The ledger id of later decisions; `None`: the file is the unchanged copy.
    pub ledger_id: Option<String>,
    /// The files that were there before, if there were any.
    pub replaced: Option<PathBuf>,
    /// Published decisions that it does not have; `None`: the ledger before cannot be read.
    pub lost: Option<u64>,
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
/// that no id is given twice. `keep_format`: the copy is not migrated, so that a runtime of v0.1.0 can use it.
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
    let replaced = put_in_place(&unfinished, &place, &folder, is_there)?;
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

/// In one step, which is one transaction: a copy in several would begin again with every commit.
fn copy_pages(from: &Place, to: &Place) -> Result<(), CopyError> {
    let source = from.observer(from.shape()?).map_err(from.store("open the tables"))?;
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

/// Opens the ledger, and gives later decisions another id.
fn take_id(dir: &Path, account: &str, opening: Opening) -> Result<String, LedgerError> {
    let mut ledger = SqliteLedger::open_as(dir, account, opening)?;
    let snapshot = ledger.snapshot()?;
    let (mut account, mut ids) = (snapshot.account, snapshot.ledger_ids);
    begin_id(&mut account, &mut ids, super::new_id(opening.seed));
    let id = account.ledger_id.clone();
    ledger.commit(&Changes { account: Some(account), ledger_ids: Some(ids), ..Changes::default() })?;
    Box::new(ledger).close()?;
    Ok(id)
}
