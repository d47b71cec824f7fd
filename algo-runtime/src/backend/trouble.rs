//! What stands between the runtime and a backend.

use super::Address;
use crate::algorithm::FieldErrors;

/// Kinds of trouble. Each has a code that conditions, refusals and metrics carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It is being called for the first time.
    Starting,
    /// Nobody answers at its address.
    Unreachable,
    /// It does not answer in time.
    Timeout,
    /// It ended a call with an error, or without a word.
    Error,
    /// It answers what the contract does not allow.
    ContractBroken,
    /// It speaks another contract.
    ContractUnsupported,
    /// It refuses its parameters.
    ParametersRefused,
    /// It fails at one quote after another.
    Failing,
}

impl Fault {
    /// CamelCase code.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Starting => "BackendStarting",
            Self::Unreachable => "BackendUnreachable",
            Self::Timeout => "BackendTimeout",
            Self::Error => "BackendError",
            Self::ContractBroken => "ContractBroken",
            Self::ContractUnsupported => "ContractUnsupported",
            Self::ParametersRefused => "ParametersRefused",
            Self::Failing => "BackendFailing",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of trouble it is.
    pub fault: Fault,
    /// For a person.
    pub message: String,
    /// For [`Fault::ParametersRefused`]: which, and why.
    pub refused: Option<FieldErrors>,
}

impl Failure {
    /// Anything but refused parameters.
    pub const fn new(fault: Fault, message: String) -> Self {
        Self { fault, message, refused: None }
    }

    /// Refused parameters.
    pub fn refused(errors: FieldErrors) -> Self {
        Self { fault: Fault::ParametersRefused, message: errors.to_string(), refused: Some(errors) }
    }

    /// Whether the next attempt will end in the same way unless somebody changes something.
    pub const fn is_lasting(&self) -> bool {
        matches!(self.fault, Fault::ContractUnsupported | Fault::ParametersRefused)
    }

    pub(super) fn trouble(self, address: &Address) -> Trouble {
        Trouble { fault: self.fault, message: format!("{address}: {}", self.message), refused: self.refused }
    }
}

/// What stands in the way now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Its kind.
    pub fault: Fault,
    /// For a person, with the address.
    pub message: String,
    /// For [`Fault::ParametersRefused`]: which, and why.
    pub refused: Option<FieldErrors>,
}

impl Trouble {
    pub(super) const fn new(fault: Fault, message: String) -> Self {
        Self { fault, message, refused: None }
    }

    /// CamelCase code.
    pub const fn reason(&self) -> &'static str {
        self.fault.reason()
    }
}
