//! Reasons of conditions, and their urgency.

/// The `Algorithm` that is named is not there, or cannot be used.
pub(crate) const ALGORITHM_NOT_FOUND: &str = "AlgorithmNotFound";
/// A workload is being made.
pub(crate) const ROLLING_OUT: &str = "Starting";
/// Reason of both while nothing is wrong.
pub(crate) const HEALTHY: &str = "Healthy";
/// The ledger's claim is gone.
pub(crate) const LEDGER_MISSING: &str = "LedgerMissing";
/// The ledger's claim goes with the runtime's pod.
pub(crate) const LEDGER_BEING_DELETED: &str = "LedgerBeingDeleted";
/// The resource uses a setting that one of its pods does not know.
pub(crate) const RUNTIME_TOO_OLD: &str = "RuntimeTooOld";
/// The bridge has a stream and the runtime has no capabilities of it: a bridge of v0.1.0, or one that has just connected.
pub(crate) const CAPABILITIES_UNKNOWN: &str = "CapabilitiesUnknown";
/// The ledger went back to an earlier state.
pub(crate) const LEDGER_WENT_BACK: &str = "LedgerWentBack";
/// Reason of `Ready` while it trades.
pub(crate) const TRADING: &str = "Trading";
/// The next algorithm is taking over.
pub(crate) const SWAPPING: &str = "Swapping";
/// It is being called for the first time.
const STARTING: &str = "BackendStarting";
/// What an algorithm lacks that may pass without anybody changing the resource.
const PASSING: [&str; 4] = [ALGORITHM_NOT_FOUND, "BackendUnreachable", "BackendTimeout", "BackendError"];
/// What it lacks until somebody changes something.
const LASTING: [&str; 4] = ["ContractBroken", "ContractUnsupported", "ParametersRefused", "BackendFailing"];

/// What a finding asks of others, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Nothing.
    None,
    /// Patience.
    Patience,
    /// Patience, and somebody should know.
    Told,
    /// Somebody has to do something.
    Somebody,
}

/// Whether it shows within a second or so what becomes of it.
pub(crate) fn is_taking_over(reason: &str) -> bool {
    [SWAPPING, STARTING].contains(&reason)
}

/// What a code asks of others; `None`: it is no algorithm's. `is_coming`: that nobody answers yet is no news.
pub(crate) fn urgency(code: &str, is_coming: bool) -> Option<Urgency> {
    match code {
        code if is_taking_over(code) => Some(Urgency::Patience),
        "BackendUnreachable" if is_coming => Some(Urgency::Patience),
        code if PASSING.contains(&code) => Some(Urgency::Told),
        code if LASTING.contains(&code) => Some(Urgency::Somebody),
        _ => None,
    }
}
