//! Reasons that one process gives and another process acts on, in `/readyz`, conditions, refusals and metrics. They are part of the
//! interface: docs/operations.md and alerts name them.

/// The algorithm is being called for the first time.
pub const BACKEND_STARTING: &str = "BackendStarting";
/// No server answers at the algorithm's address.
pub const BACKEND_UNREACHABLE: &str = "BackendUnreachable";
/// The algorithm's server did not answer in time.
pub const BACKEND_TIMEOUT: &str = "BackendTimeout";
/// The algorithm's server ended a call with an error, or without a message.
pub const BACKEND_ERROR: &str = "BackendError";
/// The algorithm fails at one quote after another.
pub const BACKEND_FAILING: &str = "BackendFailing";
/// An answer does not keep the contract.
pub const CONTRACT_BROKEN: &str = "ContractBroken";
/// The server speaks another contract.
pub const CONTRACT_UNSUPPORTED: &str = "ContractUnsupported";
/// The algorithm refuses its parameters.
pub const PARAMETERS_REFUSED: &str = "ParametersRefused";

/// A resource or an algorithm uses a topic that the namespace may not use.
pub const TOPIC_NOT_ALLOWED: &str = "TopicNotAllowed";
/// The runtime is ending.
pub const STOPPED: &str = "Stopped";

/// A bridge cannot reach its broker or its runtime, which the part names; the operator cannot reach a pod that is ready.
pub const UNREACHABLE: &str = "Unreachable";
/// A bridge has just connected, and its channels are being subscribed to.
pub const SUBSCRIBING: &str = "Subscribing";
/// The broker has not taken a publication, and the account goes on without it.
pub const UNDELIVERABLE: &str = "Undeliverable";
/// The broker grants a subscription `QoS` 0: quotes can be lost.
pub const QOS_TOO_LOW: &str = "QosTooLow";
/// Filters overlap, and the broker has no Subscription Identifiers.
pub const OVERLAP_UNRESOLVED: &str = "OverlapUnresolved";
/// The broker lost the session, and with it the quotes that waited there.
pub const SESSION_LOST: &str = "SessionLost";
/// The journal in the ledger is not as it was written.
pub const LEDGER_DAMAGED: &str = "LedgerDamaged";
/// The volume of the ledger is nearly full.
pub const NEARLY_FULL: &str = "NearlyFull";
/// The ledger went back to an earlier state.
pub const LEDGER_WENT_BACK: &str = "LedgerWentBack";
