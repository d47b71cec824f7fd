//! The derived status of one pass.

use intuition_resources::TradingAlgoStatus;

use crate::reconcile::{conditions::EventRecord, rollout::Rollout};

/// A status that is not written yet, its Events, and the rollout on which the next requeue depends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Derived<S = TradingAlgoStatus> {
    /// The whole status.
    pub status: S,
    /// Events to publish.
    pub events: Vec<EventRecord>,
    /// How far the resource is.
    pub rollout: Rollout,
}
