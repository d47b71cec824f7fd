//! The status of an `Algorithm`, derived from the observation of one pass. Pure: the time is an argument, and there is
//! no I/O.

use intuition_api::describe::CONTRACT;
use intuition_resources::{AlgorithmStatus, MAX_IMAGES, MAX_USERS, RunningImage, validate::FieldError};
use k8s_openapi::jiff::Timestamp;

use super::{
    describe::{DescribeError, Described},
    plan::Plan,
    users::Users,
};
use crate::{
    kubernetes::apply_error::ApplyFailure,
    reconcile::{
        condition_type, conditions,
        derived::Derived,
        finding::{Finding, abnormal, rollout, worst},
        reason::{self, ROLLING_OUT, Urgency, urgency},
    },
    workload::{
        pod_finding::of_pod,
        pod_state::{Fleet, PodState},
    },
};

/// Name of the container, for people.
const CONTAINER: &str = "the image";

/// The outcome of one pass, from which the status is derived.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The spec cannot be parsed by this release.
    Unreadable(&'a str),
    /// The spec violates the schema or a rule.
    Refused(&'a [FieldError]),
    /// The children were applied, except for `Observation::failure`, and observed.
    Observed(&'a Observation<'a>),
}

/// The observation of one pass.
#[derive(Debug)]
pub(crate) struct Observation<'a> {
    /// The plan of the resource.
    pub plan: &'a Plan,
    /// The worst apply error.
    pub failure: Option<ApplyFailure>,
    /// The state of the image's pods; `None` if the algorithm runs elsewhere.
    pub fleet: Option<Fleet>,
    /// The answer to Describe; `None` if no pod was ready to be called.
    pub answer: Option<Result<Described, DescribeError>>,
    /// The running images, the plan's image first.
    pub images: Vec<RunningImage>,
}

/// The status that follows `previous`, for this generation of the resource.
pub(crate) fn derive(
    previous: Option<&AlgorithmStatus>,
    generation: i64,
    users: &Users,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> Derived<AlgorithmStatus> {
    let before = previous.cloned().unwrap_or_default();
    let mut findings = findings(outcome);
    let urgent: Vec<_> = findings.iter().map(|(_, finding)| finding.clone()).collect();
    let worst = worst(&urgent);
    let rollout = rollout(worst);
    findings.extend(abnormal(worst));
    let (conditions, notices) = conditions::next(&before.conditions, &findings, generation, now);
    let mut status = AlgorithmStatus { conditions, observed_generation: Some(generation), ..before };
    status.used_by = i64::try_from(users.referring.len()).unwrap_or(i64::MAX);
    status.users = users.referring.iter().take(MAX_USERS).cloned().collect();
    match outcome {
        Outcome::Observed(observation) => take(&mut status, observation),
        Outcome::Unreadable(_) | Outcome::Refused(_) => status.healthy = false,
    }
    Derived { status, events: notices, rollout }
}

fn findings(outcome: &Outcome<'_>) -> Vec<(&'static str, Finding)> {
    let (accepted, ready) = match outcome {
        Outcome::Unreadable(error) => (Finding::unreadable(error), Finding::unreadable(error)),
        Outcome::Refused(problems) => (Finding::refused(problems), Finding::refused(problems)),
        Outcome::Observed(observation) => (Finding::accepted(), ready(observation)),
    };
    vec![(condition_type::ACCEPTED, accepted), (condition_type::READY, ready)]
}

/// The finding for `Ready`. Causes come before their consequences: apply errors, pods, the answer.
fn ready(observation: &Observation<'_>) -> Finding {
    if let Some(trouble) = &observation.failure {
        return Finding::from(trouble);
    }
    let lacking = observation.fleet.as_ref().and_then(|fleet| fleet.lacking.as_ref());
    let image = observation.plan.image.as_ref().map_or(CONTAINER, |image| image.image.as_str());
    match (lacking, &observation.answer) {
        (Some(PodState::RollingOut | PodState::Starting | PodState::Running(_)), _) => {
            let ready = observation.fleet.as_ref().map(|fleet| fleet.ready).unwrap_or_default();
            let wanted = observation.plan.image.as_ref().map_or(1, |image| image.replicas);
            let message = format!("{image}: its pods are being made, {ready} of {wanted} are ready");
            Finding::lacking(ROLLING_OUT, message, Urgency::Wait)
        }
        (Some(state), _) => of_pod(state, image),
        (None, Some(Ok(described))) => {
            let version = if described.version.is_empty() { "" } else { " " };
            Finding::fine(reason::ANSWERING, format!("{}{version}{} answers", described.name, described.version))
        }
        (None, Some(Err(error))) => {
            let urgency = urgency(error.reason(), false).unwrap_or(Urgency::Notify);
            Finding::lacking(error.reason(), format!("{}: {error}", observation.plan.url), urgency)
        }
        (None, None) => Finding::unknown(reason::WAITING, "it was not asked yet"),
    }
}

fn take(status: &mut AlgorithmStatus, observation: &Observation<'_>) {
    let is_elsewhere = status.address.as_ref() != Some(&observation.plan.url);
    if is_elsewhere {
        // A description from another address does not apply to this one.
        *status = AlgorithmStatus {
            conditions: std::mem::take(&mut status.conditions),
            observed_generation: status.observed_generation,
            used_by: status.used_by,
            users: std::mem::take(&mut status.users),
            address: Some(observation.plan.url.clone()),
            ..AlgorithmStatus::default()
        };
    }
    status.healthy = matches!(observation.answer, Some(Ok(_)));
    status.images = observation.images.iter().take(MAX_IMAGES).cloned().collect();
    if let Some(Ok(described)) = &observation.answer {
        status.algorithm = Some(described.name.clone());
        status.version = (!described.version.is_empty()).then(|| described.version.clone());
        status.contract = Some(CONTRACT.to_owned());
        status.parameters_schema.clone_from(&described.schema);
        status.channels.clone_from(&described.channels);
    }
}

#[cfg(test)]
mod tests;
