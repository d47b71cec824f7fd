//! Calls to the API server: their deadline and their errors.

use std::{future::Future, time::Duration};

/// Cause of a refusal (`NamespaceTerminatingCause` of k8s.io/api/core/v1).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// Deadline of a call to the API server.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Errors of a call to the API server.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused the call.
    #[error("{}", .0.message)]
    Refuse(Box<kube::core::Status>),
    /// The API server could not be reached.
    #[error("the API server cannot be reached")]
    Reach(#[source] Box<kube::Error>),
    /// The answer cannot be parsed.
    #[error("the API server's answer cannot be read")]
    Read(#[source] Box<kube::Error>),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} s", CALL_TIMEOUT.as_secs())]
    TimeOut,
}

impl CallError {
    /// Whether the API server did not answer. The next call would fail too.
    pub const fn is_no_answer(&self) -> bool {
        matches!(self, Self::Reach(_) | Self::TimeOut)
    }

    /// Whether the API server answered with this HTTP status.
    pub fn is(&self, code: u16) -> bool {
        matches!(self, Self::Refuse(status) if status.code == code)
    }

    /// The message of a refusal because of a missing right, which names verb and resource; `None` for other errors,
    /// such as a quota.
    pub fn missing_right(&self) -> Option<&str> {
        let Self::Refuse(status) = self else { return None };
        // Admission webhooks refuse with the same code.
        let is_right = status.message.contains(" cannot ") && status.message.contains(" resource ");
        (status.code == code::FORBIDDEN && is_right && !self.is_namespace_terminating())
            .then_some(status.message.as_str())
    }

    /// Whether the call was refused because the namespace is being deleted.
    pub fn is_namespace_terminating(&self) -> bool {
        let Self::Refuse(status) = self else { return false };
        status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == NAMESPACE_TERMINATING)
    }
}

/// HTTP status codes of the API server.
pub mod code {
    /// The right is missing, or admission refused.
    pub const FORBIDDEN: u16 = 403;
    /// The object does not exist, or its kind is not known.
    pub const NOT_FOUND: u16 = 404;
    /// The object is another one, or has changed since it was read.
    pub const CONFLICT: u16 = 409;
    /// The object violates the schema or a rule.
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
