//! Warnings of the `/readyz` of runtime and bridge. A process works and is ready while it has one, and the condition of the part
//! shows it.

use intuition_api::part;

use crate::{
    reconcile::{
        condition_type,
        conditions::EventRecord,
        finding::{Finding, Truth},
        reason::{self, HEALTHY, LEDGER_WENT_BACK, Urgency},
    },
    workload::pages::Missing,
};

/// How the operator shows a warning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Severity {
    /// It lasts until its cause is removed: the condition is false, with an Event an hour.
    Fault,
    /// It has happened and is over, or a fault will follow: the condition is true with this reason, with an Event.
    Incident,
    /// The broker is so: the condition is true with this reason.
    Limit,
}

/// The severity of a reason. A reason of a later release is a limit.
fn severity(reason: &str) -> Severity {
    match reason {
        reason::UNDELIVERABLE | reason::QOS_TOO_LOW | reason::OVERLAP_UNRESOLVED | reason::LEDGER_DAMAGED => {
            Severity::Fault
        }
        reason::SESSION_LOST | reason::NEARLY_FULL | LEDGER_WENT_BACK => Severity::Incident,
        _ => Severity::Limit,
    }
}

/// The condition of a part of a runtime or bridge.
fn condition_of(part: &str) -> Option<&'static str> {
    match part {
        part::bridge::SUBSCRIPTIONS | part::bridge::BROKER => Some(condition_type::INPUTS_HEALTHY),
        part::bridge::PUBLISHING | part::bridge::PUBLISHER => Some(condition_type::OUTPUTS_HEALTHY),
        part::bridge::RUNTIME | part::runtime::LEDGER => Some(condition_type::LEDGER_HEALTHY),
        _ => None,
    }
}

/// A condition's finding with the warnings that belong to it. A false finding keeps its reason, and every message is kept.
pub(crate) fn add<'a>(mut finding: Finding, warnings: impl Iterator<Item = &'a Missing>, kind: &str) -> Finding {
    for warning in warnings.filter(|warning| condition_of(&warning.part) == Some(kind)) {
        let Missing { reason, message, .. } = warning;
        let is_healthy = finding.truth == Truth::True && finding.reason == HEALTHY;
        let told = if is_healthy { String::new() } else { format!(". {}", finding.message) };
        // A fault is known also where the runtime's part of the finding is not.
        if severity(reason) == Severity::Fault && finding.truth != Truth::False {
            finding = Finding::lacking(reason, finding.message, Urgency::None);
        } else if is_healthy {
            reason.clone_into(&mut finding.reason);
        }
        finding.message = format!("{reason}: {message}{told}");
    }
    finding
}

/// Their Events, each at most once an hour.
pub(crate) fn notices<'a>(warnings: impl Iterator<Item = &'a Missing>) -> Vec<EventRecord> {
    let told = warnings.filter(|warning| condition_of(&warning.part).is_some());
    let told = told.filter(|warning| severity(&warning.reason) != Severity::Limit);
    told.map(|warning| EventRecord::hourly(&warning.reason, &warning.message, "")).collect()
}
