//! What a bridge counts.

use std::sync::atomic::AtomicU64;

use intuition_api::v1::{
    TickOutcome,
    tick_outcome::{Kind, SeenBy},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Dead-letter codes that have a label of their own: those of the bridge and of the runtime. An algorithm's own are
/// counted as `Other`, so that no text from outside makes a new time series.
const REASONS: [&str; 15] = [
    "NotUtf8",
    "Empty",
    "NotJson",
    "NotAQuote",
    "MissingField",
    "RepeatedKey",
    "BadPrice",
    "BadSymbol",
    "BadTime",
    "BadIdentity",
    "NoQuotes",
    "TooManyTicks",
    "SequenceWentBack",
    "IdentityConflict",
    "Rejected",
];

/// What became of ticks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    outcome: &'static str,
}

/// Why ticks were dead-lettered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    reason: &'static str,
}

/// Which connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LinkLabel {
    link: &'static str,
}

/// What a bridge counts. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    ticks: Family<OutcomeLabel, Counter>,
    dead_lettered: Family<ReasonLabel, Counter>,
    connections: Family<LinkLabel, Counter>,
    /// Ticks that had their outcome already.
    pub duplicates: Counter,
    /// Copies of messages that another subscription delivered too.
    pub overlaps: Counter,
    /// Messages that the broker had kept from before the subscription.
    pub retained: Counter,
    /// Outbox entries that the broker took.
    pub published: Counter,
    /// Publications that the broker refused, each attempt.
    pub refused: Counter,
    /// Sessions that the broker did not have any more, with all the messages that waited there.
    pub sessions_lost: Counter,
    /// Ticks whose acknowledgement was not written.
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
        counter("published_messages", "Outbox entries that the broker took", &metrics.published);
        counter("refused_messages", "Publications that the broker refused", &metrics.refused);
        let sessions_lost = "Sessions that the broker lost, with the messages that waited there";
        counter("sessions_lost", sessions_lost, &metrics.sessions_lost);
        let ticks = metrics.ticks.clone();
        registry.register("tradingalgo_bridge_ticks", "Ticks by what became of them", ticks);
        let dead_lettered = metrics.dead_lettered.clone();
        registry.register("tradingalgo_bridge_dead_lettered_ticks", "Ticks that could not be used", dead_lettered);
        let connections = metrics.connections.clone();
        registry.register("tradingalgo_bridge_connections", "Connections that were made", connections);
        let unacknowledged = metrics.unacknowledged.clone();
        registry.register("tradingalgo_bridge_unacknowledged_ticks", "Ticks not acknowledged", unacknowledged);
        let unpublished = metrics.unpublished.clone();
        registry.register("tradingalgo_bridge_unpublished_messages", "Outbox entries not published", unpublished);
        metrics
    }

    /// A connection was made: `subscribing`, `publishing` or `runtime`.
    pub(crate) fn connected(&self, link: &'static str) {
        self.connections.get_or_create(&LinkLabel { link }).inc();
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
