//! The metrics of a bridge.

mod inbound;

use std::{sync::atomic::AtomicU64, time::Duration};

use intuition_api::v1::{
    TickOutcome,
    tick_outcome::{Kind, SeenBy},
};
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

pub use self::inbound::Inbound;
use crate::message::Notes;

/// Dead-letter codes that have a label of their own: those of the bridge and of the runtime. An algorithm's own are
/// counted as `Other`, so that no text from outside makes a new time series.
const REASONS: [&str; 23] = [
    "NotUtf8",
    "Empty",
    "NotJson",
    "NotAQuote",
    "MissingField",
    "RepeatedKey",
    "BadPrice",
    "BadSize",
    "BadBar",
    "BadIndicator",
    "BadSymbol",
    "BadTime",
    "BadIdentity",
    "IdentityTooLong",
    "NoQuotes",
    "TooManyTicks",
    "DeliveryTooLarge",
    "SequenceWentBack",
    "IdentityConflict",
    "SourceForgotten",
    "TooManySources",
    "TooManySymbols",
    "Rejected",
];

/// Names of connections, in metrics and errors.
pub(crate) mod link {
    /// The connection that quotes come on.
    pub(crate) const SUBSCRIBING: &str = "subscribing";
    /// The connection that decisions go out on.
    pub(crate) const PUBLISHING: &str = "publishing";
    /// The stream to the runtime.
    pub(crate) const RUNTIME: &str = "runtime";
}

/// Label: outcome of a tick.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    outcome: &'static str,
}

/// Label: reason of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    reason: &'static str,
}

/// Labels: topic of entries that were given up, and the code of the last refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UndeliverableLabel {
    topic: String,
    code: &'static str,
}

/// Label: connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LinkLabel {
    link: &'static str,
}

/// Times between PUBLISH and PUBACK, from a millisecond to half a minute.
#[derive(Debug, Clone)]
pub struct Latency(Histogram);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.001, 2.0, 16)))
    }
}

impl Latency {
    pub(crate) fn observe(&self, latency: Duration) {
        self.0.observe(latency.as_secs_f64());
    }
}

