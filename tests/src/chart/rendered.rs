//! The objects of a rendered chart.

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Objects, and the text that they were read from.
#[derive(Debug, Clone)]
pub struct Rendered {
    text: String,
    objects: Vec<Value>,
}

impl Rendered {
    /// Reads YAML documents.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(text)?;
        Ok(Self { text: text.to_owned(), objects: objects.into_iter().filter(|object| !object.is_null()).collect() })
    }

    /// The text as helm wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All objects.
    pub fn objects(&self) -> &[Value] {
        &self.objects
    }

    /// Those of a kind.
    pub fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The one of this kind and name.
    pub fn get(&self, kind: &str, name: &str) -> anyhow::Result<&Value> {
        let mut found = self.of_kind(kind).into_iter().filter(|object| object["metadata"]["name"] == name);
        let object = found.next().with_context(|| format!("no {kind} {name} was rendered"))?;
        if found.next().is_some() {
            bail!("{kind} {name} was rendered twice");
        }
        Ok(object)
    }

    /// Whether there is one of this kind and name.
    pub fn has(&self, kind: &str, name: &str) -> bool {
        self.get(kind, name).is_ok()
    }

    /// Every pod that comes of it: its owner's kind and name, its metadata and its spec.
    pub fn pods(&self) -> Vec<PodTemplate<'_>> {
        let pods = self.objects.iter().filter_map(|object| {
            let template = match object["kind"].as_str()? {
                "Pod" => object,
                "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => &object["spec"]["template"],
                _ => return None,
            };
            Some(PodTemplate { owner: title(object), metadata: &template["metadata"], spec: &template["spec"] })
        });
        pods.collect()
    }
}

/// `Kind name`.
pub fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// The pod of a workload.
#[derive(Debug, Clone)]
pub struct PodTemplate<'a> {
    /// Kind and name of what it belongs to.
    pub owner: String,
    /// Its labels and annotations.
    pub metadata: &'a Value,
    /// Its spec.
    pub spec: &'a Value,
}

impl<'a> PodTemplate<'a> {
    /// Its containers, those that run before the others included.
    pub fn containers(&self) -> Vec<&'a Value> {
        let lists = [&self.spec["initContainers"], &self.spec["containers"]];
        lists.into_iter().filter_map(Value::as_array).flatten().collect()
    }
}
