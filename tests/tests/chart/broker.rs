//! Mosquitto in the chart: its configuration, its credentials, its volume.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use e2e::chart::{helm::Release, rendered::Rendered};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::releases;

/// The lines of mosquitto.conf: a word, and what is behind it.
fn configuration(rendered: &Rendered) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let map = rendered.get("ConfigMap", "intuition-mosquitto")?;
    let text = map["data"]["mosquitto.conf"].as_str().context("no mosquitto.conf")?;
    let mut lines = BTreeMap::<_, Vec<_>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').with_context(|| format!("{line:?} says nothing"))?;
        lines.entry(word.to_owned()).or_default().push(rest.to_owned());
    }
    Ok(lines)
}

fn lines(lines: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    lines.iter().map(|(word, rest)| ((*word).to_owned(), rest.iter().map(|&rest| rest.to_owned()).collect())).collect()
}

#[test]
fn its_configuration_is_the_one_that_was_measured() -> anyhow::Result<()> {
    let expected = lines(&[
        ("listener", &["1883"]),
        ("allow_anonymous", &["false"]),
        ("password_file", &["/run/mosquitto/passwd"]),
        ("set_tcp_nodelay", &["true"]),
        ("max_inflight_messages", &["1000"]),
        ("max_queued_messages", &["500000"]),
        ("max_queued_bytes", &["134217728"]),
        ("max_packet_size", &["4193280"]),
        ("persistent_client_expiration", &["7d"]),
        ("persistence", &["true"]),
        ("persistence_location", &["/data/"]),
        ("autosave_interval", &["10"]),
        ("log_dest", &["stderr"]),
        ("log_timestamp_format", &["%Y-%m-%dT%H:%M:%S"]),
        ("log_type", &["error", "warning", "notice"]),
    ]);
    ensure!(configuration(&Release::default().render()?)? == expected);
    Ok(())
}

#[test]
fn its_limits_are_settings_and_large_numbers_stay_numbers() -> anyhow::Result<()> {
    let rendered = Release::with(json!({"mosquitto": {
        "maxInflightMessages": 20, "maxQueuedMessages": 0, "maxQueuedBytes": 1_099_511_627_776_u64, "maxPacketBytes": 268_435_456,
        "extraConfig": "sys_interval 60\nmax_keepalive 600\n", "persistence": {"enabled": false}, "auth": {"enabled": false}}}))
    .render()?;
    let configuration = configuration(&rendered)?;
    for (word, expected) in [
        ("max_inflight_messages", "20"),
        ("max_queued_messages", "0"),
        ("max_queued_bytes", "1099511627776"),
        ("max_packet_size", "268435456"),
        ("sys_interval", "60"),
        ("max_keepalive", "600"),
        ("persistence", "false"),
        ("allow_anonymous", "true"),
    ] {
        ensure!(configuration.get(word) == Some(&vec![expected.to_owned()]), "{word}: {configuration:?}");
    }
    ensure!(!configuration.contains_key("password_file") && !configuration.contains_key("persistence_location"));
    Ok(())
}

#[test]
fn password_is_long_and_new_and_its_change_rolls_the_pod() -> anyhow::Result<()> {
    let mut passwords = Vec::new();
    for _ in 0..2 {
        let rendered = Release::default().render()?;
        let data = &rendered.get("Secret", "intuition-mosquitto")?["data"];
        let read = |key: &str| -> anyhow::Result<String> {
            let text = data[key].as_str().with_context(|| format!("no {key}"))?;
            Ok(String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text)?)?)
        };
        ensure!(read("username")? == "intuition");
        let password = read("password")?;
        ensure!(password.len() == 32 && password.chars().all(|letter| letter.is_ascii_alphanumeric()), "{password}");
        let pod = &rendered.get("StatefulSet", "intuition-mosquitto")?["spec"]["template"];
        ensure!(pod["metadata"]["annotations"]["checksum/credentials"] == hex::encode(Sha256::digest(&password)));
        passwords.push(password);
    }
    ensure!(passwords[0] != passwords[1]);
    Ok(())
}

