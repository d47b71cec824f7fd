//! Packed rows that are not as they were written.

use rusqlite::types::Type;

/// A packed row that contradicts its checksum, its place or its format.
#[derive(Debug, thiserror::Error)]
#[error("{name} {row}: {fault}")]
pub(super) struct Broken {
    name: &'static str,
    /// Its primary key.
    row: u64,
    fault: String,
}

impl Broken {
    /// `name`: of its kind. `row`: its primary key. `fault`: the contradiction.
    pub(super) fn row(name: &'static str, row: u64, fault: &str) -> Self {
        Self { name, row, fault: fault.to_owned() }
    }
}

impl From<Broken> for rusqlite::Error {
    fn from(broken: Broken) -> Self {
        Self::FromSqlConversionFailure(0, Type::Blob, Box::new(broken))
    }
}

/// The text about a broken row, where the error is one.
pub(super) fn text(error: &rusqlite::Error) -> Option<String> {
    let rusqlite::Error::FromSqlConversionFailure(_, _, source) = error else { return None };
    source.downcast_ref::<Broken>().map(ToString::to_string)
}
