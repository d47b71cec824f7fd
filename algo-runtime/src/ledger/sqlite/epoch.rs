//! The epoch of a ledger: it grows with each opening, so that the process that opened it last is the only one that writes.

use rusqlite::Connection;

use super::{
    digest::{Digest, Seal},
    place::Place,
};
use crate::ledger::LedgerError;

/// Begins the epoch of a process that opens the ledger.
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
