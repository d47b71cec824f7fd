//! The pods of an algorithm.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    algo::Algo,
    environment,
    object::{Object, POD, number, text, until_any},
};

/// Which of an algorithm's two pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// algo-runtime.
    Runtime,
    /// The bridge.
    Bridge,
}

impl Part {
    const fn component(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Bridge => "bridge",
        }
    }

    /// The container in it.
    pub const fn container(self) -> &'static str {
        match self {
            Self::Runtime => "algo-runtime",
            Self::Bridge => "bridge",
        }
    }
}

/// A pod as it was when it was looked at.
#[derive(Clone)]
pub struct Pod {
    object: Object,
    seen: Value,
}

impl Pod {
    /// The only one of an algorithm that is not on its way out.
    pub async fn of(algo: &Algo<'_>, part: Part) -> anyhow::Result<Self> {
        let labels = labels(algo, part);
        let pods = algo.namespace().list(POD, &labels).await?;
        let mut staying = pods.into_iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
        let seen = staying.next().with_context(|| format!("no pod {labels}"))?;
        ensure!(staying.next().is_none(), "two pods {labels}");
        Ok(Self { object: algo.namespace().object(POD, text(&seen, "/metadata/name")), seen })
    }

    /// One that is known by its name.
    pub async fn named(object: Object) -> anyhow::Result<Self> {
        let seen = object.read().await?;
        Ok(Self { object, seen })
    }

    /// The pod itself.
    pub const fn object(&self) -> &Object {
        &self.object
    }

    /// What tells it from a later one of the same name.
    pub fn uid(&self) -> &str {
        text(&self.seen, "/metadata/uid")
    }

    /// The node it is on.
    pub fn node(&self) -> &str {
        text(&self.seen, "/spec/nodeName")
    }

    /// How often its container was started again.
    pub fn restarts(&self) -> i64 {
        number(&self.seen, "/status/containerStatuses/0/restartCount")
    }

    /// The id of its container, as the node's container runtime knows it.
    pub fn container_id(&self) -> anyhow::Result<&str> {
        let id = text(&self.seen, "/status/containerStatuses/0/containerID");
        id.split_once("://").map(|(_, id)| id).with_context(|| format!("{} runs no container", self.object))
    }

    /// Waits until another pod runs in its place.
    pub async fn is_replaced(&self, algo: &Algo<'_>, part: Part) -> anyhow::Result<()> {
        let namespace = algo.namespace();
        until_any(namespace.client(), POD, namespace.name(), &labels(algo, part), |pod| {
            let other = text(pod, "/metadata/uid") != self.uid();
            (other && text(pod, "/status/phase") == "Running").then_some(())
        })
        .await
    }

    /// Waits until its container was started once more than when it was looked at.
    pub async fn is_restarted(&self) -> anyhow::Result<()> {
        let restarts = self.restarts() + 1;
        self.object
            .until(&format!("its container was started again {restarts} times"), |now| {
                let status = now?.pointer("/status/containerStatuses/0")?;
                let running = status.pointer("/state/running").is_some();
                (number(status, "/restartCount") >= restarts && running).then_some(())
            })
            .await
    }

    /// Checks that it is still the same, never started again.
    pub async fn is_untouched(&self, algo: &Algo<'_>, part: Part) -> anyhow::Result<()> {
        let now = Self::of(algo, part).await?;
        ensure!(
            now.uid() == self.uid() && now.restarts() == self.restarts(),
            "{} was replaced by {}, or started again: {} times after {}",
            self.object,
            now.object,
            now.restarts(),
            self.restarts()
        );
        Ok(())
    }
}

/// Waits until both pods of an algorithm are ready and run images with this tag.
pub async fn run_tag(algo: &Algo<'_>, tag: &str) -> anyhow::Result<()> {
    let ending = format!(":{tag}");
    for part in [Part::Runtime, Part::Bridge] {
        let namespace = algo.namespace();
        until_any(namespace.client(), POD, namespace.name(), &labels(algo, part), |pod| {
            let stays = pod.pointer("/metadata/deletionTimestamp").is_none();
            let ready = pod.pointer("/status/containerStatuses/0/ready") == Some(&Value::Bool(true));
            (stays && ready && text(pod, "/spec/containers/0/image").ends_with(&ending)).then_some(())
        })
        .await
        .with_context(|| format!("{} with the tag {tag}", part.container()))?;
    }
    Ok(())
}

/// How many ticks the runtime has taken since its process began, whatever became of them.
pub async fn ticks(algo: &Algo<'_>) -> anyhow::Result<i64> {
    count_ticks(algo, |_| true).await
}

/// [`ticks`] without those that it had taken before.
pub async fn new_ticks(algo: &Algo<'_>) -> anyhow::Result<i64> {
    count_ticks(algo, |line| !line.contains("outcome=\"duplicate\"")).await
}

async fn count_ticks(algo: &Algo<'_>, counts: impl Fn(&str) -> bool) -> anyhow::Result<i64> {
    let pod = Pod::of(algo, Part::Runtime).await?;
    let (namespace, name) = (algo.namespace().name(), pod.object.name());
    let page = format!("get --raw /api/v1/namespaces/{namespace}/pods/{name}:8080/proxy/metrics");
    let page = algo.namespace().kubectl(&page).await?;
    let lines = page.lines().filter(|line| line.starts_with("tradingalgo_runtime_ticks_total") && counts(line));
    lines.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<i64>().context(line.to_owned())).sum()
}

fn labels(algo: &Algo<'_>, part: Part) -> String {
    format!("app.kubernetes.io/instance={},app.kubernetes.io/component={}", algo.name(), part.component())
}

/// Runs a shell script in a pod of its own that has a claim of the algorithm mounted at `/data`, on the node of its
/// runtime, to the end.
pub async fn meddle(algo: &Algo<'_>, claim: &str, script: &str) -> anyhow::Result<()> {
    let node = Pod::of(algo, Part::Runtime).await?.node().to_owned();
    let rights = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let container = json!({
        "name": "meddler", "image": environment::image("mosquitto"), "command": ["/bin/sh", "-ec", script],
        "securityContext": rights, "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    });
    let identity = json!({"runAsNonRoot": true, "runAsUser": 65532, "fsGroup": 65532,
                          "seccompProfile": {"type": "RuntimeDefault"}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "meddler"},
        "spec": {
            "nodeName": node, "restartPolicy": "Never", "containers": [container], "securityContext": identity,
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
    });
    algo.namespace().apply(&pod).await?;
    let meddler = algo.namespace().object(POD, "meddler");
    meddler.until("has done its work", |pod| (text(pod?, "/status/phase") == "Succeeded").then_some(())).await?;
    meddler.kill().await
}

/// What `algo-runtime verify` prints about the ledger in the runtime's pod, by its names.
pub async fn verify(algo: &Algo<'_>) -> anyhow::Result<Vec<(String, String)>> {
    let pod = Pod::of(algo, Part::Runtime).await?;
    let exec =
        format!("exec {} -c algo-runtime -- /usr/local/bin/algo-runtime verify --data-dir /data", pod.object.name());
    let report = algo.namespace().kubectl(&exec).await.context("the ledger is not in order")?;
    let line = |line: &str| line.split_once(' ').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Ok(report.lines().filter_map(line).collect())
}
