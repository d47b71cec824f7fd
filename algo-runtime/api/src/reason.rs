//! Reasons about an algorithm out of process, in conditions, refusals, `/readyz` and metrics. They are part of the interface: docs
//! and alerts name them.

/// The algorithm is being called for the first time.
pub const BACKEND_STARTING: &str = "BackendStarting";
/// No server answers at the address.
pub const BACKEND_UNREACHABLE: &str = "BackendUnreachable";
/// The server did not answer in time.
pub const BACKEND_TIMEOUT: &str = "BackendTimeout";
/// The server ended a call with an error, or without a message.
pub const BACKEND_ERROR: &str = "BackendError";
/// The algorithm fails at one quote after another.
pub const BACKEND_FAILING: &str = "BackendFailing";
/// An answer does not keep the contract.
pub const CONTRACT_BROKEN: &str = "ContractBroken";
/// The server speaks another contract.
pub const CONTRACT_UNSUPPORTED: &str = "ContractUnsupported";
/// The algorithm refuses its parameters.
pub const PARAMETERS_REFUSED: &str = "ParametersRefused";
