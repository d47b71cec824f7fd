//! The credentials for the broker in a pod: arguments, volume, and the Secret made for the default broker. Pure.

use k8s_openapi::{
    ByteString,
    api::core::v1::{KeyToPath, Secret, SecretVolumeSource, Volume, VolumeMount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use sha2::{Digest as _, Sha256};

use crate::{
    names::credential,
    settings::credentials::Credentials,
    workload::{broker::Login, pod::mount},
};

const CREDENTIALS_DIR: &str = "/etc/intuition/broker";

/// The credentials in a pod.
#[derive(Default)]
pub(crate) struct Mounted {
    pub(crate) args: Vec<String>,
    pub(crate) volumes: Vec<(Volume, VolumeMount)>,
    /// Hash of the default broker's credentials. The process reads its credentials at each attempt to connect; a connection that is
    /// there goes on with the credentials before, which may have been revoked.
    pub(crate) hash: Option<String>,
}

/// The credentials of a login, as a process takes them.
pub(crate) fn mounted(login: &Login) -> Mounted {
    let Some(secret) = login.secret() else { return Mounted::default() };
    let volume = Volume {
        name: "broker".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            // The process reports a Secret that is not there yet in words, where the pod would never start; and it uses the
            // Secret without a restart.
            optional: Some(true),
            items: matches!(login, Login::Named { .. }).then(items),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    Mounted {
        args: vec!["--mqtt-credentials-dir".to_owned(), CREDENTIALS_DIR.to_owned()],
        volumes: vec![(volume, mount("broker", CREDENTIALS_DIR, true))],
        hash: match login {
            Login::Default { credentials, .. } => Some(hash(credentials)),
            Login::Named { .. } | Login::Anonymous => None,
        },
    }
}

/// The Secret with the default broker's credentials, for a resource that gets them. `metadata`: of a Secret of this name.
pub(crate) fn secret(login: &Login, metadata: impl FnOnce(String) -> ObjectMeta) -> Option<Secret> {
    let Login::Default { secret, credentials } = login else { return None };
    // Under both names, because the pod mounts the whole Secret and bridges of v0.1.0 read the old names.
    let present =
        |former: &str| credential::MOUNTED.iter().find(|(_, name)| *name == Some(former)).map(|(key, _)| *key);
    let both = |(former, content): (&String, &Vec<u8>)| {
        let names = [Some(former.as_str()), present(former)];
        names.into_iter().flatten().map(|name| (name.to_owned(), ByteString(content.clone()))).collect::<Vec<_>>()
    };
    let data = credentials.0.iter().flat_map(both).collect();
    Some(Secret {
        metadata: metadata(secret.clone()),
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
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
