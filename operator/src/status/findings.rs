//! What is found about each condition, before it becomes one.

use std::collections::BTreeMap;

use intuition_api::v1::Refusal;
use intuition_common::exit::with_causes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{LedgerState, Observation, Outlook, Progress, conditions::condition, workload};
use crate::{
    names::{Component, annotation},
    resource::{KIND, Ledger, TradingAlgoStatus},
    validate::Problem,
};

/// Reason of `Ready` while it trades.
pub(super) const TRADING: &str = "Trading";
/// Reason of `Ready` while trading is held.
const SUSPENDED: &str = "Suspended";
/// What Configure answers to another algorithm, which the pod is being rolled for.
const RESTART_NEEDED: &str = "RestartNeeded";

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Unknown,
}

/// What a finding asks of others, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Nothing.
    None,
    /// Patience.
    Patience,
    /// Patience, and somebody should know.
    Told,
    /// Somebody has to do something.
    Somebody,
}

/// What is found about one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) truth: Truth,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) urgency: Urgency,
    /// The generation that it speaks of, where that is not the present one.
    pub(super) observed_generation: Option<i64>,
}

impl Finding {
    pub(super) fn fine(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Truth::True, reason, message, Urgency::None)
    }

    pub(super) fn lacking(reason: &str, message: impl Into<String>, urgency: Urgency) -> Self {
        Self::new(Truth::False, reason, message, urgency)
    }

    fn unknown(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Truth::Unknown, reason, message, Urgency::Patience)
    }

    fn new(truth: Truth, reason: &str, message: impl Into<String>, urgency: Urgency) -> Self {
        Self { truth, reason: reason.to_owned(), message: message.into(), urgency, observed_generation: None }
    }

    /// As a condition said it before, of the generation that it spoke of.
    fn again(condition: &Condition, urgency: Urgency) -> Self {
        let truth = match condition.status.as_str() {
            "True" => Truth::True,
            "False" => Truth::False,
            _ => Truth::Unknown,
        };
        let observed_generation = condition.observed_generation;
        Self { observed_generation, ..Self::new(truth, &condition.reason, condition.message.clone(), urgency) }
    }
}

/// What is found about all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Findings {
    accepted: Finding,
    configured: Finding,
    runtime: Finding,
    bridge: Finding,
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
        Self::not_accepted(Finding::lacking("InvalidSpec", told.join("; "), Urgency::Somebody), before)
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
            runtime: again(condition::RUNTIME_READY),
            bridge: again(condition::BRIDGE_CONNECTED),
            trouble: None,
            suspended: false,
        }
    }

    pub(super) fn seen(seen: &Observation<'_>, before: &TradingAlgoStatus) -> Self {
        let trouble = seen.problem.as_ref().map(|trouble| {
            let urgency = match trouble.outlook {
                Outlook::Passes => Urgency::Patience,
                Outlook::Uncertain => Urgency::Told,
                Outlook::Stays => Urgency::Somebody,
            };
            Finding::lacking(trouble.reason, trouble.message.clone(), urgency)
        });
        let runtime = workload::runtime(seen);
        let bridge = workload::bridge(seen, runtime.truth == Truth::True);
        Self {
            accepted: Finding::fine("Accepted", "the spec can be used"),
            configured: configured(seen, before),
            runtime: runtime_finding(seen, runtime, trouble.as_ref()),
            bridge: because(bridge, trouble.as_ref()),
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
            (condition::READY, self.ready()),
        ];
        // Abnormal ones are there only while they are true, as kstatus reads them.
        let abnormal = match self.progress() {
            Progress::Settled => None,
            Progress::Moving | Progress::HeldUp => Some(condition::RECONCILING),
            Progress::Stalled => Some(condition::STALLED),
        };
        if let (Some(kind), Some(worst)) = (abnormal, self.worst()) {
            all.push((kind, Finding { truth: Truth::True, ..worst.clone() }));
        }
        all
    }

    pub(super) fn progress(&self) -> Progress {
        match self.worst().map(|finding| finding.urgency) {
            None => Progress::Settled,
            Some(Urgency::Somebody) => Progress::Stalled,
            Some(Urgency::Told) => Progress::HeldUp,
            Some(_) => Progress::Moving,
        }
    }

    /// The first of the most urgent findings, what could not be applied before its consequences.
    fn worst(&self) -> Option<&Finding> {
        let mut worst = None;
        for finding in self.trouble.iter().chain(self.parts()) {
            let is_worse = worst.is_none_or(|known: &Finding| known.urgency < finding.urgency);
            if finding.urgency > Urgency::None && is_worse {
                worst = Some(finding);
            }
        }
        worst
    }

    fn parts(&self) -> [&Finding; 4] {
        [&self.accepted, &self.runtime, &self.configured, &self.bridge]
    }

    fn ready(&self) -> Finding {
        // What could not be applied is of this generation, also where the one before goes on trading.
        match self.trouble.iter().chain(self.parts()).find(|finding| finding.truth != Truth::True) {
            Some(lacking) => Finding { truth: Truth::False, observed_generation: None, ..lacking.clone() },
            None if self.suspended => {
                Finding::fine(SUSPENDED, "suspended: quotes reach the algorithm, every signal is denied")
            }
            None => Finding::fine(TRADING, "quotes are being decided"),
        }
    }
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

/// Whether the settings of this generation are in force.
fn configured(seen: &Observation<'_>, before: &TradingAlgoStatus) -> Finding {
    let generation = seen.plan.generation;
    let report = seen.runtime.1.as_ref();
    let refusals = report.and_then(|report| report.configured.as_ref()?.as_ref().ok()).map(|answer| &answer.refusals);
    if let Some(first) = refusals.and_then(|refusals| refusals.first()) {
        let tell = |refusal: &Refusal| match refusal.field.as_str() {
            "" => refusal.message.clone(),
            field => format!("{field}: {}", refusal.message),
        };
        let told: Vec<_> = refusals.into_iter().flatten().map(tell).collect();
        let rolling = first.reason == RESTART_NEEDED;
        let urgency = if rolling { Urgency::Patience } else { Urgency::Somebody };
        return Finding::lacking(&first.reason, told.join("; "), urgency);
    }
    if let Some(Err(error)) = report.and_then(|report| report.configured.as_ref()) {
        return Finding::unknown("ConfigureFailed", with_causes(error));
    }
    match report.map(|report| &report.account) {
        Some(Ok(account)) if account.effective_generation == generation => {
            Finding::fine("InForce", "the settings of this generation are in force")
        }
        Some(Ok(account)) => Finding::unknown(
            "Waiting",
            format!("generation {} is in force, {generation} is not yet", account.effective_generation),
        ),
        // It said so before it went away, and nothing was changed since.
        _ => match before
            .conditions
            .iter()
            .find(|known| known.type_ == condition::CONFIGURED && known.observed_generation == Some(generation))
        {
            // The pod that was needed is being made.
            Some(known) if known.reason == RESTART_NEEDED => Finding::again(known, Urgency::Patience),
            Some(known) if known.status == "False" => Finding::again(known, Urgency::Somebody),
            Some(known) => Finding::again(known, Urgency::None),
            None => Finding::unknown("Waiting", format!("{} has not been asked yet", Component::Runtime.container())),
        },
    }
}
