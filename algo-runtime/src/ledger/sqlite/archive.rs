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

/// Writes the entries from number `from` to number `through` into `to`, with a line of column names, and returns their number. The journal
/// only grows, so that the entries of several transactions are those of one.
pub fn archive(dir: &Path, from: u64, through: u64, to: impl Write) -> Result<u64, ArchiveError> {
    let place = Place::new(dir);
    let shown = || dir.display().to_string();
    if place.shape()? == Shape::Missing {
        return Err(CopyError::MissLedger(shown()).into());
    }
    let connection = place.reader()?;
    let failed = place.store("read the journal");
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
    if version < checkpoints::SINCE {
        return Err(ArchiveError::OldFormat(shown()));
    }
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record(columns(&connection).map_err(&failed)?).map_err(output)?;
    let through = i64::try_from(through).unwrap_or(i64::MAX);
    let (mut next, mut written) = (i64::try_from(from).unwrap_or(i64::MAX), 0);
    loop {
        let records = page(&connection, next, through).map_err(&failed)?;
        let Some((last, _)) = records.last() else { break };
        next = last.saturating_add(1);
        for (_, record) in &records {
            csv.write_record(record).map_err(output)?;
        }
        written += records.len() as u64;
    }
    csv.flush().map_err(ArchiveError::Write)?;
    Ok(written)
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

/// Numbers and fields of the entries from `from` on, in order.
fn page(connection: &Connection, from: i64, through: i64) -> rusqlite::Result<Vec<(i64, Vec<String>)>> {
    let sql = "SELECT * FROM history WHERE number BETWEEN ?1 AND ?2 ORDER BY number LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([from, through, PAGE], |row| Ok((row.get("number")?, fields(row)?)))?.collect()
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
