//! The findings about the parts of an account, for every kind of account. They give all conditions but those that the kind adds,
//! and the summary: `Ready`, `Reconciling`, `Stalled`.

use std::collections::BTreeMap;

use intuition_resources::{Ledger, validate::FieldError};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    configured::{self, Meanwhile},
    health, inputs, processes,
};
use crate::{
    account::{
        plan::AlgorithmRef,
        status::observation::{LedgerState, Observation, Pods},
    },
    names::annotation,
    reconcile::{
        condition_type,
        finding::{Finding, Truth, worst},
        reason::{self, ALGORITHM_NOT_FOUND, Urgency},
        topics,
    },
};

/// The findings about the parts of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    accepted: Finding,
    configured: Finding,
    /// The active algorithm while the requested one has not taken over.
    meanwhile: Option<Meanwhile>,
    runtime: Finding,
    bridge: Finding,
    /// `Ready` and the rollout do not depend on it: accepted quotes are decided.
    inputs: Finding,
    /// As for the inputs: `bridge` has the same missing parts, with their urgency.
    outputs: Finding,
    /// As for the outputs, with `runtime`.
    ledger: Finding,
    /// The worst apply error.
    trouble: Option<Finding>,
}

impl Parts {
    /// The spec cannot be parsed. `pods`: those that run; `before`: the conditions that were written last.
    pub(crate) fn unreadable(error: &str, pods: Option<&Pods>, before: &[Condition]) -> Self {
        Self::not_accepted(Finding::unreadable(error), pods, before)
    }

    /// The spec violates a rule.
    pub(crate) fn refused(problems: &[FieldError], pods: Option<&Pods>, before: &[Condition]) -> Self {
        Self::not_accepted(Finding::refused(problems), pods, before)
    }

    /// The pods go on with the previous spec.
    fn not_accepted(accepted: Finding, pods: Option<&Pods>, before: &[Condition]) -> Self {
        let configured =
            Finding::unknown(reason::NOT_ACCEPTED, "the settings of a spec that is not accepted are not put in force");
        let Some(pods) = pods else { return Self::unseen(accepted, configured, before) };
        let runtime = processes::runtime(pods, false);
        let bridge = processes::bridge(pods, runtime.truth == Truth::True);
        let (inputs, _) = inputs::inputs(pods, &Ok(Vec::new()), &[]);
        Self {
            accepted,
            configured,
            meanwhile: None,
            inputs,
            outputs: health::outputs(pods),
            ledger: health::ledger(&LedgerState::Unknown, pods, &runtime),
            runtime,
            bridge,
            trouble: None,
        }
    }

    /// No pod was observed: nothing was created, or a right is missing.
    fn unseen(accepted: Finding, configured: Finding, before: &[Condition]) -> Self {
        let known: BTreeMap<_, _> = before.iter().map(|condition| (condition.type_.as_str(), condition)).collect();
        let again = |kind: &str| match known.get(kind) {
            Some(condition) => Finding::again(condition, Urgency::None),
            None => Finding::unknown(reason::NOT_ACCEPTED, "nothing was made for a spec that is not accepted"),
        };
        Self {
            accepted,
            configured,
            meanwhile: None,
            runtime: again(condition_type::RUNTIME_READY),
            bridge: again(condition_type::BRIDGE_CONNECTED),
            inputs: again(condition_type::INPUTS_HEALTHY),
            outputs: again(condition_type::OUTPUTS_HEALTHY),
            ledger: again(condition_type::LEDGER_HEALTHY),
            trouble: None,
        }
    }

    /// Nothing was created, because the algorithm does not exist.
    pub(crate) fn without_algorithm(why: &str) -> Self {
        let lacking = Finding::lacking(
            ALGORITHM_NOT_FOUND,
            format!("{why}: nothing is started until it is there"),
            Urgency::Notify,
        );
        Self {
            accepted: Finding::accepted(),
            configured: lacking.clone(),
            meanwhile: None,
            runtime: lacking.clone(),
            inputs: Finding::unknown(ALGORITHM_NOT_FOUND, &lacking.message),
            outputs: unneeded(ALGORITHM_NOT_FOUND, &lacking.message),
            ledger: unneeded(ALGORITHM_NOT_FOUND, &lacking.message),
            bridge: lacking,
            trouble: None,
        }
    }