/// The Secret that a pod mounts at `/etc/intuition/broker`, if any.
fn credentials(rendered: &Rendered, owner: &str) -> anyhow::Result<Value> {
    let pods = rendered.pods();
    let pod = pods.iter().find(|pod| pod.owner == owner).with_context(|| format!("no {owner}"))?;
    let mounts = pod.containers().into_iter().filter_map(|container| container["volumeMounts"].as_array()).flatten();
    let mount = mounts.into_iter().find(|mount| mount["mountPath"] == "/etc/intuition/broker");
    let Some(mount) = mount else { return Ok(Value::Null) };
    let volumes = pod.spec["volumes"].as_array().context("no volumes")?;
    let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).context("no such volume")?;
    Ok(volume["secret"]["secretName"].clone())
}

#[test]
fn broker_operator_and_test_use_the_same_credentials() -> anyhow::Result<()> {
    let (operator, mosquitto, test) =
        ("Deployment intuition-operator", "StatefulSet intuition-mosquitto", "Pod intuition-test");
    let all = |release: Release, owners: &[&str], secret: Value| -> anyhow::Result<()> {
        let rendered = release.render()?;
        for owner in owners {
            let found = credentials(&rendered, owner)?;
            ensure!(found == secret, "{owner}: {found}, not {secret}");
        }
        let flag = rendered.text().contains("--broker-credentials-dir=/etc/intuition/broker");
        ensure!(flag != secret.is_null(), "the operator is told of credentials exactly if there are some");
        Ok(())
    };
    all(Release::default(), &[operator, mosquitto, test], json!("intuition-mosquitto"))?;
    let theirs = json!({"mosquitto": {"auth": {"existingSecret": "mine"}}});
    all(Release::with(theirs.clone()), &[operator, mosquitto, test], json!("mine"))?;
    ensure!(Release::with(theirs).render()?.of_kind("Secret").is_empty(), "theirs is enough");
    all(Release::with(json!({"mosquitto": {"auth": {"enabled": false}}})), &[operator, mosquitto, test], Value::Null)?;
    let outside = json!({"broker": {"url": "mqtts://mqtt.example.com", "credentialsSecret": "mine"}});
    all(Release::with(outside), &[operator, test], json!("mine"))?;
    all(Release::with(json!({"broker": {"url": "mqtt://mqtt.example.com"}})), &[operator, test], Value::Null)
}

#[test]
fn another_broker_takes_its_place() -> anyhow::Result<()> {
    for values in [json!({"broker": {"url": "mqtt://mqtt.example.com"}}), json!({"mosquitto": {"enabled": false}})] {
        let rendered = Release::with(values).render()?;
        let left: Vec<_> = rendered
            .objects()
            .iter()
            .filter(|object| object["metadata"]["labels"]["app.kubernetes.io/component"] == "mosquitto")
            .collect();
        ensure!(left.is_empty(), "{left:?}");
    }
    Ok(())
}

#[test]
fn its_volume_outlives_the_release_and_can_grow() -> anyhow::Result<()> {
    let rendered = releases::everything().render()?;
    let claims = rendered.of_kind("PersistentVolumeClaim");
    let [claim] = claims.as_slice() else { anyhow::bail!("{claims:?}") };
    ensure!(claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep");
    ensure!(claim["spec"]["resources"]["requests"]["storage"] == "10Gi" && claim["spec"]["storageClassName"] == "fast");
    let sets = rendered.of_kind("StatefulSet");
    let [set] = sets.as_slice() else { anyhow::bail!("{sets:?}") };
    ensure!(set["spec"]["volumeClaimTemplates"].is_null(), "a template can never be changed");
    ensure!(set["spec"]["replicas"] == 1);
    ensure!(
        set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64() > Some(30),
        "it writes its queues when it ends"
    );
    Ok(())
}
