//! Every pod: who it runs as, what images it takes, and whether what points at it finds it.

use anyhow::{Context as _, ensure};
use e2e::chart::{
    helm::Release,
    rendered::{PodTemplate, Rendered, title},
    restricted,
    selector::{Selector, labels},
};
use serde_json::{Value, json};

use crate::releases;

#[test]
fn every_pod_is_restricted() -> anyhow::Result<()> {
    for (what, release) in releases::all() {
        let rendered = release.render()?;
        let pods = rendered.pods();
        ensure!(pods.iter().any(|pod| pod.owner.starts_with("Deployment ")), "{what}: no operator");
        let problems: Vec<_> = pods.iter().flat_map(restricted::problems).collect();
        ensure!(problems.is_empty(), "{what}: {problems:#?}");
    }
    Ok(())
}

#[test]
fn pods_of_the_example_market_are_restricted() -> anyhow::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/market/cluster/exchange.yaml");
    let manifests = Rendered::parse(&std::fs::read_to_string(path)?)?;
    let problems: Vec<_> = manifests.pods().iter().flat_map(restricted::problems).collect();
    ensure!(manifests.pods().len() == 1 && problems.is_empty(), "{problems:#?}");
    Ok(())
}

#[test]
fn only_the_operator_has_a_token() -> anyhow::Result<()> {
    for (what, release) in releases::all() {
        let rendered = release.render()?;
        for pod in rendered.pods() {
            let operator = pod.owner.starts_with("Deployment ");
            ensure!(pod.spec["automountServiceAccountToken"] == operator, "{what}: {}", pod.owner);
        }
        for account in rendered.of_kind("ServiceAccount") {
            ensure!(account["automountServiceAccountToken"] == false, "{what}: {account}");
        }
    }
    Ok(())
}

#[test]
fn every_image_is_one_of_ours() -> anyhow::Result<()> {
    let used = |release: Release| -> anyhow::Result<Vec<String>> {
        let rendered = release.render()?;
        let mut images: Vec<_> = rendered
            .pods()
            .iter()
            .flat_map(PodTemplate::containers)
            .map(|container| container["image"].clone())
            .collect();
        let settings = settings(&rendered)?;
        images.extend(["runtimeImage", "bridgeImage", "feedImage"].map(|image| settings[image].clone()));
        let mut images: Vec<_> = images.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        images.sort();
        images.dedup();
        Ok(images)
    };
    let version = env!("CARGO_PKG_VERSION");
    let ours = ["algo-runtime", "bridge", "feed", "mosquitto", "operator"];
    ensure!(used(Release::default())? == ours.map(|name| format!("localhost/intuition/{name}:{version}")));
    ensure!(
        used(releases::everything())?
            == [
                "registry.example.com:5000/team/intuition/algo-runtime:1.2.4",
                "registry.example.com:5000/team/intuition/bridge:1.2.4",
                "registry.example.com:5000/team/intuition/feed:1.2.4",
                "registry.example.com:5000/team/intuition/mosquitto:1.2.3",
                "registry.example.com:5000/team/intuition/operator:1.2.3",
            ]
    );
    Ok(())
}

fn settings(rendered: &Rendered) -> anyhow::Result<Value> {
    let maps = rendered.of_kind("ConfigMap");
    let settings = maps.iter().find_map(|map| map["data"]["settings.yaml"].as_str()).context("no settings")?;
    Ok(serde_saphyr::from_str(settings)?)
}

