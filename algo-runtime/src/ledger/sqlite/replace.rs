//! Replaces a ledger in its folder: it is not in use, it is kept beside the new file, and at no moment there is none.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{checkpoints, copy_error::CopyError, place::Place, rows};
use crate::ledger::{Account, LedgerId, LedgerIds};

/// The account of a ledger that may be damaged, and the last decision that was published; `None`: it cannot be read.
pub(super) fn account_of(place: &Place) -> Option<(Account, u64)> {
    published(&place.reader().ok()?)
}

/// The same through a connection.
pub(super) fn published(connection: &Connection) -> Option<(Account, u64)> {
    let account = rows::account(connection).ok()?;
    let sql = "SELECT ifnull(max(seq), 0) FROM entries WHERE position <= ?1";
    let is_packed =
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).ok()? >= checkpoints::SINCE;
    let published = if is_packed {
        let published = [account.published_through.cast_signed()];
        let found = connection.query_row(sql, published, |row| rows::unsigned(row, 0)).ok()?;
        // All decisions up to the base are published, and may be gone.
        found.max(checkpoints::base(connection).ok().flatten().map_or(0, |base| base.books.decisions))
    } else {
        let waiting = "SELECT count(*) FROM outbox WHERE kind = 'decision'";
        let waiting = connection.query_row(waiting, [], |row| rows::unsigned(row, 0)).ok()?;
        account.decisions.saturating_sub(waiting)
    };
    Some((account, published))
}

pub(super) fn refuse_a_ledger_in_use(place: &Place, dir: &Path) -> Result<(), CopyError> {
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

/// Syncs the unfinished file and puts it in the place of the ledger. `is_there`: there is a ledger to keep. Returns the path under which
/// it is kept.
pub(super) fn put_in_place(
    unfinished: &Place,
    place: &Place,
    folder: &File,
    is_there: bool,
) -> Result<Option<PathBuf>, CopyError> {
    sync(unfinished.file()).map_err(place.access("write"))?;
    let replaced = is_there.then(|| set_aside(place)).transpose()?;
    fs::rename(unfinished.file(), place.file()).map_err(place.access("create"))?;
    folder.sync_all().map_err(place.access("write the folder of"))?;
    Ok(replaced)
}

pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Gives later decisions and positions the id `id`: a ledger that has gone back may have given their numbers before.
pub(super) fn begin_id(account: &mut Account, ids: &mut LedgerIds, id: String) {
    account.ledger_id.clone_from(&id);
    ids.take(LedgerId { first_seq: account.decisions + 1, first_position: account.position + 1, id });
}
