//! The journal in the file: entries of the format 2 in `entries`, those before it in `journal`. Both are one journal.

use intuition_api::decimal::{Money, Price, Quantity};
use rusqlite::{
    Connection, Row, ToSql, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};

use super::{
    rows::{self, Unknown, bounded, unreadable, unsigned},
    writer::Writer,
};
use crate::ledger::{
    Changes, EntryKind, JournalEntry, OutboxContent, Trade,
    chain::{Chain, Hash, Placement},
};

/// Version of the rules by which this release books.
pub(super) const RULES: u32 = 1;

/// Columns in the order that [`stored`] reads them.
const COLUMNS: &str = "number, rules, kind, committed_micros, position, seq, amount, cash, event, sid, quantity, price, cost, \
     time_micros, origin, hash, coalesce(order_id, fill, fill_price, fill_quantity, fee)";

/// The first and the last number. SQLite reads a whole table for two of such functions in one query.
const BOUNDS: &str =
    "SELECT ifnull((SELECT min(number) FROM entries), 1), ifnull((SELECT max(number) FROM entries), 0)";

/// An entry of the file with its hash.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) entry: JournalEntry,
    /// `None` for an entry of the format 1.
    pub(super) placement: Option<Placement>,
    pub(super) hash: Hash,
}

/// A whole number of smallest units, which is text beyond 64 bits.
struct Units(i128);

impl ToSql for Units {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match i64::try_from(self.0) {
            Ok(number) => number.into(),
            Err(_) => self.0.to_string().into(),
        })
    }
}

