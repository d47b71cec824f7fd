//! The pod of one process, for every kind: its security context, its folder for temporary files, its scheduling. Pure.

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, LocalObjectReference, PodSecurityContext,
        PodSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{names::USER, settings::Settings};

/// A TCP port of a container.
pub(crate) fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// A mount of a volume.
pub(crate) fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// The process of a pod.
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
    /// Volumes with their mounts.
    pub(crate) volumes: Vec<(Volume, VolumeMount)>,
    pub(crate) readiness: Probe,
    pub(crate) liveness: Option<Probe>,
}

/// A pod by the Pod Security Standard `restricted`. Besides its volumes it can write to a folder for temporary files alone.
pub(crate) fn pod_spec(settings: &Settings, process: Process) -> PodSpec {
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
        // The API server's default, set explicitly so that an edit of it is reverted.
        scheduler_name: Some("default-scheduler".to_owned()),
        // Otherwise the variables of a Service with a matching name would be read as settings.
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
            args: non_empty(process.args),
            env: non_empty(process.env),
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
            // The last lines of the log become part of a condition.
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            readiness_probe: Some(process.readiness),
            liveness_probe: process.liveness,
            ..Container::default()
        }],
        volumes: Some(volumes),
        image_pull_secrets: non_empty(secrets.collect()),
        node_selector: (!settings.node_selector.is_empty()).then(|| settings.node_selector.clone()),
        tolerations: non_empty(settings.tolerations.clone()),
        priority_class_name: (!settings.priority_class_name.is_empty()).then(|| settings.priority_class_name.clone()),
        ..PodSpec::default()
    }
}

/// `None` for an empty list, as the API server stores it.
fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
