//! What is found about the runtime and the bridge.

use intuition_common::exit::with_causes;

use super::{
    Observation,
    findings::{Finding, Urgency},
};
use crate::{
    ask::{AskError, Missing},
    names::Component,
    pods::{Crash, PodState, Running},
};

/// Reason of a workload that is being made.
pub(super) const ROLLING_OUT: &str = "Starting";
/// Starts of a process after which it is not expected to recover by itself.
const HOPELESS_RESTARTS: i32 = 3;
/// What a process says while it starts, has just connected, or ends: no news.
const PASSING: [&str; 3] = [ROLLING_OUT, "Subscribing", "Stopped"];
/// What a bridge lacks, the causes before their consequences.
const BRIDGE_PARTS: [&str; 5] = ["broker", "publisher", "publishing", "runtime", "subscriptions"];

pub(super) fn runtime(seen: &Observation<'_>) -> Finding {
    let (state, report) = &seen.runtime;
    let running = match state {
        PodState::Running(running) => running,
        other => return not_running(other, Component::Runtime),
    };
    match report {
        None => starting(Component::Runtime),
        Some(report) => match (&report.missing, &report.account) {
            (Ok(missing), _) if !missing.is_empty() => lacking(missing, &[]),
            (Ok(_), Ok(_)) => Finding::fine("Serving", "it decides, and its ledger can be written"),
            (Err(error), _) | (_, Err(error)) => silent(error, running, Component::Runtime),
        },
    }
}

/// `has_runtime`: what the bridge lacks for want of it is no news of its own.
pub(super) fn bridge(seen: &Observation<'_>, has_runtime: bool) -> Finding {
    let (state, report) = &seen.bridge;
    let running = match state {
        PodState::Running(running) => running,
        other => return not_running(other, Component::Bridge),
    };
    match report {
        None => starting(Component::Bridge),
        Some(Ok(missing)) if missing.is_empty() => {
            Finding::fine("Connected", "it is connected to broker and runtime, and subscribed")
        }
        Some(Ok(missing)) => {
            let finding = lacking(missing, &BRIDGE_PARTS);
            let is_consequence = !has_runtime && finding.reason == "RuntimeUnreachable";
            if is_consequence { Finding { urgency: Urgency::Patience, ..finding } } else { finding }
        }
        Some(Err(error)) => silent(error, running, Component::Bridge),
    }
}

fn not_running(state: &PodState, component: Component) -> Finding {
    let container = component.container();
    match state {
        PodState::RollingOut | PodState::Starting | PodState::Running(_) => starting(component),
        PodState::Refused(message) => Finding::lacking("PodsRefused", message, Urgency::Told),
        // The scheduler publishes Events of its own, and tries again.
        PodState::Unschedulable(message) => Finding::lacking("Unschedulable", message, Urgency::Patience),
        PodState::ImagePullFailed(message) => Finding::lacking("ImagePullFailed", message, Urgency::Told),
        PodState::ContainerFailed { reason, message } => {
            Finding::lacking("ContainerFailed", format!("{container}: {reason}: {message}"), Urgency::Told)
        }
        PodState::CrashLooping(crash) => crashed(crash, component),
        PodState::NodeLost { node, since } => {
            let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
            // The bridge has nothing that could be written twice; the runtime has its volume.
            let outlook = match component {
                Component::Bridge => {
                    "Kubernetes makes the pod elsewhere once it evicts it, by default after five minutes".to_owned()
                }
                Component::Runtime => format!(
                    "Nothing moves until it is back; if it never will be: kubectl taint nodes {node} \
                     node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
                ),
            };
            Finding::lacking("NodeLost", format!("node {node} does not answer{since}. {outlook}"), Urgency::Told)
        }
    }
}

fn crashed(crash: &Crash, component: Component) -> Finding {
    let urgency = if crash.restarts >= HOPELESS_RESTARTS { Urgency::Somebody } else { Urgency::Told };
    Finding::lacking("CrashLooping", format!("{} ended: {}", component.container(), crash.message), urgency)
}

fn starting(component: Component) -> Finding {
    Finding::lacking(ROLLING_OUT, format!("the pod of {} is being made", component.container()), Urgency::Patience)
}

/// A process that runs and does not answer: it has just been started, or something is between.
fn silent(error: &AskError, running: &Running, component: Component) -> Finding {
    if let (false, Some(crash)) = (running.ready, &running.crashed) {
        // It has not shown yet that it will do better than the one before.
        return crashed(crash, component);
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
    let reason = match (first.part.as_str(), first.reason.as_str()) {
        ("broker" | "publisher", "Unreachable") => "BrokerUnreachable",
        ("runtime", "Unreachable" | "Closed") => "RuntimeUnreachable",
        (_, reason) => reason,
    };
    let urgency = if PASSING.contains(&reason) { Urgency::Patience } else { Urgency::Told };
    Finding::lacking(reason, format!("{}: {}", first.part, first.message), urgency)
}
