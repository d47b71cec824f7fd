//! The parts of a pod that its source needs: Secrets, files, and the flags with their places. Pure.

use intuition_resources::{ClaimFile, ConfigMapFile, FeedSource, File, SecretRef};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, SecretVolumeSource, Volume, VolumeMount,
};

use crate::workload::pod::mount;

const EXCHANGE_DIR: &str = "/etc/intuition/exchange";
const POSTGRES_DIR: &str = "/etc/intuition/postgres";
const FILES_DIR: &str = "/files";
/// Key with the certificates of the authorities of an exchange.
const EXCHANGE_CA: &str = "ca.crt";
/// Key with the URL of a database.
const POSTGRES_URL: &str = "postgres-url";
/// Key with the certificates of the authorities of a database.
const POSTGRES_CA: &str = "postgres-ca.crt";

/// Flags, and volumes with their mounts.
#[derive(Default)]
pub(super) struct Needs {
    pub(super) args: Vec<String>,
    pub(super) volumes: Vec<(Volume, VolumeMount)>,
}

/// The needs of a source.
pub(super) fn needs(source: &FeedSource) -> Needs {
    match source {
        FeedSource { exchange: Some(exchange), .. } => {
            exchange.ca_secret_ref.as_ref().map(of_exchange).unwrap_or_default()
        }
        FeedSource { postgres: Some(postgres), .. } => of_postgres(&postgres.secret_ref),
        FeedSource { file: Some(file), .. } => of_file(file),
        FeedSource { .. } => Needs::default(),
    }
}

fn of_exchange(ca: &SecretRef) -> Needs {
    Needs {
        args: vec!["--exchange-ca".to_owned(), format!("{EXCHANGE_DIR}/{EXCHANGE_CA}")],
        volumes: vec![secret("exchange", ca, &[EXCHANGE_CA], EXCHANGE_DIR)],
    }
}

fn of_postgres(login: &SecretRef) -> Needs {
    Needs {
        args: vec!["--postgres-credentials-dir".to_owned(), POSTGRES_DIR.to_owned()],
        volumes: vec![secret("postgres", login, &[POSTGRES_URL, POSTGRES_CA], POSTGRES_DIR)],
    }
}

/// A volume with these keys of a Secret. It is optional: the process reports a missing Secret, where a pod with a required volume would
/// never start, and it uses the Secret without a new pod once it is there.
fn secret(name: &str, secret: &SecretRef, keys: &[&str], folder: &str) -> (Volume, VolumeMount) {
    let item = |key: &&str| KeyToPath { key: (*key).to_owned(), path: (*key).to_owned(), mode: None };
    let volume = Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.name.clone()),
            optional: Some(true),
            items: Some(keys.iter().map(item).collect()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    (volume, mount(name, folder, true))
}

fn of_file(file: &File) -> Needs {
    let name = "files";
    let volume = match (&file.claim, &file.config_map) {
        (Some(ClaimFile { name: claim, .. }), _) => Volume {
            name: name.to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.clone(),
                read_only: Some(true),
            }),
            ..Volume::default()
        },
        (None, Some(ConfigMapFile { name: config_map, key })) => Volume {
            name: name.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map.clone(),
                // As for Secrets.
                optional: Some(true),
                items: Some(vec![KeyToPath { key: key.clone(), path: key.clone(), mode: None }]),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        (None, None) => return Needs::default(),
    };
    Needs {
        args: vec!["--files-dir".to_owned(), FILES_DIR.to_owned()],
        volumes: vec![(volume, mount(name, FILES_DIR, true))],
    }
}
