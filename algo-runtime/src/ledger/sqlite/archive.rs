//! Writes the journal as CSV, as the view `history` shows it, also while a runtime adds to it.

use std::{
    io::{self, Write},
    path::Path,
};

use rusqlite::{Connection, Row, types::ValueRef};

use super::{
    checkpoints,
    copy_error::CopyError,
    place::{Place, Shape},
};
use crate::ledger::LedgerError;

/// Entries of a transaction, so that the log can be moved into the file between two of them.
const PAGE: i64 = 10_000;

/// Why a journal cannot be written as CSV.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file has no view of the whole journal.
    #[error("the ledger in {0} is of format 1: start its runtime once, which migrates it")]
    OldFormat(String),
    /// Entries were dropped.
    #[error(
        "the journal begins at entry {first}: entry {from} was dropped by `spec.storage.retain`. Use `--from {first}`"
    )]
    Dropped {
        /// The entry that was asked for, or the next one to write.
        from: u64,
        /// The first kept entry.
        first: u64,
    },
    /// The output failed.
    #[error("cannot write the journal")]
    Write(#[source] io::Error),
    /// There is no ledger, or it cannot be read.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

impl From<LedgerError> for ArchiveError {
    fn from(error: LedgerError) -> Self {
        Self::Copy(error.into())
    }
}

/// Entries that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    /// Their number.
    pub entries: u64,
    /// The first kept entry of the ledger.
    pub first_kept: u64,
}

/// Writes the entries from number `from` to number `through` into `to`, with a line of column names. `None`: from the first kept
/// entry. An entry never changes, so that the entries of several transactions are those of one. Where the next one is dropped
/// between two transactions, the rest is not written.
pub fn archive(dir: &Path, from: Option<u64>, through: u64, to: impl Write) -> Result<Archived, ArchiveError> {
    let place = Place::new(dir);
    let shown = || dir.display().to_string();
    if place.shape()? == Shape::Missing {
        return Err(CopyError::MissLedger(shown()).into());
    }
    let mut connection = place.reader()?;
    let failed = place.store("read the journal");
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
    if version < checkpoints::SINCE {
        return Err(ArchiveError::OldFormat(shown()));
    }
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record(columns(&connection).map_err(&failed)?).map_err(output)?;
    let first_kept = first(&connection).map_err(&failed)?;
    let (mut next, mut entries) = (from.map_or(first_kept, |from| from.max(1)), 0);
    loop {
        let (first, records) = page(&mut connection, next, through).map_err(&failed)?;
        if next < first {
            return Err(ArchiveError::Dropped { from: next, first });
        }
        let Some((last, _)) = records.last() else { break };
        next = last.saturating_add(1);
        for (_, record) in &records {
            csv.write_record(record).map_err(output)?;
        }
        entries += records.len() as u64;
    }
    csv.flush().map_err(ArchiveError::Write)?;
    Ok(Archived { entries, first_kept })
}

fn output(error: csv::Error) -> ArchiveError {
    ArchiveError::Write(match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    })
}

fn columns(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let statement = connection.prepare("SELECT * FROM history")?;
    Ok(statement.column_names().map(str::to_owned).collect())
}

/// Number of the first kept entry.
fn first(connection: &Connection) -> rusqlite::Result<u64> {
    checkpoints::base_number(connection).map(|base| base + 1)
}

/// An entry as text, with its number.
type Record = (u64, Vec<String>);

/// The entries from `from` on, in order, and the number of the first kept one.
fn page(connection: &mut Connection, from: u64, through: u64) -> rusqlite::Result<(u64, Vec<Record>)> {
    let transaction = connection.transaction()?;
    let sql = "SELECT * FROM history WHERE number BETWEEN ?1 AND ?2 ORDER BY number LIMIT ?3";
    let mut statement = transaction.prepare_cached(sql)?;
    let [from, through] = [from, through].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>("number")?.cast_unsigned(), fields(row)?));
    let records = statement.query_map([from, through, PAGE], read)?.collect::<Result<_, _>>()?;
    Ok((first(&transaction)?, records))
}

/// The values of an entry as text; a missing value is empty.
fn fields(row: &Row<'_>) -> rusqlite::Result<Vec<String>> {
    let columns = 0..row.as_ref().column_count();
    let field = |column| match row.get_ref(column)? {
        ValueRef::Null => Ok(String::new()),
        ValueRef::Integer(number) => Ok(number.to_string()),
        value => Ok(value.as_str()?.to_owned()),
    };
    columns.map(field).collect()
}
