//! The findings for the conditions of a `Feed`, and the Events about warnings of its process.

use super::{Observation, Outcome};
use crate::{
    names::FEED_PUBLISHER,
    reconcile::{
        condition_type,
        conditions::EventRecord,
        finding::{Finding, Truth, abnormal, worst},
        reason::{self, UNREACHABLE, Urgency},
        topics,
    },
    workload::{
        pages::{Missing, Readiness},
        pod_finding::{lacking, of_pod, silent, starting},
        pod_state::PodState,
    },
};

/// Parts on the `/readyz` of a feed, the causes before their consequences.
const BROKER: &str = "broker";
const POSITION: &str = "position";
const SOURCE: &str = "source";
const PUBLISHING: &str = "publishing";
/// The parts of `Connected`.
const CONNECTION: [&str; 3] = [BROKER, POSITION, SOURCE];
/// Reasons that last until a person changes the resource, or the file, table or Secret that it names.
const LASTING: [&str; 12] = [
    "ColumnUnusable",
    "ConnectionUnusable",
    "CursorUnusable",
    "ExchangeUnusable",
    "FileUnusable",
    "LoginRefused",
    "PositionUnreadable",
    "RowUnusable",
    reason::SOURCE_CHANGED,
    "SymbolRefused",
    "TableMissing",
    "TableUnusable",
];
/// Warnings that are the state of the world: no Event.
const QUIET: [&str; 2] = [reason::SOURCE_ENDED, "RetainNotSupported"];

/// The findings for all conditions.
pub(super) struct Findings {
    accepted: Finding,
    connected: Finding,
    fresh: Finding,
    ready: Finding,
    /// The most urgent one.
    pub(super) worst: Option<Finding>,
    /// Events about warnings, each at most once an hour.
    pub(super) notices: Vec<EventRecord>,
}

impl Findings {
    pub(super) fn of(outcome: &Outcome<'_>) -> Self {
        match outcome {
            Outcome::Unreadable(error) => Self::not_accepted(Finding::unreadable(error)),
            Outcome::Refused(problems) => Self::not_accepted(Finding::refused(problems)),
            Outcome::Observed(observation) => Self::observed(observation),
        }
    }

    /// The pod goes on with the previous spec.
    fn not_accepted(accepted: Finding) -> Self {
        let unseen =
            || none(reason::NOT_ACCEPTED, "the spec is not accepted, and the pod of an earlier one is not asked");
        Self {
            worst: Some(accepted.clone()),
            ready: accepted.clone(),
            accepted,
            connected: unseen(),
            fresh: unseen(),
            notices: Vec::new(),
        }
    }

    fn observed(observation: &Observation<'_>) -> Self {
        let plan = observation.plan;
        let accepted = topics::accepted(&plan.warnings);
        let mut notices: Vec<_> = topics::notice(&plan.warnings).into_iter().collect();
        let trouble = observation.failure.as_ref().map(Finding::from);
        if plan.is_suspended {
            let suspended = || none(reason::SUSPENDED, "nothing is published while spec.suspend is true");
            let ready = trouble.clone().unwrap_or_else(|| Finding { truth: Truth::False, ..suspended() });
            return Self { accepted, connected: suspended(), fresh: suspended(), ready, worst: trouble, notices };
        }
        let connected = because(connected(observation), trouble.as_ref());
        let page = page(observation);
        let (fresh, ready) = (fresh(observation, page), publishing(observation, page, &connected));
        notices.extend(page.into_iter().flat_map(|page| &page.warnings).filter_map(notice));
        let worst = worst(trouble.iter().chain([&accepted, &connected, &ready])).cloned();
        let ready = match trouble.or_else(|| Some(connected.clone()).filter(|connected| connected.truth != Truth::True))
        {
            Some(lacking) => Finding { truth: Truth::False, ..lacking },
            None => ready,
        };
        Self { accepted, connected, fresh, ready, worst, notices }
    }

    /// Each condition type with its finding, in the order of the status.
    pub(super) fn all(&self) -> Vec<(&'static str, Finding)> {
        let mut all = vec![
            (condition_type::ACCEPTED, self.accepted.clone()),
            (condition_type::CONNECTED, self.connected.clone()),
            (condition_type::FRESH, self.fresh.clone()),
            (condition_type::READY, self.ready.clone()),
        ];
        all.extend(abnormal(self.worst.as_ref()));
        all
    }
}

