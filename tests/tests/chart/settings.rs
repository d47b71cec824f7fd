//! The operator's settings file, as the chart writes it.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use e2e::chart::{cluster::Cluster, helm::Release};
use serde_json::{Value, json};

use crate::releases;

fn settings(release: &Release) -> anyhow::Result<Value> {
    let rendered = release.render()?;
    let maps = rendered.of_kind("ConfigMap");
    let text = maps.iter().find_map(|map| map["data"]["settings.yaml"].as_str()).context("no settings")?;
    Ok(serde_saphyr::from_str(text)?)
}

#[test]
fn the_defaults_say_all_that_the_operator_knows() -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let resources = json!({
        "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "16Mi"},
        "limits": {"memory": "256Mi", "ephemeral-storage": "256Mi"},
    });
    let expected = json!({
        "runtimeImage": format!("localhost/intuition/algo-runtime:{version}"),
        "bridgeImage": format!("localhost/intuition/bridge:{version}"),
        "feedImage": format!("localhost/intuition/feed:{version}"),
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecrets": [],
        "broker": {"url": "mqtt://intuition-mosquitto.intuition-system.svc:1883", "loginNamespaces": "Labelled"},
        "topics": {"prefix": "intuition", "confine": "Enforce", "publish": [], "subscribe": []},
        "installation": "intuition-system/intuition",
        "clientIdPrefix": "intuition",
        "clusterDomain": "cluster.local",
        "logFormat": "json",
        "log": "info",
        "runtimeResources": resources,
        "bridgeResources": resources,
        "feedResources": {
            "requests": {"cpu": "20m", "memory": "32Mi", "ephemeral-storage": "16Mi"},
            "limits": {"memory": "256Mi", "ephemeral-storage": "256Mi"},
        },
        "bridgeTuning": {},
        "nodeSelector": {},
        "tolerations": [],
        "priorityClassName": "",
        "networkPolicy": {
            "enabled": true,
            "operatorNamespace": "intuition-system",
            "operatorPodLabels": {
                "app.kubernetes.io/name": "intuition",
                "app.kubernetes.io/instance": "intuition",
                "app.kubernetes.io/component": "operator",
            },
            "metricsFrom": [],
        },
    });
    let found = settings(&Release::default())?;
    ensure!(found == expected, "{found:#}");
    Ok(())
}

#[test]
fn every_value_about_algos_arrives() -> anyhow::Result<()> {
    let resources = json!({
        "requests": {"cpu": 1, "memory": "1Gi", "ephemeral-storage": "1Gi"},
        "limits": {"cpu": "1500m", "memory": "1Gi", "ephemeral-storage": "1Gi"},
    });
    let expected = json!({
        "runtimeImage": "registry.example.com:5000/team/intuition/algo-runtime:1.2.4",
        "bridgeImage": "registry.example.com:5000/team/intuition/bridge:1.2.4",
        "feedImage": "registry.example.com:5000/team/intuition/feed:1.2.4",
        "imagePullPolicy": "Always",
        "imagePullSecrets": ["login"],
        "broker": {"url": "mqtt://intuition-trading-mosquitto.intuition-system.svc:1883", "loginNamespaces": "All"},
        "topics": {
            "prefix": "trading/staging",
            "confine": "Warn",
            "publish": [{"namespace": "desk-a", "topics": ["trades/desk-a"]}],
            "subscribe": [{"namespace": "*", "topics": ["intuition/+/+/decisions"]}],
        },
        "installation": "trading/before",
        "clientIdPrefix": "desk",
        "clusterDomain": "example.internal",
        "logFormat": "text",
        "log": "debug",
        "runtimeResources": resources,
        "bridgeResources": resources,
        "feedResources": resources,
        "bridgeTuning": {"receiveMaximum": 100, "keepAlive": "60s"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "trading", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60}],
        "priorityClassName": "high",
        "networkPolicy": {
            "enabled": true,
            "operatorNamespace": "intuition-system",
            "operatorPodLabels": {
                "app.kubernetes.io/name": "trading",
                "app.kubernetes.io/instance": "intuition",
                "app.kubernetes.io/component": "operator",
            },
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        },
    });
    let found = settings(&releases::everything())?;
    ensure!(found == expected, "{found:#}");
    Ok(())
}

#[test]
fn the_default_broker_is_the_one_that_there_is() -> anyhow::Result<()> {
    let url = |values: Value| Ok::<_, anyhow::Error>(settings(&Release::with(values))?["broker"].clone());
    let expected = json!({"url": "mqtts://mqtt.example.com", "loginNamespaces": "Labelled"});
    ensure!(url(json!({"broker": {"url": "mqtts://mqtt.example.com"}}))? == expected);
    ensure!(url(json!({"mosquitto": {"enabled": false}}))?.is_null());
    ensure!(
        settings(&Release::with(json!({"networkPolicy": {"enabled": false}})))?["networkPolicy"]["enabled"] == false
    );
    Ok(())
}

