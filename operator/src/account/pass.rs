//! A pass over an account: claim, build, apply, look and ask.

use std::time::Duration;

use intuition_resources::Ledger;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;

use crate::{
    account::{
        apply::{Applied, Cluster},
        ask::{Asker, call::Questions},
        build::{self, runtime::stored_settings},
        plan::{Plan, Stored},
        status::observation::{LedgerState, Observation, Pods},
        trading_state::RequestedState,
    },
    kubernetes::{
        apply_error::{ApplyError, ApplyFailure},
        owner::Owner,
    },
    names::Component,
    reconcile::{error::ReconcileError, requeue::RequeuePolicy},
    settings::Settings,
    workload::pod_state::PodState,
};

/// Passes over a stalled object are this many times rarer than over a settled one.
const STALLED_FACTOR: u32 = 3;

/// The delays between two passes over an account that nothing wakes.
pub(crate) fn delays(resync: Duration) -> RequeuePolicy {
    RequeuePolicy {
        settled: resync,
        degraded: resync,
        stalled: resync * STALLED_FACTOR,
        // The change that ends this wakes the controller: the pod becomes ready.
        polls_degraded: false,
    }
}

/// The accounts of one kind.
pub(crate) struct Accounts {
    /// Their children.
    pub(crate) cluster: Cluster,
    /// Calls their processes.
    pub(crate) asker: Asker,
}

impl Accounts {
    /// Applies the children of a plan, and observes them. The error of a write belongs into the status too.
    pub(crate) async fn carry_out<'a>(
        &self,
        plan: &'a Plan,
        settings: &Settings,
    ) -> Result<(Observation<'a>, Option<ApplyError>), ReconcileError> {
        let claim = self.cluster.claim(plan).await.map_err(ReconcileError::FindClaim)?;
        let desired = build::desired(plan, settings, claim.as_deref());
        let applied = self.cluster.apply(plan, &desired).await;
        let ledger = match plan.lost_claim(claim.as_deref()) {
            Some(lost) => LedgerState::Lost(lost.clone()),
            None => ledger_state(applied.claim.as_deref().or(claim.as_deref())),
        };
        let questions = Questions {
            owner: &plan.owner(),
            account: &plan.account(),
            generation: plan.generation,
            trading: &plan.trading,
            plan: Some(plan),
            stored: stored_settings(&plan.stored),
        };
        let pods = self.ask_pods(&questions, &applied).await;
        let failure = applied.error.as_ref().map(ApplyFailure::from);
        Ok((Observation { plan, failure, ledger, pods }, applied.error))
    }

    /// Sends the trading state alone to the running pods; `None` if nothing was deployed.
    pub(crate) async fn lasting_pods(
        &self,
        owner: &Owner,
        generation: i64,
        trading: &RequestedState,
        stored: &Stored,
    ) -> Option<Pods> {
        if !self.cluster.is_deployed(owner) {
            return None;
        }
        let account = self.cluster.kind().account(&owner.namespace, &owner.name);
        let stored = stored_settings(stored);
        let questions = Questions { owner, account: &account, generation, trading, plan: None, stored };
        Some(self.ask_pods(&questions, &Applied::default()).await)
    }

    /// Calls runtime and bridge if they run.
    async fn ask_pods(&self, questions: &Questions<'_>, applied: &Applied) -> Pods {
        let owner = questions.owner;
        let runtime = self.cluster.pod_state(owner, Component::Runtime, applied.runtime);
        let bridge = self.cluster.pod_state(owner, Component::Bridge, applied.bridge);
        let (report, readiness) = tokio::join!(
            async {
                match &runtime {
                    PodState::Running(running) => Some(self.asker.runtime(&running.ip, questions).await),
                    _ => None,
                }
            },
            async {
                match &bridge {
                    PodState::Running(running) => Some(self.asker.readiness(&running.ip).await),
                    _ => None,
                }
            }
        );
        Pods { runtime: (runtime, report), bridge: (bridge, readiness) }
    }
}

/// The state of the ledger's claim, as it was written or fetched.
fn ledger_state(claim: Option<&PersistentVolumeClaim>) -> LedgerState {
    let Some(claim) = claim else { return LedgerState::Unknown };
    let ledger = Ledger { claim_name: claim.name_any(), claim_uid: claim.uid().unwrap_or_default() };
    match claim.metadata.deletion_timestamp {
        Some(_) => LedgerState::Going(ledger),
        None => LedgerState::There(ledger),
    }
}
