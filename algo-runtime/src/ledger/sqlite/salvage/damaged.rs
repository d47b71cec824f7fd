//! Reads a damaged ledger as far as it can be read: the claims of its account row, its ids, and the longest valid journal.

use rusqlite::Connection;

use super::super::{
    checkpoints,
    digest::Seal,
    entries,
    inspect_error::InspectError,
    outbox,
    place::{Place, Shape},
    replace,
    replay::Replay,
    rows,
};
use crate::ledger::{Checkpoint, LedgerId, LedgerIds, chain};

/// The account row without its sums, which follow from the journal.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    pub(super) name: String,
    pub(super) ledger_id: String,
    pub(super) entries: u64,
    pub(super) decisions: u64,
    pub(super) position: u64,
    pub(super) published_through: u64,
    pub(super) updated_micros: i64,
}

/// The longest valid journal.
#[derive(Debug)]
pub(super) struct Prefix {
    pub(super) replay: Replay,
    /// The journal begins behind it; `None`: with its first entry.
    pub(super) base: Option<Checkpoint>,
    /// The id that was made with the ledger.
    pub(super) first_id: String,
    /// The end of the journal, where it ends too early.
    pub(super) finding: Option<String>,
}

/// Opens a file that may be damaged, so that nothing of it changes. Errors of the schema and a file that is too short stop no
/// reader of the tables that are whole.
pub(super) fn open(place: &Place) -> rusqlite::Result<Connection> {
    let shape =
        place.shape().unwrap_or_else(|_| if place.beside("-wal").exists() { Shape::Logged } else { Shape::Settled });
    let connection = place.observer(shape)?;
    connection.pragma_update(None, "writable_schema", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// Whether the file has the tables of the format 2. The version in the header may be damaged, and the name of a table.
pub(super) fn is_format_2(source: &Connection) -> rusqlite::Result<bool> {
    has_any(source, &["entries", "checkpoints", "segments"])
}

/// Whether the file has all tables of its format: earlier releases made fewer.
pub(super) fn is_complete(source: &Connection) -> rusqlite::Result<bool> {
    Ok(is_format_2(source)? || has_any(source, &["outbox_done", "ledger_ids"])?)
}

fn has_any(source: &Connection, tables: &[&str]) -> rusqlite::Result<bool> {
    for table in tables {
        if source.table_exists(None, *table)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The claims of the account row. Also reads the seal: without it no release can be named that understands the file.
pub(super) fn claims(source: &Connection) -> rusqlite::Result<Claims> {
    Seal::read(source)?;
    let sql =
        "SELECT name, ledger_id, entries, decisions, position, published_through, updated_micros FROM account LIMIT 1";
    let claims = source.query_row(sql, [], |row| {
        Ok(Claims {
            name: row.get(0)?,
            ledger_id: row.get(1)?,
            entries: rows::unsigned(row, 2)?,
            decisions: rows::unsigned(row, 3)?,
            position: rows::unsigned(row, 4)?,
            published_through: rows::unsigned(row, 5)?,
            updated_micros: row.get(6)?,
        })
    })?;
    let Claims { position, published_through, .. } = claims;
    if position >= published_through {
        return Ok(claims);
    }
    let finding = format!("published_through is {published_through}, and the last position is {position}");
    Err(rows::unreadable(5, rows::Unknown(finding)))
}

/// Recomputes the journal up to the first entry that is missing, cannot be read, or contradicts those before it. It may begin with
/// more than one id, of which one may be damaged: the id with the most entries is the right one.
pub(super) fn prefix(source: &Connection, claims: &Claims) -> Prefix {
    let records = ids(source);
    let mut ids: Vec<&str> = records.first().map(|first| first.id.as_str()).into_iter().collect();
    ids.push(&claims.ledger_id);
    ids.dedup();
    let mut found = ids.into_iter().map(|id| {
        let replay = Replay::begin(chain::genesis(id, &claims.name));
        run(source, replay, None, id)
    });
    let first = found.next().unwrap_or_else(|| run(source, Replay::default(), None, &claims.ledger_id));
    let longest = |one: Prefix, other: Prefix| {
        if other.replay.books.entries > one.replay.books.entries { other } else { one }
    };
    let whole = found.fold(first, longest);
    let base = checkpoints::base(source).ok().flatten();
    let Some(base) = base.filter(|base| base.number > 0 && base.number == base.books.entries) else { return whole };
    if whole.replay.books.entries > 0 {
        return whole;
    }
    let first_id = whole.first_id;
    run(source, Replay::behind(base.clone(), [].into()), Some(base), &first_id)
}

fn run(source: &Connection, mut replay: Replay, base: Option<Checkpoint>, first_id: &str) -> Prefix {
    let mut taken = replay.take_format_1(source, u64::MAX);
    if taken.is_ok() && is_format_2(source).unwrap_or(true) {
        taken = replay.take(source, u64::MAX);
    }
    let finding = taken.err().map(|error| match error {
        InspectError::Wrong(finding) => finding.to_string(),
        InspectError::Sql(error) => format!("journal entry {} cannot be read: {error}", replay.books.entries + 1),
        InspectError::TooNew { needs, .. } => format!("a reader of version {needs} is needed"),
    });
    Prefix { replay, base, first_id: first_id.to_owned(), finding }
}

/// The ids of the ledger that can be read.
fn ids(source: &Connection) -> Vec<LedgerId> {
    let mut found = Vec::new();
    let sql = "SELECT first_seq, first_position, ledger_id FROM ledger_ids ORDER BY number";
    let Ok(mut statement) = source.prepare(sql) else { return found };
    let Ok(mut rows) = statement.query([]) else { return found };
    while let Ok(Some(row)) = rows.next() {
        found.extend(outbox::ledger_id(row).ok());
    }
    found
}

/// The ids that a journal with these decisions and positions has, and the number of those that were left out.
pub(super) fn ids_within(source: &Connection, prefix: &Prefix, position: u64) -> (LedgerIds, u64) {
    let decisions = prefix.replay.books.decisions;
    let records = ids(source);
    let found = records.len();
    let mut kept: Vec<LedgerId> = Vec::new();
    for record in records {
        let fits = match kept.last() {
            None => record.id == prefix.first_id,
            Some(last) => {
                record.first_seq > last.first_seq.saturating_sub(u64::from(kept.len() == 1))
                    && record.first_position >= last.first_position
                    && kept.iter().all(|known| known.id != record.id)
            }
        };
        if fits && record.first_seq <= decisions + 1 && record.first_position <= position + 1 && record.id.len() == 8 {
            kept.push(record);
        }
    }
    let left_out = (found - kept.len()) as u64;
    (LedgerIds::from_records(&prefix.first_id, kept), left_out)
}

/// Published decisions of the damaged ledger that a journal with `kept` decisions does not have; `None`: they cannot be counted.
pub(super) fn lost(source: &Connection, claims: &Claims, kept: u64) -> Option<u64> {
    let published = replace::published(source).map(|(_, published)| published)?;
    Some(published.min(claims.decisions).saturating_sub(kept))
}

/// Positions of the decisions in `entries`, in order.
pub(super) fn decision_positions(target: &Connection, after: u64) -> rusqlite::Result<Vec<u64>> {
    if is_format_2(target)? { entries::positions_behind(target, after) } else { Ok(Vec::new()) }
}