#[test]
fn what_selects_pods_finds_the_right_ones() -> anyhow::Result<()> {
    for (what, release) in releases::all() {
        let rendered = release.render()?;
        for object in rendered.objects() {
            let selector = match object["kind"].as_str() {
                Some("Deployment" | "StatefulSet" | "PodDisruptionBudget") => object["spec"]["selector"].clone(),
                Some("NetworkPolicy") => object["spec"]["podSelector"].clone(),
                Some("Service") => json!({"matchLabels": object["spec"]["selector"]}),
                // It selects the operator's Service.
                Some("ServiceMonitor") => {
                    let selector: Selector = serde_json::from_value(object["spec"]["selector"].clone())?;
                    let services = rendered.of_kind("Service");
                    let matching = services.iter().filter(|service| {
                        labels(&service["metadata"]).is_ok_and(|labels| selector.matches(&labels).unwrap_or(false))
                    });
                    ensure!(matching.count() == 1, "{what}: {}", title(object));
                    continue;
                }
                _ => continue,
            };
            let selector: Selector = serde_json::from_value(selector)?;
            let mut matched = Vec::new();
            for pod in rendered.pods() {
                if selector.matches(&labels(pod.metadata)?)? {
                    matched.push((pod.owner.clone(), labels(pod.metadata)?["app.kubernetes.io/component"].clone()));
                }
            }
            let component = &labels(&object["metadata"])?["app.kubernetes.io/component"];
            ensure!(
                matched.len() == 1 && matched.iter().all(|(_, of)| of == component),
                "{what}: {} of {component} selects {matched:?}",
                title(object)
            );
        }
    }
    Ok(())
}

#[test]
fn volumes_and_accounts_that_pods_name_are_there() -> anyhow::Result<()> {
    for (what, release) in releases::all() {
        let rendered = release.render()?;
        for pod in rendered.pods() {
            let mounted: Vec<_> = pod
                .containers()
                .into_iter()
                .flat_map(|container| container["volumeMounts"].as_array().cloned().unwrap_or_default())
                .map(|mount| mount["name"].clone())
                .collect();
            for volume in pod.spec["volumes"].as_array().into_iter().flatten() {
                ensure!(mounted.contains(&volume["name"]), "{what}: {} mounts no {}", pod.owner, volume["name"]);
                let named = [
                    ("ConfigMap", &volume["configMap"]["name"]),
                    ("Secret", &volume["secret"]["secretName"]),
                    ("PersistentVolumeClaim", &volume["persistentVolumeClaim"]["claimName"]),
                ];
                for (kind, name) in named {
                    let Some(name) = name.as_str() else { continue };
                    // What is given by the user is not ours to make.
                    ensure!(name == "mqtt" || rendered.has(kind, name), "{what}: {} needs {kind} {name}", pod.owner);
                }
            }
            for mount in &mounted {
                let volumes = pod.spec["volumes"].as_array().cloned().unwrap_or_default();
                ensure!(
                    volumes.iter().any(|volume| volume["name"] == *mount),
                    "{what}: {} has no volume {mount}",
                    pod.owner
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_change_of_the_settings_rolls_the_operator() -> anyhow::Result<()> {
    let checksum = |values: Value| -> anyhow::Result<Value> {
        let rendered = Release::with(values).render()?;
        let deployment = rendered.get("Deployment", "intuition-operator")?;
        Ok(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/settings"].clone())
    };
    let plain = checksum(json!({}))?;
    ensure!(plain.is_string() && plain == checksum(json!({"podDisruptionBudget": {"enabled": false}}))?);
    ensure!(plain != checksum(json!({"algos": {"log": "debug"}}))?);
    Ok(())
}

#[test]
fn two_replicas_prefer_different_nodes_and_leave_one_at_a_time() -> anyhow::Result<()> {
    let rendered = Release::default().render()?;
    let deployment = rendered.get("Deployment", "intuition-operator")?;
    ensure!(deployment["spec"]["replicas"] == 2);
    let spread = &deployment["spec"]["template"]["spec"];
    let preferred = &spread["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0];
    ensure!(preferred["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname");
    ensure!(spread["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway", "one node must be enough");
    let budget = rendered.get("PodDisruptionBudget", "intuition-operator")?;
    ensure!(budget["spec"]["maxUnavailable"] == 1 && budget["spec"]["minAvailable"].is_null());
    Ok(())
}
