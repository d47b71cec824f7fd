//! Observations of one pass over an account, from which its status is derived.

use intuition_resources::Ledger;

use crate::{
    account::{ask::RuntimeReport, plan::Plan},
    kubernetes::apply_error::ApplyFailure,
    workload::{
        pages::{Missing, Readiness},
        pod_call::AskError,
        pod_state::PodState,
    },
};

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
