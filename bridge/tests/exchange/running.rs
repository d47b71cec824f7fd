//! A bridge in the test's own process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bridge::{BridgeDeps, Config, Limits, Metrics, MqttConfig, PARTS};
use intuition_api::v1::{Delivery, tick};
use intuition_common::{clock::SystemClock, heartbeat::Heartbeat, readiness::Readiness};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Generous: a machine that builds meanwhile is slow.
const PATIENCE: Duration = Duration::from_mins(2);

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "not in time: {what}");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The price in a delivery of one quote.
pub(crate) fn price(delivery: &Delivery) -> String {
    match delivery.ticks[0].content.as_ref().unwrap() {
        tick::Content::Quote(quote) => quote.price.clone(),
        tick::Content::Indicator(indicator) => indicator.name.clone(),
        tick::Content::Unusable(unusable) => unusable.reason.clone(),
    }
}

pub(crate) struct Running {
    readiness: Readiness,
    pub(crate) metrics: Metrics,
    registry: Registry,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(broker_url: &str, runtime_url: &str) -> Self {
        Self::start_with(broker_url, runtime_url, |_| {})
    }

    pub(crate) fn start_with(broker_url: &str, runtime_url: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            mqtt: MqttConfig::new(broker_url),
            runtime_url: runtime_url.to_owned(),
            account: "default/test".to_owned(),
            decisions_topic: None,
            limits: Limits::default(),
        };
        change(&mut config);
        let readiness = Readiness::new(&PARTS, Arc::new(SystemClock));
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let deps = BridgeDeps {
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            clock: Arc::new(SystemClock),
            heartbeat: Heartbeat::new(),
            published: None,
        };
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        #[expect(clippy::disallowed_methods, reason = "stop() waits for it")]
        let task = tokio::spawn(async move { bridge::run(config, deps, token).await.unwrap() });
        Self { readiness, metrics, registry, shutdown, task }
    }

    pub(crate) async fn ready(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.readiness.missing().is_empty() {
            assert!(Instant::now() < until, "missing: {:?}", self.readiness.missing());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn lacks(&self, part: &str, reason: &str) {
        eventually(&format!("{part} {reason}"), || {
            self.readiness.missing().iter().any(|missing| missing.part == part && missing.reason == reason)
        })
        .await;
    }

    /// Waits for a warning, and gives its message.
    pub(crate) async fn warns(&self, part: &str, reason: &str) -> String {
        let find = || {
            let warnings = self.readiness.warnings();
            warnings.into_iter().find(|warning| warning.part == part && warning.reason == reason)
        };
        eventually(&format!("{part} {reason}"), || find().is_some()).await;
        find().unwrap().message
    }

    /// The reasons of its warnings.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.readiness.warnings().into_iter().map(|warning| warning.reason).collect()
    }

    /// What it says about a part that it lacks.
    pub(crate) fn message(&self, part: &str) -> String {
        let missing = self.readiness.missing();
        missing.into_iter().find(|missing| missing.part == part).map(|missing| missing.message).unwrap_or_default()
    }

    /// The message of a warning.
    pub(crate) fn warning(&self, part: &str, reason: &str) -> Option<String> {
        let warnings = self.readiness.warnings();
        warnings.into_iter().find(|known| known.part == part && known.reason == reason).map(|known| known.message)
    }

    /// The sum of a counter's samples whose line contains all of these.
    pub(crate) fn metric(&self, parts: &[&str]) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}