/// The metrics of a bridge. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    ticks: Family<OutcomeLabel, Counter>,
    dead_lettered: Family<ReasonLabel, Counter>,
    connections: Family<LinkLabel, Counter>,
    undeliverable: Family<UndeliverableLabel, Counter>,
    /// Messages on their way in.
    pub inbound: Inbound,
    /// Ticks that had their outcome already.
    pub duplicates: Counter,
    /// Copies of messages that another subscription delivered too.
    pub overlaps: Counter,
    /// Messages that the broker had kept from before the subscription.
    pub retained: Counter,
    /// Dead letters of some account that came on a subscribed topic: they are acknowledged and not read.
    pub dead_letters_passed: Counter,
    /// Members of price maps that are null.
    no_price: Counter,
    /// Ticks with a rounded price or value.
    price_rounded: Counter,
    /// Ticks with an id and an invalid `seq`.
    seq_ignored: Counter,
    /// Outbox entries that the broker took.
    pub published: Counter,
    /// Quotes with their indicators among them.
    pub joined: Counter,
    /// Values of indicators that were written to the connection, each as a retained message.
    pub values: Counter,
    /// Publications that the broker refused, each attempt.
    pub refused: Counter,
    /// Time from the sending of an outbox entry to the broker's answer.
    pub(crate) publish_latency: Latency,
    /// Sessions that the broker did not have any more, with all the messages that waited there.
    pub sessions_lost: Counter,
    /// Ticks without a written acknowledgement.
    pub unacknowledged: Gauge<u64, AtomicU64>,
    /// Outbox entries that the broker has not taken.
    pub unpublished: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Metrics that `registry` shows.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(format!("tradingalgo_bridge_{name}"), help, counter.clone());
        };
        counter("duplicate_ticks", "Ticks that had their outcome already", &metrics.duplicates);
        counter("overlap_messages", "Copies of messages that another subscription delivered", &metrics.overlaps);
        counter("retained_messages", "Messages from before the subscription", &metrics.retained);
        let passed = "Dead letters that came on a subscribed topic, and were not read as quotes";
        counter("dead_letters_passed", passed, &metrics.dead_letters_passed);
        counter("no_price_members", "Symbols in price maps that had no price, but null", &metrics.no_price);
        counter(
            "price_rounded_ticks",
            "Ticks with a price or a value of an indicator rounded to 10 places, or a size or volume to 8",
            &metrics.price_rounded,
        );
        counter("seq_ignored_ticks", "Ticks with an id and an invalid seq", &metrics.seq_ignored);
        counter("published_messages", "Outbox entries that the broker took", &metrics.published);
        counter("joined_messages", "Quotes with their indicators that the broker took", &metrics.joined);
        counter("value_messages", "Retained values of indicators that were sent", &metrics.values);
        counter("refused_messages", "Publications that the broker refused", &metrics.refused);
        let sessions_lost = "Sessions that the broker lost, with the messages that waited there";
        counter("sessions_lost", sessions_lost, &metrics.sessions_lost);
        let ticks = metrics.ticks.clone();
        registry.register("tradingalgo_bridge_ticks", "Ticks by outcome", ticks);
        let dead_lettered = metrics.dead_lettered.clone();
        registry.register("tradingalgo_bridge_dead_lettered_ticks", "Ticks that could not be used", dead_lettered);
        let connections = metrics.connections.clone();
        registry.register("tradingalgo_bridge_connections", "Connections that were made", connections);
        let latency = metrics.publish_latency.0.clone();
        registry.register("tradingalgo_bridge_publish_latency_seconds", "Time from a PUBLISH to its PUBACK", latency);
        let undeliverable = metrics.undeliverable.clone();
        let help = "Outbox entries that the broker did not take and that were given up";
        registry.register("tradingalgo_bridge_undeliverable", help, undeliverable);
        let unacknowledged = metrics.unacknowledged.clone();
        registry.register("tradingalgo_bridge_unacknowledged_ticks", "Ticks not acknowledged", unacknowledged);
        let unpublished = metrics.unpublished.clone();
        registry.register("tradingalgo_bridge_unpublished_messages", "Outbox entries not published", unpublished);
        metrics.inbound.register(registry);
        metrics
    }

    /// A connection was made: one of [`link`].
    pub(crate) fn connected(&self, link: &'static str) {
        self.connections.get_or_create(&LinkLabel { link }).inc();
    }

    /// An outbox entry was given up. The caller bounds the number of topics.
    pub(crate) fn undeliverable(&self, topic: &str, code: &'static str) {
        self.undeliverable.get_or_create(&UndeliverableLabel { topic: topic.to_owned(), code }).inc();
    }

    /// A message was read.
    pub(crate) fn read(&self, notes: Notes) {
        self.no_price.inc_by(notes.no_price);
        self.price_rounded.inc_by(notes.price_rounded);
        self.seq_ignored.inc_by(notes.seq_ignored);
    }

    /// A tick has its outcome.
    pub(crate) fn outcome(&self, tick: &TickOutcome) {
        if tick.seen_by() != SeenBy::Unspecified {
            self.duplicates.inc();
            return;
        }
        let outcome = match tick.kind() {
            Kind::Unspecified => "unspecified",
            Kind::Decided => "decided",
            Kind::NoSignal => "no_signal",
            Kind::Denied => "denied",
            Kind::DeadLettered => "dead_lettered",
            Kind::Forgotten => "forgotten",
            Kind::NotSubscribed => "not_subscribed",
            Kind::NotListed => "not_listed",
        };
        self.ticks.get_or_create(&OutcomeLabel { outcome }).inc();
        if tick.kind() == Kind::DeadLettered {
            let reason = REASONS.into_iter().find(|reason| *reason == tick.reason).unwrap_or("Other");
            self.dead_lettered.get_or_create(&ReasonLabel { reason }).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use documents::{Table, codes, section};
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::message::Reason;

    /// The outcomes of a runtime, each once. A tick with a forgotten outcome was seen before.
    fn outcomes() -> impl Iterator<Item = TickOutcome> {
        let kinds = (Kind::Unspecified as i32 + 1..).map_while(|kind| Kind::try_from(kind).ok());
        kinds.map(|kind| {
            let seen_by = if kind == Kind::Forgotten { SeenBy::Sequence } else { SeenBy::Unspecified };
            TickOutcome { kind: kind.into(), seen_by: seen_by.into(), ..TickOutcome::default() }
        })
    }

    #[test]
    fn operations_page_has_every_metric_with_its_labels_and_their_values() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        for tick in outcomes() {
            metrics.outcome(&tick);
        }
        for link in [link::SUBSCRIBING, link::PUBLISHING, link::RUNTIME] {
            metrics.connected(link);
        }
        metrics.undeliverable("topic", "NotAuthorized");
        metrics.inbound.disconnected(link::PUBLISHING, "NoAnswer");
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let fixed: [(&str, &[&str]); 2] =
            [("tradingalgo_bridge_ticks_total", &["outcome"]), ("tradingalgo_bridge_connections_total", &["link"])];
        documents::metrics::compare(&text, "tradingalgo_bridge_", &fixed).unwrap();
    }

    #[test]
    fn input_page_explains_every_reason_with_a_label() {
        let page = documents::page("docs/input.md").unwrap();
        let below = section(&page, "## Reason codes");
        let tables = Table::all(below);
        let explained: BTreeSet<_> =
            tables.iter().filter_map(|table| table.column("Code")).flatten().flat_map(codes).collect();
        let of_bridge: BTreeSet<_> = Reason::ALL.into_iter().map(Reason::as_str).collect();
        assert_eq!(explained, of_bridge);
        for reason in REASONS {
            assert!(codes(below).any(|code| code == reason), "{reason}");
        }
    }

    #[test]
    fn every_reason_of_the_bridge_has_a_label_of_its_own() {
        for reason in Reason::ALL {
            assert!(REASONS.contains(&reason.as_str()), "{reason}");
        }
    }

    #[test]
    fn ticks_that_were_not_taken_as_written_are_counted() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.read(Notes { no_price: 1, price_rounded: 2, seq_ignored: 3 });
        metrics.read(Notes { no_price: 10, ..Notes::default() });
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for (name, value) in [("no_price_members", 11), ("price_rounded_ticks", 2), ("seq_ignored_ticks", 3)] {
            let name = format!("tradingalgo_bridge_{name}_total");
            assert!(text.contains(&format!("\n{name} {value}\n")), "{text}");
        }
    }
}
