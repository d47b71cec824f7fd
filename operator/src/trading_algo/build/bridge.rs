//! The bridge.

use intuition_api::topic::PREFIX;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{KeyToPath, SecretVolumeSource, Volume},
};
use sha2::{Digest as _, Sha256};

use super::{
    deployment::{self, Workload},
    runtime,
};
use crate::{
    names::{Component, HTTP_PORT, credential},
    settings::{Settings, credentials::Credentials},
    trading_algo::plan::{Login, Plan},
    workload::pod::mount,
};

const CREDENTIALS_DIR: &str = "/etc/intuition/broker";

/// The Deployment.
pub(crate) fn deployment(plan: &Plan, settings: &Settings) -> Deployment {
    let mut args: Vec<String> = [
        "--mqtt".to_owned(),
        plan.broker.url.clone(),
        "--rpc".to_owned(),
        runtime::url(plan, settings),
        "--algo".to_owned(),
        plan.account(),
        "--client-id-prefix".to_owned(),
        settings.client_id_prefix.clone(),
        "--http-addr".to_owned(),
        format!("0.0.0.0:{HTTP_PORT}"),
    ]
    .into();
    // A bridge of a release without the flag ends here and the quotes wait, which is better than decisions among those of
    // another installation. The usual prefix is left out, for those bridges and so that an upgrade replaces no pod.
    if settings.topics.prefix != PREFIX {
        args.push(format!("--topic-prefix={}", settings.topics.prefix));
    }
    if let Some(topic) = &plan.publish {
        args.push(format!("--decisions-topic={topic}"));
    }
    let mut volumes = Vec::new();
    if let Some(secret) = plan.broker.login.secret() {
        args.extend(["--mqtt-credentials-dir".to_owned(), CREDENTIALS_DIR.to_owned()]);
        let volume = Volume {
            name: "broker".to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.to_owned()),
                // A Secret that is not there yet is told by the bridge, in words, instead of by a pod that never starts;
                // and once it is there it is used without a restart.
                optional: Some(true),
                items: matches!(plan.broker.login, Login::Named { .. }).then(items),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        };
        volumes.push((volume, mount("broker", CREDENTIALS_DIR, true)));
    }
    args.extend(deployment::log_args(settings));
    let workload = Workload {
        component: Component::Bridge,
        image: settings.bridge_image.clone(),
        args,
        env: settings.bridge_tuning.env(),
        ports: vec![deployment::http_port()],
        resources: settings.bridge_resources.clone(),
        volumes,
        // The bridge reads its credentials at each attempt to connect; a connection that is there goes on with the ones
        // before, which may have been revoked.
        mounts: match &plan.broker.login {
            Login::Default { credentials, .. } => Some(hash(credentials)),
            Login::Named { .. } | Login::Anonymous => None,
        },
    };
    deployment::deployment(plan, settings, workload)
}

/// The keys of a resource's own Secret that are mounted: a Secret that was made for something else has none of them, but for
/// the names of v0.1.0. Those are mounted for this release too, and bridges of v0.1.0 read the present keys by them: of
/// two items with one path the kubelet takes the later one. Keys that are not there are left out, as the volume is optional.
fn items() -> Vec<KeyToPath> {
    let item = |key: &str, path: &str| KeyToPath { key: key.to_owned(), path: path.to_owned(), mode: None };
    let former = credential::MOUNTED.iter().filter_map(|(_, former)| former.map(|former| item(former, former)));
    let present = credential::MOUNTED.iter().map(|(key, _)| item(key, key));
    let for_former = credential::MOUNTED.iter().filter_map(|(key, former)| former.map(|former| item(key, former)));
    former.chain(present).chain(for_former).collect()
}

fn hash(credentials: &Credentials) -> String {
    let mut hasher = Sha256::new();
    for (name, content) in &credentials.0 {
        // Lengths first, so that no two different sets run together.
        hasher.update(name.len().to_be_bytes());
        hasher.update(name);
        hasher.update(content.len().to_be_bytes());
        hasher.update(content);
    }
    hex::encode(hasher.finalize()).chars().take(16).collect()
}
