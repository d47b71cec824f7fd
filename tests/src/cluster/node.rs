//! Nodes that fail: kind's are containers, and what runs in them are processes.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use kube::Client;
use serde_json::{Value, json};

use super::{
    environment,
    object::{NODE, Object, list, text},
    pods::Pod,
    shell,
};
use crate::wait;

/// The control plane calls a silent node lost after 40 s, and its pods unready a little later.
const NOTICE: Duration = Duration::from_mins(3);

/// A node of a kind cluster.
pub struct Node {
    engine: String,
    object: Object,
}

impl Node {
    /// A node by its name; `None` where the nodes are not containers here.
    pub fn named(client: &Client, name: &str) -> Option<Self> {
        // tests/cluster says which engine runs them; it does not for a cluster that it did not make.
        let engine = environment::variable("CLUSTER_ENGINE")?;
        Some(Self { engine, object: Object::new(client, NODE, None, name) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.object.name()
    }

    /// Two nodes that take pods, if there are so many and they can be made to fail.
    pub async fn two_workers(client: &Client) -> anyhow::Result<Option<(Self, Self)>> {
        let mut workers = Vec::new();
        for node in list(client, NODE, None, "!node-role.kubernetes.io/control-plane").await? {
            workers.extend(Self::named(client, text(&node, "/metadata/name")));
        }
        Ok(workers.pop().zip(workers.pop()))
    }

    /// Stops it where it stands while `meanwhile` runs: nothing in it moves, nobody hears from it.
    pub async fn paused<T>(&self, meanwhile: impl AsyncFnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let undo = Undo::by(&[&self.engine, "unpause", self.name()]);
        self.engine("pause").await?;
        let outcome = meanwhile().await;
        drop(undo);
        let mended = self.is_ready().await;
        outcome.and_then(|outcome| mended.map(|()| outcome))
    }

    /// Pulls its plug while `meanwhile` runs, and starts it again.
    pub async fn killed<T>(&self, meanwhile: impl AsyncFnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let undo = Undo::by(&[&self.engine, "start", self.name()]);
        self.engine("kill").await?;
        let outcome = meanwhile().await;
        drop(undo);
        let mended = self.start().await;
        outcome.and_then(|outcome| mended.map(|()| outcome))
    }

    /// A node that finds too little of something, inotify instances for example, ends again: started until it stays.
    async fn start(&self) -> anyhow::Result<()> {
        let what = format!("{} starts and is ready", self.name());
        wait::until_every(Duration::from_secs(3), NOTICE, &what, async || {
            let started = self.engine("start").await.is_ok();
            let node = self.object.look().await.ok().flatten();
            Ok((started && node.is_some_and(|node| ready(&node) == "True")).then_some(()))
        })
        .await?;
        let network = environment::repository().join("tests/cluster/network");
        shell::run(&network.display().to_string(), &[]).await.map(drop)
    }

    /// Waits until the control plane has noticed that it is lost.
    pub async fn is_lost(&self) -> anyhow::Result<()> {
        self.object.until_within(NOTICE, "is lost", |node| (ready(node?) != "True").then_some(())).await
    }

    /// Waits until the control plane hears from it.
    pub async fn is_ready(&self) -> anyhow::Result<()> {
        is_ready(&self.object).await
    }

    /// Lets no new pods come to it while `meanwhile` runs.
    pub async fn cordoned<T>(&self, meanwhile: impl AsyncFnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let undo = Undo::by(&["kubectl", "uncordon", self.name()]);
        self.object.merge(&json!({"spec": {"unschedulable": true}})).await?;
        let outcome = meanwhile().await;
        drop(undo);
        outcome
    }

    /// kill -9 to the process of a pod's container, behind the kubelet's back.
    pub async fn kill_container(&self, pod: &Pod) -> anyhow::Result<()> {
        let kill = ["ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", pod.container_id()?];
        shell::run(&self.engine, &[["exec", self.object.name()].as_slice(), &kill].concat()).await.map(drop)
    }

    async fn engine(&self, verb: &str) -> anyhow::Result<()> {
        let done = shell::run(&self.engine, &[verb, self.object.name()]).await;
        done.map(drop).with_context(|| format!("to {verb} the node {}", self.object.name()))
    }
}

/// Waits until the control plane hears from a node.
pub async fn is_ready(node: &Object) -> anyhow::Result<()> {
    node.until("is ready", |node| (ready(node?) == "True").then_some(())).await
}

/// A command that is run when this is dropped, however a test ends.
struct Undo(Vec<String>);

impl Undo {
    fn by(command: &[&str]) -> Self {
        Self(command.iter().map(|&word| word.to_owned()).collect())
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let Some((program, arguments)) = self.0.split_first() else { return };
        let run = || Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        // An engine that is busy refuses now and then.
        let _done = (0..3).any(|_| run().is_ok_and(|status| status.success()));
    }
}

fn ready(node: &Value) -> &str {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|condition| text(condition, "/type") == "Ready");
    ready.map_or("Unknown", |ready| text(ready, "/status"))
}
