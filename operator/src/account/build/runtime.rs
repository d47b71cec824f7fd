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
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::deployment::{self, Workload};
use crate::{
    account::{
        kind::AccountKind,
        plan::{Plan, Stored, runtime::cash_file},
        trading_state::RequestedState,
    },
    kubernetes::owner::Owner,
    names::{Component, GRPC_PORT, HTTP_PORT, claim, label, service_url},
    settings::Settings,
    workload::{
        deployment::{http_port, log_args},
        pod::{mount, port},
    },
};

const RUNTIME: Component = Component::Runtime;
const DATA_DIR: &str = "/data";
const SETTINGS_DIR: &str = "/etc/intuition/settings";
const SETTINGS_FILE: &str = "settings.json";
const SECOND_SETTINGS_FILE: &str = "settings-2.json";
const TRADING_STATE_FILE: &str = "trading-state.json";
const CASH_FILE: &str = "cash.json";

/// The runtime's files. No key but that of the second one depends on its text: the runtime weighs the files against its
/// ledger at a start, and later settings come by calls. `None`: there are no settings yet, and none in the cluster.
pub(crate) fn settings(plan: &Plan) -> Option<ConfigMap> {
    let mut data = match plan.settings_file() {
        Some(settings) => {
            Stored::from([(SETTINGS_FILE.to_owned(), text(&settings)), (CASH_FILE.to_owned(), text(&plan.cash_file()))])
        }
        // Those that are there stay, with the cash that goes with them.
        None => kept(&plan.stored, &plan.uid, &[SETTINGS_FILE, CASH_FILE])?,
    };
    data.extend(second_file(plan));
    data.insert(TRADING_STATE_FILE.to_owned(), text(&plan.trading.file(&plan.uid, plan.generation)));
    Some(config_map(&plan.owner(), &plan.children(), data))
}

/// The `ConfigMap` of a `TradingAlgo` in the cluster with another trading state and nothing else changed, for a spec that is not
/// accepted.
/// `None`: it holds no settings.
pub(crate) fn with_trading_state(
    owner: &Owner,
    stored: &Stored,
    trading: &RequestedState,
    generation: i64,
) -> Option<ConfigMap> {
    let keys: Vec<_> = stored.keys().map(String::as_str).collect();
    let mut data = kept(stored, &owner.uid, &keys)?;
    data.insert(TRADING_STATE_FILE.to_owned(), text(&trading.file(&owner.uid, generation)));
    Some(config_map(owner, &AccountKind::TradingAlgo.children(&owner.name), data))
}

/// The settings file that the cluster holds.
pub(crate) fn stored_settings(stored: &Stored) -> Option<&str> {
    stored.get(SETTINGS_FILE).map(String::as_str)
}

/// The texts of these keys in the cluster. An earlier release made no cash file: the number in its settings counts.
fn kept(stored: &Stored, uid: &str, keys: &[&str]) -> Option<Stored> {
    let settings: Value = serde_json::from_str(stored_settings(stored)?).ok()?;
    let mut data: Stored = stored.clone().into_iter().filter(|(key, _)| keys.contains(&key.as_str())).collect();
    let generation = settings.get("generation").and_then(Value::as_i64).unwrap_or_default();
    data.entry(CASH_FILE.to_owned()).or_insert_with(|| text(&cash_file(uid, generation, false)));
    Some(data)
}

fn config_map(owner: &Owner, children: &str, data: Stored) -> ConfigMap {
    ConfigMap {
        metadata: owner.metadata(RUNTIME.of(children), Some(RUNTIME.name())),
        data: Some(data),
        ..ConfigMap::default()
    }
}

fn text(file: &Value) -> String {
    format!("{file:#}\n")
}

/// Key and text of the second settings file. The key has a hash of the text, and the pod mounts the file by it: other text
/// replaces the pod, and no pod starts with the text of the one before from a cache of the kubelet.
fn second_file(plan: &Plan) -> Option<(String, String)> {
    let text = format!("{}\n", plan.second_settings_file()?);
    let hash: String = hex::encode(Sha256::digest(&text)).chars().take(16).collect();
    Some((format!("settings-2-{hash}.json"), text))
}

/// The Service. It leads to the runtime ready or not: one that could not write its ledger recovers by the next quote,
/// which has to reach it.
pub(crate) fn service(plan: &Plan) -> Service {
    let mut selector = plan.selector(RUNTIME);
    selector.insert(label::UID.to_owned(), plan.uid.clone());
    Service {
        metadata: plan.child_metadata(RUNTIME.of(&plan.children()), Some(RUNTIME)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            // The API server's default, set explicitly so that an edit of it is reverted.
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
pub(crate) fn url(plan: &Plan, settings: &Settings) -> String {
    service_url(&RUNTIME.of(&plan.children()), &plan.namespace, &settings.cluster_domain, GRPC_PORT)
}

/// The Deployment. Settings that `Configure` changes are not among its arguments.
pub(crate) fn deployment(plan: &Plan, settings: &Settings) -> Deployment {
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
    args.extend(log_args(settings));
    let data = Volume {
        name: "data".to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim(&plan.children()),
            read_only: None,
        }),
        ..Volume::default()
    };
    let workload = Workload {
        component: RUNTIME,
        image: settings.runtime_image.clone(),
        args,
        env: Vec::new(),
        ports: vec![port("grpc", GRPC_PORT), http_port()],
        resources: settings.runtime_resources.clone(),
        volumes: vec![
            (data, mount("data", DATA_DIR, false)),
            (settings_volume(plan), mount("settings", SETTINGS_DIR, true)),
        ],
        mounts: None,
    };
    deployment::deployment(plan, settings, workload)
}

/// The files as the runtime reads them, beside each other.
fn settings_volume(plan: &Plan) -> Volume {
    let item = |key: String, path: &str| KeyToPath { key, path: path.to_owned(), mode: None };
    let mut items: Vec<_> =
        [SETTINGS_FILE, TRADING_STATE_FILE, CASH_FILE].map(|file| item(file.to_owned(), file)).into();
    items.extend(second_file(plan).map(|(key, _)| item(key, SECOND_SETTINGS_FILE)));
    Volume {
        name: "settings".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: RUNTIME.of(&plan.children()),
            items: Some(items),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}
