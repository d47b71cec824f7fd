//! The findings for `RuntimeReady` and `BridgeConnected`.

use intuition_api::{part, v1::AccountResponse};

use crate::{
    account::status::observation::Pods,
    names::Component,
    reconcile::{
        finding::Finding,
        reason::{self, UNREACHABLE, Urgency, urgency},
    },
    workload::{
        pages::Missing,
        pod_finding::{self, ELSEWHERE, of_pod, silent, starting},
        pod_state::PodState,
    },
};

/// The finding for `RuntimeReady`. `is_coming`: the algorithm is being created, or has not answered yet.
pub(crate) fn runtime(pods: &Pods, is_coming: bool) -> Finding {
    let (state, report) = &pods.runtime;
    let running = match state {
        PodState::Running(running) => running,
        other => return not_running(other, Component::Runtime),
    };
    match report {
        None => starting(Component::Runtime.container()),
        Some(report) => match (&report.missing, &report.account) {
            (Ok(missing), _) if !missing.is_empty() => of_algorithm(lacking(missing, &part::runtime::ALL), is_coming),
            (Ok(_), Ok(account)) => Finding::fine(reason::SERVING, serving(account)),
            (Err(error), _) | (_, Err(error)) => silent(error, running, Component::Runtime.container()),
        },
    }
}

/// The message of a runtime that serves. It names a change of the algorithm's name between the last two calls of
/// Describe.
fn serving(account: &AccountResponse) -> String {
    let message = "it decides, and its ledger can be written";
    let renamed = account.backend.as_ref().filter(|backend| backend.reason.is_empty() && !backend.message.is_empty());
    renamed.map_or_else(|| message.to_owned(), |backend| format!("{message}. Its algorithm {}", backend.message))
}

/// Reasons of algorithms have an urgency of their own.
fn of_algorithm(finding: Finding, is_coming: bool) -> Finding {
    Finding { urgency: urgency(&finding.reason, is_coming).unwrap_or(finding.urgency), ..finding }
}

/// The finding for `BridgeConnected`. `has_runtime`: without a runtime, the bridge's lack of it is a consequence.
pub(crate) fn bridge(pods: &Pods, has_runtime: bool) -> Finding {
    let (state, report) = &pods.bridge;
    let running = match state {
        PodState::Running(running) => running,
        other => return not_running(other, Component::Bridge),
    };
    match report {
        None => starting(Component::Bridge.container()),
        Some(Ok(page)) if page.missing.is_empty() => {
            Finding::fine(reason::CONNECTED, "it is connected to broker and runtime, and subscribed")
        }
        Some(Ok(page)) => {
            let finding = lacking(&page.missing, &part::bridge::ALL);
            let is_consequence = !has_runtime && finding.reason == reason::RUNTIME_UNREACHABLE;
            if is_consequence { Finding { urgency: Urgency::Wait, ..finding } } else { finding }
        }
        Some(Err(error)) => silent(error, running, Component::Bridge.container()),
    }
}

fn not_running(state: &PodState, component: Component) -> Finding {
    if let PodState::NodeLost { node, since } = state {
        let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
        // The bridge has no volume and can run elsewhere; the runtime waits for its volume.
        let outlook = match component {
            Component::Bridge => ELSEWHERE.to_owned(),
            Component::Runtime => format!(
                "Nothing moves until it is back; if it never will be: kubectl taint nodes {node} \
                 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
            ),
        };
        return Finding::lacking(
            reason::NODE_LOST,
            format!("node {node} does not answer{since}. {outlook}"),
            Urgency::Notify,
        );
    }
    of_pod(state, component.container())
}

/// The finding about the missing parts of a process; the part that comes first in `order` counts.
fn lacking(missing: &[Missing], order: &[&str]) -> Finding {
    pod_finding::lacking(missing, order, reason)
}

/// The condition's reason for a missing part.
pub(crate) fn reason(missing: &Missing) -> &str {
    match (missing.part.as_str(), missing.reason.as_str()) {
        (part::bridge::BROKER | part::bridge::PUBLISHER, UNREACHABLE) => reason::BROKER_UNREACHABLE,
        (part::bridge::RUNTIME, UNREACHABLE) => reason::RUNTIME_UNREACHABLE,
        (_, reason) => reason,
    }
}
