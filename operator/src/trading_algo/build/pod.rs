//! What pods have in common: who they run as, how they are watched, and how those of a `TradingAlgo` are replaced.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        core::v1::{
            Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction, LocalObjectReference,
            PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext,
            Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::metadata;
use crate::{
    names::{APP, Component, HTTP_PORT, USER, annotation, label, labels, selector, service_account},
    settings::Settings,
    trading_algo::plan::Plan,
};

/// What one workload's pod has of its own.
pub(crate) struct Workload {
    pub(crate) component: Component,
    pub(crate) image: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) resources: ResourceRequirements,
    /// Each with the place it is mounted at.
    pub(crate) volumes: Vec<(Volume, VolumeMount)>,
    /// Changes when what is mounted changes in a way that the process does not notice by itself.
    pub(crate) mounts: Option<String>,
}

/// The port that every workload serves its pages on.
pub(crate) fn http_port() -> ContainerPort {
    port("http", HTTP_PORT)
}

pub(crate) fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

pub(crate) fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// One pod at a time, the old one gone before the new one comes: order matters, and a volume has one writer.
pub(crate) fn deployment(plan: &Plan, settings: &Settings, workload: Workload) -> Deployment {
    let component = workload.component;
    // The uid keeps the pods of a predecessor of the same name apart.
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
        metadata: metadata(plan, component.of(&plan.name), Some(component)),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            // Said, because a paused one would never follow the resource again.
            paused: Some(false),
            revision_history_limit: Some(1),
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            selector: LabelSelector { match_labels: Some(selected), match_expressions: None },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(pod_labels), annotations, ..ObjectMeta::default() }),
                spec: Some(pod(settings, process)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// The one process of a pod.
pub(crate) struct Process {
    pub(crate) container: &'static str,
    pub(crate) service_account: String,
    pub(crate) image: String,
    pub(crate) image_pull_policy: String,
    pub(crate) image_pull_secrets: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) resources: ResourceRequirements,
    /// Each with the place it is mounted at.
    pub(crate) volumes: Vec<(Volume, VolumeMount)>,
    pub(crate) readiness: Probe,
    pub(crate) liveness: Option<Probe>,
}

/// A pod as the Pod Security Standard `restricted` wants it, with a folder for temporary files as the only one that it may
/// write to.
pub(crate) fn pod(settings: &Settings, process: Process) -> PodSpec {
    let (mut volumes, mut volume_mounts): (Vec<_>, Vec<_>) = process.volumes.into_iter().unzip();
    volumes.push(Volume {
        name: "tmp".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity("64Mi".to_owned())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    });
    volume_mounts.push(mount("tmp", "/tmp", false));
    let secrets = process.image_pull_secrets.into_iter().map(|name| LocalObjectReference { name });
    PodSpec {
        service_account_name: Some(process.service_account),
        automount_service_account_token: Some(false),
        // The API server's default, said so that an edit of it does not stay.
        scheduler_name: Some("default-scheduler".to_owned()),
        // Variables of a Service would be read as settings where its name fits.
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        containers: vec![Container {
            name: process.container.to_owned(),
            image: Some(process.image),
            image_pull_policy: Some(process.image_pull_policy),
            args: nothing_for_empty(process.args),
            env: nothing_for_empty(process.env),
            ports: Some(process.ports),
            resources: Some(process.resources),
            volume_mounts: Some(volume_mounts),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                run_as_non_root: Some(true),
                capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
                ..SecurityContext::default()
            }),
            // Its last words become part of a condition.
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            readiness_probe: Some(process.readiness),
            liveness_probe: process.liveness,
            ..Container::default()
        }],
        volumes: Some(volumes),
        image_pull_secrets: nothing_for_empty(secrets.collect()),
        node_selector: (!settings.node_selector.is_empty()).then(|| settings.node_selector.clone()),
        tolerations: nothing_for_empty(settings.tolerations.clone()),
        priority_class_name: (!settings.priority_class_name.is_empty()).then(|| settings.priority_class_name.clone()),
        ..PodSpec::default()
    }
}

/// The flags of both processes for their logs.
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

fn nothing_for_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
