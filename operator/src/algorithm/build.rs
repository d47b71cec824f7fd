//! From a plan to the children. Pure: the same plan and settings give the same children.

use std::collections::{BTreeMap, BTreeSet};

use intuition_resources::Resources;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            EnvVar, Probe, ResourceRequirements, Service, ServiceAccount, ServicePort, ServiceSpec, TCPSocketAction,
        },
        networking::v1::{NetworkPolicy, NetworkPolicySpec},
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::plan::{Image, Plan};
use crate::{
    names::{
        ALGORITHM_APP, ALGORITHM_SERVER, APP, Component, algorithm, algorithm_selector, annotation, image_hash, label,
        labels,
    },
    settings::Settings,
    workload::{
        network::{from, labelled, operator, pods},
        pod::{Process, pod_spec, port},
    },
};

/// Name of the port.
const PORT: &str = "grpc";

/// The children of one `Algorithm` with an image, which the operator runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The service account of its pods, without a token.
    pub account: ServiceAccount,
    /// The network policy of its pods.
    pub policy: Option<NetworkPolicy>,
    /// The Service in front of its pods.
    pub service: Service,
    /// The Deployment.
    pub deployment: Deployment,
}

/// The children of a plan; `None` if the algorithm runs elsewhere. `former_ports`: ports of old images that still run
/// beside the plan's image.
pub fn desired(plan: &Plan, settings: &Settings, former_ports: &BTreeSet<i32>) -> Option<Desired> {
    let image = plan.image.as_ref()?;
    let mut ports = former_ports.clone();
    ports.insert(image.port);
    Some(Desired {
        account: ServiceAccount {
            metadata: plan.owner.metadata(algorithm(&plan.owner.name), None),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        },
        policy: settings.network_policy.enabled.then(|| policy(plan, settings, &ports)),
        service: service(plan, image),
        deployment: deployment(plan, image, settings),
    })
}

/// Labels of the pods of one image. Without the uid: the pods keep no state, so that those of a deleted resource of the
/// same name serve as well.
fn selector(plan: &Plan, image: &Image) -> BTreeMap<String, String> {
    let mut labels = algorithm_selector(&plan.owner.name);
    labels.insert(label::IMAGE.to_owned(), image_hash(&image.image));
    labels
}

fn metadata(plan: &Plan, image: &Image) -> ObjectMeta {
    let mut metadata = plan.owner.metadata(image.name.clone(), Some(ALGORITHM_SERVER));
    metadata.labels.get_or_insert_default().insert(label::IMAGE.to_owned(), image_hash(&image.image));
    metadata.annotations.get_or_insert_default().insert(annotation::IMAGE.to_owned(), image.image.clone());
    metadata
}

fn service(plan: &Plan, image: &Image) -> Service {
    Service {
        metadata: metadata(plan, image),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            // The API server's default, set explicitly so that an edit of it is reverted.
            internal_traffic_policy: Some("Cluster".to_owned()),
            ports: Some(vec![ServicePort {
                name: Some(PORT.to_owned()),
                app_protocol: Some("kubernetes.io/h2c".to_owned()),
                // The same number on both sides, because a network policy applies to the pod's port.
                port: image.port,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::Int(image.port)),
                ..ServicePort::default()
            }]),
            selector: Some(selector(plan, image)),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn deployment(plan: &Plan, image: &Image, settings: &Settings) -> Deployment {
    let mut pod_labels = labels(ALGORITHM_APP, &plan.owner.name);
    pod_labels.extend(selector(plan, image));
    Deployment {
        metadata: metadata(plan, image),
        spec: Some(DeploymentSpec {
            replicas: Some(image.replicas),
            // Set explicitly: a paused Deployment would not follow the resource any more.
            paused: Some(false),
            revision_history_limit: Some(1),
            // The pods keep no state, so that the new pod may answer beside the old one.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            selector: LabelSelector { match_labels: Some(selector(plan, image)), match_expressions: None },
            template: k8s_openapi::api::core::v1::PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(pod_labels), ..ObjectMeta::default() }),
                spec: Some(pod_spec(settings, process(plan, image, settings))),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn process(plan: &Plan, image: &Image, settings: &Settings) -> Process {
    let spec = &image.spec;
    let env = spec.env.iter().flatten().map(|variable| EnvVar {
        name: variable.name.clone(),
        value: Some(variable.value.clone()),
        value_from: None,
    });
    let secrets =
        spec.image_pull_secrets.as_ref().map(|secrets| secrets.iter().map(|secret| secret.name.clone()).collect());
    Process {
        container: ALGORITHM_SERVER,
        service_account: algorithm(&plan.owner.name),
        image: image.image.clone(),
        image_pull_policy: spec
            .image_pull_policy
            .map_or_else(|| settings.image_pull_policy.clone(), |policy| policy.name().to_owned()),
        image_pull_secrets: secrets.unwrap_or_else(|| settings.image_pull_secrets.clone()),
        args: spec.args.clone().unwrap_or_default(),
        env: env.collect(),
        ports: vec![port(PORT, image.port)],
        resources: spec.resources.as_ref().map(requirements).unwrap_or_default(),
        volumes: Vec::new(),
        // An open port is all that can be required of any image. The operator itself calls Describe.
        readiness: Probe {
            tcp_socket: Some(TCPSocketAction { port: IntOrString::String(PORT.to_owned()), host: None }),
            period_seconds: Some(2),
            timeout_seconds: Some(2),
            failure_threshold: Some(3),
            ..Probe::default()
        },
        liveness: None,
    }
}

fn requirements(resources: &Resources) -> ResourceRequirements {
    let quantities = |given: &BTreeMap<String, intuition_resources::Quantity>| {
        let pairs = given.iter().map(|(name, amount)| (name.clone(), Quantity(amount.as_str().to_owned())));
        (!given.is_empty()).then(|| pairs.collect())
    };
    ResourceRequirements {
        requests: quantities(&resources.requests),
        limits: quantities(&resources.limits),
        ..ResourceRequirements::default()
    }
}

/// Ingress from the runtimes of its namespace and from the operator. Egress is not restricted: the operator does not
/// know where the algorithm gets its data.
fn policy(plan: &Plan, settings: &Settings, ports: &BTreeSet<i32>) -> NetworkPolicy {
    let runtimes = [(label::NAME, APP), (label::COMPONENT, Component::Runtime.name())];
    let runtimes = runtimes.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let peers = vec![pods(runtimes), operator(&settings.network_policy)];
    let ports: Vec<_> = ports.iter().copied().collect();
    NetworkPolicy {
        metadata: plan.owner.metadata(algorithm(&plan.owner.name), Some(ALGORITHM_SERVER)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(algorithm_selector(&plan.owner.name))),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![from(peers, &ports)]),
            egress: None,
        }),
    }
}
