//! The chart: installed once, and again by whoever needs it after a test took it away.

use std::sync::LazyLock;

use anyhow::{Context as _, ensure};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    environment, node,
    object::{DEPLOYMENT, LEASE, NODE, Object, POD, STATEFUL_SET, list, number, text},
    shell,
};

/// Where the chart is installed.
pub const NAMESPACE: &str = "intuition-system";
/// The name of the release.
pub const RELEASE: &str = "intuition";
/// How `kubectl port-forward` names the chart's broker.
pub const BROKER_SERVICE: &str = "service/intuition-mosquitto";

/// The broker's name: its `StatefulSet`, its Secret.
const BROKER: &str = "intuition-mosquitto";
/// The pod of the broker.
pub const BROKER_POD: &str = "intuition-mosquitto-0";
/// As many operators as the chart runs unless told otherwise.
pub const REPLICAS: i64 = 2;
/// The name of the operator: its Deployment, its account, its lease.
pub const OPERATOR: &str = "intuition-operator";
const OPERATOR_PODS: &str = "app.kubernetes.io/instance=intuition,app.kubernetes.io/component=operator";

/// Arguments with which helm returns when what it was told works.
pub const WAIT: [&str; 2] = ["--wait", "--timeout=8m"];

/// The values of a new installation, for one that a test left with those of an upgrade from v0.1.0.
const CONFINED: [&str; 2] = ["--set=topics.confine=Enforce", "--set=broker.loginNamespaces=Labelled"];

/// Whether this process has installed the chart as it is in the repository.
static CURRENT: Mutex<bool> = Mutex::const_new(false);

/// New with each process: by it, images that were loaded again under their old tag are started.
static RUN: LazyLock<String> = LazyLock::new(|| format!("run-{:016x}", rand::random::<u64>()));

/// Makes sure that the chart of the repository is installed and works.
pub async fn ensure() -> anyhow::Result<()> {
    let mut current = CURRENT.lock().await;
    let status = status().await;
    if *current && status.as_deref() == Some("deployed") {
        return Ok(());
    }
    // Helm goes on with nothing that it was interrupted at.
    let is_interrupted =
        status.as_ref().is_some_and(|status| status.starts_with("pending-") || status == "uninstalling");
    if is_interrupted {
        uninstall().await?;
    }
    let values = if status.is_some() && !is_interrupted { CONFINED.as_slice() } else { &[] };
    upgrade(&chart(), &[WAIT.as_slice(), values].concat()).await?;
    *current = true;
    Ok(())
}

/// Waits until everything is as a test may expect it: nodes, broker and operators, whatever the test before did to them.
pub async fn is_whole(client: &Client) -> anyhow::Result<()> {
    for node in list(client, NODE, None, "").await? {
        node::is_ready(&Object::new(client, NODE, None, text(&node, "/metadata/name"))).await?;
    }
    operators_run(client, REPLICAS).await?;
    let broker = Object::new(client, STATEFUL_SET, Some(NAMESPACE), BROKER);
    broker.until("runs", |set| (number(set?, "/status/readyReplicas") == 1).then_some(())).await
}

/// Has the next test install the chart again, whatever this one left behind.
pub async fn forget() {
    *CURRENT.lock().await = false;
}

/// The chart's folder in the repository.
pub fn chart() -> String {
    environment::repository().join("charts/intuition").display().to_string()
}

/// `helm upgrade --install` of a chart, with the values that the cluster needs and these arguments.
pub async fn upgrade(chart: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let registry = format!("--set=image.registry={}", environment::registry());
    let annotation = ["operator", "mosquitto"].map(|part| format!("--set-string={part}.podAnnotations.run={}", *RUN));
    // Without the first, helm takes the values of the time before where no others are given; without the second, it leaves
    // alone what a test changed by hand.
    let upgrade = ["upgrade", "--reset-values", "--force-conflicts", "--install", RELEASE, chart, "--create-namespace"];
    let values = [registry.as_str(), &annotation[0], &annotation[1]];
    helm(&[upgrade.as_slice(), &values, arguments].concat()).await.map(drop)
}

/// `helm uninstall`, and waits until it is gone.
pub async fn uninstall() -> anyhow::Result<()> {
    helm(&[["uninstall", RELEASE], WAIT].concat()).await.map(drop)
}

