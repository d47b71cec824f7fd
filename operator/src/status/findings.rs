//! What is found about the conditions of a `TradingAlgo`, before they become some.

use std::collections::BTreeMap;

use super::{
    LedgerState, Observation, Progress,
    conditions::condition,
    configured::{self, ALGORITHM_NOT_FOUND, Meanwhile},
    finding::{Finding, Truth, Urgency, abnormal, progress, worst},
    workload,
};
use crate::{
    names::annotation,
    resource::{KIND, Ledger, TradingAlgoStatus},
    validate::{Problem, reason_of},
};

/// Reason of `Ready` while it trades.
pub(super) const TRADING: &str = "Trading";
/// Reason of `Ready` while trading is held.
pub(super) const SUSPENDED: &str = "Suspended";
/// What is found about all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Findings {
    accepted: Finding,
    configured: Finding,
    /// Who decides while another algorithm does not take over.
    meanwhile: Option<Meanwhile>,
    runtime: Finding,
    bridge: Finding,
    /// Neither `Ready` nor the progress depends on it: the quotes that are accepted are decided.
    inputs: Finding,
    /// What could not be applied.
    trouble: Option<Finding>,
    suspended: bool,
}

impl Findings {
    pub(super) fn unreadable(error: &str, before: &TradingAlgoStatus) -> Self {
        let message = format!("this release of the operator cannot read the resource: {error}");
        Self::not_accepted(Finding::lacking("Unreadable", message, Urgency::Somebody), before)
    }

    pub(super) fn refused(problems: &[Problem], before: &TradingAlgoStatus) -> Self {
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let reason = reason_of(problems);
        Self::not_accepted(Finding::lacking(reason, told.join("; "), Urgency::Somebody), before)
    }

    /// What runs, runs on under the spec before; nobody looked at it.
    fn not_accepted(accepted: Finding, before: &TradingAlgoStatus) -> Self {
        let known: BTreeMap<_, _> =
            before.conditions.iter().map(|condition| (condition.type_.as_str(), condition)).collect();
        let again = |kind: &str| match known.get(kind) {
            Some(condition) => Finding::again(condition, Urgency::None),
            None => Finding::unknown("NotAccepted", "nothing was made for a spec that is not accepted"),
        };
        let configured =
            Finding::unknown("NotAccepted", "the settings of a spec that is not accepted are not put in force");
        Self {
            accepted,
            configured,
            meanwhile: None,
            runtime: again(condition::RUNTIME_READY),
            bridge: again(condition::BRIDGE_CONNECTED),
            inputs: again(condition::INPUTS_HEALTHY),
            trouble: None,
            suspended: false,
        }
    }

    /// Nothing was made, for want of the algorithm.
    pub(super) fn without_algorithm(why: &str) -> Self {
        let lacking = Finding::lacking(
            ALGORITHM_NOT_FOUND,
            format!("{why}: nothing is started until it is there"),
            Urgency::Told,
        );
        Self {
            accepted: accepted(),
            configured: lacking.clone(),
            meanwhile: None,
            runtime: lacking.clone(),
            inputs: Finding::unknown(ALGORITHM_NOT_FOUND, &lacking.message),
            bridge: lacking,
            trouble: None,
            suspended: false,
        }
    }

    /// `inputs`: the finding about the quotes that come in.
    pub(super) fn seen(seen: &Observation<'_>, inputs: Finding, before: &TradingAlgoStatus) -> Self {
        let trouble = seen.problem.as_ref().map(Finding::from);
        let runtime = workload::runtime(seen);
        let bridge = workload::bridge(seen, runtime.truth == Truth::True);
        let (configured, meanwhile) = configured::configured(seen, before);
        Self {
            accepted: super::topics::accepted(seen.plan),
            configured,
            meanwhile,
            runtime: runtime_finding(seen, runtime, trouble.as_ref()),
            bridge: because(bridge, trouble.as_ref()),
            inputs,
            trouble,
            suspended: seen.plan.adjustable.suspend,
        }
    }

