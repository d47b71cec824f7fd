//! Names: any release name and namespace that helm takes gives names that Kubernetes takes.

use std::collections::BTreeSet;

use anyhow::ensure;
use e2e::chart::{helm::Release, rendered::title};
use serde_json::{Value, json};

use crate::releases;

/// A DNS label that starts with a letter, as the name of a Service must be.
fn is_label(name: &str, most: usize) -> bool {
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    name.len() <= most
        && name.chars().all(letters)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
}

const LONG: &str = "a-name-of-fifty-three-characters-the-most-helm-allows";

#[test]
fn names_and_labels_are_valid_for_every_release_name() -> anyhow::Result<()> {
    for name in ["intuition", "x", "my.trading.release", "1st", "0", LONG, "a-fairly-long-name-that-ends-in-a-dash-xxx"]
    {
        let namespace = "n".repeat(63);
        let rendered = Release::default().called(name, &namespace).render()?;
        for object in rendered.objects() {
            let own = object["metadata"]["name"].as_str().unwrap_or_default();
            let most = if object["kind"] == "StatefulSet" { 52 } else { 63 };
            let free = matches!(
                object["kind"].as_str(),
                Some("ClusterRole" | "ClusterRoleBinding" | "CustomResourceDefinition")
            );
            ensure!(free || is_label(own, most), "{name}: {}", title(object));
            for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
                ensure!(
                    value.as_str().is_some_and(|value| value.len() <= 63),
                    "{name}: {} {key}={value}",
                    title(object)
                );
            }
        }
        // A revision of the StatefulSet and a pod of the Deployment are named after them, as labels.
        ensure!(rendered.of_kind("StatefulSet").len() == 1 && rendered.of_kind("Deployment").len() == 1);
    }
    Ok(())
}

#[test]
fn the_usual_release_name_gives_the_usual_names() -> anyhow::Result<()> {
    for (release, expected) in [
        (Release::default(), "intuition-operator"),
        (Release::default().called("prod", "a"), "prod-intuition-operator"),
        (Release::default().called("intuition-prod", "a"), "intuition-prod-operator"),
        (Release::with(json!({"nameOverride": "trading"})).called("prod", "a"), "prod-trading-operator"),
        (Release::with(json!({"fullnameOverride": "desk"})).called("prod", "a"), "desk-operator"),
    ] {
        ensure!(release.render()?.has("Deployment", expected), "{expected}");
    }
    Ok(())
}

#[test]
fn two_releases_have_no_name_in_common() -> anyhow::Result<()> {
    let second = json!({"crds": {"install": false}});
    let almost = format!("{}t", &LONG[..LONG.len() - 1]);
    for (one, other) in [
        (("intuition", "a"), ("intuition", "b")),
        (("intuition", "a"), ("prod", "a")),
        (("a.b", "a"), ("a-b", "a")),
        (("1st", "a"), ("r1st", "a")),
        ((LONG, "a"), (almost.replace("allowt", "allowe").as_str(), "a")),
    ] {
        let names = |(name, namespace): (&str, &str)| -> anyhow::Result<BTreeSet<String>> {
            let rendered = Release::with(second.clone()).called(name, namespace).render()?;
            let key = |object: &Value| format!("{} in {}", title(object), object["metadata"]["namespace"]);
            Ok(rendered.objects().iter().map(key).collect())
        };
        let (first, second) = (names(one)?, names(other)?);
        let common: Vec<_> = first.intersection(&second).collect();
        ensure!(common.is_empty(), "{one:?} and {other:?}: {common:?}");
    }
    Ok(())
}

#[test]
fn everything_is_in_the_releases_namespace_and_once() -> anyhow::Result<()> {
    for (what, release) in releases::all() {
        let rendered = release.render()?;
        let mut seen = BTreeSet::new();
        for object in rendered.objects() {
            let namespace = &object["metadata"]["namespace"];
            ensure!(seen.insert(format!("{} {namespace}", title(object))), "{what}: {} twice", title(object));
            match object["kind"].as_str() {
                Some("ClusterRole" | "ClusterRoleBinding" | "CustomResourceDefinition") => {
                    ensure!(namespace.is_null(), "{what}: {}", title(object));
                }
                Some("Role" | "RoleBinding") if what == "two namespaces" => {}
                _ => ensure!(namespace == "intuition-system", "{what}: {}", title(object)),
            }
        }
    }
    Ok(())
}
