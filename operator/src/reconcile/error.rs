//! Errors of one pass over an object.

use crate::kubernetes::{apply_error::ApplyError, call::CallError};

/// Why an object could not be reconciled, or its status not be written. kube retries with a growing delay.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The ledger's claim could not be looked for, so that nothing was written.
    #[error("cannot look for the ledger's claim")]
    FindClaim(#[source] CallError),
    /// The default broker's credentials could not be read.
    #[error("cannot read the default broker's credentials")]
    ReadCredentials(#[source] std::io::Error),
    /// The namespace could not be read. Its labels decide about the default broker's login.
    #[error("cannot read the namespace")]
    ReadNamespace(#[source] CallError),
    /// The status could not be written.
    #[error("cannot write the status")]
    SaveStatus(#[source] CallError),
    /// A child could not be written. The status has the reason.
    #[error("not everything could be applied")]
    Apply(#[source] ApplyError),
    /// The caches have not been filled once: nothing can be concluded from them.
    #[error("cannot read the existing objects")]
    FillCaches(#[source] CallError),
    /// By the clock, this replica's lease has run out.
    #[error("this replica is not the leader any more")]
    LoseLead,
    /// The pass took too long.
    #[error("it took longer than {0} s")]
    TimeOut(u64),
}

impl ReconcileError {
    /// Code for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::FindClaim(_) => "FindClaim",
            Self::ReadCredentials(_) => "ReadCredentials",
            Self::ReadNamespace(_) => "ReadNamespace",
            Self::SaveStatus(_) => "SaveStatus",
            Self::Apply(_) => "Apply",
            Self::FillCaches(_) => "FillCaches",
            Self::LoseLead => "LoseLead",
            Self::TimeOut(_) => "TimeOut",
        }
    }
}
