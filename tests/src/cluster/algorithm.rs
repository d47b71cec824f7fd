//! An `Algorithm`: a backend in the directory.

use serde_json::{Value, json};

use super::{
    namespace::Namespace,
    object::{ALGORITHM, DEPLOYMENT, Object, text},
};

/// The image of `examples/python`, as `examples/build` makes it and the tests' cluster has it, under two tags.
pub const IMAGES: [&str; 2] = ["localhost/intuition-examples/python:v1", "localhost/intuition-examples/python:v2"];

/// A resource that was applied.
pub struct Algorithm<'a> {
    namespace: &'a Namespace,
    object: Object,
}

impl<'a> Algorithm<'a> {
    /// Applies one with this spec.
    pub async fn apply(namespace: &'a Namespace, name: &str, spec: Value) -> anyhow::Result<Self> {
        let manifest = json!({
            "apiVersion": "intuition.dev/v1alpha1",
            "kind": "Algorithm",
            "metadata": {"name": name, "namespace": namespace.name()},
            "spec": spec,
        });
        namespace.apply(&manifest).await?;
        Ok(Self { namespace, object: namespace.object(ALGORITHM, name) })
    }

    /// Applies one that runs an image, and waits until it answers.
    pub async fn run(namespace: &'a Namespace, name: &str, image: &str) -> anyhow::Result<Self> {
        let algorithm = Self::apply(namespace, name, json!({"image": image})).await?;
        algorithm.is_healthy().await?;
        Ok(algorithm)
    }

    /// The resource.
    pub const fn object(&self) -> &Object {
        &self.object
    }

    /// Waits until it answers, and gives its status.
    pub async fn is_healthy(&self) -> anyhow::Result<Value> {
        self.until("it is healthy", |algorithm| {
            (algorithm.pointer("/status/healthy") == Some(&json!(true)))
                .then(|| algorithm.pointer("/status").cloned())?
        })
        .await
    }

    /// Watches it, as long as it is there, until `probe` has an answer.
    pub async fn until<T>(&self, what: &str, mut probe: impl FnMut(&Value) -> Option<T>) -> anyhow::Result<T> {
        self.object.until(what, |algorithm| probe(algorithm?)).await
    }

    /// The columns of `kubectl get algorithms`, a line as one text.
    pub async fn line(&self) -> anyhow::Result<String> {
        let table = self.namespace.kubectl(&format!("get algorithms {}", self.object.name())).await?;
        Ok(table.lines().nth(1).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The images of its Deployments.
    pub async fn images(&self) -> anyhow::Result<Vec<String>> {
        let owner = self.object.name().to_owned();
        let all = self.namespace.list(DEPLOYMENT, "").await?;
        let prefix = format!("{owner}-algorithm-");
        let ours = all.iter().filter(|deployment| text(deployment, "/metadata/name").starts_with(&prefix));
        Ok(ours.map(|deployment| text(deployment, "/spec/template/spec/containers/0/image").to_owned()).collect())
    }
}
