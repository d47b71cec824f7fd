//! How far a resource is on its way to its spec.

/// How far a resource is on its way to its spec, in kstatus' terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollout {
    /// The cluster matches the spec.
    Settled,
    /// The change is on its way.
    Progressing,
    /// A candidate algorithm takes over. The next pass shows whether it did.
    Swapping,
    /// A problem that may pass holds the change up: an unreachable broker, a missing image.
    Degraded,
    /// Nothing changes until a person changes something.
    Stalled,
}
