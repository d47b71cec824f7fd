//! What the chart says of itself: versions, images, the resource definition, labels, notes.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, ensure};
use e2e::chart::{
    helm::{CHART, Release},
    rendered::title,
    tools,
};
use serde_json::{Value, json};

use crate::releases;

fn chart() -> anyhow::Result<Value> {
    Ok(serde_saphyr::from_str(&fs::read_to_string(tools::repository().join(CHART).join("Chart.yaml"))?)?)
}

fn annotation(name: &str) -> anyhow::Result<Value> {
    let chart = chart()?;
    let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str().with_context(|| format!("no {name}"))?;
    Ok(serde_saphyr::from_str(text)?)
}

#[test]
fn chart_and_images_have_the_version_of_the_workspace() -> anyhow::Result<()> {
    let (chart, version) = (chart()?, env!("CARGO_PKG_VERSION"));
    ensure!(
        chart["version"] == version && chart["appVersion"] == version,
        "{} {}",
        chart["version"],
        chart["appVersion"]
    );
    ensure!(chart["kubeVersion"] == ">=1.33.0-0");
    let listed = annotation("images")?;
    let listed: BTreeSet<_> =
        listed.as_array().context("a list")?.iter().filter_map(|image| image["image"].as_str()).collect();
    let ours = ["algo-runtime", "bridge", "feed", "mosquitto", "operator"]
        .map(|name| format!("localhost/intuition/{name}:{version}"));
    ensure!(listed == ours.iter().map(String::as_str).collect(), "{listed:?}");
    Ok(())
}

#[test]
fn an_older_kubernetes_is_refused() -> anyhow::Result<()> {
    let ended = Release::default().on("v1.32.9").template()?;
    ensure!(!ended.success && ended.stderr.contains("1.33"), "{}", ended.stderr);
    Release::default().on("v1.33.0-gke.100").render()?;
    Release::default().on("v1.37.2").render()?;
    Ok(())
}

#[test]
fn the_resource_definitions_are_the_generated_ones() -> anyhow::Result<()> {
    let repository = tools::repository();
    let rendered = Release::default().render()?;
    let described = annotation("crds")?;
    for (index, kind) in ["tradingalgo", "algorithm", "feed", "indicator"].into_iter().enumerate() {
        let generated = fs::read_to_string(repository.join(format!("crds/{kind}.yaml")))?;
        let copy = fs::read_to_string(repository.join(CHART).join(format!("files/crds/{kind}.yaml")))?;
        ensure!(generated == copy, "the chart's copy is not up to date: run 'make generate' and commit the result");

        let generated: Value = serde_saphyr::from_str(&generated)?;
        let definition = rendered.get("CustomResourceDefinition", &format!("{kind}s.intuition.dev"))?;
        ensure!(with_plain_numbers(&definition["spec"]) == with_plain_numbers(&generated["spec"]));
        ensure!(definition["metadata"]["annotations"] == json!({"helm.sh/resource-policy": "keep"}));

        let (described, spec) = (&described[index], &generated["spec"]);
        ensure!(described["kind"] == spec["names"]["kind"] && described["version"] == spec["versions"][0]["name"]);
        ensure!(described["name"] == generated["metadata"]["name"]);
    }
    ensure!(rendered.of_kind("CustomResourceDefinition").len() == 4);
    Ok(())
}

