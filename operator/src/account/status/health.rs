//! The findings for `OutputsHealthy` and `LedgerHealthy`. `Ready` does not depend on them: it depends on `BridgeConnected` and
//! `RuntimeReady`, which lack the same parts.

use intuition_api::part;

use super::{processes, warnings};
use crate::{
    account::status::observation::{LedgerState, Pods},
    reconcile::{
        condition_type,
        finding::Finding,
        reason::{self, HEALTHY, LEDGER_BEING_DELETED, LEDGER_MISSING, Urgency},
    },
    workload::{pages::Missing, pod_finding::is_passing},
};

/// Parts of a bridge that publishing needs, the causes before their consequences.
const OUTPUTS: [&str; 2] = [part::bridge::PUBLISHER, part::bridge::PUBLISHING];

/// Whether the broker takes decisions and dead letters.
pub(crate) fn outputs(pods: &Pods) -> Finding {
    let Some(Ok(page)) = &pods.bridge.1 else {
        return none(reason::BRIDGE_UNREAD, "the bridge does not answer; BridgeConnected has the cause");
    };
    let finding = of_parts(&page.missing, &OUTPUTS, "the broker takes decisions and dead letters");
    warnings::add(finding, pods.warnings(), condition_type::OUTPUTS_HEALTHY)
}

/// Whether the ledger is there and can be written. `runtime`: the finding for `RuntimeReady`, which has the message about
/// the claim.
pub(crate) fn ledger(state: &LedgerState, pods: &Pods, runtime: &Finding) -> Finding {
    match state {
        LedgerState::Lost(_) => lacking(LEDGER_MISSING, &runtime.message),
        LedgerState::Going(held) => {
            let message = format!("PersistentVolumeClaim {} is being deleted", held.claim_name);
            lacking(LEDGER_BEING_DELETED, &message)
        }
        LedgerState::There(_) | LedgerState::Unknown => {
            let Some(Ok(missing)) = pods.report().map(|report| &report.missing) else {
                return none(reason::RUNTIME_UNREAD, "the runtime does not answer; RuntimeReady has the cause");
            };
            let finding = of_parts(missing, &[part::runtime::LEDGER], "it can be written");
            warnings::add(finding, pods.warnings(), condition_type::LEDGER_HEALTHY)
        }
    }
}

/// The finding about some parts of a process.
fn of_parts(lacks: &[Missing], parts: &[&str], fine: &str) -> Finding {
    let missing = parts.iter().find_map(|part| lacks.iter().find(|missing| missing.part == *part));
    match missing {
        None => Finding::fine(HEALTHY, fine),
        Some(missing) => {
            let (reason, message) = (processes::reason(missing), format!("{}: {}", missing.part, missing.message));
            if is_passing(reason) { none(reason, &message) } else { lacking(reason, &message) }
        }
    }
}

/// The finding about the whole process has the urgency.
fn lacking(reason: &str, message: &str) -> Finding {
    Finding::lacking(reason, message, Urgency::None)
}

fn none(reason: &str, message: &str) -> Finding {
    Finding { urgency: Urgency::None, ..Finding::unknown(reason, message) }
}
