//! Calls to the API server: their deadline and their errors.

use std::{future::Future, time::Duration};

/// Cause of a refusal (`NamespaceTerminatingCause` of k8s.io/api/core/v1).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// Longest that a call to the API server may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// What a call to the API server fails with.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It refused.
    #[error("{}", .0.message)]
    Refuse(Box<kube::core::Status>),
    /// It could not be asked.
    #[error("the API server cannot be reached")]
    Reach(#[source] Box<kube::Error>),
    /// What it answered is none of what this release knows.
    #[error("the API server's answer cannot be read")]
    Read(#[source] Box<kube::Error>),
    /// It did not answer.
    #[error("the API server did not answer within {} s", CALL_TIMEOUT.as_secs())]
    TimeOut,
}

impl CallError {
    /// Whether it answered at all: where it did not, the next call would be in vain too.
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Reach(_) | Self::TimeOut)
    }

    /// Whether it answered with this HTTP status.
    pub fn is(&self, code: u16) -> bool {
        matches!(self, Self::Refuse(status) if status.code == code)
    }

    /// The words of an API server that refused for want of a right, which name verb and resource; `None`: it refused for
    /// another cause, such as a quota, or did not.
    pub fn missing_right(&self) -> Option<&str> {
        let Self::Refuse(status) = self else { return None };
        // Admission refuses with the same code.
        let is_right = status.message.contains(" cannot ") && status.message.contains(" resource ");
        (status.code == code::FORBIDDEN && is_right && !self.is_farewell()).then_some(status.message.as_str())
    }

    /// Whether it refused because the namespace is being deleted, and with it everything in there.
    pub fn is_farewell(&self) -> bool {
        let Self::Refuse(status) = self else { return false };
        status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == NAMESPACE_TERMINATING)
    }
}

/// HTTP status codes of the API server.
pub mod code {
    /// It may not be done.
    pub const FORBIDDEN: u16 = 403;
    /// It is not there, or its kind is not known.
    pub const NOT_FOUND: u16 = 404;
    /// It is another object than the one that was seen, or has changed since.
    pub const CONFLICT: u16 = 409;
    /// It does not fit the schema or a rule.
    pub const INVALID: u16 = 422;
}

/// A call with a deadline.
pub(crate) async fn call<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(CallError::Refuse(status)),
        Ok(Err(error @ kube::Error::SerdeError(_))) => Err(CallError::Read(Box::new(error))),
        Ok(Err(error)) => Err(CallError::Reach(Box::new(error))),
        Err(_) => Err(CallError::TimeOut),
    }
}
