//! The comparison of a file with the hashes that an earlier run has kept.

use quote_files::{Changed, Checker, FileError, QuoteFile};

/// The outcome of a comparison that ends a run.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(FileError),
    /// Rows differ.
    #[error("{}", describe(.0))]
    Differ(Changed),
}

/// Reads a file from its first row up to the last row of `checker`. It was opened with digests, and nothing of it was read.
pub fn compare(mut file: QuoteFile, mut checker: Checker) -> Result<(), CompareError> {
    let mut rows = 0;
    while rows < checker.through() {
        let Some(row) = file.next_row().map_err(CompareError::Read)? else { break };
        rows = row.number;
        if let Some(digest) = &row.digest {
            checker.check(row.number, digest).map_err(CompareError::Differ)?;
        }
    }
    checker.finish(rows).map_err(CompareError::Differ)
}

/// The difference, for a person.
pub fn describe(Changed { first, last, rows }: &Changed) -> String {
    match rows {
        Some(rows) => format!("has fewer data rows than it had: {rows}, and before at least {last}"),
        None if first == last => format!("data row {first} has changed"),
        None => format!("a data row from {first} to {last} has changed, been inserted or been removed"),
    }
}
