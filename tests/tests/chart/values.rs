//! The values: all described, all defaulted, wrong ones refused before anything reaches a cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use anyhow::{Context as _, ensure};
use e2e::chart::{
    helm::{CHART, Release},
    tools,
};
use serde_json::{Value, json};

use crate::releases;

fn read(name: &str) -> anyhow::Result<String> {
    let path = tools::repository().join(CHART).join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The schema's leaves: path and schema of every value that is no group of others.
fn leaves(schema: &Value, path: &str, found: &mut BTreeMap<String, Value>) -> anyhow::Result<()> {
    ensure!(schema["description"].is_string() || path.is_empty(), "{path} has no description");
    match schema["properties"].as_object() {
        Some(properties) => {
            ensure!(schema["additionalProperties"] == false, "{path} takes what it does not know");
            for (name, property) in properties {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(property, &path, found)?;
            }
        }
        None => {
            found.insert(path.to_owned(), schema.clone());
        }
    }
    Ok(())
}

fn schema() -> anyhow::Result<BTreeMap<String, Value>> {
    let schema: Value = serde_json::from_str(&read("values.schema.json")?)?;
    ensure!(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema");
    let mut found = BTreeMap::new();
    leaves(&schema, "", &mut found)?;
    // Helm's own, for charts that depend on this one.
    ensure!(found.remove("global").is_some());
    Ok(found)
}

fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(values, |value, key| value.get(key))
}

#[test]
fn every_value_has_a_default_and_a_description() -> anyhow::Result<()> {
    let values: Value = serde_saphyr::from_str(&read("values.yaml")?)?;
    let schema = schema()?;
    for path in schema.keys() {
        ensure!(at(&values, path).is_some(), "{path} is not in values.yaml");
    }
    // The other way round helm checks: a default that the schema does not know fails every rendering.
    Release::default().render()?;
    Ok(())
}

#[test]
fn the_fullest_release_sets_every_value() -> anyhow::Result<()> {
    // A value that no release of these tests ever sets would be tested by nobody.
    let set: BTreeSet<String> = [
        "nameOverride",
        "fullnameOverride",
        "crds.install",
        "crds.keep",
        "serviceAccount.create",
        "serviceAccount.name",
        "rbac.create",
        "rbac.aggregateToDefaultRoles",
        "podDisruptionBudget.enabled",
        "networkPolicy.enabled",
        "broker.url",
        "broker.credentialsSecret",
        "operator.watchNamespaces",
        "mosquitto.enabled",
        "mosquitto.auth.enabled",
        "mosquitto.auth.existingSecret",
        "mosquitto.persistence.enabled",
        "mosquitto.persistence.existingClaim",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    let everything = releases::everything();
    for path in schema()?.keys() {
        ensure!(set.contains(path) || at(everything.values(), path).is_some(), "no test sets {path}");
    }
    Ok(())
}

#[test]
fn what_is_wrong_is_refused_by_its_path() -> anyhow::Result<()> {
    for (path, value) in [
        ("imagee", json!({})),
        ("operator.replica", json!(2)),
        ("operator.replicas", json!("2")),
        ("operator.replicas", json!(-1)),
        ("operator.watchNamespaces", json!("desk")),
        ("operator.watchNamespaces", json!(["Desk"])),
        ("operator.watchNamespaces", json!(["desk", "desk"])),
        ("operator.resyncSeconds", json!(0)),
        ("operator.logFormat", json!("xml")),
        ("operator.log", json!("info debug")),
        ("operator.resources", json!({"limits": {"memory": "lots"}})),
        ("operator.resources", json!({"limit": {"memory": "1Gi"}})),
        ("operator.tolerations", json!([{"effect": "NoWay"}])),
        ("operator.podLabels", json!({"team": 1})),
        ("image.tag", json!("not a tag")),
        ("image.registry", json!("https://registry.example.com")),
        ("image.repository", json!("/intuition")),
        ("image.pullPolicy", json!("Sometimes")),
        ("imagePullSecrets", json!(["login"])),
        ("crds.install", json!("yes")),
        ("broker.url", json!("http://mqtt.example.com")),
        ("broker.url", json!("mqtt://user:secret@mqtt.example.com")),
        ("broker.credentialsSecret", json!("A Secret")),
        ("networkPolicy.metricsFrom", json!([{}])),
        ("networkPolicy.brokerFrom", json!([{"namespaceSelectors": {}}])),
        ("networkPolicy.backendsFrom", json!("everyone")),
        ("networkPolicy.algorithmPorts", json!([0])),
        ("networkPolicy.apiServerPorts", json!([70000])),
        ("mosquitto.maxQueuedMessages", json!(-1)),
        ("mosquitto.maxQueuedBytes", json!("64Mi")),
        ("mosquitto.persistence.size", json!("big")),
        ("mosquitto.persistentClientExpiration", json!("7 days")),
        ("mosquitto.service.type", json!("ExternalName")),
        ("mosquitto.extraConfig", json!(["a"])),
        ("algos.clientIdPrefix", json!("a.b")),
        ("topics.prefix", json!("trading/+")),
        ("topics.prefix", json!("$SYS")),
        ("topics.prefix", json!("trading/")),
        ("algos.bridgeResources", json!({"requests": {"cpu": true}})),
        ("algos.bridgeTuning.keepAlive", json!("60")),
        ("algos.bridgeTuning.receiveMaximum", json!(0)),
        ("algos.bridgeTuning.colour", json!("red")),
        ("fullnameOverride", json!("1st")),
        ("metrics.serviceMonitor.interval", json!("often")),
    ] {
        let values = path.rsplit('.').fold(value.clone(), |inner, key| json!({key: inner}));
        let ended = Release::with(values).template()?;
        ensure!(!ended.success, "{path}: {value} was taken");
        let mut words = path.split('.');
        ensure!(words.all(|word| ended.stderr.contains(word)), "{path}: {value}: {}", ended.stderr);
        ensure!(ended.stderr.contains("schema"), "{path}: {value}: {}", ended.stderr);
    }
    Ok(())
}

/// The table of values in the chart's README.
fn table() -> anyhow::Result<String> {
    let values: Value = serde_saphyr::from_str(&read("values.yaml")?)?;
    let mut table = "| Value | Default | What it is |\n|---|---|---|\n".to_owned();
    for (path, schema) in schema()? {
        let default = at(&values, &path).with_context(|| path.clone())?;
        let description = schema["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let allowed = schema["enum"].as_array().map(|values| {
            let names: Vec<_> = values.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
            format!(" {}.", names.join(", "))
        });
        writeln!(table, "| `{path}` | `{default}` | {description}{} |", allowed.unwrap_or_default())?;
    }
    Ok(table)
}

#[test]
fn the_readme_lists_them() -> anyhow::Result<()> {
    const BEGIN: &str = "<!-- values: written by tests/chart/values -->\n";
    const END: &str = "<!-- end of values -->\n";
    let readme = read("README.md")?;
    let (before, rest) = readme.split_once(BEGIN).context("README.md has no place for the values")?;
    let (listed, after) = rest.split_once(END).context("README.md has no end of the values")?;
    let table = table()?;
    if listed != table && tools::is_set("UPDATE_README") {
        let path = tools::repository().join(CHART).join("README.md");
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}"))?;
        return Ok(());
    }
    ensure!(listed == table, "charts/intuition/README.md does not list the values as they are: run tests/chart/values");
    Ok(())
}
