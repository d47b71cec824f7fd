//! One object of the cluster by its name, whether it is there or not.

use std::{pin::pin, time::Duration};

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt as _;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::Value;

use super::{PATIENCE, shell};

/// How long a watch may be quiet before what it watches is read.
const READ: Duration = Duration::from_secs(2);

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    group: &'static str,
    version: &'static str,
    /// As `kind` says it.
    pub name: &'static str,
}

macro_rules! kinds {
    ($($constant:ident: $group:literal $version:literal $name:literal;)*) => {
        $(#[doc = concat!("`", $name, "`.")]
        pub const $constant: Kind = Kind { group: $group, version: $version, name: $name };)*
    };
}

kinds! {
    TRADING_ALGO: "intuition.dev" "v1alpha1" "TradingAlgo";
    ALGORITHM: "intuition.dev" "v1alpha1" "Algorithm";
    FEED: "intuition.dev" "v1alpha1" "Feed";
    INDICATOR: "intuition.dev" "v1alpha1" "Indicator";
    CRD: "apiextensions.k8s.io" "v1" "CustomResourceDefinition";
    DEPLOYMENT: "apps" "v1" "Deployment";
    STATEFUL_SET: "apps" "v1" "StatefulSet";
    POD: "" "v1" "Pod";
    SERVICE: "" "v1" "Service";
    CONFIG_MAP: "" "v1" "ConfigMap";
    SECRET: "" "v1" "Secret";
    SERVICE_ACCOUNT: "" "v1" "ServiceAccount";
    CLAIM: "" "v1" "PersistentVolumeClaim";
    NODE: "" "v1" "Node";
    NETWORK_POLICY: "networking.k8s.io" "v1" "NetworkPolicy";
    EVENT: "events.k8s.io" "v1" "Event";
    LEASE: "coordination.k8s.io" "v1" "Lease";
}

/// An object by its name.
#[derive(Clone)]
pub struct Object {
    api: Api<DynamicObject>,
    kind: Kind,
    namespace: Option<String>,
    name: String,
}

