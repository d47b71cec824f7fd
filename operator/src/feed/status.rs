//! The status of a `Feed`, derived from the observation of one pass. Pure: the time is an argument, and there is no I/O.

mod findings;

use intuition_resources::{FeedStatus, validate::FieldError};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde::Deserialize;

use self::findings::Findings;
use crate::{
    feed::plan::Plan,
    kubernetes::apply_error::ApplyFailure,
    reconcile::{conditions, derived::Derived, finding::rollout},
    workload::{pages::Readiness, pod_call::AskError, pod_state::PodState},
};

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
    /// The state of the pod.
    pub pod: PodState,
    /// The pages of the process, if it runs.
    pub answers: Option<Answers>,
}

/// The pages of a process.
#[derive(Debug)]
pub(crate) struct Answers {
    /// Its `/readyz`.
    pub readiness: Result<Readiness, AskError>,
    /// Its `/status`; `None` if the page cannot be read.
    pub numbers: Option<Numbers>,
}

/// The page `/status` of a feed: numbers since the process started.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Numbers {
    /// Quotes that the broker has.
    pub published: i64,
    /// Gaps in the numbers of the source.
    pub gaps: i64,
    /// Numbers in these gaps.
    pub missing: i64,
    /// Rows of a table that came too late to be published.
    pub late_rows: i64,
    /// Connections to source and broker that ended or were not made.
    pub reconnects: i64,
    /// When the broker had the last quote, in seconds since 1970.
    pub last_quote_time: Option<i64>,
    /// Age of that quote then.
    pub lag_seconds: Option<f64>,
}

/// The status that follows `previous`, for this generation of the resource.
pub(crate) fn derive(
    previous: Option<&FeedStatus>,
    generation: i64,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> Derived<FeedStatus> {
    let before = previous.cloned().unwrap_or_default();
    let findings = Findings::of(outcome);
    let (conditions, mut events) = conditions::next(&before.conditions, &findings.all(), generation, now);
    events.extend(findings.notices);
    let mut status = FeedStatus { conditions, observed_generation: Some(generation), ..before };
    if let Outcome::Observed(observation) = outcome {
        take(&mut status, observation);
    }
    Derived { status, events, rollout: rollout(findings.worst.as_ref()) }
}

fn take(status: &mut FeedStatus, observation: &Observation<'_>) {
    status.source = Some(observation.plan.source.kind().to_owned());
    status.topic = Some(observation.plan.topic.clone());
    let Some(numbers) = observation.answers.as_ref().and_then(|answers| answers.numbers.as_ref()) else { return };
    status.published = Some(numbers.published);
    status.gaps = Some(numbers.gaps);
    status.missing = Some(numbers.missing);
    status.late_rows = Some(numbers.late_rows);
    status.reconnects = Some(numbers.reconnects);
    // A process that has just started has published nothing yet; the quote before was published all the same.
    if let Some(time) = numbers.last_quote_time.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        status.last_quote_time = Some(Time(time));
        status.lag = numbers.lag_seconds.map(|seconds| format!("{seconds:.3}s"));
    }
}

#[cfg(test)]
mod tests;
