//! The metrics of a feed.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use serde_json::{Value, json};

/// Counters and gauges of a feed. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Quotes that the broker has.
    pub published: Counter,
    /// Quotes that were published again, behind a lost connection or a refusal.
    pub republished: Counter,
    /// Quotes of the source with numbers that had been taken before.
    pub repeated: Counter,
    /// Quotes that the broker refused for good, for example because of its size limit.
    pub refused: Counter,
    /// Gaps in the numbers of sources.
    pub gaps: Counter,
    /// Numbers in these gaps.
    pub missing: Counter,
    /// Rows that came when later numbers had been published. They are not published.
    pub late: Counter,
    /// Connections to the broker that ended or were not made.
    pub disconnections: Counter,
    /// Connections to the source that ended or were not made.
    pub source_disconnections: Counter,
    /// Positions that the broker has.
    pub positions: Counter,
    /// Quotes without an acknowledgement.
    pub in_flight: Gauge,
    /// Age of the last published quote when the broker had it, in seconds.
    pub lag: Gauge<f64, AtomicU64>,
    /// When the broker had the last quote, in seconds since 1970.
    pub last_quote: Gauge<i64, AtomicI64>,
}

impl Metrics {
    /// Metrics in a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let name = |name: &str| format!("tradingalgo_feed_{name}");
        registry.register(name("published_quotes"), "Quotes that the broker has", metrics.published.clone());
        let help = "Quotes that were published again behind a lost connection or a refusal";
        registry.register(name("republished_quotes"), help, metrics.republished.clone());
        let help = "Quotes of the source with numbers that had been taken before";
        registry.register(name("repeated_quotes"), help, metrics.repeated.clone());
        let help = "Quotes that the broker refused for good";
        registry.register(name("refused_quotes"), help, metrics.refused.clone());
        registry.register(name("gaps"), "Gaps in the numbers of sources", metrics.gaps.clone());
        registry.register(name("missing_numbers"), "Numbers in the gaps of sources", metrics.missing.clone());
        let help = "Rows of a table that came when later numbers had been published, and that are not published";
        registry.register(name("late_rows"), help, metrics.late.clone());
        let help = "Connections to the broker that ended or were not made";
        registry.register(name("disconnections"), help, metrics.disconnections.clone());
        let help = "Connections to the source that ended or were not made";
        registry.register(name("source_disconnections"), help, metrics.source_disconnections.clone());
        registry.register(name("stored_positions"), "Positions that the broker has", metrics.positions.clone());
        registry.register(name("in_flight_quotes"), "Quotes without a PUBACK", metrics.in_flight.clone());
        let help = "Age of the last quote when the broker had it";
        registry.register(name("lag_seconds"), help, metrics.lag.clone());
        let help = "When the broker had the last quote, in seconds since 1970";
        registry.register(name("last_quote_timestamp_seconds"), help, metrics.last_quote.clone());
        metrics
    }

    /// The numbers of the page `/status`, from which the operator takes the status of the `Feed`. `lastQuoteTime` is in seconds since
    /// 1970 and absent before the first quote, as `lagSeconds` is.
    pub fn status(&self) -> Value {
        let last_quote = Some(self.last_quote.get()).filter(|seconds| *seconds > 0);
        json!({
            "published": self.published.get(),
            "gaps": self.gaps.get(),
            "missing": self.missing.get(),
            "lateRows": self.late.get(),
            "reconnects": self.disconnections.get() + self.source_disconnections.get(),
            "lastQuoteTime": last_quote,
            "lagSeconds": last_quote.map(|_| self.lag.get()),
        })
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn operations_page_has_every_metric() {
        let mut registry = Registry::default();
        let _metrics = Metrics::register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        documents::metrics::compare(&text, "tradingalgo_feed_", &[]).unwrap();
    }
}
