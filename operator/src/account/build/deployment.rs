//! The Deployments of runtime and bridge: labels, selector and process. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ContainerPort, EnvVar, ResourceRequirements, Volume, VolumeMount},
};

use crate::{
    account::plan::Plan,
    names::{Component, label, labels, service_account},
    settings::Settings,
    workload::{
        deployment::{self, SinglePod, liveness, readiness},
        pod::Process,
    },
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

/// A Deployment of one pod: the order of deliveries matters, and the volume has one writer.
pub(crate) fn deployment(plan: &Plan, settings: &Settings, workload: Workload) -> Deployment {
    let component = workload.component;
    // Distinguishes the pods of a deleted resource of the same name.
    let identity = || BTreeMap::from([(label::UID.to_owned(), plan.uid.clone())]);
    let mut pod_labels = labels(plan.kind.app(), &plan.name);
    pod_labels.extend(plan.selector(component));
    pod_labels.extend(identity());
    let mut selected = plan.selector(component);
    selected.extend(identity());
    let process = Process {
        container: component.container(),
        service_account: service_account(&plan.children()),
        image: workload.image,
        image_pull_policy: settings.image_pull_policy.clone(),
        image_pull_secrets: settings.image_pull_secrets.clone(),
        args: workload.args,
        env: workload.env,
        ports: workload.ports,
        resources: workload.resources,
        volumes: workload.volumes,
        readiness: readiness(),
        liveness: Some(liveness()),
    };
    let metadata = plan.child_metadata(component.of(&plan.children()), Some(component));
    let single = SinglePod { metadata, replicas: 1, labels: pod_labels, selected, mounts: workload.mounts, process };
    deployment::deployment(settings, single)
}
