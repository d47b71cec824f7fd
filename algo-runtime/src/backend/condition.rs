//! Why a backend cannot be asked.

use intuition_api::reason;

use super::Address;
use crate::algorithm::FieldErrors;

/// Reasons. Each has a code that conditions, refusals and metrics carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionReason {
    /// It is being called for the first time.
    Starting,
    /// No server answers at its address.
    Unreachable,
    /// It does not answer in time.
    Timeout,
    /// It ended a call with an error, or without a message.
    Error,
    /// Its answer breaks the contract.
    ContractBroken,
    /// It serves another contract.
    ContractUnsupported,
    /// It refuses its parameters.
    ParametersRefused,
    /// It fails at one quote after another.
    Failing,
}

impl ConditionReason {
    /// CamelCase code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Starting => reason::BACKEND_STARTING,
            Self::Unreachable => reason::BACKEND_UNREACHABLE,
            Self::Timeout => reason::BACKEND_TIMEOUT,
            Self::Error => reason::BACKEND_ERROR,
            Self::ContractBroken => reason::CONTRACT_BROKEN,
            Self::ContractUnsupported => reason::CONTRACT_UNSUPPORTED,
            Self::ParametersRefused => reason::PARAMETERS_REFUSED,
            Self::Failing => reason::BACKEND_FAILING,
        }
    }
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendError {
    /// Why it ended.
    pub reason: ConditionReason,
    /// For a person.
    pub message: String,
    /// For [`ConditionReason::ParametersRefused`]: the errors of the fields.
    pub refused: Option<FieldErrors>,
}

impl BackendError {
    /// Any error but refused parameters.
    pub const fn new(reason: ConditionReason, message: String) -> Self {
        Self { reason, message, refused: None }
    }

    /// Refused parameters.
    pub fn refused(errors: FieldErrors) -> Self {
        Self { reason: ConditionReason::ParametersRefused, message: errors.to_string(), refused: Some(errors) }
    }

    /// Whether the next attempt ends in the same way until the server or the settings change.
    pub const fn is_lasting(&self) -> bool {
        matches!(self.reason, ConditionReason::ContractUnsupported | ConditionReason::ParametersRefused)
    }

    pub(super) fn condition(self, address: &Address) -> BackendCondition {
        BackendCondition { reason: self.reason, message: format!("{address}: {}", self.message), refused: self.refused }
    }
}

/// Why a backend cannot be asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendCondition {
    /// The reason.
    pub reason: ConditionReason,
    /// For a person, with the address.
    pub message: String,
    /// For [`ConditionReason::ParametersRefused`]: the errors of the fields.
    pub refused: Option<FieldErrors>,
}

impl BackendCondition {
    pub(super) const fn new(reason: ConditionReason, message: String) -> Self {
        Self { reason, message, refused: None }
    }

    /// CamelCase code.
    pub const fn code(&self) -> &'static str {
        self.reason.code()
    }
}
