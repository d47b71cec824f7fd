//! The outbox of a salvaged ledger: the entries that wait for their publication, without a hole.

use intuition_api::v1;
use prost::Message as _;
use rusqlite::{Connection, Row, params};

use super::{
    super::rows::unreadable,
    copier::Copier,
    damaged::{Claims, Prefix, decision_positions},
};
use crate::ledger::Positions;

/// The positions of a salvaged ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The highest position that is kept.
    pub(super) position: u64,
    pub(super) published_through: u64,
}

/// Copies the outbox as far as it belongs to the journal that is kept. The place of a lost entry gets an empty
/// entry that counts as given up: positions have no holes.
pub(super) fn copy(copier: &mut Copier<'_>, claims: &Claims, prefix: &Prefix) -> rusqlite::Result<Bounds> {
    let books = &prefix.replay.books;
    let decided = last_decision(copier.source, books.entries).max(prefix.replay.position);
    let is_cut = prefix.finding.is_some() || books.decisions < claims.decisions;
    let published = claims.published_through;
    // Entries behind the last decision that is kept belong to quotes that lose their outcomes.
    let limit = match (is_cut, prefix.replay.position) {
        (false, _) => claims.position.max(decided),
        (true, 0) => decided.max(published),
        (true, _) => decided,
    };
    copier.copy("outbox", |row| {
        let position = row.get::<_, i64>("position")?.cast_unsigned();
        Ok(published < position && position <= limit && is_readable(row)?)
    })?;
    let highest = "SELECT ifnull(max(position), 0) FROM outbox";
    let highest: i64 = copier.target.query_row(highest, [], |row| row.get(0))?;
    let position = highest.cast_unsigned().max(decided).max(published.min(limit));
    let published_through = fill(copier, Bounds { position, published_through: published.min(position) })?;
    copier.copy("outbox_done", |row| {
        let done = row.get::<_, i64>("position")?.cast_unsigned();
        Ok(published_through < done && done <= position)
    })?;
    Ok(Bounds { position, published_through })
}

/// Fills the holes, and returns the position through which nothing waits.
fn fill(copier: &mut Copier<'_>, bounds: Bounds) -> rusqlite::Result<u64> {
    let Bounds { position, published_through } = bounds;
    let mut waiting: Positions = decision_positions(copier.target, published_through)?.into_iter().collect();
    let mut statement = copier.target.prepare("SELECT position FROM outbox")?;
    let stored = statement.query_map([], |row| row.get::<_, i64>(0))?;
    for stored in stored {
        let stored = stored?.cast_unsigned();
        waiting.add(stored, stored);
    }
    let Some(first) = waiting.next_inside(published_through) else { return Ok(position) };
    let mut holes = 0;
    let mut hole = waiting.next_outside(first);
    while hole < position {
        let behind = waiting.next_inside(hole).unwrap_or(position + 1);
        for lost in hole..behind {
            give_up(copier.target, lost)?;
        }
        holes += behind - hole;
        hole = waiting.next_outside(behind);
    }
    copier.leave_out("outbox", holes, false);
    Ok(first - 1)
}

fn give_up(target: &Connection, position: u64) -> rusqlite::Result<()> {
    let content = v1::Publication::default().encode_to_vec();
    let position = position.cast_signed();
    let sql = "INSERT INTO outbox (position, kind, content) VALUES (?1, 'publication', ?2)";
    target.execute(sql, params![position, content])?;
    target.execute("INSERT INTO outbox_done (position) VALUES (?1)", [position]).map(drop)
}

/// Position of the last decision of the format 1 that waits and is among these entries; 0 for none.
fn last_decision(source: &Connection, entries: u64) -> u64 {
    let sql = "SELECT position FROM outbox WHERE entry <= ?1 ORDER BY position";
    let Ok(mut statement) = source.prepare(sql) else { return 0 };
    let Ok(mut rows) = statement.query([entries.cast_signed()]) else { return 0 };
    let mut last = 0;
    while let Ok(Some(row)) = rows.next() {
        last = row.get::<_, i64>(0).map_or(last, i64::cast_unsigned);
    }
    last
}

fn is_readable(row: &Row<'_>) -> rusqlite::Result<bool> {
    let content = || row.get_ref("content")?.as_blob().map_err(|error| unreadable(0, error));
    let wrong = |error| unreadable(0, error);
    match row.get_ref("kind")?.as_str()? {
        "dead-letter" => v1::DeadLetter::decode(content()?).map(|_| true).map_err(wrong),
        "publication" => v1::Publication::decode(content()?).map(|_| true).map_err(wrong),
        "joined" => v1::Joined::decode(content()?).map(|_| true).map_err(wrong),
        // The reference to the journal is checked by the table.
        _ => Ok(true),
    }
}
