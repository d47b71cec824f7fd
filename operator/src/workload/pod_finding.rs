//! The findings about a pod: its container does not run, its process does not answer, or parts of the process are missing. Pure.

use intuition_common::exit::with_causes;

use crate::{
    reconcile::{
        finding::Finding,
        reason::{self, ROLLING_OUT, STOPPED, SUBSCRIBING, UNREACHABLE, Urgency},
    },
    workload::{
        pages::Missing,
        pod_call::AskError,
        pod_state::{Crash, PodState, Running},
    },
};

/// The effect of a lost node on a pod without a volume.
pub(crate) const ELSEWHERE: &str =
    "Kubernetes makes the pod elsewhere once it evicts it, by default after five minutes";
/// Starts of a process after which it is not expected to recover by itself.
const HOPELESS_RESTARTS: i32 = 3;
/// Codes of a process that starts, has just connected, or ends: expected, and no news.
const PASSING: [&str; 3] = [ROLLING_OUT, SUBSCRIBING, STOPPED];

/// The finding about a pod that does not run its container.
pub(crate) fn of_pod(state: &PodState, container: &str) -> Finding {
    match state {
        PodState::RollingOut | PodState::Starting | PodState::Running(_) => starting(container),
        PodState::Refused(message) => Finding::lacking(reason::PODS_REFUSED, message, Urgency::Notify),
        // The scheduler publishes Events of its own, and retries.
        PodState::Unschedulable(message) => Finding::lacking(reason::UNSCHEDULABLE, message, Urgency::Wait),
        PodState::ImagePullFailed(message) => Finding::lacking(reason::IMAGE_PULL_FAILED, message, Urgency::Notify),
        PodState::ContainerFailed { reason, message } => {
            Finding::lacking(reason::CONTAINER_FAILED, format!("{container}: {reason}: {message}"), Urgency::Notify)
        }
        PodState::CrashLooping(crash) => crashed(crash, container),
        PodState::NodeLost { node, .. } => {
            Finding::lacking(reason::NODE_LOST, format!("node {node} does not answer. {ELSEWHERE}"), Urgency::Notify)
        }
    }
}

pub(crate) fn crashed(crash: &Crash, container: &str) -> Finding {
    let urgency = if crash.restarts >= HOPELESS_RESTARTS { Urgency::ActionRequired } else { Urgency::Notify };
    Finding::lacking(reason::CRASH_LOOPING, format!("{container} ended: {}", crash.message), urgency)
}

pub(crate) fn starting(container: &str) -> Finding {
    Finding::lacking(ROLLING_OUT, format!("the pod of {container} is being made"), Urgency::Wait)
}

/// The finding about a process that runs and does not answer: it starts, or the network is blocked.
pub(crate) fn silent(error: &AskError, running: &Running, container: &str) -> Finding {
    if let (false, Some(crash)) = (running.ready, &running.crashed) {
        // The restarted process has not become ready yet.
        return crashed(crash, container);
    }
    if !running.ready {
        return Finding::lacking(ROLLING_OUT, format!("{container} does not answer yet"), Urgency::Wait);
    }
    let message = format!(
        "{} is ready and the operator cannot reach it ({}): does a network policy stand between?",
        container,
        with_causes(error)
    );
    Finding::lacking(UNREACHABLE, message, Urgency::Notify)
}

/// The finding about the missing parts of a process; the part that comes first in `order` counts. `reason`: the condition's reason
/// for it.
pub(crate) fn lacking(missing: &[Missing], order: &[&str], reason: fn(&Missing) -> &str) -> Finding {
    let place = |missing: &&Missing| order.iter().position(|part| *part == missing.part).unwrap_or(order.len());
    let Some(first) = missing.iter().min_by_key(place) else { return Finding::fine(reason::SERVING, "") };
    let reason = reason(first);
    let urgency = if is_passing(reason) { Urgency::Wait } else { Urgency::Notify };
    Finding::lacking(reason, format!("{}: {}", first.part, first.message), urgency)
}

/// Whether the code passes: a process has it while it starts, has just connected, or ends.
pub(crate) fn is_passing(reason: &str) -> bool {
    PASSING.contains(&reason)
}
