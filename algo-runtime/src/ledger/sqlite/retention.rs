//! Which entries of the journal may be dropped: a look by a connection of its own, which changes nothing.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    checkpoints,
    place::Place,
    rows::{self, list, unsigned},
};
use crate::ledger::{LedgerError, Retention};

/// Checkpoints that stay behind the base: an opening begins at the last one, and a person may compare the two.
const KEPT: usize = 2;

/// The entries that may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Droppable {
    /// Nothing.
    Nothing,
    /// Entries up to the base that are still there: the process ended before it had dropped all of them.
    Rest,
    /// The entries up to this one, where the first checkpoint behind the base is.
    Through(u64),
}

/// Looks at the ledger in the folder `dir`, which is open. `now_micros`: the time now, microseconds since the epoch.
pub fn droppable(dir: &Path, retention: &Retention, now_micros: i64) -> Result<Droppable, LedgerError> {
    let place = Place::new(dir);
    let mut connection = place.reader()?;
    let mut look = || -> rusqlite::Result<_> {
        let transaction = connection.transaction()?;
        let base = checkpoints::base_number(&transaction)?;
        if has_entries(&transaction, base)? {
            return Ok(Droppable::Rest);
        }
        let Some(next) = next(&transaction, base)? else { return Ok(Droppable::Nothing) };
        let account = rows::account(&transaction)?;
        let Some(End { seq, committed_micros, .. }) = end(&transaction, next)? else { return Ok(Droppable::Nothing) };
        let (behind, age) = (account.decisions.saturating_sub(seq), now_micros.saturating_sub(committed_micros));
        let may_go = retention.lets_go(behind, age) && !has_unpublished(&transaction, next)?;
        Ok(if may_go { Droppable::Through(next) } else { Droppable::Nothing })
    };
    look().map_err(place.store("look for entries to drop"))
}

/// Number of the first checkpoint behind `base` that may become the base.
pub(super) fn next(connection: &Connection, base: u64) -> rusqlite::Result<Option<u64>> {
    let sql = format!("SELECT number FROM checkpoints WHERE number > {base} ORDER BY number LIMIT {}", KEPT + 1);
    let numbers: Vec<u64> = list(connection, &sql, |row| unsigned(row, 0))?;
    Ok(numbers.first().copied().filter(|_| numbers.len() > KEPT))
}

/// Whether there are entries up to this number.
pub(super) fn has_entries(connection: &Connection, through: u64) -> rusqlite::Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM journal WHERE number <= ?1) OR EXISTS (SELECT 1 FROM entries WHERE number <= ?1)";
    connection.prepare_cached(sql)?.query_row([through.cast_signed()], |row| row.get(0))
}

/// Whether the outbox still needs one of the entries up to number `through`. It needs a decision that is done until `published_through`
/// passes it.
pub(super) fn has_unpublished(connection: &Connection, through: u64) -> rusqlite::Result<bool> {
    let published: u64 = rows::account(connection)?.published_through;
    if end(connection, through)?.is_none_or(|end| end.position > published) {
        return Ok(true);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE entry <= ?1)";
    connection.query_row(sql, [through.cast_signed()], |row| row.get(0))
}

/// An entry as the limits see it.
struct End {
    /// Number of the last decision up to it.
    seq: u64,
    /// Outbox position of that decision; 0 for an entry of the format 1, which the outbox names by its number.
    position: u64,
    committed_micros: i64,
}

fn end(connection: &Connection, number: u64) -> rusqlite::Result<Option<End>> {
    let sql = "SELECT seq, position, committed_micros FROM entries WHERE number = ?1
        UNION ALL
        SELECT ifnull((SELECT seq FROM journal WHERE number <= ?1 AND seq IS NOT NULL ORDER BY number DESC LIMIT 1), 0), 0,
            committed_micros FROM journal WHERE number = ?1";
    let read =
        |row: &Row<'_>| Ok(End { seq: unsigned(row, 0)?, position: unsigned(row, 1)?, committed_micros: row.get(2)? });
    connection.query_row(sql, [number.cast_signed()], read).optional()
}
