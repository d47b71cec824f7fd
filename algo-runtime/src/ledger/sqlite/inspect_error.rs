//! Errors of an inspection.

use super::broken;
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
        // SQLite's words about a value that cannot be read come before those about the row.
        broken::text(&error).map_or(Self::Sql(error), |text| Self::Wrong(Finding::BreakSeal(text)))
    }
}
