//! Credentials in a folder, as a Secret is mounted: what changes there takes effect without a restart.

use std::fs;

use bridge::{BROKER, PUBLISHER};
use intuition_mqtt::Credentials;
use tempfile::TempDir;

use crate::{mosquitto::Mosquitto, running::Running, runtime::Scripted};

/// Starts a bridge with the credentials in `folder`.
fn start(broker_url: &str, runtime: &Scripted, folder: &TempDir) -> Running {
    Running::start_with(broker_url, &runtime.url, |config| {
        config.mqtt.credentials = Credentials::Folder(folder.path().to_owned());
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_wrong_or_unreadable_is_read_again_at_every_attempt() {
    let (broker, runtime) = (Mosquitto::with_password("right"), Scripted::start(&["quotes"]).await);
    let folder = tempfile::tempdir().unwrap();
    let bridge = start(&broker.url(), &runtime, &folder);
    for part in [BROKER, PUBLISHER] {
        bridge.lacks(part, "NotAuthorized").await;
    }
    let hint = format!("{} holds no username: does the Secret that is mounted there exist?", folder.path().display());
    assert!(bridge.message(BROKER).contains(&hint), "{}", bridge.message(BROKER));
    fs::write(folder.path().join("username"), "me\n").unwrap();
    fs::write(folder.path().join("password"), b"\xff").unwrap();
    for part in [BROKER, PUBLISHER] {
        bridge.lacks(part, "BadCredentials").await;
    }
    fs::write(folder.path().join("password"), "wrong\n").unwrap();
    for part in [BROKER, PUBLISHER] {
        bridge.lacks(part, "NotAuthorized").await;
    }
    assert!(!bridge.message(BROKER).contains("holds no username"), "it does by now");
    fs::write(folder.path().join("password"), "right\n").unwrap();
    bridge.ready().await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_takes_effect_at_the_next_connection() {
    let (mut broker, runtime) = (Mosquitto::with_password("old"), Scripted::start(&["quotes"]).await);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("username"), "me").unwrap();
    fs::write(folder.path().join("password"), "old").unwrap();
    let bridge = start(&broker.url(), &runtime, &folder);
    bridge.ready().await;
    broker.stop();
    broker.set_password("new");
    fs::write(folder.path().join("password"), "new").unwrap();
    bridge.lacks(BROKER, "Unreachable").await;
    broker.launch();
    bridge.ready().await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_or_unusable_authority_is_read_again_at_every_attempt() {
    let (broker, runtime) = (Mosquitto::with_tls(), Scripted::start(&["quotes"]).await);
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.crt");
    fs::write(&authority, "no certificate").unwrap();
    let bridge = start(&broker.url().replace("mqtt:", "mqtts:"), &runtime, &folder);
    for part in [BROKER, PUBLISHER] {
        bridge.lacks(part, "BadCertificate").await;
    }
    // Somebody else vouches for this one.
    fs::copy(Mosquitto::with_tls().path("ca.crt"), &authority).unwrap();
    for part in [BROKER, PUBLISHER] {
        bridge.lacks(part, "TlsFailed").await;
    }
    fs::copy(broker.path("ca.crt"), &authority).unwrap();
    bridge.ready().await;
    bridge.stop().await;
}
