//! Access to the Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt as _, api::PostParams};

/// Reads and writes the Lease. A write succeeds only if the Lease still has the version in it.
pub(super) trait Store: Send + Sync + 'static {
    /// `None` if it does not exist.
    fn get(&self, name: &str) -> impl Future<Output = Result<Option<Lease>, CallError>> + Send;
    /// Fails with a conflict if it exists.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, CallError>> + Send;
    /// Fails with a conflict if the Lease has another version.
    fn replace(&self, lease: &Lease) -> impl Future<Output = Result<Lease, CallError>> + Send;
}

impl Store for Api<Lease> {
    async fn get(&self, name: &str) -> Result<Option<Lease>, CallError> {
        // Without a resource version, so that the API server answers from its store and not from its cache.
        self.get_opt(name).await.map_err(CallError::Answer)
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, CallError> {
        Self::create(self, &PostParams::default(), lease).await.map_err(CallError::Answer)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, CallError> {
        Self::replace(self, &lease.name_any(), &PostParams::default(), lease).await.map_err(CallError::Answer)
    }
}

/// Errors of a call. The Lease may have changed all the same.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("no answer within {} seconds", .0.as_secs_f32())]
    TimeOut(Duration),
    #[error(transparent)]
    Answer(kube::Error),
}

impl CallError {
    fn code(&self) -> Option<u16> {
        match self {
            Self::Answer(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }

    /// Another write came first.
    pub(super) fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// The Lease does not exist any more.
    pub(super) fn is_missing(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether a retry cannot help. For a create, 404 means that the namespace does not exist. A missing right may be
    /// granted, and an API server that has just started may not know yet that it was.
    pub(super) fn is_permanent(&self) -> bool {
        matches!(self.code(), Some(400 | 404 | 422))
    }
}