fn page<'a>(observation: &'a Observation<'_>) -> Option<&'a Readiness> {
    observation.answers.as_ref()?.readiness.as_ref().ok()
}

/// Whether broker and source answer.
fn connected(observation: &Observation<'_>) -> Finding {
    let running = match &observation.pod {
        PodState::Running(running) => running,
        other => return of_pod(other, FEED_PUBLISHER),
    };
    let Some(answers) = &observation.answers else { return starting(FEED_PUBLISHER) };
    let page = match &answers.readiness {
        Ok(page) => page,
        Err(error) => return silent(error, running, FEED_PUBLISHER),
    };
    let missing = missing(page, &CONNECTION);
    if missing.is_empty() {
        let fine = Finding::fine(reason::CONNECTED, "broker and source answer");
        return with_warnings(fine, page, &[BROKER, POSITION, SOURCE]);
    }
    let finding = lacking(&missing, &CONNECTION, reason_of);
    let urgency = if LASTING.contains(&finding.reason.as_str()) { Urgency::ActionRequired } else { finding.urgency };
    Finding { urgency, ..finding }
}

/// Whether the last quote is not older than `staleAfter`.
fn fresh(observation: &Observation<'_>, page: Option<&Readiness>) -> Finding {
    let Some(page) = page else {
        return none(reason::FEED_UNREAD, "the feed does not answer; Connected has the cause");
    };
    let stale = page.warnings.iter().find(|warning| warning.part == SOURCE && warning.reason == reason::STALE);
    match stale {
        Some(stale) => Finding::lacking(reason::STALE, &stale.message, Urgency::None),
        None if observation.plan.has_stale_after => {
            Finding::fine(reason::FRESH, "the last quote is not older than spec.staleAfter")
        }
        None => Finding::fine(reason::FRESH, "every age is allowed: there is no spec.staleAfter"),
    }
}

/// Whether the broker takes the quotes, where broker and source answer.
fn publishing(observation: &Observation<'_>, page: Option<&Readiness>, connected: &Finding) -> Finding {
    let (Some(page), Truth::True) = (page, connected.truth) else { return connected.clone() };
    let missing = missing(page, &[PUBLISHING]);
    if !missing.is_empty() {
        return lacking(&missing, &[PUBLISHING], reason_of);
    }
    let fine = Finding::fine(reason::PUBLISHING, format!("quotes are published on {}", observation.plan.topic));
    with_warnings(fine, page, &[PUBLISHING])
}

/// The parts among these that are missing.
fn missing(page: &Readiness, parts: &[&str]) -> Vec<Missing> {
    page.missing.iter().filter(|missing| parts.contains(&missing.part.as_str())).cloned().collect()
}

/// A true finding with the reason of the first warning about these parts, and the messages of all.
fn with_warnings(mut finding: Finding, page: &Readiness, parts: &[&str]) -> Finding {
    let about = |warning: &&Missing| parts.contains(&warning.part.as_str()) && warning.reason != reason::STALE;
    for (index, warning) in page.warnings.iter().filter(about).enumerate() {
        if index == 0 {
            finding.reason.clone_from(&warning.reason);
        }
        finding.message = format!("{}: {}. {}", warning.reason, warning.message, finding.message);
    }
    finding
}

fn notice(warning: &Missing) -> Option<EventRecord> {
    (!QUIET.contains(&warning.reason.as_str())).then(|| EventRecord::hourly(&warning.reason, &warning.message, ""))
}

/// The condition's reason for a missing part.
fn reason_of(missing: &Missing) -> &str {
    match (missing.part.as_str(), missing.reason.as_str()) {
        (BROKER, UNREACHABLE) => reason::BROKER_UNREACHABLE,
        (_, reason) => reason,
    }
}

/// Replaces the finding about a missing pod by the apply error that caused it.
fn because(finding: Finding, trouble: Option<&Finding>) -> Finding {
    match trouble {
        Some(trouble) if finding.reason == reason::ROLLING_OUT => trouble.clone(),
        _ => finding,
    }
}

fn none(reason: &str, message: &str) -> Finding {
    Finding { urgency: Urgency::None, ..Finding::unknown(reason, message) }
}