    /// `inputs`: the finding for `InputsHealthy`.
    pub(crate) fn observed(observation: &Observation<'_>, inputs: Finding, before: &[Condition]) -> Self {
        let trouble = observation.failure.as_ref().map(Finding::from);
        let is_coming =
            matches!(observation.plan.live_settings.algorithm, AlgorithmRef::Served { is_coming: true, .. });
        let runtime = processes::runtime(&observation.pods, is_coming);
        let bridge = processes::bridge(&observation.pods, runtime.truth == Truth::True);
        let (configured, meanwhile) = configured::configured(observation, before);
        let runtime = runtime_finding(observation, runtime, trouble.as_ref());
        Self {
            accepted: topics::accepted(&observation.plan.warnings),
            configured,
            meanwhile,
            bridge: because(bridge, trouble.as_ref()),
            inputs,
            outputs: health::outputs(&observation.pods),
            ledger: health::ledger(&observation.ledger, &observation.pods, &runtime),
            runtime,
            trouble,
        }
    }

    /// Each condition type with its finding, in the order of the status.
    pub(crate) fn all(&self) -> Vec<(&'static str, Finding)> {
        vec![
            (condition_type::ACCEPTED, self.accepted.clone()),
            (condition_type::CONFIGURED, self.configured.clone()),
            (condition_type::RUNTIME_READY, self.runtime.clone()),
            (condition_type::BRIDGE_CONNECTED, self.bridge.clone()),
            (condition_type::INPUTS_HEALTHY, self.inputs.clone()),
            (condition_type::OUTPUTS_HEALTHY, self.outputs.clone()),
            (condition_type::LEDGER_HEALTHY, self.ledger.clone()),
        ]
    }

    /// The most urgent finding, also of those that the kind adds. Apply errors come before their consequences.
    pub(crate) fn worst<'a>(&'a self, of_kind: impl IntoIterator<Item = &'a Finding>) -> Option<&'a Finding> {
        worst(self.trouble.iter().chain(self.needed()).chain(of_kind))
    }

    fn needed(&self) -> [&Finding; 4] {
        [&self.accepted, &self.runtime, &self.configured, &self.bridge]
    }

    /// The finding for `Ready`. `of_kind`: a further finding that has to be true; `fine`: the finding without a problem.
    pub(crate) fn ready(&self, of_kind: Option<&Finding>, fine: Finding) -> Finding {
        // An apply error is about this generation, even while the previous one goes on.
        let lacks = |finding: &&Finding| {
            finding.truth != Truth::True && !(self.meanwhile.is_some() && **finding == self.configured)
        };
        if let Some(lacking) = self.trouble.iter().chain(self.needed()).chain(of_kind).find(lacks) {
            return Finding { truth: Truth::False, observed_generation: None, ..lacking.clone() };
        }
        match &self.meanwhile {
            None => fine,
            // True for the effective generation, so that `kubectl wait` for the present one goes on waiting.
            Some(Meanwhile { who, generation }) => Finding {
                message: format!("{} by {who}: {}", fine.message, self.configured.message),
                observed_generation: Some(*generation),
                ..fine
            },
        }
    }
}

/// An unknown finding that asks for no reaction.
pub(crate) fn unneeded(reason: &str, message: &str) -> Finding {
    Finding { urgency: Urgency::None, ..Finding::unknown(reason, message) }
}

/// The finding for `RuntimeReady`, after the ledger's claim and apply errors.
fn runtime_finding(observation: &Observation<'_>, runtime: Finding, trouble: Option<&Finding>) -> Finding {
    match &observation.ledger {
        LedgerState::Lost(ledger) => {
            Finding::lacking(reason::LEDGER_MISSING, lost(observation, ledger), Urgency::ActionRequired)
        }
        LedgerState::Going(ledger) if runtime.truth == Truth::True => Finding {
            reason: reason::LEDGER_BEING_DELETED.to_owned(),
            message: format!(
                "PersistentVolumeClaim {} is being deleted and goes with the runtime's pod: copy the ledger while it is \
                 there",
                ledger.claim_name
            ),
            urgency: Urgency::Notify,
            ..runtime
        },
        _ => because(runtime, trouble),
    }
}

/// Replaces the finding about a missing workload by the apply error that caused it.
fn because(finding: Finding, trouble: Option<&Finding>) -> Finding {
    match trouble {
        Some(trouble) if finding.reason == reason::ROLLING_OUT => trouble.clone(),
        _ => finding,
    }
}

fn lost(observation: &Observation<'_>, ledger: &Ledger) -> String {
    let plan = observation.plan;
    let (namespace, name, kind, short) = (&plan.namespace, &plan.name, plan.kind.name(), plan.kind.short_name());
    format!(
        "PersistentVolumeClaim {} with the ledger is gone. Restore it under this name with the labels of the other \
         objects of {kind} {name}; or begin with an empty ledger by: kubectl annotate --overwrite -n {namespace} \
         {short}/{name} {}={}",
        ledger.claim_name,
        annotation::NEW_LEDGER,
        ledger.claim_uid
    )
}
