//! Reasons of conditions, and the urgency of reasons of algorithms. Reasons of apply errors are in `kubernetes::apply_error`; runtimes
//! and bridges have further ones.

use intuition_api::reason::BACKEND_STARTING;
pub(crate) use intuition_api::{
    reason::{
        BACKEND_ERROR, BACKEND_FAILING, BACKEND_TIMEOUT, BACKEND_UNREACHABLE, CONTRACT_BROKEN, CONTRACT_UNSUPPORTED,
        LEDGER_DAMAGED, LEDGER_WENT_BACK, NEARLY_FULL, OVERLAP_UNRESOLVED, PARAMETERS_REFUSED, QOS_TOO_LOW,
        SESSION_LOST, STOPPED, SUBSCRIBING, TOPIC_NOT_ALLOWED, UNDELIVERABLE, UNREACHABLE,
    },
    refusal::SWAPPING,
};

/// The spec is refused, or cannot be parsed.
pub(crate) const NOT_ACCEPTED: &str = "NotAccepted";
/// The runtime has not confirmed a stop.
pub(crate) const NOT_CONFIRMED: &str = "NotConfirmed";
/// Quotes of a source go to the dead-letter topic again and again.
pub(crate) const SOURCE_CONFLICT: &str = "SourceConflict";
/// A feed or an indicator that the quotes come from does not exist, or cannot be used.
pub(crate) const SOURCE_MISSING: &str = "SourceMissing";
/// The quotes of an indicator come by another topic too, and each is decided twice.
pub(crate) const QUOTES_TWICE: &str = "QuotesTwice";
/// An input or a feed has brought no quote for its `staleAfter`.
pub(crate) const STALE: &str = "Stale";
/// The annotation with resets cannot be parsed.
pub(crate) const RESET_INVALID: &str = "ResetInvalid";
/// The runtime refused a reset.
pub(crate) const RESET_REFUSED: &str = "ResetRefused";
/// The spec cannot be parsed by this release.
pub(crate) const UNREADABLE: &str = "Unreadable";
/// The account cannot be read from the runtime.
pub(crate) const ACCOUNT_UNREAD: &str = "AccountUnread";
/// The bridge does not answer.
pub(crate) const BRIDGE_UNREAD: &str = "BridgeUnread";
/// The runtime does not answer.
pub(crate) const RUNTIME_UNREAD: &str = "RuntimeUnread";
/// The algorithm answers Describe.
pub(crate) const ANSWERING: &str = "Answering";
/// No answer yet.
pub(crate) const WAITING: &str = "Waiting";
/// The bridge cannot reach the broker.
pub(crate) const BROKER_UNREACHABLE: &str = "BrokerUnreachable";
/// The bridge cannot reach the runtime.
pub(crate) const RUNTIME_UNREACHABLE: &str = "RuntimeUnreachable";
/// The call of Configure failed.
pub(crate) const CONFIGURE_FAILED: &str = "ConfigureFailed";
/// The bridge is connected and subscribed, or the feed to broker and source.
pub(crate) const CONNECTED: &str = "Connected";
/// The last quote of a feed is not older than allowed.
pub(crate) const FRESH: &str = "Fresh";
/// A feed publishes quotes, or an indicator its values.
pub(crate) const PUBLISHING: &str = "Publishing";
/// A feed publishes nothing, as its resource asks for.
pub(crate) const SUSPENDED: &str = "Suspended";
/// The feed does not answer.
pub(crate) const FEED_UNREAD: &str = "FeedUnread";
/// The source of a feed has given its last quote.
pub(crate) const SOURCE_ENDED: &str = "SourceEnded";
/// Rows that a feed has published were changed.
pub(crate) const SOURCE_CHANGED: &str = "SourceChanged";
/// The runtime decides quotes.
pub(crate) const SERVING: &str = "Serving";
/// The container cannot be created.
pub(crate) const CONTAINER_FAILED: &str = "ContainerFailed";
/// The process ended and is restarted.
pub(crate) const CRASH_LOOPING: &str = "CrashLooping";
/// The image cannot be pulled.
pub(crate) const IMAGE_PULL_FAILED: &str = "ImagePullFailed";
/// The node does not answer.
pub(crate) const NODE_LOST: &str = "NodeLost";
/// The pod cannot be created, for example because of a quota.
pub(crate) const PODS_REFUSED: &str = "PodsRefused";
/// No node can run the pod.
pub(crate) const UNSCHEDULABLE: &str = "Unschedulable";
/// The settings of this generation have taken effect.
pub(crate) const IN_FORCE: &str = "InForce";
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
/// `Ready` of an account that buys and sells.
pub(crate) const TRADING: &str = "Trading";
/// Reasons of an algorithm that may pass without a change of the resource.
const PASSING: [&str; 4] = [ALGORITHM_NOT_FOUND, BACKEND_UNREACHABLE, BACKEND_TIMEOUT, BACKEND_ERROR];
/// Reasons of an algorithm that stay until a person changes something.
const LASTING: [&str; 4] = [CONTRACT_BROKEN, CONTRACT_UNSUPPORTED, PARAMETERS_REFUSED, BACKEND_FAILING];

/// The urgency of a finding, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// No reaction.
    None,
    /// It passes soon: no Event.
    Wait,
    /// It may pass, and an Event is published.
    Notify,
    /// A person has to change something: the resource is stalled.
    ActionRequired,
}

/// Whether the reason is of a swap under way, which ends within seconds.
pub(crate) fn is_taking_over(reason: &str) -> bool {
    [SWAPPING, BACKEND_STARTING].contains(&reason)
}

/// The urgency of a reason of an algorithm; `None` for other reasons. `is_coming`: the algorithm has not answered yet,
/// so that an unreachable server is expected.
pub(crate) fn urgency(code: &str, is_coming: bool) -> Option<Urgency> {
    match code {
        code if is_taking_over(code) => Some(Urgency::Wait),
        BACKEND_UNREACHABLE if is_coming => Some(Urgency::Wait),
        code if PASSING.contains(&code) => Some(Urgency::Notify),
        code if LASTING.contains(&code) => Some(Urgency::ActionRequired),
        _ => None,
    }
}
