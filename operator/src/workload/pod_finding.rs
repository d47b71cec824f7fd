//! The finding about a pod that does not run its container. Pure.

use crate::{
    reconcile::{
        finding::Finding,
        reason::{self, ROLLING_OUT, Urgency},
    },
    workload::pod_state::{Crash, PodState},
};

/// The effect of a lost node on a pod without a volume.
pub(crate) const ELSEWHERE: &str =
    "Kubernetes makes the pod elsewhere once it evicts it, by default after five minutes";
/// Starts of a process after which it is not expected to recover by itself.
const HOPELESS_RESTARTS: i32 = 3;
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
