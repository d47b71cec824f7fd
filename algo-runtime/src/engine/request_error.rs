//! Why a request to the engine is refused as a whole.

/// A request that breaks the contract, or that the ledger's error stops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The request names another account.
    #[error("this runtime serves the account {ours}, not {wanted}")]
    OtherAccount {
        /// The account served.
        ours: String,
        /// The account of the request.
        wanted: String,
    },
    /// A message breaks its rules.
    #[error("{0}")]
    BreakContract(String),
    /// The bridge cannot serve the account.
    #[error("{0}")]
    UnfitBridge(&'static str),
    /// More deliveries wait than may wait.
    #[error("{0}")]
    Overload(String),
    /// The ledger cannot be read.
    #[error("{reason}: {message}")]
    ReadLedger {
        /// See [`LedgerError::reason`](crate::ledger::LedgerError::reason).
        reason: &'static str,
        /// The same for a person.
        message: String,
    },
}

impl RequestError {
    /// A broken rule of the contract.
    pub(super) fn contract(message: impl Into<String>) -> Self {
        Self::BreakContract(message.into())
    }
}
