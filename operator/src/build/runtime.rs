//! The runtime: its settings, its Service and its Deployment.

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{
            ConfigMap, ConfigMapVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, Service, ServicePort,
            ServiceSpec, Volume,
        },
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    metadata,
    pod::{self, Workload},
};
use crate::{
    names::{Component, GRPC_PORT, HTTP_PORT, claim, label, selector, service_url},
    plan::Plan,
    settings::Settings,
};

const RUNTIME: Component = Component::Runtime;
const DATA_DIR: &str = "/data";
const SETTINGS_DIR: &str = "/etc/intuition/settings";
const SETTINGS_FILE: &str = "settings.json";

/// The settings file. Its key is the same whatever decides: what is taken up from it at a start is the runtime's to say, by its
/// ledger, and the rest comes by `Configure`.
pub(super) fn settings(plan: &Plan) -> Option<ConfigMap> {
    Some(ConfigMap {
        metadata: metadata(plan, RUNTIME.of(&plan.name), Some(RUNTIME)),
        data: Some([(SETTINGS_FILE.to_owned(), format!("{:#}\n", plan.settings_file()?))].into()),
        ..ConfigMap::default()
    })
}

/// The Service. It leads to the runtime ready or not: one that could not write its ledger recovers by the next quote,
/// which has to reach it.
pub(super) fn service(plan: &Plan) -> Service {
    let mut selector = selector(&plan.name, RUNTIME);
    selector.insert(label::UID.to_owned(), plan.uid.clone());
    Service {
        metadata: metadata(plan, RUNTIME.of(&plan.name), Some(RUNTIME)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            // The API server's default, said so that an edit of it does not stay.
            internal_traffic_policy: Some("Cluster".to_owned()),
            publish_not_ready_addresses: Some(true),
            ports: Some(vec![ServicePort {
                name: Some("grpc".to_owned()),
                app_protocol: Some("kubernetes.io/h2c".to_owned()),
                port: GRPC_PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String("grpc".to_owned())),
                ..ServicePort::default()
            }]),
            selector: Some(selector),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Where the bridge finds the runtime.
pub(super) fn url(plan: &Plan, settings: &Settings) -> String {
    service_url(&RUNTIME.of(&plan.name), &plan.namespace, &settings.cluster_domain, GRPC_PORT)
}

/// The Deployment. What `Configure` carries is in none of its arguments.
pub(super) fn deployment(plan: &Plan, settings: &Settings) -> Deployment {
    let mut args: Vec<String> = [
        "--addr".to_owned(),
        format!("0.0.0.0:{GRPC_PORT}"),
        "--http-addr".to_owned(),
        format!("0.0.0.0:{HTTP_PORT}"),
        "--account".to_owned(),
        plan.account(),
        "--data-dir".to_owned(),
        DATA_DIR.to_owned(),
        "--settings".to_owned(),
        format!("{SETTINGS_DIR}/{SETTINGS_FILE}"),
        "--portfolio".to_owned(),
        plan.portfolio.policy.name().to_owned(),
    ]
    .into();
    if let Some(fraction) = plan.portfolio.fraction {
        args.extend(["--fraction".to_owned(), fraction.to_string()]);
    }
    if let Some(amount) = plan.portfolio.amount {
        args.extend(["--amount".to_owned(), amount.to_string()]);
    }
    // With a sign of equality, so that a filter that begins with a hyphen is not taken for a flag.
    args.extend(plan.subscribe.iter().flatten().map(|filter| format!("--channel={filter}")));
    args.extend(pod::log_args(settings));
    let data = Volume {
        name: "data".to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim(&plan.name),
            read_only: None,
        }),
        ..Volume::default()
    };
    let file = Volume {
        name: "settings".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: RUNTIME.of(&plan.name),
            items: Some(vec![KeyToPath { key: SETTINGS_FILE.to_owned(), path: SETTINGS_FILE.to_owned(), mode: None }]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let workload = Workload {
        component: RUNTIME,
        image: settings.runtime_image.clone(),
        args,
        ports: vec![pod::port("grpc", GRPC_PORT), pod::http_port()],
        resources: settings.runtime_resources.clone(),
        volumes: vec![(data, pod::mount("data", DATA_DIR, false)), (file, pod::mount("settings", SETTINGS_DIR, true))],
        mounts: None,
    };
    pod::deployment(plan, settings, workload)
}
