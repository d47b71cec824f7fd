//! Errors of an inspection.

use crate::ledger::books::Finding;

/// Errors of an inspection.
#[derive(Debug)]
pub(super) enum InspectError {
    TooNew { needs: i64, notice: String },
    Wrong(Finding),
    Sql(rusqlite::Error),
}

impl From<Finding> for InspectError {
    fn from(finding: Finding) -> Self {
        Self::Wrong(finding)
    }
}

impl From<rusqlite::Error> for InspectError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}
