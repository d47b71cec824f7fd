//! A `Feed` of a test's namespace, and the quotes that it publishes.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    PATIENCE,
    algo::Algo,
    broker::Access,
    namespace::Namespace,
    object::{FEED, POD, text, until_any},
    pods::Pod,
};
use crate::{
    feed::{Seen, by_source},
    mqtt::Subscriber,
    wait,
};

/// A `Feed` that was applied.
pub struct Publication<'a> {
    feed: Algo<'a>,
}

impl<'a> Publication<'a> {
    /// Applies a feed with this spec.
    pub async fn apply(namespace: &'a Namespace, name: &str, spec: &Value) -> anyhow::Result<Self> {
        let metadata = json!({"name": name, "namespace": namespace.name()});
        let manifest =
            json!({"apiVersion": "intuition.dev/v1alpha1", "kind": FEED.name, "metadata": metadata, "spec": spec});
        namespace.apply(&manifest).await?;
        Ok(Self { feed: Algo::applied_as(namespace, FEED, name) })
    }

    /// The resource and its conditions.
    pub const fn resource(&self) -> &Algo<'a> {
        &self.feed
    }

    /// Its usual topic.
    pub fn topic(&self) -> String {
        format!("intuition/{}/feed.{}/quotes", self.feed.namespace().name(), self.feed.name())
    }

    /// Waits until quotes are published by its newest spec.
    pub async fn is_publishing(&self) -> anyhow::Result<()> {
        self.feed.shows("Ready", "True", "Publishing").await.map(drop)
    }

    /// A subscriber of its quotes, with a session at the broker.
    pub async fn consumer(&self, access: &Access) -> anyhow::Result<Subscriber> {
        wait::until_within(PATIENCE, "the broker takes the consumer", async || {
            Ok(Subscriber::start(access.port(), access.login(), &self.topic()).await.ok())
        })
        .await
    }

    /// Its pod.
    pub async fn pod(&self) -> anyhow::Result<Pod> {
        let namespace = self.feed.namespace();
        let pods = namespace.list(POD, &self.labels()).await?;
        let staying = pods.iter().find(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
        let name = staying.map(|pod| text(pod, "/metadata/name").to_owned()).context("the feed has no pod")?;
        Pod::named(namespace.object(POD, &name)).await
    }

    /// Waits until another pod than this one runs.
    pub async fn is_replaced(&self, pod: &Pod) -> anyhow::Result<()> {
        let namespace = self.feed.namespace();
        until_any(namespace.client(), POD, namespace.name(), &self.labels(), |found| {
            let is_other = text(found, "/metadata/uid") != pod.uid();
            (is_other && text(found, "/status/phase") == "Running").then_some(())
        })
        .await
    }

    /// Waits until it has no pod.
    pub async fn has_no_pod(&self) -> anyhow::Result<()> {
        wait::until_within(PATIENCE, "the feed has no pod", async || {
            Ok(self.feed.namespace().list(POD, &self.labels()).await?.is_empty().then_some(()))
        })
        .await
    }

    fn labels(&self) -> String {
        format!("app.kubernetes.io/name=feed,app.kubernetes.io/instance={}", self.feed.name())
    }
}

/// The names of the sources whose quotes a consumer has seen.
pub fn sources(consumer: &Subscriber) -> anyhow::Result<Vec<String>> {
    Ok(by_source(&consumer.received("quotes"))?.into_keys().collect())
}

/// The quotes of a source that a consumer has seen.
pub fn seen(consumer: &Subscriber, source: &str) -> anyhow::Result<Vec<Seen>> {
    Ok(by_source(&consumer.received("quotes"))?.remove(source).unwrap_or_default())
}

/// Waits until a consumer has seen the number of a source.
pub async fn until_seen(consumer: &Subscriber, source: &str, number: u64) -> anyhow::Result<Vec<Seen>> {
    wait::until_within(PATIENCE, &format!("{source} comes to {number}"), async || {
        let seen = seen(consumer, source)?;
        Ok(seen.iter().any(|quote| quote.seq >= number).then_some(seen))
    })
    .await
}
