//! The status of a `TradingAlgo`, derived from the observation of one pass. Pure: the time is an argument, and there is
//! no I/O.

mod account;
pub(crate) mod outcome;
mod summary;
mod trading;

use intuition_resources::TradingAlgoStatus;
use k8s_openapi::jiff::Timestamp;

use self::{
    outcome::{Lasting, Outcome},
    summary::Summary,
    trading::Traded,
};
use crate::{
    account::{
        plan::Plan,
        status::{inputs, ledger, observation::Pods, warnings},
    },
    reconcile::{condition_type, conditions, derived::Derived, rollout::Rollout, topics},
};

/// The status that follows `previous`, for this generation of the resource.
pub(crate) fn derive(
    previous: Option<&TradingAlgoStatus>,
    generation: i64,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> Derived {
    let before = previous.cloned().unwrap_or_default();
    let mut hourly = Vec::new();
    let (findings, pods) = match outcome {
        Outcome::Unreadable(error, lasting) => (Summary::unreadable(error, lasting, &before), lasting.pods),
        Outcome::Refused(problems, lasting) => (Summary::refused(problems, lasting, &before), lasting.pods),
        Outcome::WithoutAlgorithm(why) => (Summary::without_algorithm(why), None),
        Outcome::Observed(observation) => {
            let Plan { resets, source_problems, .. } = observation.plan;
            let (inputs, notices) = inputs::inputs(&observation.pods, resets, source_problems);
            hourly = notices;
            hourly.extend(topics::notice(&observation.plan.warnings));
            (Summary::observed(observation, inputs, &before), Some(&observation.pods))
        }
    };
    let (conditions, mut notices) = conditions::next(&before.conditions, &findings.all(), generation, now);
    notices.extend(hourly);
    if let Some(pods) = pods {
        // The account's Event names both ledgers, and is published instead of the bridge's under the same key.
        notices.extend(pods.report().and_then(|report| ledger::went_back(account::ledger_id(&before), report)));
        notices.extend(warnings::notices(pods.warnings()));
    }
    let mut status = TradingAlgoStatus {
        conditions,
        observed_generation: Some(generation),
        trading: Some(findings.trading_status().clone()),
        ..before
    };
    if let Outcome::Observed(observation) = outcome {
        status.ledger = ledger::claim(&observation.ledger).or(status.ledger);
    }
    if let Some(report) = pods.and_then(Pods::report) {
        account::take(&mut status, report);
    }
    Derived { status, events: notices, rollout: findings.pace() }
}

/// The status that follows `previous` with another trading state and no other change, for a pass that failed.
pub(crate) fn derive_trading(previous: Option<&TradingAlgoStatus>, lasting: &Lasting<'_>, now: Timestamp) -> Derived {
    let mut status = previous.cloned().unwrap_or_default();
    let traded = Traded::of(lasting.trading, lasting.pods.and_then(Pods::report), lasting.generation);
    let findings = [(condition_type::TRADING, traded.finding)];
    let (next, notices) = conditions::next(&status.conditions, &findings, lasting.generation, now);
    for condition in next {
        match status.conditions.iter_mut().find(|known| known.type_ == condition.type_) {
            Some(known) => *known = condition,
            None => status.conditions.push(condition),
        }
    }
    status.trading = Some(traded.status);
    Derived { status, events: notices, rollout: Rollout::Progressing }
}

#[cfg(test)]
mod tests;
