//! The findings for `OutputsHealthy` and `LedgerHealthy`. `Ready` does not depend on them: it depends on `BridgeConnected` and
//! `RuntimeReady`, which lack the same parts.

use super::{LedgerState, Pods, finding::Finding, finding::Urgency, workload};
use crate::ask::{AskError, Missing};

/// Reason of both while they are true.
const HEALTHY: &str = "Healthy";
/// The ledger's claim is gone.
pub(super) const LEDGER_MISSING: &str = "LedgerMissing";
/// The ledger's claim goes with the runtime's pod.
pub(super) const LEDGER_BEING_DELETED: &str = "LedgerBeingDeleted";
/// Parts of a bridge that publishing needs, the causes before their consequences.
const OUTPUTS: [&str; 2] = ["publisher", "publishing"];

/// Whether the broker takes decisions and dead letters.
pub(super) fn outputs(pods: &Pods) -> Finding {
    let lacks = pods.bridge.1.as_ref();
    of_parts(lacks, &OUTPUTS, "the broker takes decisions and dead letters")
        .unwrap_or_else(|| none("BridgeUnread", "the bridge does not answer; BridgeConnected has the cause"))
}

/// Whether the ledger is there and can be written. `runtime`: the finding for `RuntimeReady`, which has the message about
/// the claim.
pub(super) fn ledger(state: &LedgerState, pods: &Pods, runtime: &Finding) -> Finding {
    match state {
        LedgerState::Lost(_) => lacking(LEDGER_MISSING, &runtime.message),
        LedgerState::Going(held) => {
            let message = format!("PersistentVolumeClaim {} is being deleted", held.claim_name);
            lacking(LEDGER_BEING_DELETED, &message)
        }
        LedgerState::There(_) | LedgerState::Unknown => {
            let lacks = pods.report().map(|report| &report.missing);
            of_parts(lacks, &["ledger"], "it can be written")
                .unwrap_or_else(|| none("RuntimeUnread", "the runtime does not answer; RuntimeReady has the cause"))
        }
    }
}

/// A finding about some parts of a process; `None`: the process does not answer.
fn of_parts(lacks: Option<&Result<Vec<Missing>, AskError>>, parts: &[&str], fine: &str) -> Option<Finding> {
    let lacks = lacks?.as_ref().ok()?;
    let missing = parts.iter().find_map(|part| lacks.iter().find(|missing| missing.part == *part));
    Some(match missing {
        None => Finding::fine(HEALTHY, fine),
        Some(missing) => {
            let (reason, message) = (workload::reason(missing), format!("{}: {}", missing.part, missing.message));
            if workload::is_passing(reason) { none(reason, &message) } else { lacking(reason, &message) }
        }
    })
}

/// The finding about the whole process has the urgency.
fn lacking(reason: &str, message: &str) -> Finding {
    Finding::lacking(reason, message, Urgency::None)
}

fn none(reason: &str, message: &str) -> Finding {
    Finding { urgency: Urgency::None, ..Finding::unknown(reason, message) }
}
