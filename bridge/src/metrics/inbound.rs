//! Messages on their way in, from the broker to their acknowledgement.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Labels: connection and reason of its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EndLabel {
    link: &'static str,
    reason: &'static str,
}

/// See the module. Clones count together.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// Messages that the broker delivered, each time that it did.
    pub messages: Counter,
    /// Bytes of their payloads.
    pub bytes: Counter,
    /// Messages that the broker delivered before, on this connection or another (the flag DUP).
    pub redelivered: Counter,
    ends: Family<EndLabel, Counter>,
    acknowledgement: Histogram,
    oldest: Gauge<f64, AtomicU64>,
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            messages: Counter::default(),
            bytes: Counter::default(),
            redelivered: Counter::default(),
            ends: Family::default(),
            // From a millisecond to a little more than four minutes.
            acknowledgement: Histogram::new(exponential_buckets(0.001, 2.0, 19)),
            oldest: Gauge::default(),
        }
    }
}

impl Inbound {
    pub(super) fn register(&self, registry: &mut Registry) {
        let name = |name: &str| format!("tradingalgo_bridge_{name}");
        let help = "Messages that the broker delivered, each time";
        registry.register(name("received_messages"), help, self.messages.clone());
        let help = "Bytes of the payloads of delivered messages";
        registry.register(name("received_bytes"), help, self.bytes.clone());
        let help = "Messages that the broker delivered again";
        registry.register(name("redelivered_messages"), help, self.redelivered.clone());
        let help = "Connections that ended or were not made, by reason";
        registry.register(name("disconnections"), help, self.ends.clone());
        let help = "Time from the arrival of a message to its PUBACK";
        registry.register(name("acknowledgement_seconds"), help, self.acknowledgement.clone());
        let help = "Age of the oldest message without a PUBACK";
        registry.register(name("oldest_unacknowledged_seconds"), help, self.oldest.clone());
    }

    /// The broker delivered a message.
    pub(crate) fn received(&self, payload: usize, is_duplicate: bool) {
        self.messages.inc();
        self.bytes.inc_by(payload as u64);
        self.redelivered.inc_by(is_duplicate.into());
    }

    /// A connection ended, or was not made: `subscribing` or `publishing`, and the code of the error.
    pub(crate) fn disconnected(&self, link: &'static str, reason: &'static str) {
        self.ends.get_or_create(&EndLabel { link, reason }).inc();
    }

    /// The PUBACK of a message was written, so many microseconds after its arrival.
    pub(crate) fn acknowledged(&self, micros: i64) {
        self.acknowledgement.observe(seconds(micros));
    }

    /// The age of the oldest message without a PUBACK in microseconds; 0 without one.
    pub(crate) fn oldest(&self, micros: i64) {
        self.oldest.set(seconds(micros));
    }
}

/// A clock that was set back gives no time below zero.
fn seconds(micros: i64) -> f64 {
    std::time::Duration::from_micros(u64::try_from(micros).unwrap_or_default()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn messages_connections_and_latencies_show_under_their_names() {
        let (mut registry, inbound) = (Registry::default(), Inbound::default());
        inbound.register(&mut registry);
        inbound.received(10, false);
        inbound.received(5, true);
        inbound.disconnected("publishing", "NoAnswer");
        inbound.acknowledged(1_500);
        inbound.acknowledged(-1);
        inbound.oldest(2_500_000);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "received_messages_total 2",
            "received_bytes_total 15",
            "redelivered_messages_total 1",
            "disconnections_total{link=\"publishing\",reason=\"NoAnswer\"} 1",
            "acknowledgement_seconds_count 2",
            "acknowledgement_seconds_sum 0.0015",
            "acknowledgement_seconds_bucket{le=\"0.002\"} 2",
            "oldest_unacknowledged_seconds 2.5",
        ] {
            assert!(text.contains(&format!("\ntradingalgo_bridge_{line}\n")), "{line} in {text}");
        }
    }
}
