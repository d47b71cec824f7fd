//! From a plan to the children. Pure: the same plan and settings give the same children.

mod network;
mod source;

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, ConfigMapVolumeSource, KeyToPath, Secret, ServiceAccount, Volume},
    networking::v1::NetworkPolicy,
};
use sha2::{Digest as _, Sha256};

use super::plan::Plan;
use crate::{
    names::{FEED_APP, FEED_PUBLISHER, HTTP_PORT, feed, feed_selector, label, labels},
    settings::Settings,
    workload::{
        broker_credentials,
        deployment::{self, SinglePod, http_port, liveness, log_args, readiness},
        pod::{Process, mount},
    },
};

const SETTINGS_DIR: &str = "/etc/intuition/settings";
/// Key of the `ConfigMap` with the spec.
const SPEC: &str = "feed.json";

/// The children of one `Feed`, a field for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The spec as the process reads it.
    pub settings: ConfigMap,
    /// The service account of the pod, without a token.
    pub account: ServiceAccount,
    /// Credentials for the default broker.
    pub broker: Option<Secret>,
    /// The network policy of the pod.
    pub policy: Option<NetworkPolicy>,
    /// The Deployment.
    pub deployment: Deployment,
}

/// The children of a plan.
pub fn desired(plan: &Plan, settings: &Settings) -> Desired {
    let name = feed(&plan.owner.name);
    let text = format!("{:#}\n", plan.spec);
    Desired {
        account: ServiceAccount {
            metadata: plan.owner.metadata(name.clone(), None),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        },
        broker: broker_credentials::secret(&plan.broker.login, |name| plan.owner.metadata(name, Some(FEED_PUBLISHER))),
        policy: settings.network_policy.enabled.then(|| network::policy(plan, settings)),
        deployment: deployment(plan, settings, &text),
        settings: ConfigMap {
            metadata: plan.owner.metadata(name, Some(FEED_PUBLISHER)),
            data: Some([(SPEC.to_owned(), text)].into()),
            ..ConfigMap::default()
        },
    }
}

/// One pod: the broker takes one client of a name, and a number that a first pod has passed would be refused by accounts.
fn deployment(plan: &Plan, settings: &Settings, spec: &str) -> Deployment {
    let name = &plan.owner.name;
    // Distinguishes the pods of a deleted resource of the same name.
    let identity = || BTreeMap::from([(label::UID.to_owned(), plan.owner.uid.clone())]);
    let mut pod_labels = labels(FEED_APP, name);
    pod_labels.extend(feed_selector(name));
    pod_labels.extend(identity());
    let mut selected = feed_selector(name);
    selected.extend(identity());
    let credentials = broker_credentials::mounted(&plan.broker.login);
    let single = SinglePod {
        metadata: plan.owner.metadata(feed(name), Some(FEED_PUBLISHER)),
        replicas: i32::from(!plan.is_suspended),
        labels: pod_labels,
        selected,
        mounts: Some(hash(spec, credentials.hash.as_deref())),
        process: process(plan, settings, credentials),
    };
    deployment::deployment(settings, single)
}

/// The process reads its settings once, so that another spec needs another pod.
fn hash(spec: &str, credentials: Option<&str>) -> String {
    let mut hasher = Sha256::new();
    for part in [spec, credentials.unwrap_or_default()] {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize()).chars().take(16).collect()
}

fn process(plan: &Plan, settings: &Settings, credentials: broker_credentials::Mounted) -> Process {
    let source = source::needs(&plan.source);
    let mut args: Vec<String> = [
        "--mqtt".to_owned(),
        plan.broker.url.clone(),
        "--feed".to_owned(),
        plan.owner.full_name(),
        "--settings".to_owned(),
        format!("{SETTINGS_DIR}/{SPEC}"),
        "--client-id-prefix".to_owned(),
        settings.client_id_prefix.clone(),
        "--topic-prefix".to_owned(),
        settings.topics.prefix.clone(),
        "--http-addr".to_owned(),
        format!("0.0.0.0:{HTTP_PORT}"),
    ]
    .into();
    args.extend(credentials.args);
    args.extend(source.args);
    args.extend(log_args(settings));
    let spec = Volume {
        name: "settings".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: feed(&plan.owner.name),
            items: Some(vec![KeyToPath { key: SPEC.to_owned(), path: SPEC.to_owned(), mode: None }]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let mut volumes = vec![(spec, mount("settings", SETTINGS_DIR, true))];
    volumes.extend(credentials.volumes);
    volumes.extend(source.volumes);
    Process {
        container: FEED_PUBLISHER,
        service_account: feed(&plan.owner.name),
        image: plan.image.clone(),
        image_pull_policy: settings.image_pull_policy.clone(),
        image_pull_secrets: settings.image_pull_secrets.clone(),
        args,
        env: Vec::new(),
        ports: vec![http_port()],
        resources: settings.feed_resources.clone(),
        volumes,
        readiness: readiness(),
        liveness: Some(liveness()),
    }
}

#[cfg(test)]
mod tests;
