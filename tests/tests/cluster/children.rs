//! Every child that is deleted or edited by hand comes back as it was; what somebody else holds is left alone.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use e2e::cluster::{
    algo::Algo,
    figures, in_namespace,
    market::Market,
    object::{CLAIM, CONFIG_MAP, DEPLOYMENT, Kind, NETWORK_POLICY, Object, SECRET, SERVICE, SERVICE_ACCOUNT, text},
};
use serde_json::{Value, json};

const NAME: &str = "parent";
const DELETED: [(Kind, &str); 8] = [
    (CONFIG_MAP, "runtime"),
    (SERVICE_ACCOUNT, "algo"),
    (SERVICE, "runtime"),
    (NETWORK_POLICY, "runtime"),
    (NETWORK_POLICY, "bridge"),
    (SECRET, "broker"),
    (DEPLOYMENT, "bridge"),
    (DEPLOYMENT, "runtime"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_child_that_is_deleted_comes_back() -> anyhow::Result<()> {
    in_namespace("deleted", async |namespace| {
        let algo = Algo::start(namespace, NAME, json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        for (kind, suffix) in DELETED {
            let child = child(&algo, kind, suffix).await?;
            let before = child.read().await?;
            let start = Instant::now();
            child.delete().await?;
            comes_back(&child, &before).await?;
            figures::took(&format!("{child} deleted -> back"), start.elapsed())?;
        }
        algo.is_ready().await?;
        market.stop_flow().await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}

/// Waits until there is another object that asks for the same.
async fn comes_back(child: &Object, before: &Value) -> anyhow::Result<()> {
    let uid = text(before, "/metadata/uid");
    child
        .until("comes back as it was", |now| {
            let now = now?;
            (text(now, "/metadata/uid") != uid && asks_for(now) == asks_for(before)).then_some(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_child_that_is_edited_is_put_right() -> anyhow::Result<()> {
    in_namespace("edited", async |namespace| {
        let algo = Algo::start(namespace, NAME, json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        let mut stayed = Vec::new();
        for (kind, suffix, edit) in edits() {
            let child = child(&algo, kind, suffix).await?;
            let before = asks_for(&child.read().await?);
            child.patch(&json!([edit])).await.with_context(|| format!("editing {child}: {edit}"))?;
            let put_right = |now: Option<&Value>| (asks_for(now?) == before).then_some(());
            // All edits are tried, so that a failure names each that stays.
            if child.until("is as it was", put_right).await.is_err() {
                stayed.push(format!("{child}: {edit}"));
            }
        }
        ensure!(stayed.is_empty(), "edits that were not put right:\n{}", stayed.join("\n"));
        algo.is_ready().await?;
        market.stop_flow().await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}

/// One JSON patch for each way in which somebody may meddle: values changed, removed and added to maps and lists.
fn edits() -> Vec<(Kind, &'static str, Value)> {
    let replace = |path: &str, value: Value| json!({"op": "replace", "path": path, "value": value});
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let remove = |path: &str| json!({"op": "remove", "path": path});
    let container = "/spec/template/spec/containers/0";
    let label = "/metadata/labels/app.kubernetes.io~1managed-by";
    vec![
        (CONFIG_MAP, "runtime", replace("/data", json!({}))),
        (CONFIG_MAP, "runtime", add("/data/other.json", json!("{}"))),
        (CONFIG_MAP, "runtime", remove("/metadata/labels")),
        (CONFIG_MAP, "runtime", remove("/metadata/ownerReferences")),
        (SERVICE_ACCOUNT, "algo", replace("/automountServiceAccountToken", json!(true))),
        (SERVICE_ACCOUNT, "algo", remove(label)),
        (SERVICE, "runtime", replace("/spec/ports/0/port", json!(1))),
        (SERVICE, "runtime", add("/spec/ports/-", json!({"name": "more", "port": 2}))),
        (SERVICE, "runtime", add("/spec/selector/more", json!("yes"))),
        (NETWORK_POLICY, "runtime", replace("/spec/ingress", json!([{}]))),
        (NETWORK_POLICY, "runtime", add("/spec/ingress/-", json!({}))),
        (NETWORK_POLICY, "bridge", remove("/spec/egress")),
        (SECRET, "broker", replace("/data/password", json!("d3Jvbmc="))),
        (SECRET, "broker", remove("/data/username")),
        (CLAIM, "ledger", remove(label)),
        (CLAIM, "ledger", remove("/metadata/labels")),
        (DEPLOYMENT, "runtime", replace("/spec/replicas", json!(3))),
        (DEPLOYMENT, "runtime", replace("/spec/replicas", json!(0))),
        (DEPLOYMENT, "bridge", replace("/spec/replicas", json!(0))),
        (DEPLOYMENT, "bridge", remove(label)),
        (DEPLOYMENT, "bridge", replace("/spec/strategy", json!({"type": "RollingUpdate"}))),
        (
            DEPLOYMENT,
            "bridge",
            add(&format!("{container}/env"), json!([{"name": "INTUITION_MQTT", "value": "mqtt://nowhere"}])),
        ),
        (DEPLOYMENT, "bridge", add(&format!("{container}/args/-"), json!("--no-such-flag"))),
        (DEPLOYMENT, "runtime", replace(&format!("{container}/image"), json!("localhost/no/such:image"))),
        (
            DEPLOYMENT,
            "runtime",
            add("/spec/template/spec/containers/-", json!({"name": "more", "image": "localhost/no/such:image"})),
        ),
        (DEPLOYMENT, "runtime", add("/spec/template/spec/nodeSelector", json!({"no": "such-node"}))),
    ]
}

/// A child by the last part of its name.
async fn child(algo: &Algo<'_>, kind: Kind, suffix: &str) -> anyhow::Result<Object> {
    let name = if kind == SECRET {
        let uid = algo.uid().await?;
        format!("{NAME}-{suffix}-{}", uid.get(..8).context("a uid")?)
    } else {
        format!("{NAME}-{suffix}")
    };
    Ok(algo.namespace().object(kind, &name))
}

/// An object without what the cluster adds to it on its own.
fn asks_for(object: &Value) -> Value {
    let mut wanted = object.clone();
    for pointer in ["/metadata/annotations/deployment.kubernetes.io~1revision", "/spec/clusterIP", "/spec/clusterIPs"] {
        remove(&mut wanted, pointer);
    }
    for member in ["resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"] {
        remove(&mut wanted, &format!("/metadata/{member}"));
    }
    if wanted.pointer("/metadata/annotations").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        remove(&mut wanted, "/metadata/annotations");
    }
    remove(&mut wanted, "/status");
    wanted
}

fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, member)) = pointer.rsplit_once('/') else { return };
    if let Some(members) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        members.remove(&member.replace("~1", "/"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_else_holds_is_said_and_left_alone() -> anyhow::Result<()> {
    in_namespace("foreign", async |namespace| {
        for (name, (kind, suffix, foreign)) in ["squatted-a", "squatted-b", "squatted-c"].into_iter().zip(strangers()) {
            let mut stranger = foreign.clone();
            stranger["metadata"] = json!({"name": format!("{name}-{suffix}"), "labels": {"whose": "somebody-elses"}});
            namespace.apply(&stranger).await?;
            let stranger = namespace.object(kind, &format!("{name}-{suffix}"));
            let before = stranger.read().await?;
            let algo = Algo::apply(namespace, name, json!({})).await?;
            let message = algo.shows("RuntimeReady", "False", "NameTaken").await?;
            ensure!(message.contains(stranger.name()), "{message:?} should name {stranger}");
            algo.shows("Ready", "False", "NameTaken").await?;
            let after = stranger.read().await?;
            ensure!(text(&after, "/metadata/uid") == text(&before, "/metadata/uid"), "another {stranger}: {after:#}");
            ensure!(!after.to_string().contains("intuition-operator"), "the operator touched {stranger}: {after:#}");
            stranger.delete().await?;
            algo.is_ready().await?;
        }
        Ok(())
    })
    .await
}

fn strangers() -> [(Kind, &'static str, Value); 3] {
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
    [
        (CONFIG_MAP, "runtime", json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"mine": "yes"}})),
        (SERVICE, "runtime", json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}]}})),
        (CLAIM, "ledger", json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": claim})),
    ]
}
