//! The state of a workload, from its Deployment and pods. Pure.

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ContainerStatus, Pod},
    },
    jiff::Timestamp,
};
use kube::ResourceExt as _;

/// Longest part of a process's last log line in a message.
const MAX_LAST_LINE_CHARS: usize = 512;
/// Waiting reasons of a container if its image cannot be pulled.
const IMAGE_REASONS: [&str; 5] =
    ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"];

/// The state of a workload in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodState {
    /// The Deployment does not exist yet, or has not created the pod of its newest version.
    RollingOut,
    /// The pod could not be created, for example because a quota is used up.
    Refused(String),
    /// No node can run the pod.
    Unschedulable(String),
    /// The pod is starting.
    Starting,
    /// The image cannot be pulled.
    ImagePullFailed(String),
    /// The container cannot be created.
    ContainerFailed {
        /// The kubelet's reason.
        reason: String,
        /// The kubelet's message.
        message: String,
    },
    /// The process ended, more than once or with an error, and is restarted.
    CrashLooping(Crash),
    /// The node does not answer.
    NodeLost {
        /// The node.
        node: String,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// The process runs.
    Running(Running),
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Address of the pod.
    pub ip: String,
    /// Whether its readiness probe succeeds.
    pub ready: bool,
    /// How the previous process ended, if with an error.
    pub crashed: Option<Crash>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// Its last log line.
    pub message: String,
    /// Number of restarts.
    pub restarts: i32,
}

/// How a workload is doing. `generation` is the one of its Deployment that was written last: a cache that is behind shows
/// an older one.
pub fn state<'a>(
    deployment: Option<&Deployment>,
    generation: Option<i64>,
    pods: impl IntoIterator<Item = &'a Pod>,
) -> PodState {
    if let Some(message) = deployment.and_then(refusal) {
        return PodState::Refused(message);
    }
    let (going, current): (Vec<_>, Vec<_>) =
        pods.into_iter().partition(|pod| pod.metadata.deletion_timestamp.is_some());
    let rolled_out = deployment.is_some_and(|deployment| is_rolled_out(deployment, generation));
    let newest =
        current.into_iter().filter(|_| rolled_out).max_by_key(|pod| pod.creation_timestamp().map(|time| time.0));
    match newest.map_or(PodState::RollingOut, of_pod) {
        running @ PodState::Running(_) => running,
        // Kubernetes evicts the pod of a node that does not answer, and creates another one that waits for the volume,
        // or for the end of the first: the cause is still the node.
        other => going.into_iter().find_map(lost).unwrap_or(other),
    }
}

/// The state of several pods of one Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// Number of ready pods.
    pub ready: i32,
    /// The state of a pod that is not ready; `None` if all pods are ready and of the newest version.
    pub lacking: Option<PodState>,
}

/// The state of the pods of a Deployment with a rolling update. `generation`: see [`state`].
pub fn fleet<'a>(
    deployment: Option<&Deployment>,
    generation: Option<i64>,
    pods: impl IntoIterator<Item = &'a Pod>,
) -> Fleet {
    let status = deployment.and_then(|deployment| deployment.status.clone()).unwrap_or_default();
    let ready = status.ready_replicas.unwrap_or_default();
    let seen = deployment.and_then(|deployment| deployment.metadata.generation);
    let wanted = deployment.and_then(|deployment| deployment.spec.as_ref()?.replicas).unwrap_or(1);
    let is_seen = deployment.is_some() && seen >= generation && status.observed_generation >= seen;
    if is_seen
        && [status.replicas, status.updated_replicas, status.ready_replicas].iter().all(|count| *count == Some(wanted))
    {
        return Fleet { ready, lacking: None };
    }
    if let Some(message) = deployment.and_then(refusal) {
        return Fleet { ready, lacking: Some(PodState::Refused(message)) };
    }
    let current = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let mut lacking = PodState::RollingOut;
    for state in current.map(of_pod) {
        match state {
            PodState::RollingOut
            | PodState::Starting
            | PodState::Running(Running { crashed: None, .. } | Running { ready: true, .. }) => {}
            PodState::Running(Running { crashed: Some(crash), .. }) => lacking = PodState::CrashLooping(crash),
            other => lacking = other,
        }
    }
    Fleet { ready, lacking: Some(lacking) }
}

