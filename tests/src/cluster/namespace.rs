//! A namespace for one test.

use anyhow::Context as _;
use kube::Client;
use serde_json::{Value, json};

use super::{
    object::{Kind, Object, list},
    shell,
};

/// A namespace and a client for what is in it.
pub struct Namespace {
    client: Client,
    name: String,
}

impl Namespace {
    /// Makes `e2e-<test>-<random>`, under the strictest pod security: what the operator makes has to bear it.
    pub async fn create(test: &str) -> anyhow::Result<Self> {
        let client = Client::try_default().await.context("no cluster: is KUBECONFIG right?")?;
        let name = format!("e2e-{test}-{:04x}", rand::random::<u16>());
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {
                    "intuition.dev/e2e": "true",
                    // Its resources use the chart's broker.
                    "intuition.dev/broker": "default",
                    "pod-security.kubernetes.io/enforce": "restricted",
                },
            },
        });
        shell::feed("kubectl", &["create", "-f", "-"], &manifest.to_string()).await?;
        Ok(Self { client, name })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// An object in it.
    pub fn object(&self, kind: Kind, name: &str) -> Object {
        Object::new(&self.client, kind, Some(&self.name), name)
    }

    /// All objects of a kind in it with these labels.
    pub async fn list(&self, kind: Kind, labels: &str) -> anyhow::Result<Vec<Value>> {
        list(&self.client, kind, Some(&self.name), labels).await
    }

    /// `kubectl` in it, with arguments separated by spaces.
    pub async fn kubectl(&self, arguments: &str) -> anyhow::Result<String> {
        let arguments: Vec<_> = ["--namespace", &self.name].into_iter().chain(arguments.split_whitespace()).collect();
        shell::run("kubectl", &arguments).await
    }

    /// `kubectl apply` of a manifest, every field checked by the server.
    pub async fn apply(&self, manifest: &Value) -> anyhow::Result<String> {
        self.apply_with(manifest, &[]).await
    }

    /// [`Self::apply`] with further arguments.
    pub async fn apply_with(&self, manifest: &Value, arguments: &[&str]) -> anyhow::Result<String> {
        let apply = ["--namespace", &self.name, "apply", "--validate=strict", "-f", "-"];
        shell::feed("kubectl", &[apply.as_slice(), arguments].concat(), &manifest.to_string()).await
    }

    /// Deletes it and everything in it, without waiting for the end.
    pub async fn delete(&self) -> anyhow::Result<()> {
        shell::run("kubectl", &["delete", "namespace", &self.name, "--wait=false"]).await.map(drop)
    }
}
