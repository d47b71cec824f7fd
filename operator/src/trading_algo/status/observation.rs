//! Observations of one pass over a `TradingAlgo`, from which its status is derived.

use intuition_resources::{Ledger, validate::Problem};

use crate::{
    kubernetes::apply_error::ApplyFailure,
    trading_algo::{
        ask::{Missing, Readiness, RuntimeReport, call::AskError},
        plan::Plan,
        trading_state::Wanted,
    },
    workload::pod_state::PodState,
};

/// What came of one look at a resource.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The API server holds what this release cannot read.
    Unreadable(&'a str, Lasting<'a>),
    /// The spec is refused.
    Refused(&'a [Problem], Lasting<'a>),
    /// Nothing was made: the algorithm that it names cannot be used, for this reason.
    WithoutAlgorithm(&'a str),
    /// Everything was applied, but for `Observation::failure`, and looked at.
    Seen(&'a Observation<'a>),
}

/// The parts of a resource that count although its spec is not accepted: the trading state, and the running pods.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lasting<'a> {
    /// Its generation.
    pub generation: i64,
    /// The trading state.
    pub trading: &'a Wanted,
    /// The pods; `None`: nothing was made.
    pub pods: Option<&'a Pods>,
}

/// Runtime and bridge, as the cluster shows them and as they answered.
#[derive(Debug)]
pub(crate) struct Pods {
    /// The runtime's pod, and its answers where it runs.
    pub runtime: (PodState, Option<RuntimeReport>),
    /// The bridge's pod, and its `/readyz` where it runs.
    pub bridge: (PodState, Option<Result<Readiness, AskError>>),
}

impl Pods {
    /// The runtime's answers, where it runs.
    pub(crate) fn report(&self) -> Option<&RuntimeReport> {
        self.runtime.1.as_ref()
    }

    /// The warnings of the bridge; none where it does not answer.
    pub(crate) fn warnings(&self) -> &[Missing] {
        match &self.bridge.1 {
            Some(Ok(readiness)) => &readiness.warnings,
            Some(Err(_)) | None => &[],
        }
    }
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Observation<'a> {
    /// What the resource asks for.
    pub plan: &'a Plan,
    /// What could not be applied.
    pub failure: Option<ApplyFailure>,
    /// The ledger's claim.
    pub ledger: LedgerState,
    /// Runtime and bridge.
    pub pods: Pods,
}

/// The ledger's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LedgerState {
    /// It could not be made or looked for.
    Unknown,
    /// It is there.
    There(Ledger),
    /// It is there and goes with its pod.
    Going(Ledger),
    /// It was there and is gone.
    Lost(Ledger),
}
