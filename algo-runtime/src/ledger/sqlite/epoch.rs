//! One writer (invariant 7): each opening takes the next epoch, and an older one can append nothing.

use rusqlite::Connection;

use super::{
    digest::{Digest, Seal},
    place::Place,
};
use crate::ledger::LedgerError;

/// Begins the epoch of this opening: from here on a process that opened the ledger earlier can commit nothing.
pub(super) fn take_epoch(connection: &Connection, digest: Digest) -> rusqlite::Result<Seal> {
    let mut seal = Seal::read(connection)?;
    seal.epoch += 1;
    let seal = seal.over(digest);
    seal.write(connection)?;
    Ok(seal)
}

fn epoch(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT epoch FROM seal WHERE id = 1")?.query_row([], |row| row.get(0))
}

/// An error if another runtime has opened the ledger since.
pub(super) fn check_epoch(connection: &Connection, seal: &Seal, place: &Place) -> Result<(), LedgerError> {
    let found = epoch(connection).map_err(place.store("read the epoch"))?;
    if found == seal.epoch {
        return Ok(());
    }
    Err(LedgerError::TakenOver { path: place.shown(), found, ours: seal.epoch })
}
