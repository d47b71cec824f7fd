//! The status of an `Indicator`, derived from the observation of one pass. Pure: the time is an argument, and there is no I/O.

use intuition_api::v1::{AccountResponse, Counter};
use intuition_resources::{IndicatorStatus, validate::FieldError};
use k8s_openapi::jiff::Timestamp;

use crate::{
    account::status::{
        inputs, ledger,
        observation::{Observation, Pods},
        parts::Parts,
        warnings,
    },
    reconcile::{
        condition_type, conditions,
        derived::Derived,
        finding::{Finding, abnormal, rollout},
        reason::PUBLISHING,
        topics,
    },
};

/// The outcome of one pass, from which the status is derived.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The spec cannot be parsed by this release. The pods run with the previous spec.
    Unreadable(&'a str, Option<&'a Pods>),
    /// The spec violates the schema or a rule. The pods run with the previous spec.
    Refused(&'a [FieldError], Option<&'a Pods>),
    /// The children were applied, except for `Observation::failure`, and observed. With the source as text.
    Observed(&'a Observation<'a>, &'a str),
}

/// The status that follows `previous`, for this generation of the resource and its joined topic.
pub(crate) fn derive(
    previous: Option<&IndicatorStatus>,
    (generation, joined): (i64, &str),
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> Derived<IndicatorStatus> {
    let before = previous.cloned().unwrap_or_default();
    let mut hourly = Vec::new();
    let (parts, pods) = match outcome {
        Outcome::Unreadable(error, pods) => (Parts::unreadable(error, *pods, &before.conditions), *pods),
        Outcome::Refused(problems, pods) => (Parts::refused(problems, *pods, &before.conditions), *pods),
        Outcome::Observed(observation, _) => {
            let plan = observation.plan;
            let (inputs, notices) = inputs::inputs(&observation.pods, &plan.resets, &plan.source_problems);
            hourly = notices;
            hourly.extend(topics::notice(&plan.warnings));
            (Parts::observed(observation, inputs, &before.conditions), Some(&observation.pods))
        }
    };
    let (conditions, mut events) = conditions::next(&before.conditions, &findings(&parts), generation, now);
    events.extend(hourly);
    let report = pods.and_then(Pods::report);
    events.extend(report.and_then(|report| ledger::went_back(before.ledger_id.as_deref(), report)));
    events.extend(pods.into_iter().flat_map(|pods| warnings::notices(pods.warnings())));
    let mut status =
        IndicatorStatus { conditions, observed_generation: Some(generation), topic: Some(joined.to_owned()), ..before };
    if let Outcome::Observed(observation, from) = outcome {
        status.from = Some((*from).to_owned());
        status.ledger = ledger::claim(&observation.ledger).or(status.ledger);
    }
    if let Some(Ok(account)) = report.map(|report| &report.account) {
        take(&mut status, account);
    }
    Derived { status, events, rollout: rollout(parts.worst([])) }
}

/// Each condition type with its finding, in the order of the status.
fn findings(parts: &Parts) -> Vec<(&'static str, Finding)> {
    let mut all = parts.all();
    let fine = Finding::fine(PUBLISHING, "values and quotes are published on the joined topic");
    all.push((condition_type::READY, parts.ready(None, fine)));
    all.extend(abnormal(parts.worst([])));
    all
}

/// The account in the status. Without an answer it stays as it was.
fn take(status: &mut IndicatorStatus, account: &AccountResponse) {
    status.effective_generation = Some(account.effective_generation);
    status.ledger_id = Some(account.ledger_id.clone()).filter(|id| !id.is_empty());
    status.published = Some(published(account));
    status.missing = Some(number(counted(account, "gaps")));
}

/// Joined messages that the broker has. Unpublished entries of another kind count as if they were joined messages.
fn published(account: &AccountResponse) -> i64 {
    number(counted(account, "joined").saturating_sub(account.unpublished))
}

/// The counter of this name, of all reasons and channels together.
fn counted(account: &AccountResponse, name: &str) -> u64 {
    let is_it = |counter: &&Counter| counter.name == name && counter.reason.is_empty();
    account.counters.iter().find(is_it).map_or(0, |counter| counter.value)
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
