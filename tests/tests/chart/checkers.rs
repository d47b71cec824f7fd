//! What others check: helm's own linter, the schemas of Kubernetes, kube-score, and Helm 3 beside Helm 4.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, ensure};
use e2e::chart::{
    helm::{CHART, Release},
    rendered::Rendered,
    tools,
};
use serde_json::Value;

use crate::releases;

/// The oldest and the newest Kubernetes that the chart is for.
const KUBERNETES: [&str; 2] = ["v1.33", "v1.37"];

/// What kube-score finds critical, and why it stays.
const ACCEPTED: [(&str, &str); 1] = [(
    "container-image-pull-policy",
    "tags are versions and never change, and an image that was loaded into the nodes has no registry to be asked",
)];

#[test]
fn helm_lint_finds_nothing() -> anyhow::Result<()> {
    let output = tools::run("helm", &["lint", "--strict", "--quiet", CHART], "")?.successful()?;
    ensure!(output.trim().is_empty(), "{output}");
    Ok(())
}

#[test]
fn every_object_is_valid_for_the_oldest_and_the_newest_kubernetes() -> anyhow::Result<()> {
    // All of them at once: reading the schemas is what takes its time.
    let mut documents = Vec::new();
    for (what, release) in releases::all() {
        documents.push(format!("# {what}\n{}", release.render()?.text()));
    }
    for version in KUBERNETES {
        let schemas = tools::cache()?.join("schemas").join(version);
        let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display());
        // The one kind that is not Kubernetes' own.
        let arguments = ["-strict", "-skip", "ServiceMonitor", "-schema-location", &location];
        let ended = tools::run("kubeconform", &arguments, &documents.join("\n---\n"))?;
        ended.successful().with_context(|| format!("for Kubernetes {version}"))?;
    }
    Ok(())
}

#[test]
fn the_examples_fit_the_resource_definitions() -> anyhow::Result<()> {
    let rendered = Release::default().render()?;
    let schemas = tempfile::tempdir()?;
    for kind in ["tradingalgo", "algorithm", "feed", "indicator"] {
        let definition = rendered.get("CustomResourceDefinition", &format!("{kind}s.intuition.dev"))?;
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        fs::write(schemas.path().join(format!("{kind}.json")), schema.to_string())?;
    }
    let location = format!("{}/{{{{.ResourceKind}}}}.json", schemas.path().display());

    let chart: Value =
        serde_saphyr::from_str(&fs::read_to_string(tools::repository().join(CHART).join("Chart.yaml"))?)?;
    let examples = chart["annotations"]["artifacthub.io/crdsExamples"].as_str().context("no examples")?;
    let examples: Vec<Value> = serde_saphyr::from_str(examples)?;
    let mut manifests: Vec<_> = examples.iter().map(Value::to_string).collect();
    for release in [Release::default(), Release::with(serde_json::json!({"mosquitto": {"enabled": false}}))] {
        let notes = release.notes()?;
        let (_, manifest) = notes.split_once("<<'EOF'\n").context("the notes apply nothing")?;
        let (manifest, _) = manifest.split_once("    EOF\n").context("the notes' manifest has no end")?;
        manifests.push(manifest.to_owned());
    }
    ensure!(manifests.len() == 6);
    tools::run("kubeconform", &["-strict", "-schema-location", &location], &manifests.join("\n---\n"))?.successful()?;
    Ok(())
}

#[test]
fn kube_score_finds_nothing_critical_that_is_not_reasoned_about() -> anyhow::Result<()> {
    let mut met = BTreeSet::new();
    for (what, release) in releases::all() {
        // Without policies there are none to be found.
        if what == "nothing optional" {
            continue;
        }
        let rendered = release.render()?;
        // It ends with 1 where something is critical: what it says counts.
        let ended = tools::run("kube-score", &["score", "--output-format", "json", "-"], rendered.text())?;
        let objects: Value =
            serde_json::from_str(&ended.stdout).with_context(|| format!("{what}: {}", ended.stderr))?;
        for object in objects.as_array().context("kube-score gives a list")? {
            for check in object["checks"].as_array().into_iter().flatten() {
                let id = check["check"]["id"].as_str().context("a check without an id")?;
                // 1 is critical, 10 is perfect.
                if check["skipped"] == true || check["grade"].as_u64().context("a check without a grade")? > 1 {
                    continue;
                }
                ensure!(
                    ACCEPTED.iter().any(|(accepted, _)| *accepted == id),
                    "{what}: {} {id}: {}",
                    object["object_name"],
                    check["comments"]
                );
                met.insert(id.to_owned());
            }
        }
    }
    let accepted: BTreeSet<_> = ACCEPTED.iter().map(|(id, _)| (*id).to_owned()).collect();
    ensure!(met == accepted, "accepted {accepted:?}, but met {met:?}");
    Ok(())
}

#[test]
fn helm_3_makes_the_same_of_it() -> anyhow::Result<()> {
    for (what, release) in releases::all() {
        let (three, four) = (release.clone().by_helm_3().render()?, release.render()?);
        ensure!(by_title(&three)? == by_title(&four)?, "{what}");
    }
    Ok(())
}

#[test]
fn a_package_holds_all_that_the_folder_does() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let destination = folder.path().to_str().context("a path that is no text")?;
    tools::run("helm", &["package", CHART, "--destination", destination], "")?.successful()?;
    let package = format!("{destination}/intuition-{}.tgz", env!("CARGO_PKG_VERSION"));
    let (packaged, plain) = (Release::default().of(&package).render()?, Release::default().render()?);
    ensure!(by_title(&packaged)? == by_title(&plain)?);
    Ok(())
}

/// The objects in an order of their own, without the password that is new at each rendering.
fn by_title(rendered: &Rendered) -> anyhow::Result<Vec<(String, Value)>> {
    let mut objects: Vec<_> =
        rendered.objects().iter().map(|object| (e2e::chart::rendered::title(object), object.clone())).collect();
    for (title, object) in &mut objects {
        if title.starts_with("Secret ") {
            object["data"]["password"] = Value::Null;
        }
        if title.starts_with("StatefulSet ") {
            object["spec"]["template"]["metadata"]["annotations"]["checksum/credentials"] = Value::Null;
        }
    }
    objects.sort_by(|(one, _), (other, _)| one.cmp(other));
    ensure!(!objects.is_empty(), "nothing was rendered");
    Ok(objects)
}