/// `helm` in the chart's namespace.
pub async fn helm(arguments: &[&str]) -> anyhow::Result<String> {
    shell::run("helm", &[&["--namespace", NAMESPACE], arguments].concat()).await
}

/// What helm says about the release, if there is one.
async fn status() -> Option<String> {
    let status = helm(&["status", RELEASE, "--output=json"]).await.ok()?;
    let status: Value = serde_json::from_str(&status).ok()?;
    Some(text(&status, "/info/status").to_owned())
}

/// User and password of the chart's broker, from its Secret.
pub async fn broker_login() -> anyhow::Result<(String, String)> {
    let template = "go-template={{.data.username | base64decode}} {{.data.password | base64decode}}";
    let read = ["--namespace", NAMESPACE, "get", "secret", BROKER, "--output", template];
    let login = shell::run("kubectl", &read).await?;
    let (user, password) = login.split_once(' ').context("no user and password")?;
    Ok((user.to_owned(), password.to_owned()))
}

/// The operator's Deployment.
pub fn operator(client: &Client) -> Object {
    Object::new(client, DEPLOYMENT, Some(NAMESPACE), OPERATOR)
}

/// Runs that many operators and waits until they are there, or gone.
pub async fn scale_operator(client: &Client, replicas: i64) -> anyhow::Result<()> {
    operator(client).merge(&json!({"spec": {"replicas": replicas}})).await?;
    operators_run(client, replicas).await
}

async fn operators_run(client: &Client, replicas: i64) -> anyhow::Result<()> {
    operator(client)
        .until(&format!("{replicas} operators run"), |deployment| {
            let deployment = deployment?;
            let there = ["/status/replicas", "/status/readyReplicas"].map(|count| number(deployment, count));
            (there == [replicas; 2]).then_some(())
        })
        .await?;
    // The last of them may still be working.
    for pod in list(client, POD, Some(NAMESPACE), OPERATOR_PODS).await? {
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            Object::new(client, POD, Some(NAMESPACE), text(&pod, "/metadata/name")).is_gone().await?;
        }
    }
    Ok(())
}

/// The lease of the leader.
pub fn lease(client: &Client) -> Object {
    Object::new(client, LEASE, Some(NAMESPACE), OPERATOR)
}

/// Who leads: a process, not only its pod.
pub async fn leading_process(client: &Client) -> anyhow::Result<String> {
    Ok(text(&lease(client).read().await?, "/spec/holderIdentity").to_owned())
}

/// The pod that leads.
pub async fn leader(client: &Client) -> anyhow::Result<Object> {
    let holder = lease(client).until("somebody leads", |lease| holder(lease?)).await?;
    Ok(Object::new(client, POD, Some(NAMESPACE), &holder))
}

/// The pod that holds a lease: a process adds something of its own to its pod's name.
pub fn holder(lease: &Value) -> Option<String> {
    let identity = text(lease, "/spec/holderIdentity");
    identity.rsplit_once('_').map(|(pod, _)| pod.to_owned())
}

/// Memory of each operator pod as the kubelet sees it: of its own, and with the pages of files that it uses.
pub async fn operator_memory(client: &Client) -> anyhow::Result<Vec<String>> {
    let pods = list(client, POD, Some(NAMESPACE), OPERATOR_PODS).await?;
    ensure!(!pods.is_empty(), "no pods {OPERATOR_PODS}");
    let mut memory = Vec::new();
    for pod in &pods {
        let path = format!("/api/v1/nodes/{}/proxy/stats/summary", text(pod, "/spec/nodeName"));
        let summary: Value = serde_json::from_str(&shell::run("kubectl", &["get", "--raw", &path]).await?)?;
        let uid = text(pod, "/metadata/uid");
        let pods = summary.pointer("/pods").and_then(Value::as_array).context("a summary without pods")?;
        let found = pods.iter().find(|pod| text(pod, "/podRef/uid") == uid).context("the kubelet does not know it")?;
        let [own, all] =
            ["rssBytes", "workingSetBytes"].map(|kind| number(found, &format!("/containers/0/memory/{kind}")));
        ensure!(own > 0 && all > 0, "not measured yet: {found}");
        memory.push(format!("{} MiB, {} MiB with files", own / 1024 / 1024, all / 1024 / 1024));
    }
    Ok(memory)
}
