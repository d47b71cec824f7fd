//! The finding for `Configured`, and during a swap the algorithm that is still active.

use intuition_api::v1::{AccountResponse, Backend, Refusal};
use intuition_common::exit::with_causes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::capabilities;
use crate::{
    account::{plan::AlgorithmRef, status::observation::Observation},
    names::Component,
    reconcile::{
        condition_type,
        finding::Finding,
        reason::{self, ALGORITHM_NOT_FOUND, Urgency, urgency},
    },
};

/// The active algorithm while the requested one has not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meanwhile {
    /// Name for messages.
    pub(crate) who: String,
    /// The effective generation.
    pub(crate) generation: i64,
}

/// Returns the `Configured` finding and, during a swap, the algorithm that is still active.
pub(crate) fn configured(observation: &Observation<'_>, before: &[Condition]) -> (Finding, Option<Meanwhile>) {
    // Checked first: a swap leaves the resource ready, but pods that do not know a setting never apply it.
    if let Some(finding) = capabilities::lacking(observation, before) {
        return (finding, None);
    }
    let report = observation.pods.report();
    let account = report.and_then(|report| report.account.as_ref().ok());
    let meanwhile =
        || account.map(|account| Meanwhile { who: deciding(account), generation: account.effective_generation });
    let (is_coming, named) = match &observation.plan.live_settings.algorithm {
        AlgorithmRef::Missing(why) => (false, Some(why)),
        AlgorithmRef::Served { is_coming, .. } => (*is_coming, None),
        AlgorithmRef::Builtin(_) => (false, None),
    };
    if let Some(why) = named {
        return (Finding::lacking(ALGORITHM_NOT_FOUND, why.clone(), Urgency::Notify), meanwhile());
    }
    let answer = report.and_then(|report| report.configured.as_ref());
    if let Some(refusals) = answer.and_then(|answer| answer.as_ref().ok()).map(|answer| &answer.refusals)
        && let Some(finding) = refused(refusals, is_coming)
    {
        let is_swap =
            account.is_some_and(|account| account.candidate.is_some()) || urgency(&finding.reason, is_coming).is_some();
        return (finding, if is_swap { meanwhile() } else { None });
    }
    if let Some(Err(error)) = answer {
        return (Finding::unknown(reason::CONFIGURE_FAILED, with_causes(error)), None);
    }
    if let Some(candidate) = account.and_then(|account| account.candidate.as_ref()) {
        return (on_its_way(candidate, is_coming), meanwhile());
    }
    (in_force(observation, account, before), None)
}

/// The most urgent refusal, with the messages of all.
fn refused(refusals: &[Refusal], is_coming: bool) -> Option<Finding> {
    let of = |refusal: &Refusal| urgency(&refusal.reason, is_coming).unwrap_or(Urgency::ActionRequired);
    // The first one of equal urgency.
    let first = refusals.iter().rev().max_by_key(|refusal| of(refusal))?;
    let told: Vec<_> = refusals
        .iter()
        .map(|refusal| match refusal.field.as_str() {
            "" => refusal.message.clone(),
            field => format!("{field}: {}", refusal.message),
        })
        .collect();
    Some(Finding::lacking(&first.reason, told.join("; "), of(first)))
}

fn on_its_way(candidate: &Backend, is_coming: bool) -> Finding {
    match candidate.reason.as_str() {
        "" => Finding::lacking(reason::SWAPPING, format!("{} is about to take over", shown(candidate)), Urgency::Wait),
        reason => {
            let urgency = urgency(reason, is_coming).unwrap_or(Urgency::Notify);
            Finding::lacking(reason, candidate.message.clone(), urgency)
        }
    }
}

fn in_force(observation: &Observation<'_>, account: Option<&AccountResponse>, before: &[Condition]) -> Finding {
    let generation = observation.plan.generation;
    match account {
        Some(account) if account.effective_generation == generation => {
            Finding::fine(reason::IN_FORCE, "the settings of this generation are in force")
        }
        Some(account) => Finding::unknown(
            reason::WAITING,
            format!("generation {} is in force, {generation} is not yet", account.effective_generation),
        ),
        // The runtime does not answer. Its last answer for this generation still holds.
        None => {
            match before.iter().find(|known| {
                known.type_ == condition_type::CONFIGURED && known.observed_generation == Some(generation)
            }) {
                Some(known) if known.status == "False" && !may_have_passed(&known.reason) => {
                    Finding::again(known, urgency(&known.reason, false).unwrap_or(Urgency::ActionRequired))
                }
                Some(known) if known.status != "False" => Finding::again(known, Urgency::None),
                _ => Finding::unknown(
                    reason::WAITING,
                    format!("{} has not been asked yet", Component::Runtime.container()),
                ),
            }
        }
    }
}

/// Whether a reason can pass without a new generation: an `Algorithm` is created, an image is upgraded.
fn may_have_passed(reason: &str) -> bool {
    [ALGORITHM_NOT_FOUND, reason::RUNTIME_TOO_OLD].contains(&reason)
}

/// The active algorithm, for messages.
fn deciding(account: &AccountResponse) -> String {
    let backend = account.backend.clone().unwrap_or_default();
    let or = |said: String, before: &String| if said.is_empty() { before.clone() } else { said };
    shown(&Backend {
        name: or(backend.name, &account.algorithm),
        version: or(backend.version, &account.algorithm_version),
        ..backend
    })
}

fn shown(backend: &Backend) -> String {
    let words = [backend.name.as_str(), &backend.version];
    let mut text = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if !backend.address.is_empty() {
        let separator = if text.is_empty() { "the algorithm" } else { "" };
        text = format!("{text}{separator} at {}", backend.address);
    }
    text
}
