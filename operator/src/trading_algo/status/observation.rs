//! Observations of one pass over a `TradingAlgo`, from which its status is derived.

use intuition_resources::{Ledger, validate::FieldError};

use crate::{
    kubernetes::apply_error::ApplyFailure,
    trading_algo::{ask::RuntimeReport, plan::Plan, trading_state::RequestedState},
    workload::{
        pages::{Missing, Readiness},
        pod_call::AskError,
        pod_state::PodState,
    },
};

/// The outcome of one pass, from which the status is derived.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The spec cannot be parsed by this release.
    Unreadable(&'a str, Lasting<'a>),
    /// The spec violates the schema or a rule.
    Refused(&'a [FieldError], Lasting<'a>),
    /// Nothing was created: the named algorithm cannot be used, for this reason.
    WithoutAlgorithm(&'a str),
    /// The children were applied, except for `Observation::failure`, and observed.
    Observed(&'a Observation<'a>),
}

/// The parts of a resource that take effect although its spec is not accepted: the trading state and the running pods.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lasting<'a> {
    /// Its generation.
    pub generation: i64,
    /// The trading state.
    pub trading: &'a RequestedState,
    /// The pods; `None` if nothing was created.
    pub pods: Option<&'a Pods>,
}

/// Runtime and bridge: the state of their pods and their answers.
#[derive(Debug)]
pub(crate) struct Pods {
    /// The runtime's pod, and its answers if it runs.
    pub runtime: (PodState, Option<RuntimeReport>),
    /// The bridge's pod, and its `/readyz` if it runs.
    pub bridge: (PodState, Option<Result<Readiness, AskError>>),
}

impl Pods {
    /// The runtime's answers, if it runs.
    pub(crate) fn report(&self) -> Option<&RuntimeReport> {
        self.runtime.1.as_ref()
    }

    /// The warnings of runtime and bridge. A process that does not answer has none.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &Missing> {
        let of_runtime = self.report().map(|report| &report.warnings);
        let of_bridge = self.bridge.1.as_ref().and_then(|page| page.as_ref().ok()).map(|page| &page.warnings);
        of_runtime.into_iter().chain(of_bridge).flatten()
    }
}

/// The observation of one pass.
#[derive(Debug)]
pub(crate) struct Observation<'a> {
    /// The plan of the resource.
    pub plan: &'a Plan,
    /// The worst apply error.
    pub failure: Option<ApplyFailure>,
    /// The ledger's claim.
    pub ledger: LedgerState,
    /// Runtime and bridge.
    pub pods: Pods,
}

/// The ledger's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LedgerState {
    /// The claim could not be created or fetched.
    Unknown,
    /// The claim exists.
    There(Ledger),
    /// The claim is being deleted, once its pod is gone.
    Going(Ledger),
    /// The claim existed and does not exist any more.
    Lost(Ledger),
}
