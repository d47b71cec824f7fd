//! Errors of writing children, and their outlook.

use intuition_common::exit::with_causes;

use crate::kubernetes::{
    call::{CallError, code},
    installation::OtherInstallation,
    rights::OPERATOR_LACKS_RIGHTS,
};

/// Errors of applying a child.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An object that does not belong to the resource has the name.
    #[error("{kind} {name} exists and is not this resource's: rename one of the two, or delete that one")]
    NameTaken {
        /// Kind of the child.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Another installation of the operator made it and manages it.
    #[error(transparent)]
    ManagedByAnother(Box<OtherInstallation>),
    /// The object of a deleted resource of the same name is being deleted.
    #[error("{kind} {name} of a resource that was deleted is still there: waiting until it is gone")]
    AwaitPredecessor {
        /// Kind of the child.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Deployments that a deleted resource left behind. They cannot be taken over: they select pods by its uid.
    #[error(
        "left behind by a deleted resource of this name: delete it, the ledger stays (kubectl delete deployment {})",
        names.join(" ")
    )]
    LeftBehind {
        /// The Deployments.
        names: Vec<String>,
    },
    /// The call to the API server failed.
    #[error("cannot {action} {kind} {name}")]
    Write {
        /// `read`, `apply` or `delete`.
        action: &'static str,
        /// Kind of the child.
        kind: String,
        /// Its name.
        name: String,
        /// The error of the call.
        source: CallError,
    },
}

impl ApplyError {
    /// Code for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NameTaken { .. } => "NameTaken",
            Self::ManagedByAnother(_) => "ManagedByAnother",
            Self::AwaitPredecessor { .. } => "WaitingForPredecessor",
            Self::LeftBehind { .. } => "LeftBehind",
            Self::Write { source, .. } if source.is_namespace_terminating() => "NamespaceTerminating",
            Self::Write { source, .. } if source.missing_right().is_some() => OPERATOR_LACKS_RIGHTS,
            Self::Write { .. } if self.outlook() == Outlook::Stays => "ApplyRefused",
            Self::Write { .. } => "ApplyFailed",
        }
    }

    /// The outlook of the error.
    pub fn outlook(&self) -> Outlook {
        match self {
            Self::NameTaken { .. } | Self::LeftBehind { .. } | Self::ManagedByAnother(_) => Outlook::Stays,
            Self::AwaitPredecessor { .. } => Outlook::Passes,
            // The object was deleted or replaced meanwhile. The next pass sees it.
            Self::Write { source, .. } if source.is_namespace_terminating() || source.is(code::CONFLICT) => {
                Outlook::Passes
            }
            Self::Write { source, .. } if source.is(code::INVALID) || source.is(code::FORBIDDEN) => Outlook::Stays,
            Self::Write { .. } => Outlook::Uncertain,
        }
    }
}

/// The API server did not answer: further calls would fail too.
pub(crate) struct NoAnswer;

/// Keeps the worst error in `worst`. Returns the value of a call that succeeded.
pub(crate) fn note<T>(worst: &mut Option<ApplyError>, outcome: Result<T, ApplyError>) -> Result<Option<T>, NoAnswer> {
    let error = match outcome {
        Ok(done) => return Ok(Some(done)),
        Err(error) => error,
    };
    let is_no_answer = matches!(&error, ApplyError::Write { source, .. } if source.is_no_answer());
    if worst.as_ref().is_none_or(|known| known.outlook() < error.outlook()) {
        *worst = Some(error);
    }
    if is_no_answer { Err(NoAnswer) } else { Ok(None) }
}

/// The worst apply error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApplyFailure {
    /// Code.
    pub reason: &'static str,
    /// The message with all causes.
    pub message: String,
    /// The outlook of the error.
    pub outlook: Outlook,
}

impl From<&ApplyError> for ApplyFailure {
    fn from(error: &ApplyError) -> Self {
        Self { reason: error.reason(), message: with_causes(error), outlook: error.outlook() }
    }
}

/// The outlook of an apply error, the least serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlook {
    /// The error passes by itself.
    Passes,
    /// The next attempt may succeed.
    Uncertain,
    /// The error stays until a person changes something.
    Stays,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_right_is_distinguished_from_a_refusal_of_admission() {
        let reason = |message: &str| {
            let status = kube::core::Status::failure(message, "Forbidden").with_code(code::FORBIDDEN);
            let source = CallError::Refuse(status.boxed());
            let error =
                ApplyError::Write { action: "apply", kind: "Deployment".to_owned(), name: "a".to_owned(), source };
            (error.reason(), error.outlook())
        };
        let right = "deployments.apps \"a\" is forbidden: User \"o\" cannot patch resource \"deployments\" in API group \"apps\"";
        assert_eq!(reason(right), ("OperatorLacksRights", Outlook::Stays));
        assert_eq!(reason("deployments.apps \"a\" is forbidden: exceeded quota: q"), ("ApplyRefused", Outlook::Stays));
    }
}
