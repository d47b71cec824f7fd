//! Findings: the state of one condition, before it is compared with the previous status.

use intuition_resources::validate::{FieldError, reason_of};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    kubernetes::apply_error::{ApplyFailure, Outlook},
    reconcile::{
        condition_type,
        reason::{self, Urgency, is_taking_over},
        rollout::Rollout,
    },
};

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

/// The finding for one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) truth: Truth,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) urgency: Urgency,
    /// The generation that the finding is about, if it is not the present one.
    pub(crate) observed_generation: Option<i64>,
}

impl Finding {
    /// The spec is accepted.
    pub(crate) fn accepted() -> Self {
        Self::fine("Accepted", "the spec can be used")
    }

    /// The spec cannot be parsed.
    pub(crate) fn unreadable(error: &str) -> Self {
        let message = format!("this release of the operator cannot read the resource: {error}");
        Self::lacking(reason::UNREADABLE, message, Urgency::ActionRequired)
    }

    /// The spec violates the schema or a rule.
    pub(crate) fn refused(problems: &[FieldError]) -> Self {
        let messages: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Self::lacking(reason_of(problems), messages.join("; "), Urgency::ActionRequired)
    }

    pub(crate) fn fine(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Truth::True, reason, message, Urgency::None)
    }

    pub(crate) fn lacking(reason: &str, message: impl Into<String>, urgency: Urgency) -> Self {
        Self::new(Truth::False, reason, message, urgency)
    }

    pub(crate) fn unknown(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Truth::Unknown, reason, message, Urgency::Wait)
    }

    fn new(truth: Truth, reason: &str, message: impl Into<String>, urgency: Urgency) -> Self {
        Self { truth, reason: reason.to_owned(), message: message.into(), urgency, observed_generation: None }
    }

    /// The finding of an earlier condition, with its generation.
    pub(crate) fn again(condition: &Condition, urgency: Urgency) -> Self {
        let truth = match condition.status.as_str() {
            "True" => Truth::True,
            "False" => Truth::False,
            _ => Truth::Unknown,
        };
        let observed_generation = condition.observed_generation;
        Self { observed_generation, ..Self::new(truth, &condition.reason, condition.message.clone(), urgency) }
    }
}

impl From<&ApplyFailure> for Finding {
    fn from(trouble: &ApplyFailure) -> Self {
        let urgency = match trouble.outlook {
            Outlook::Passes => Urgency::Wait,
            Outlook::Uncertain => Urgency::Notify,
            Outlook::Stays => Urgency::ActionRequired,
        };
        Self::lacking(trouble.reason, trouble.message.clone(), urgency)
    }
}

/// The first of the most urgent findings; `None` if none of them is urgent.
pub(crate) fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Option<&'a Finding> {
    let mut worst = None;
    for finding in findings {
        let is_worse = worst.is_none_or(|known: &Finding| known.urgency < finding.urgency);
        if finding.urgency > Urgency::None && is_worse {
            worst = Some(finding);
        }
    }
    worst
}

/// The rollout, from the worst finding.
pub(crate) fn rollout(worst: Option<&Finding>) -> Rollout {
    match worst {
        None => Rollout::Settled,
        Some(finding) => match finding.urgency {
            Urgency::ActionRequired => Rollout::Stalled,
            Urgency::Notify => Rollout::Degraded,
            Urgency::None | Urgency::Wait if is_taking_over(&finding.reason) => Rollout::Swapping,
            Urgency::None | Urgency::Wait => Rollout::Progressing,
        },
    }
}

/// The abnormal-true condition (kstatus) to set while the resource is not settled, with the worst finding.
pub(crate) fn abnormal(worst: Option<&Finding>) -> Option<(&'static str, Finding)> {
    let kind = match rollout(worst) {
        Rollout::Settled => return None,
        Rollout::Progressing | Rollout::Swapping | Rollout::Degraded => condition_type::RECONCILING,
        Rollout::Stalled => condition_type::STALLED,
    };
    worst.map(|worst| (kind, Finding { truth: Truth::True, ..worst.clone() }))
}