impl Object {
    /// In `namespace`, or of the cluster.
    pub fn new(client: &Client, kind: Kind, namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.map(str::to_owned);
        Self { api: api(client, kind, namespace.as_deref()), kind, namespace, name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is now; an error if it is not there.
    pub async fn read(&self) -> anyhow::Result<Value> {
        self.look().await?.with_context(|| format!("{self} is not there"))
    }

    /// What it is now, if it is there.
    pub async fn look(&self) -> anyhow::Result<Option<Value>> {
        let object = self.api.get_opt(&self.name).await.with_context(|| format!("reading {self}"))?;
        Ok(object.map(serde_json::to_value).transpose()?)
    }

    /// Watches it until `probe` has an answer; `None` is the object that is not there. The error says what `what` waited
    /// for and what was seen last.
    pub async fn until<T>(&self, what: &str, probe: impl FnMut(Option<&Value>) -> Option<T>) -> anyhow::Result<T> {
        self.until_within(PATIENCE, what, probe).await
    }

    /// [`Self::until`] with a deadline of its own.
    pub async fn until_within<T>(
        &self,
        limit: Duration,
        what: &str,
        mut probe: impl FnMut(Option<&Value>) -> Option<T>,
    ) -> anyhow::Result<T> {
        let (mut last, mut trouble) = (None, None);
        let mut events = pin!(watcher::watch_object(self.api.clone(), &self.name).default_backoff());
        let watching = async {
            loop {
                // A watch shows what stays for a moment only; it has been seen to miss what happened right before it began,
                // so that the object is read now and then too.
                let seen = match tokio::time::timeout(READ, events.next()).await {
                    Ok(Some(event)) => event.map_err(anyhow::Error::from),
                    Ok(None) => bail!("the watch of {self} ended"),
                    Err(_) => self.api.get_opt(&self.name).await.map_err(anyhow::Error::from),
                };
                match seen {
                    Ok(object) => last = object.map(serde_json::to_value).transpose()?,
                    // The watch ends and begins again with the API server.
                    Err(error) => {
                        trouble = Some(error);
                        continue;
                    }
                }
                if let Some(answer) = probe(last.as_ref()) {
                    return Ok(answer);
                }
            }
        };
        if let Ok(answer) = tokio::time::timeout(limit, watching).await {
            return answer;
        }
        let trouble = trouble.map(|error| format!("\nthe watch had to begin again: {error}")).unwrap_or_default();
        bail!("{self}: {what}: not within {} s; it is {}{trouble}", limit.as_secs(), short(last.as_ref()))
    }

    /// Waits until it is not there.
    pub async fn is_gone(&self) -> anyhow::Result<()> {
        self.until("is gone", |object| object.is_none().then_some(())).await
    }

    /// Deletes it as `kubectl delete` does, without waiting for the end.
    pub async fn delete(&self) -> anyhow::Result<()> {
        self.kubectl(&["delete", &self.reference(), "--wait=false"]).await.map(drop)
    }

    /// Deletes it at once: no grace, as an impatient person does.
    pub async fn kill(&self) -> anyhow::Result<()> {
        let arguments = ["delete", &self.reference(), "--wait=false", "--grace-period=0", "--force"];
        self.kubectl(&arguments).await.map(drop)
    }

    /// Merges into it as `kubectl patch --type=merge` does.
    pub async fn merge(&self, change: &Value) -> anyhow::Result<()> {
        self.kubectl(&["patch", &self.reference(), "--type=merge", "-p", &change.to_string()]).await.map(drop)
    }

    /// Changes it by JSON patch, for lists.
    pub async fn patch(&self, operations: &Value) -> anyhow::Result<()> {
        let said = self.kubectl(&["patch", &self.reference(), "--type=json", "-p", &operations.to_string()]).await?;
        ensure!(!said.contains("(no change)"), "{operations} changes nothing in {self}");
        Ok(())
    }

    /// As `kubectl` names it: `tradingalgo.v1alpha1.intuition.dev/goog`.
    pub fn reference(&self) -> String {
        let Kind { group, version, name } = self.kind;
        let kind = name.to_lowercase();
        if group.is_empty() {
            format!("{kind}/{}", self.name)
        } else {
            format!("{kind}.{version}.{group}/{}", self.name)
        }
    }

    async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let namespace = self.namespace.as_deref().unwrap_or("default");
        shell::run("kubectl", &[&["--namespace", namespace], arguments].concat()).await
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.name, self.name)
    }
}

/// Watches all objects of a kind with these labels until `probe` has an answer for one of them.
pub async fn until_any<T>(
    client: &Client,
    kind: Kind,
    namespace: &str,
    labels: &str,
    mut probe: impl FnMut(&Value) -> Option<T>,
) -> anyhow::Result<T> {
    let config = watcher::Config::default().labels(labels);
    let mut events =
        pin!(watcher::watcher(api(client, kind, Some(namespace)), config).default_backoff().applied_objects());
    let watching = async {
        loop {
            // As in `until_within`.
            let seen = match tokio::time::timeout(READ, events.next()).await {
                Ok(Some(Ok(object))) => vec![serde_json::to_value(object)?],
                Ok(Some(Err(_))) => continue,
                Ok(None) => bail!("the watch of {} {labels} ended", kind.name),
                Err(_) => list(client, kind, Some(namespace), labels).await.unwrap_or_default(),
            };
            if let Some(answer) = seen.iter().find_map(&mut probe) {
                return Ok(answer);
            }
        }
    };
    let what = || format!("{} {labels}: none as it should be within {} s", kind.name, PATIENCE.as_secs());
    tokio::time::timeout(PATIENCE, watching).await.with_context(what)?
}

/// All objects of a kind with these labels.
pub async fn list(client: &Client, kind: Kind, namespace: Option<&str>, labels: &str) -> anyhow::Result<Vec<Value>> {
    let found = api(client, kind, namespace).list(&ListParams::default().labels(labels)).await;
    let found = found.with_context(|| format!("listing {} {labels}", kind.name))?;
    Ok(found.items.into_iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
}

fn api(client: &Client, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(kind.group, kind.version, kind.name));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// The text at a JSON pointer, empty if there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a JSON pointer, 0 if there is none.
pub fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// What a person would look at: the status, or all of an object that has none.
fn short(object: Option<&Value>) -> String {
    object.map_or("not there".to_owned(), |object| format!("{:#}", object.get("status").unwrap_or(object)))
}
