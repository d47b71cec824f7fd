//! Rows that most commits replace: totals, counters, last numbers, the algorithm's state. The digest needs the hash of the row before; it
//! is remembered, so that a commit reads no row before it replaces the row.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rusqlite::{
    OptionalExtension as _, ToSql, params_from_iter,
    types::{ToSqlOutput, Value, ValueRef},
};

use super::{
    digest::{hash_row, hash_values},
    writer::Writer,
};

/// A table with the statements that touch one row.
#[derive(Debug)]
pub(super) struct Table {
    name: &'static str,
    /// The first columns, which are the primary key.
    keys: usize,
    insert: &'static str,
    update: &'static str,
    select: &'static str,
    delete: &'static str,
}

/// All columns, in the order of the table.
pub(super) const ACCOUNT: Table = Table {
    name: "account",
    keys: 1,
    insert: "INSERT INTO account (id, name, ledger_id, cash, invested, realised, deposits, entries, decisions, position, \
              published_through, updated_micros) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    update: "UPDATE account SET name = ?2, ledger_id = ?3, cash = ?4, invested = ?5, realised = ?6, deposits = ?7, entries = ?8, \
             decisions = ?9, position = ?10, published_through = ?11, updated_micros = ?12 WHERE id = ?1",
    select: "SELECT * FROM account WHERE id = ?1",
    delete: "DELETE FROM account WHERE id = ?1",
};
/// As [`ACCOUNT`].
pub(super) const COUNTERS: Table = Table {
    name: "counters",
    keys: 2,
    insert: "INSERT INTO counters (name, reason, value) VALUES (?1, ?2, ?3)",
    update: "UPDATE counters SET value = ?3 WHERE name = ?1 AND reason = ?2",
    select: "SELECT * FROM counters WHERE name = ?1 AND reason = ?2",
    delete: "DELETE FROM counters WHERE name = ?1 AND reason = ?2",
};
/// As [`ACCOUNT`].
pub(super) const MARKS: Table = Table {
    name: "marks",
    keys: 2,
    insert: "INSERT INTO marks (channel, source, seq, tick_index, dated_seq, taken_micros, found_micros) \
              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    update: "UPDATE marks SET seq = ?3, tick_index = ?4, dated_seq = ?5, taken_micros = ?6, found_micros = ?7 \
             WHERE channel = ?1 AND source = ?2",
    select: "SELECT * FROM marks WHERE channel = ?1 AND source = ?2",
    delete: "DELETE FROM marks WHERE channel = ?1 AND source = ?2",
};
/// As [`ACCOUNT`].
pub(super) const STATE: Table = Table {
    name: "state",
    keys: 2,
    insert: "INSERT INTO state (algorithm, key, value) VALUES (?1, ?2, ?3)",
    update: "UPDATE state SET value = ?3 WHERE algorithm = ?1 AND key = ?2",
    select: "SELECT * FROM state WHERE algorithm = ?1 AND key = ?2",
    delete: "DELETE FROM state WHERE algorithm = ?1 AND key = ?2",
};

fn value<'a>(output: &'a ToSqlOutput<'_>) -> ValueRef<'a> {
    match output {
        ToSqlOutput::Borrowed(value) => *value,
        ToSqlOutput::Owned(value) => ValueRef::from(value),
        _ => ValueRef::from(&Value::Null),
    }
}

/// 128 bits that name a row in memory. They are in no file, so that a cheap hash will do.
fn key_of(table: &Table, values: &[ToSqlOutput<'_>]) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, table.name).hash(&mut hasher);
        for value in values.iter().take(table.keys).map(value) {
            match value {
                ValueRef::Integer(number) => number.hash(&mut hasher),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.hash(&mut hasher),
                ValueRef::Null | ValueRef::Real(_) => {}
            }
        }
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}

impl Writer<'_> {
    /// Sets a row. `values`: of all columns.
    pub(super) fn put(&mut self, table: &Table, values: &[&dyn ToSql]) -> rusqlite::Result<()> {
        let outputs = values.iter().copied().map(ToSql::to_sql).collect::<Result<Vec<_>, _>>()?;
        let key = key_of(table, &outputs);
        let (before, after) = (self.hash_of(table, key, &outputs)?, hash_values(table.name, outputs.iter().map(value)));
        if before == after {
            return Ok(());
        }
        let sql = if before == 0 { table.insert } else { table.update };
        self.connection.prepare_cached(sql)?.execute(params_from_iter(&outputs))?;
        self.digest.replace(before, after);
        self.remembered.set(key, after);
        Ok(())
    }

    /// Deletes a row, if there is one.
    pub(super) fn delete(&mut self, table: &Table, keys: &[&dyn ToSql]) -> rusqlite::Result<()> {
        let outputs = keys.iter().copied().map(ToSql::to_sql).collect::<Result<Vec<_>, _>>()?;
        let key = key_of(table, &outputs);
        let before = self.hash_of(table, key, &outputs)?;
        self.connection.prepare_cached(table.delete)?.execute(params_from_iter(&outputs))?;
        self.digest.replace(before, 0);
        self.remembered.set(key, 0);
        Ok(())
    }

    /// Hash of the row at this moment; 0: there is no row.
    fn hash_of(&self, table: &Table, key: u128, values: &[ToSqlOutput<'_>]) -> rusqlite::Result<u128> {
        if let Some(known) = self.remembered.get(key) {
            return Ok(known);
        }
        let keys = values.iter().take(table.keys);
        let read = |row: &rusqlite::Row<'_>| hash_row(table.name, row);
        let found = self.connection.prepare_cached(table.select)?.query_row(params_from_iter(keys), read).optional()?;
        Ok(found.unwrap_or(0))
    }
}