impl FromSql for Units {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(number) => Ok(Self(number.into())),
            ValueRef::Text(_) => value.as_str()?.parse().map(Self).map_err(FromSqlError::other),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// The entries behind `after` in `entries`, in order, each handed to `take`.
pub(super) fn each_behind<E: From<rusqlite::Error>>(
    connection: &Connection,
    after: u64,
    through: u64,
    mut take: impl FnMut(rusqlite::Result<Stored>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = format!("SELECT {COLUMNS} FROM entries WHERE number > ?1 AND number <= ?2 ORDER BY number");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params![after.cast_signed(), i64::try_from(through).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        take(stored(row))?;
    }
    Ok(())
}

/// At most `limit` decisions from number `from` on, in order.
pub(super) fn decisions(connection: &Connection, from: u64, limit: usize) -> rusqlite::Result<Vec<JournalEntry>> {
    let mut found = rows::decisions(connection, from, limit)?;
    let first = lowest(connection, "seq", from)?;
    let sql = format!("SELECT {COLUMNS} FROM entries WHERE number >= ?1 AND sid IS NOT NULL ORDER BY number LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![first, bounded(limit.saturating_sub(found.len()))])?;
    while let Some(row) = rows.next()? {
        found.push(stored(row)?.entry);
    }
    Ok(found)
}

/// The number of the first row of `entries` with at least this value in `column`, which grows with the number. Without such a row, the
/// number behind the last row.
fn lowest(connection: &Connection, column: &str, value: u64) -> rusqlite::Result<i64> {
    let (mut first, last): (i64, i64) =
        connection.prepare_cached(BOUNDS)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut behind = last + 1;
    let mut probe = connection.prepare_cached(&format!("SELECT {column} FROM entries WHERE number = ?1"))?;
    while first < behind {
        let middle = first + (behind - first) / 2;
        if probe.query_row([middle], |row| unsigned(row, 0))? < value {
            first = middle + 1;
        } else {
            behind = middle;
        }
    }
    Ok(first)
}

/// Decisions of `entries` behind a position, in order.
pub(super) struct Unpublished<'a> {
    rows: rusqlite::Rows<'a>,
}

/// A statement for [`Unpublished`], and the number of its first entry.
pub(super) fn unpublished(
    connection: &Connection,
    after: u64,
) -> rusqlite::Result<(rusqlite::CachedStatement<'_>, i64)> {
    let first = lowest(connection, "position", after.saturating_add(1))?;
    let sql = format!("SELECT {COLUMNS} FROM entries WHERE number >= ?1 AND sid IS NOT NULL ORDER BY number");
    Ok((connection.prepare_cached(&sql)?, first))
}

impl<'a> Unpublished<'a> {
    pub(super) fn new(statement: &'a mut rusqlite::CachedStatement<'_>, first: i64) -> rusqlite::Result<Self> {
        Ok(Self { rows: statement.query([first])? })
    }

    /// The next one with its position.
    pub(super) fn next(&mut self) -> rusqlite::Result<Option<(u64, JournalEntry)>> {
        let Some(row) = self.rows.next()? else { return Ok(None) };
        let Stored { entry, placement, .. } = stored(row)?;
        Ok(placement.map(|placement| (placement.position, entry)))
    }
}

/// Whether `entries` has a decision at this position.
pub(super) fn has_decision_at(connection: &Connection, position: u64) -> rusqlite::Result<bool> {
    let (mut statement, first) = unpublished(connection, position.saturating_sub(1))?;
    Ok(Unpublished::new(&mut statement, first)?.next()?.is_some_and(|(found, _)| found == position))
}

/// Positions of the decisions in `entries` behind a position, in order.
pub(super) fn positions_behind(connection: &Connection, after: u64) -> rusqlite::Result<Vec<u64>> {
    let first = lowest(connection, "position", after.saturating_add(1))?;
    let sql = "SELECT position FROM entries WHERE number >= ?1 AND sid IS NOT NULL ORDER BY number";
    connection.prepare(sql)?.query_map([first], |row| unsigned(row, 0))?.collect()
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let rules: u32 = row.get(1)?;
    if rules != RULES || !matches!(row.get_ref(16)?, ValueRef::Null) {
        return Err(unreadable(1, Unknown(format!("rules {rules}"))));
    }
    let kind = match row.get(2)? {
        1 => EntryKind::Deposit,
        2 => EntryKind::Withdrawal,
        3 => EntryKind::Buy,
        4 => EntryKind::Sell,
        other => return Err(unreadable(2, Unknown(format!("kind {}", i64::from(other))))),
    };
    let (position, seq) = (unsigned(row, 4)?, unsigned(row, 5)?);
    let trade = match row.get::<_, Option<String>>(9)? {
        None => None,
        Some(sid) => Some(Trade {
            seq,
            event: row.get(8)?,
            sid,
            quantity: units(row, 10, Quantity::from_units)?,
            price: units(row, 11, Price::from_units)?,
            cost: money(row, 12)?,
            time_micros: row.get(13)?,
            manual: match row.get_ref(14)?.as_str_or_null()? {
                None => false,
                Some("manual") => true,
                Some(other) => return Err(unreadable(14, Unknown(other.to_owned()))),
            },
        }),
    };
    Ok(Stored {
        entry: JournalEntry {
            number: unsigned(row, 0)?,
            kind,
            amount: money(row, 6)?,
            cash: money(row, 7)?,
            committed_micros: row.get(3)?,
            trade,
        },
        placement: Some(Placement { rules, position }),
        hash: row.get(15)?,
    })
}

fn money(row: &Row<'_>, column: usize) -> rusqlite::Result<Money> {
    row.get::<_, Units>(column).map(|units| Money::from_cents(units.0))
}

fn units<T>(row: &Row<'_>, column: usize, of: impl Fn(u128) -> Option<T>) -> rusqlite::Result<T> {
    let Units(number) = row.get(column)?;
    let value = u128::try_from(number).ok().and_then(of);
    value.ok_or_else(|| unreadable(column, Unknown(number.to_string())))
}

fn quantity(units: u128) -> Units {
    // At most 10^36, or 10^22 for a price.
    Units(i128::try_from(units).unwrap_or(i128::MAX))
}

const fn code(kind: EntryKind) -> i64 {
    match kind {
        EntryKind::Deposit => 1,
        EntryKind::Withdrawal => 2,
        EntryKind::Buy => 3,
        EntryKind::Sell => 4,
    }
}

impl Writer<'_> {
    /// Appends the entries. `last`: number and position of the last decision before them.
    pub(super) fn journal(&mut self, changes: &Changes, mut last: (u64, u64)) -> rusqlite::Result<()> {
        if changes.journal.is_empty() {
            return Ok(());
        }
        let mut positions = changes.outbox.iter().filter_map(|row| match &row.content {
            OutboxContent::Decision(_) => Some(row.position),
            OutboxContent::DeadLetter(_) | OutboxContent::Publication(_) | OutboxContent::Joined(_) => None,
        });
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO entries (number, rules, kind, committed_micros, position, seq, amount, cash, event, sid, quantity, price, \
                 cost, time_micros, origin, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?;
        let mut chain = Chain::default();
        for entry in &changes.journal {
            let trade = entry.trade.as_ref();
            if let Some(trade) = trade {
                // The books have checked that every decision has one.
                last = (trade.seq, positions.next().unwrap_or(last.1));
            }
            let (seq, position) = last;
            self.head = chain.link(&self.head, entry, Some(Placement { rules: RULES, position }));
            insert.execute(params![
                entry.number.cast_signed(),
                RULES,
                code(entry.kind),
                entry.committed_micros,
                position.cast_signed(),
                seq.cast_signed(),
                Units(entry.amount.cents()),
                Units(entry.cash.cents()),
                trade.map(|trade| &trade.event),
                trade.map(|trade| &trade.sid),
                trade.map(|trade| quantity(trade.quantity.units())),
                trade.map(|trade| quantity(trade.price.units())),
                trade.map(|trade| Units(trade.cost.cents())),
                trade.map(|trade| trade.time_micros),
                trade.filter(|trade| trade.manual).map(Trade::origin),
                self.head,
            ])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use tempfile::tempdir;

    use super::*;
    use crate::ledger::sqlite::SqliteLedger;

    #[test]
    fn first_and_last_number_are_found_without_a_walk_through_the_journal() {
        let dir = tempdir().unwrap();
        drop(SqliteLedger::open(dir.path(), "default/test").unwrap());
        let connection = Connection::open(dir.path().join("ledger.db")).unwrap();
        let steps = |entries: i64| {
            let insert =
                "INSERT INTO entries (number, rules, kind, committed_micros, position, seq, amount, cash, hash)
                          VALUES (?1, 1, 1, 0, 0, 0, 1, 1, zeroblob(32))";
            connection.execute(insert, [entries]).unwrap();
            let mut statement = connection.prepare(BOUNDS).unwrap();
            let bounds: (i64, i64) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(bounds, (1, entries));
            (statement.get_status(StatementStatus::FullscanStep), statement.get_status(StatementStatus::VmStep))
        };
        let few = steps(1);
        let many = (2..=100).map(steps).last().unwrap();
        assert_eq!(many, few);
    }
}