/// helm writes 1.0 as 1.
fn with_plain_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(with_plain_numbers).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), with_plain_numbers(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_resource_definitions_can_go_with_the_release_or_be_left_out() -> anyhow::Result<()> {
    let rendered = Release::with(json!({"crds": {"keep": false}})).render()?;
    for definition in rendered.of_kind("CustomResourceDefinition") {
        ensure!(definition["metadata"]["annotations"].is_null());
    }
    let rendered = Release::with(json!({"crds": {"install": false}})).render()?;
    ensure!(rendered.of_kind("CustomResourceDefinition").is_empty());
    Ok(())
}

#[test]
fn every_object_carries_the_recommended_labels() -> anyhow::Result<()> {
    for (what, release) in releases::all() {
        for object in release.render()?.objects() {
            let labels = &object["metadata"]["labels"];
            for key in ["name", "instance", "component", "version", "part-of", "managed-by"] {
                let value = labels[format!("app.kubernetes.io/{key}")].as_str();
                ensure!(value.is_some_and(|value| !value.is_empty()), "{what}: {} has no {key}", title(object));
            }
            ensure!(
                labels["app.kubernetes.io/managed-by"] == "Helm" && labels["app.kubernetes.io/part-of"] == "intuition"
            );
        }
    }
    Ok(())
}

#[test]
fn a_service_monitor_is_made_only_where_it_is_known() -> anyhow::Result<()> {
    let wanted =
        Release::with(json!({"metrics": {"serviceMonitor": {"enabled": true, "labels": {"prometheus": "main"}}}}));
    ensure!(wanted.render()?.of_kind("ServiceMonitor").is_empty());
    let rendered = wanted.knowing("monitoring.coreos.com/v1").render()?;
    let monitor = rendered.get("ServiceMonitor", "intuition-operator")?;
    ensure!(monitor["spec"]["endpoints"] == json!([{"port": "http", "path": "/metrics", "interval": "30s"}]));
    ensure!(monitor["metadata"]["labels"]["prometheus"] == "main");
    ensure!(Release::default().knowing("monitoring.coreos.com/v1").render()?.of_kind("ServiceMonitor").is_empty());
    Ok(())
}

#[test]
fn the_notes_name_what_is_there() -> anyhow::Result<()> {
    let notes = Release::default().called("prod", "trading").notes()?;
    for part in [
        "kubectl apply -n trading -f -",
        "kubectl exec -n trading prod-intuition-mosquitto-0 -- mosquitto_sub",
        "kubectl get secret -n trading prod-intuition-mosquitto -o go-template='{{ .data.username",
        "helm test -n trading prod",
    ] {
        ensure!(notes.contains(part), "{part} is not in\n{notes}");
    }
    let notes =
        Release::with(json!({"broker": {"url": "mqtt://mqtt.example.com"}, "operator": {"watchNamespaces": ["desk"]}}))
            .notes()?;
    ensure!(notes.contains("mqtt://mqtt.example.com") && notes.contains("kubectl apply -n desk"), "{notes}");
    ensure!(!notes.contains("kubectl exec"), "there is no broker to go into:\n{notes}");
    for (what, release) in releases::all() {
        let notes = release.notes()?;
        ensure!(
            notes.contains("helm test -n intuition-system intuition") && !notes.contains("<no value>"),
            "{what}:\n{notes}"
        );
    }
    Ok(())
}

#[test]
fn the_test_asks_what_there_is() -> anyhow::Result<()> {
    let asked = |values: Value| -> anyhow::Result<Value> {
        let rendered = Release::with(values).render()?;
        let pod = rendered.get("Pod", "intuition-test")?;
        ensure!(pod["metadata"]["annotations"]["helm.sh/hook"] == "test");
        let variables = pod["spec"]["containers"][0]["env"].as_array().context("no variables")?;
        let pairs =
            variables.iter().map(|variable| Some((variable["name"].as_str()?.to_owned(), variable["value"].clone())));
        Ok(Value::Object(pairs.collect::<Option<_>>().context("variables without names")?))
    };
    let operator = "http://intuition-operator.intuition-system.svc:8080/readyz";
    let own = "mqtt://intuition-mosquitto.intuition-system.svc:1883";
    ensure!(asked(json!({}))? == json!({"BROKER": own, "OWN_BROKER": "true", "AUTH": "true", "OPERATOR": operator}));
    ensure!(
        asked(json!({"broker": {"url": "mqtts://mqtt.example.com/"}}))?
            == json!({"BROKER": "mqtts://mqtt.example.com:8883", "OWN_BROKER": "", "AUTH": "", "OPERATOR": operator})
    );
    ensure!(
        asked(json!({"mosquitto": {"enabled": false}, "operator": {"replicas": 0}}))?
            == json!({"BROKER": "", "OWN_BROKER": "", "AUTH": "", "OPERATOR": ""})
    );
    Ok(())
}
