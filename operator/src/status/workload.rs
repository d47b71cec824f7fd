//! What is found about the runtime and the bridge.

use intuition_api::v1::AccountResponse;
use intuition_common::exit::with_causes;

use super::{
    Pods, configured,
    finding::{Finding, Urgency},
};
use crate::{
    ask::{AskError, Missing},
    names::Component,
    pods::{Crash, PodState, Running},
};

/// What becomes of a pod without a volume on a node that is lost.
const ELSEWHERE: &str = "Kubernetes makes the pod elsewhere once it evicts it, by default after five minutes";
/// Reason of a workload that is being made.
pub(crate) const ROLLING_OUT: &str = "Starting";
/// Starts of a process after which it is not expected to recover by itself.
const HOPELESS_RESTARTS: i32 = 3;
/// What a process says while it starts, has just connected, or ends: no news.
const PASSING: [&str; 3] = [ROLLING_OUT, "Subscribing", "Stopped"];
/// What a runtime lacks: an algorithm is of no use without a ledger.
const RUNTIME_PARTS: [&str; 3] = ["ledger", "algorithm", "topics"];
/// What a bridge lacks, the causes before their consequences.
const BRIDGE_PARTS: [&str; 5] = ["broker", "publisher", "publishing", "runtime", "subscriptions"];

/// `is_coming`: the algorithm is being made, or was not seen to answer yet.
pub(super) fn runtime(pods: &Pods, is_coming: bool) -> Finding {
    let (state, report) = &pods.runtime;
    let running = match state {
        PodState::Running(running) => running,
        other => return not_running(other, Component::Runtime),
    };
    match report {
        None => starting(Component::Runtime.container()),
        Some(report) => match (&report.missing, &report.account) {
            (Ok(missing), _) if !missing.is_empty() => of_algorithm(lacking(missing, &RUNTIME_PARTS), is_coming),
            (Ok(_), Ok(account)) => Finding::fine("Serving", serving(account)),
            (Err(error), _) | (_, Err(error)) => silent(error, running, Component::Runtime),
        },
    }
}

/// With the change of the algorithm's name, if the last Describe gave another one than the Describe before.
fn serving(account: &AccountResponse) -> String {
    let message = "it decides, and its ledger can be written";
    let renamed = account.backend.as_ref().filter(|backend| backend.reason.is_empty() && !backend.message.is_empty());
    renamed.map_or_else(|| message.to_owned(), |backend| format!("{message}. Its algorithm {}", backend.message))
}

/// What is said of the algorithm has an urgency of its own.
fn of_algorithm(finding: Finding, is_coming: bool) -> Finding {
    Finding { urgency: configured::urgency(&finding.reason, is_coming).unwrap_or(finding.urgency), ..finding }
}

/// `has_runtime`: what the bridge lacks for want of it is no news of its own.
pub(super) fn bridge(pods: &Pods, has_runtime: bool) -> Finding {
    let (state, report) = &pods.bridge;
    let running = match state {
        PodState::Running(running) => running,
        other => return not_running(other, Component::Bridge),
    };
    match report {
        None => starting(Component::Bridge.container()),
        Some(Ok(page)) if page.missing.is_empty() => {
            Finding::fine("Connected", "it is connected to broker and runtime, and subscribed")
        }
        Some(Ok(page)) => {
            let finding = lacking(&page.missing, &BRIDGE_PARTS);
            let is_consequence = !has_runtime && finding.reason == "RuntimeUnreachable";
            if is_consequence { Finding { urgency: Urgency::Patience, ..finding } } else { finding }
        }
        Some(Err(error)) => silent(error, running, Component::Bridge),
    }
}

fn not_running(state: &PodState, component: Component) -> Finding {
    if let PodState::NodeLost { node, since } = state {
        let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
        // The bridge has nothing that could be written twice; the runtime has its volume.
        let outlook = match component {
            Component::Bridge => ELSEWHERE.to_owned(),
            Component::Runtime => format!(
                "Nothing moves until it is back; if it never will be: kubectl taint nodes {node} \
                 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
            ),
        };
        return Finding::lacking("NodeLost", format!("node {node} does not answer{since}. {outlook}"), Urgency::Told);
    }
    of_pod(state, component.container())
}

/// What keeps a pod from running its container.
pub(crate) fn of_pod(state: &PodState, container: &str) -> Finding {
    match state {
        PodState::RollingOut | PodState::Starting | PodState::Running(_) => starting(container),
        PodState::Refused(message) => Finding::lacking("PodsRefused", message, Urgency::Told),
        // The scheduler publishes Events of its own, and tries again.
        PodState::Unschedulable(message) => Finding::lacking("Unschedulable", message, Urgency::Patience),
        PodState::ImagePullFailed(message) => Finding::lacking("ImagePullFailed", message, Urgency::Told),
        PodState::ContainerFailed { reason, message } => {
            Finding::lacking("ContainerFailed", format!("{container}: {reason}: {message}"), Urgency::Told)
        }
        PodState::CrashLooping(crash) => crashed(crash, container),
        PodState::NodeLost { node, .. } => {
            Finding::lacking("NodeLost", format!("node {node} does not answer. {ELSEWHERE}"), Urgency::Told)
        }
    }
}

fn crashed(crash: &Crash, container: &str) -> Finding {
    let urgency = if crash.restarts >= HOPELESS_RESTARTS { Urgency::Somebody } else { Urgency::Told };
    Finding::lacking("CrashLooping", format!("{container} ended: {}", crash.message), urgency)
}

fn starting(container: &str) -> Finding {
    Finding::lacking(ROLLING_OUT, format!("the pod of {container} is being made"), Urgency::Patience)
}

/// A process that runs and does not answer: it has just been started, or something is between.
fn silent(error: &AskError, running: &Running, component: Component) -> Finding {
    if let (false, Some(crash)) = (running.ready, &running.crashed) {
        // It has not shown yet that it will do better than the one before.
        return crashed(crash, component.container());
    }
    if !running.ready {
        return Finding::lacking(
            ROLLING_OUT,
            format!("{} does not answer yet", component.container()),
            Urgency::Patience,
        );
    }
    let message = format!(
        "{} is ready and the operator cannot reach it ({}): does a network policy stand between?",
        component.container(),
        with_causes(error)
    );
    Finding::lacking("Unreachable", message, Urgency::Told)
}

/// What a process says that it lacks, the part that comes first in `order` before the others.
fn lacking(missing: &[Missing], order: &[&str]) -> Finding {
    let place = |missing: &&Missing| order.iter().position(|part| *part == missing.part).unwrap_or(order.len());
    let Some(first) = missing.iter().min_by_key(place) else { return Finding::fine("Serving", "") };
    let reason = reason(first);
    let urgency = if is_passing(reason) { Urgency::Patience } else { Urgency::Told };
    Finding::lacking(reason, format!("{}: {}", first.part, first.message), urgency)
}

/// The code of a part that a process lacks, as a condition shows it.
pub(super) fn reason(missing: &Missing) -> &str {
    match (missing.part.as_str(), missing.reason.as_str()) {
        ("broker" | "publisher", "Unreachable") => "BrokerUnreachable",
        ("runtime", "Unreachable" | "Closed") => "RuntimeUnreachable",
        (_, reason) => reason,
    }
}

/// Whether a process has this code only while it starts, has just connected, or ends.
pub(super) fn is_passing(reason: &str) -> bool {
    PASSING.contains(&reason)
}
