//! A Deployment of one pod, for processes that must not run twice at once. Pure.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        core::v1::{ContainerPort, HTTPGetAction, PodTemplateSpec, Probe},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use crate::{
    names::{HTTP_PORT, annotation},
    settings::Settings,
    workload::pod::{Process, pod_spec, port},
};

/// The port of /healthz, /readyz and /metrics.
pub(crate) fn http_port() -> ContainerPort {
    port("http", HTTP_PORT)
}

/// A Deployment of one pod, and its selector.
pub(crate) struct SinglePod {
    pub(crate) metadata: ObjectMeta,
    pub(crate) replicas: i32,
    /// Labels of the pod.
    pub(crate) labels: BTreeMap<String, String>,
    /// Labels by which the Deployment knows its pod.
    pub(crate) selected: BTreeMap<String, String>,
    /// Hash of mounted content that the process does not reload. A change of it replaces the pod.
    pub(crate) mounts: Option<String>,
    pub(crate) process: Process,
}

/// The Deployment. Its strategy deletes the old pod before it creates the new one.
pub(crate) fn deployment(settings: &Settings, single: SinglePod) -> Deployment {
    let annotations = single.mounts.map(|hash| [(annotation::MOUNTS.to_owned(), hash)].into());
    Deployment {
        metadata: single.metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(single.replicas),
            // Set explicitly: a paused Deployment would not follow the resource any more.
            paused: Some(false),
            revision_history_limit: Some(1),
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            selector: LabelSelector { match_labels: Some(single.selected), match_expressions: None },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(single.labels), annotations, ..ObjectMeta::default() }),
                spec: Some(pod_spec(settings, single.process)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// The probe of `/readyz`.
pub(crate) fn readiness() -> Probe {
    probe("/readyz", 2, 3)
}

/// The probe of `/healthz`.
pub(crate) fn liveness() -> Probe {
    probe("/healthz", 10, 6)
}

/// Flags for the log.
pub(crate) fn log_args(settings: &Settings) -> [String; 4] {
    ["--log-format".to_owned(), settings.log_format.clone(), "--log".to_owned(), settings.log.clone()]
}

fn probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}
