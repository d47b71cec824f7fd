//! The refusals of parts of a request.

use intuition_api::{refusal::INVALID_SETTINGS, v1::Refusal};

use crate::algorithm::FieldErrors;

pub(super) fn refuse(reason: &str, field: &str, message: String) -> Refusal {
    Refusal { reason: reason.to_owned(), field: field.to_owned(), message }
}

/// A refusal for each field.
pub(super) fn invalid(errors: FieldErrors) -> Vec<Refusal> {
    errors.into_iter().map(|error| refuse(INVALID_SETTINGS, &error.field, error.message)).collect()
}