    /// Each condition's type with its finding, in the order in which they are shown.
    pub(super) fn all(&self) -> Vec<(&'static str, Finding)> {
        let mut all = vec![
            (condition::ACCEPTED, self.accepted.clone()),
            (condition::CONFIGURED, self.configured.clone()),
            (condition::RUNTIME_READY, self.runtime.clone()),
            (condition::BRIDGE_CONNECTED, self.bridge.clone()),
            (condition::INPUTS_HEALTHY, self.inputs.clone()),
            (condition::READY, self.ready()),
        ];
        // Abnormal ones are there only while they are true, as kstatus reads them.
        if let (Some(kind), Some(worst)) = (abnormal(self.progress()), self.worst()) {
            all.push((kind, Finding { truth: Truth::True, ..worst.clone() }));
        }
        all
    }

    pub(super) fn progress(&self) -> Progress {
        progress(self.worst())
    }

    /// What could not be applied comes before its consequences.
    fn worst(&self) -> Option<&Finding> {
        worst(self.trouble.iter().chain(self.parts()))
    }

    fn parts(&self) -> [&Finding; 4] {
        [&self.accepted, &self.runtime, &self.configured, &self.bridge]
    }

    fn ready(&self) -> Finding {
        // What could not be applied is of this generation, also where the one before goes on trading.
        let lacks = |finding: &&Finding| {
            finding.truth != Truth::True && !(self.meanwhile.is_some() && **finding == self.configured)
        };
        if let Some(lacking) = self.trouble.iter().chain(self.parts()).find(lacks) {
            return Finding { truth: Truth::False, observed_generation: None, ..lacking.clone() };
        }
        let fine = if self.suspended {
            Finding::fine(SUSPENDED, "suspended: quotes reach the algorithm, every signal is denied")
        } else {
            Finding::fine(TRADING, "quotes are being decided")
        };
        match &self.meanwhile {
            None => fine,
            // True of the generation that is in force, so that who waits for the present one waits on.
            Some(Meanwhile { who, generation }) => Finding {
                message: format!("{} by {who}: {}", fine.message, self.configured.message),
                observed_generation: Some(*generation),
                ..fine
            },
        }
    }
}

fn accepted() -> Finding {
    Finding::fine("Accepted", "the spec can be used")
}

/// What the ledger's claim and what could not be applied have to do with it.
fn runtime_finding(seen: &Observation<'_>, runtime: Finding, trouble: Option<&Finding>) -> Finding {
    match &seen.ledger {
        LedgerState::Lost(ledger) => Finding::lacking("LedgerMissing", lost(seen, ledger), Urgency::Somebody),
        LedgerState::Going(ledger) if runtime.truth == Truth::True => Finding {
            reason: "LedgerBeingDeleted".to_owned(),
            message: format!(
                "PersistentVolumeClaim {} is being deleted and goes with the runtime's pod: copy the ledger while it is \
                 there",
                ledger.claim_name
            ),
            urgency: Urgency::Told,
            ..runtime
        },
        _ => because(runtime, trouble),
    }
}

/// A workload that is not there is not there because of what could not be applied.
fn because(finding: Finding, trouble: Option<&Finding>) -> Finding {
    match trouble {
        Some(trouble) if finding.reason == workload::ROLLING_OUT => trouble.clone(),
        _ => finding,
    }
}

fn lost(seen: &Observation<'_>, ledger: &Ledger) -> String {
    let (namespace, name) = (&seen.plan.namespace, &seen.plan.name);
    format!(
        "PersistentVolumeClaim {} with the ledger is gone. Restore it under this name with the labels of the other \
         objects of {KIND} {name}; or begin with an empty ledger by: kubectl annotate --overwrite -n {namespace} ta/{name} \
         {}={}",
        ledger.claim_name,
        annotation::NEW_LEDGER,
        ledger.claim_uid
    )
}
