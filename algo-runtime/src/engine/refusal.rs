//! Codes of the parts of a request that the engine refuses, and the refusals with them.

use intuition_api::v1::Refusal;

use crate::algorithm::FieldErrors;

/// The runtime was started by flags alone.
pub const NO_UID: &str = "NoUid";
/// Another resource's settings.
pub const OTHER_UID: &str = "OtherUid";
/// Settings older than the recorded ones.
pub const OLDER_GENERATION: &str = "OlderGeneration";
/// The swap to the algorithm, or to its parameters, is pending.
pub const SWAPPING: &str = "Swapping";
/// A field cannot be used.
pub const INVALID_SETTINGS: &str = "InvalidSettings";
/// The withdrawal would make the cash negative.
pub const INSUFFICIENT_CASH: &str = "InsufficientCash";

pub(super) fn refuse(reason: &str, field: &str, message: String) -> Refusal {
    Refusal { reason: reason.to_owned(), field: field.to_owned(), message }
}

/// A refusal for each field.
pub(super) fn invalid(errors: FieldErrors) -> Vec<Refusal> {
    errors.into_iter().map(|error| refuse(INVALID_SETTINGS, &error.field, error.message)).collect()
}
