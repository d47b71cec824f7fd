//! Facts about a backend for the log.

use std::time::Duration;

use super::Address;

/// A fact about a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendNotice {
    /// It has another name than at the last description.
    Renamed {
        /// Its address.
        address: Address,
        /// Both names.
        message: String,
    },
    /// It has another version than at the last description.
    NewVersion {
        /// Its address.
        address: Address,
        /// Name and version before.
        was: String,
        /// Name and version now.
        is: String,
    },
    /// An attempt failed.
    Failed {
        /// CamelCase code.
        reason: &'static str,
        /// Number of the attempt.
        attempt: u64,
        /// Time before the next attempt.
        pause: Duration,
        /// For a person.
        message: String,
        /// It failed for the same reason before, and was not well in between.
        is_repeated: bool,
    },
}
