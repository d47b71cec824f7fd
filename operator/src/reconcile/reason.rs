//! Reasons of conditions that both kinds or several findings share, and the urgency of reasons of algorithms.

/// The named `Algorithm` does not exist, or cannot be used.
pub(crate) const ALGORITHM_NOT_FOUND: &str = "AlgorithmNotFound";
/// A workload starts.
pub(crate) const ROLLING_OUT: &str = "Starting";
/// `InputsHealthy`, `OutputsHealthy` and `LedgerHealthy` without a problem.
pub(crate) const HEALTHY: &str = "Healthy";
/// The ledger's claim is gone.
pub(crate) const LEDGER_MISSING: &str = "LedgerMissing";
/// The ledger's claim is being deleted, once the runtime's pod is gone.
pub(crate) const LEDGER_BEING_DELETED: &str = "LedgerBeingDeleted";
/// The resource uses a setting that one of its pods does not know.
pub(crate) const RUNTIME_TOO_OLD: &str = "RuntimeTooOld";
/// The bridge has a stream and the runtime has no capabilities of it: a bridge of v0.1.0, or one that has just connected.
pub(crate) const CAPABILITIES_UNKNOWN: &str = "CapabilitiesUnknown";
/// The ledger went back to an earlier state.
pub(crate) const LEDGER_WENT_BACK: &str = "LedgerWentBack";
/// `Ready` of an account that buys and sells.
pub(crate) const TRADING: &str = "Trading";
/// The candidate algorithm takes over.
pub(crate) const SWAPPING: &str = "Swapping";
/// The candidate algorithm is called for the first time.
const STARTING: &str = "BackendStarting";
/// Reasons of an algorithm that may pass without a change of the resource.
const PASSING: [&str; 4] = [ALGORITHM_NOT_FOUND, "BackendUnreachable", "BackendTimeout", "BackendError"];
/// Reasons of an algorithm that stay until a person changes something.
const LASTING: [&str; 4] = ["ContractBroken", "ContractUnsupported", "ParametersRefused", "BackendFailing"];

/// The urgency of a finding, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// No reaction.
    None,
    /// It passes soon: no Event.
    Patience,
    /// It may pass, and an Event is published.
    Told,
    /// A person has to change something: the resource is stalled.
    Somebody,
}

/// Whether the reason is of a swap under way, which ends within seconds.
pub(crate) fn is_taking_over(reason: &str) -> bool {
    [SWAPPING, STARTING].contains(&reason)
}

/// The urgency of a reason of an algorithm; `None` for other reasons. `is_coming`: the algorithm has not answered yet,
/// so that an unreachable server is expected.
pub(crate) fn urgency(code: &str, is_coming: bool) -> Option<Urgency> {
    match code {
        code if is_taking_over(code) => Some(Urgency::Patience),
        "BackendUnreachable" if is_coming => Some(Urgency::Patience),
        code if PASSING.contains(&code) => Some(Urgency::Told),
        code if LASTING.contains(&code) => Some(Urgency::Somebody),
        _ => None,
    }
}