/// `topics.confine` and `broker.loginNamespaces` of a release.
fn confinement(release: &Release) -> anyhow::Result<[String; 2]> {
    let settings = settings(release)?;
    Ok(["/topics/confine", "/broker/loginNamespaces"]
        .map(|path| settings.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()))
}

#[test]
fn new_release_confines_and_an_upgrade_without_its_cluster_warns() -> anyhow::Result<()> {
    ensure!(confinement(&Release::default())? == ["Enforce", "Labelled"]);
    ensure!(confinement(&Release::default().upgraded())? == ["Warn", "All"]);
    for confine in ["Off", "Warn", "Enforce"] {
        for login in ["All", "Labelled"] {
            let values = json!({"topics": {"confine": confine}, "broker": {"loginNamespaces": login}});
            ensure!(confinement(&Release::with(values.clone()))? == [confine, login]);
            ensure!(confinement(&Release::with(values).upgraded())? == [confine, login]);
        }
    }
    Ok(())
}

#[test]
fn upgraded_release_keeps_what_its_settings_in_the_cluster_say() -> anyhow::Result<()> {
    for (recorded, expected) in [
        // As v0.1.0 wrote them.
        ("runtimeImage: r\nbridgeImage: b\nbroker:\n  url: mqtt://b\n", ["Warn", "All"]),
        ("runtimeImage: r\nbridgeImage: b\n", ["Warn", "All"]),
        ("broker: {url: mqtt://b, loginNamespaces: Labelled}\ntopics: {confine: Enforce}\n", ["Enforce", "Labelled"]),
        ("broker: {url: mqtt://b, loginNamespaces: All}\ntopics: {confine: Warn}\n", ["Warn", "All"]),
        ("broker: {url: mqtt://b, loginNamespaces: All}\ntopics: {confine: \"Off\"}\n", ["Off", "All"]),
        ("topics: {confine: Enforce}\n", ["Enforce", "Labelled"]),
    ] {
        let cluster = Cluster::with_settings("intuition-system", "intuition-operator", recorded)?;
        for release in [Release::default(), Release::default().upgraded()] {
            let found = confinement(&release.in_cluster(&cluster))?;
            ensure!(found == expected, "{recorded}: {found:?}");
        }
        let values = json!({"topics": {"confine": "Enforce"}, "broker": {"loginNamespaces": "Labelled"}});
        let found = confinement(&Release::with(values).upgraded().in_cluster(&cluster))?;
        ensure!(found == ["Enforce", "Labelled"], "a value counts more than what was recorded: {found:?}");
    }
    let empty = Cluster::with_settings("elsewhere", "intuition-operator", "topics: {confine: Warn}")?;
    ensure!(confinement(&Release::default().in_cluster(&empty))? == ["Enforce", "Labelled"]);
    Ok(())
}

#[test]
fn the_labels_that_children_let_in_are_those_of_the_operators_pods() -> anyhow::Result<()> {
    for (what, release) in releases::all() {
        let allowed = settings(&release)?["networkPolicy"]["operatorPodLabels"].clone();
        let rendered = release.render()?;
        let pods = rendered.pods();
        let operator = pods.iter().find(|pod| pod.owner.starts_with("Deployment ")).context("no operator")?;
        for (key, value) in allowed.as_object().context("no labels")? {
            ensure!(operator.metadata["labels"][key] == *value, "{what}: {key}");
        }
    }
    Ok(())
}

#[test]
fn the_operator_is_started_with_what_the_values_say() -> anyhow::Result<()> {
    let arguments = |release: &Release| -> anyhow::Result<BTreeSet<String>> {
        let rendered = release.render()?;
        let pods = rendered.pods();
        let operator = pods.iter().find(|pod| pod.owner.starts_with("Deployment ")).context("no operator")?;
        let arguments = operator.spec["containers"][0]["args"].as_array().context("no arguments")?;
        Ok(arguments.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    let expected = [
        "run",
        "--settings=/etc/intuition/settings/settings.yaml",
        "--lease-namespace=intuition-system",
        "--lease-name=intuition-operator",
        "--identity=$(POD_NAME)",
        "--http-addr=0.0.0.0:8080",
        "--backends-addr=0.0.0.0:50052",
        "--broker-credentials-dir=/etc/intuition/broker",
        "--concurrency=16",
        "--resync-seconds=10",
        "--log-format=json",
        "--log=info",
    ];
    let found = arguments(&Release::default())?;
    ensure!(found == expected.map(str::to_owned).into(), "{found:?}");
    let found = arguments(&releases::everything())?;
    for argument in ["--concurrency=4", "--resync-seconds=30", "--log-format=text", "--log=info,kube=debug"] {
        ensure!(found.contains(argument), "{argument} is not in {found:?}");
    }
    Ok(())
}
