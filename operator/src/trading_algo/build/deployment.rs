//! The Deployments of runtime and bridge: labels, selector, strategy and probes. Pure.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        core::v1::{
            ContainerPort, EnvVar, HTTPGetAction, PodTemplateSpec, Probe, ResourceRequirements, Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use crate::{
    names::{APP, Component, HTTP_PORT, annotation, label, labels, selector, service_account},
    settings::Settings,
    trading_algo::plan::Plan,
    workload::pod::{Process, pod_spec, port},
};

/// The differences between the runtime's and the bridge's Deployment.
pub(crate) struct Workload {
    pub(crate) component: Component,
    pub(crate) image: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) resources: ResourceRequirements,
    /// Volumes with their mounts.
    pub(crate) volumes: Vec<(Volume, VolumeMount)>,
    /// Hash of mounted content that the process does not reload. A change of it replaces the pod.
    pub(crate) mounts: Option<String>,
}

/// The port of /healthz, /readyz and /metrics.
pub(crate) fn http_port() -> ContainerPort {
    port("http", HTTP_PORT)
}

/// A Deployment of one pod. Its strategy deletes the old pod before it creates the new one: the order of deliveries
/// matters, and the volume has one writer.
pub(crate) fn deployment(plan: &Plan, settings: &Settings, workload: Workload) -> Deployment {
    let component = workload.component;
    // Distinguishes the pods of a deleted resource of the same name.
    let identity = || BTreeMap::from([(label::UID.to_owned(), plan.uid.clone())]);
    let mut pod_labels = labels(APP, &plan.name);
    pod_labels.extend(selector(&plan.name, component));
    pod_labels.extend(identity());
    let mut selected = selector(&plan.name, component);
    selected.extend(identity());
    let annotations = workload.mounts.map(|hash| [(annotation::MOUNTS.to_owned(), hash)].into());
    let process = Process {
        container: component.container(),
        service_account: service_account(&plan.name),
        image: workload.image,
        image_pull_policy: settings.image_pull_policy.clone(),
        image_pull_secrets: settings.image_pull_secrets.clone(),
        args: workload.args,
        env: workload.env,
        ports: workload.ports,
        resources: workload.resources,
        volumes: workload.volumes,
        readiness: probe("/readyz", 2, 3),
        liveness: Some(probe("/healthz", 10, 6)),
    };
    Deployment {
        metadata: plan.child_metadata(component.of(&plan.name), Some(component)),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            // Set explicitly: a paused Deployment would not follow the resource any more.
            paused: Some(false),
            revision_history_limit: Some(1),
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            selector: LabelSelector { match_labels: Some(selected), match_expressions: None },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(pod_labels), annotations, ..ObjectMeta::default() }),
                spec: Some(pod_spec(settings, process)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
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
