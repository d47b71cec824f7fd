//! The operator's metrics.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// The operator's metrics. Clones share the counters.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: Family<ResultLabel, Counter>,
    errors: Family<ReasonLabel, Counter>,
    seconds: Histogram,
    watch_errors: Counter,
    leader: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Metrics that `registry` shows.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("tradingalgo_operator");
        let metrics = Self {
            reconciles: Family::default(),
            errors: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.002, 2.0, 14)),
            watch_errors: Counter::default(),
            leader: Gauge::default(),
        };
        registry.register("reconcile", "Looks at a resource, by kind and result", metrics.reconciles.clone());
        registry.register("reconcile_errors", "Looks that failed, by reason", metrics.errors.clone());
        registry.register_with_unit(
            "reconcile_duration",
            "Time that a look took",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register("watch_errors", "Watches that ended with an error", metrics.watch_errors.clone());
        registry.register("leader", "1 while this replica reconciles", metrics.leader.clone());
        metrics
    }

    /// A look at a resource of this kind took that long, and failed for that reason.
    pub(crate) fn reconciled(&self, kind: &'static str, took: Duration, failed: Option<&'static str>) {
        let result = if failed.is_some() { "error" } else { "success" };
        self.reconciles.get_or_create(&ResultLabel { kind, result }).inc();
        if let Some(reason) = failed {
            self.errors.get_or_create(&ReasonLabel { reason }).inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }

    /// A watch ended with an error.
    pub(crate) fn watch_failed(&self) {
        self.watch_errors.inc();
    }

    /// Whether this replica reconciles.
    pub(crate) fn lead(&self, leads: bool) {
        self.leader.set(u64::from(leads));
    }
}

#[cfg(test)]
mod tests {
    use intuition_resources::{ALGORITHM_KIND, TRADING_ALGO_KIND};
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn operations_page_has_every_metric_with_its_labels_and_their_values() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let errors = documents::page("operator/src/reconcile/error.rs").unwrap().leak();
        for kind in [TRADING_ALGO_KIND, ALGORITHM_KIND] {
            metrics.reconciled(kind, Duration::ZERO, None);
            documents::reasons(errors).for_each(|reason| metrics.reconciled(kind, Duration::ZERO, Some(reason)));
        }
        metrics.watch_failed();
        metrics.lead(true);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let fixed: [(&str, &[&str]); 2] = [
            ("tradingalgo_operator_reconcile_total", &["kind", "result"]),
            ("tradingalgo_operator_reconcile_errors_total", &["reason"]),
        ];
        documents::metrics::compare(&text, "tradingalgo_operator_", &fixed).unwrap();
    }
}