/// Whether the one pod there is belongs to the newest version.
fn is_rolled_out(deployment: &Deployment, generation: Option<i64>) -> bool {
    let seen = deployment.metadata.generation;
    let Some(status) = &deployment.status else { return false };
    seen >= generation
        && status.observed_generation >= seen
        && status.updated_replicas == Some(1)
        && status.replicas == Some(1)
}

fn refusal(deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let failure =
        conditions.iter().find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    Some(failure.message.clone().unwrap_or_default())
}

fn of_pod(pod: &Pod) -> PodState {
    let status = pod.status.clone().unwrap_or_default();
    let condition = |kind: &str| status.conditions.iter().flatten().find(|condition| condition.type_ == kind);
    if let Some(scheduled) = condition("PodScheduled").filter(|condition| condition.status == "False") {
        return PodState::Unschedulable(scheduled.message.clone().unwrap_or_default());
    }
    let Some(container) = status.container_statuses.iter().flatten().next() else { return PodState::Starting };
    if let Some(lost) = lost(pod) {
        return lost;
    }
    let ready = condition("Ready");
    let running = container.state.as_ref().is_some_and(|state| state.running.is_some());
    match status.pod_ip.filter(|_| running) {
        Some(ip) => PodState::Running(Running {
            ip,
            ready: ready.is_some_and(|ready| ready.status == "True"),
            crashed: crash(container),
        }),
        None => of_container(container),
    }
}

/// Where the pod is on a node that does not answer: the node's controller turns `Ready` of its pods to false and leaves the
/// containers as they are. A kubelet that answers never reports that combination for a pod without readiness gates.
fn lost(pod: &Pod) -> Option<PodState> {
    let status = pod.status.as_ref()?;
    let container = status.container_statuses.iter().flatten().next()?;
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")?;
    (ready.status == "False" && container.ready).then(|| PodState::NodeLost {
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
        since: ready.last_transition_time.as_ref().map(|time| time.0),
    })
}

fn of_container(container: &ContainerStatus) -> PodState {
    let state = container.state.clone().unwrap_or_default();
    let waiting = state.waiting.unwrap_or_default();
    let reason = waiting.reason.unwrap_or_default();
    let message = waiting.message.unwrap_or_default();
    if IMAGE_REASONS.contains(&reason.as_str()) {
        return PodState::ImagePullFailed(format!("{}: {message}", container.image));
    }
    match crash(container) {
        Some(crash) => PodState::CrashLooping(crash),
        None if matches!(reason.as_str(), "" | "ContainerCreating" | "PodInitializing" | "CrashLoopBackOff") => {
            PodState::Starting
        }
        None => PodState::ContainerFailed { reason, message },
    }
}

/// How the process ended last, where that was an error.
fn crash(container: &ContainerStatus) -> Option<Crash> {
    let state = container.state.clone().unwrap_or_default();
    let ended = state.terminated.or_else(|| container.last_state.clone().and_then(|last| last.terminated))?;
    let message = last_line(ended.message.as_deref(), ended.exit_code, ended.reason.as_deref());
    (ended.exit_code != 0).then_some(Crash { message, restarts: container.restart_count })
}

/// The last log line with an error, else the exit code with the kubelet's reason.
fn last_line(log: Option<&str>, exit_code: i32, reason: Option<&str>) -> String {
    let lines = || log.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines().rfind(|line| line.starts_with("error:")).or_else(|| lines().next_back());
    let ended = match reason.filter(|reason| *reason != "Error") {
        Some(reason) => format!("{reason}, exit code {exit_code}"),
        None => format!("exit code {exit_code}"),
    };
    match said {
        Some(line) => {
            let line: String =
                line.strip_prefix("error:").unwrap_or(line).trim().chars().take(MAX_LAST_LINE_CHARS).collect();
            format!("{line} ({ended})")
        }
        None => format!("it ended without a word ({ended})"),
    }
}

#[cfg(test)]
mod tests;
