//! What a runtime counts for `/metrics`, since its process started. The ledger's own counters are for ever.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use intuition_api::v1::{
    DeliveryOutcome,
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
    registry::{Registry, Unit},
};

use crate::ledger::Space;

/// What became of a tick.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Which channel's sources left numbers out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: String,
}

/// How a verification ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// Why signals were denied.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// A value that has no series before it is measured: 0 would look like a full disk.
type Measured = Family<NoLabels, Gauge<u64, AtomicU64>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NoLabels {}

/// Channels with a series of their own. Publishers choose topics: those of further channels share one with an empty label.
const MAX_LABELLED_CHANNELS: usize = 100;

/// Shared by those who count.
#[derive(Debug, Clone)]
pub struct Metrics {
    ticks: Family<OutcomeLabels, Counter>,
    denied_signals: Family<ReasonLabels, Counter>,
    commit_seconds: Histogram,
    failed_commits: Counter,
    verifications: Family<ResultLabels, Counter>,
    ledger_bytes: Measured,
    free_bytes: Measured,
    dropped_entries: Counter,
    first_entry: Measured,
    swap_pause_seconds: Histogram,
    stale_inputs: Gauge<u64, AtomicU64>,
    gaps: Family<ChannelLabels, Counter>,
    /// Channels that have a series in `gaps`.
    gap_channels: Arc<Mutex<HashSet<String>>>,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("tradingalgo_runtime");
        let metrics = Self {
            ticks: Family::default(),
            denied_signals: Family::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            failed_commits: Counter::default(),
            verifications: Family::default(),
            ledger_bytes: Family::default(),
            free_bytes: Family::default(),
            dropped_entries: Counter::default(),
            first_entry: Family::default(),
            swap_pause_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 20)),
            stale_inputs: Gauge::default(),
            gaps: Family::default(),
            gap_channels: Arc::default(),
        };
        registry.register("ticks", "Ticks by what became of them", metrics.ticks.clone());
        let denied_signals = "Signals denied, by reason, also those beside a booked signal of the same tick";
        registry.register("denied_signals", denied_signals, metrics.denied_signals.clone());
        registry.register_with_unit(
            "ledger_commit",
            "Time that a commit took, its disk sync included",
            Unit::Seconds,
            metrics.commit_seconds.clone(),
        );
        registry.register("ledger_failed_commits", "Commits that failed", metrics.failed_commits.clone());
        let verifications = "Verifications of the whole journal beside the writer, by result";
        registry.register("ledger_verifications", verifications, metrics.verifications.clone());
        let ledger_bytes = "Size of the ledger's file and of its write-ahead log";
        registry.register_with_unit("ledger", ledger_bytes, Unit::Bytes, metrics.ledger_bytes.clone());
        let free_bytes = "Free space on the volume of the ledger";
        registry.register_with_unit("ledger_free", free_bytes, Unit::Bytes, metrics.free_bytes.clone());
        let dropped_entries = "Entries of the journal that were dropped";
        registry.register("ledger_dropped_entries", dropped_entries, metrics.dropped_entries.clone());
        registry.register("ledger_first_entry", "The first kept entry of the journal", metrics.first_entry.clone());
        registry.register_with_unit(
            "swap_pause",
            "Time without decisions while another algorithm took over and quotes waited, from the last outcome before",
            Unit::Seconds,
            metrics.swap_pause_seconds.clone(),
        );
        let stale_inputs = "Inputs that have brought no quote for their staleAfter";
        registry.register("stale_inputs", stale_inputs, metrics.stale_inputs.clone());
        registry.register("gaps", "Sequence numbers that sources left out, by channel", metrics.gaps.clone());
        metrics
    }

    /// Counts outcomes that are committed.
    pub(crate) fn count(&self, outcomes: &[DeliveryOutcome]) {
        let mut counts: Vec<(&'static str, u64)> = Vec::new();
        for tick in outcomes.iter().flat_map(|outcome| &outcome.ticks) {
            let outcome = if tick.seen_by() == SeenBy::Unspecified && tick.kind() != Kind::Forgotten {
                name(tick.kind())
            } else {
                "duplicate"
            };
            match counts.iter_mut().find(|(counted, _)| *counted == outcome) {
                Some((_, count)) => *count += 1,
                None => counts.push((outcome, 1)),
            }
        }
        for (outcome, count) in counts {
            self.ticks.get_or_create(&OutcomeLabels { outcome }).inc_by(count);
        }
    }

    /// Counts denied signals.
    pub(crate) fn denied(&self, reason: &'static str, signals: u64) {
        self.denied_signals.get_or_create(&ReasonLabels { reason }).inc_by(signals);
    }

    pub(crate) fn committed(&self, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// Counts a verification with one of [`verified`].
    pub(crate) fn verified(&self, result: &'static str) {
        self.verifications.get_or_create(&ResultLabels { result }).inc();
    }

    pub(crate) fn measured(&self, space: &Space) {
        self.ledger_bytes.get_or_create(&NoLabels {}).set(space.ledger_bytes);
        self.free_bytes.get_or_create(&NoLabels {}).set(space.free_bytes);
    }

    /// Counts entries that were dropped. `first`: the first kept one.
    pub(crate) fn dropped(&self, entries: u64, first: u64) {
        self.dropped_entries.inc_by(entries);
        self.first_entry.get_or_create(&NoLabels {}).set(first);
    }

    pub(crate) fn swapped(&self, pause: Duration) {
        self.swap_pause_seconds.observe(pause.as_secs_f64());
    }

    pub(crate) fn stale(&self, inputs: usize) {
        self.stale_inputs.set(u64::try_from(inputs).unwrap_or(u64::MAX));
    }

    /// Counts sequence numbers that were left out on a channel.
    pub(crate) fn missed(&self, channel: &str, numbers: u64) {
        // The set is whole at every step.
        let mut channels = self.gap_channels.lock().unwrap_or_else(PoisonError::into_inner);
        let has_series =
            channels.contains(channel) || channels.len() < MAX_LABELLED_CHANNELS && channels.insert(channel.to_owned());
        drop(channels);
        let channel = if has_series { channel.to_owned() } else { String::new() };
        self.gaps.get_or_create(&ChannelLabels { channel }).inc_by(numbers);
    }

    pub(crate) fn commit_failed(&self) {
        self.failed_commits.inc();
    }
}

/// Results of verifications.
pub(crate) mod verified {
    pub(crate) const SOUND: &str = "sound";
    pub(crate) const DAMAGED: &str = "damaged";
    pub(crate) const UNREADABLE: &str = "unreadable";
    #[cfg(test)]
    pub(crate) const ALL: [&str; 3] = [SOUND, DAMAGED, UNREADABLE];
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Decided => "decided",
        Kind::NoSignal => "no_signal",
        Kind::Denied => "denied",
        Kind::DeadLettered => "dead_lettered",
        Kind::NotSubscribed => "not_subscribed",
        Kind::NotListed => "not_listed",
        Kind::Forgotten | Kind::Unspecified => "forgotten",
    }
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::TickOutcome;
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::portfolio::Denial;

    /// The outcomes of a runtime, each once. A tick with a forgotten outcome was seen before.
    fn outcomes() -> Vec<TickOutcome> {
        let kinds = (Kind::Unspecified as i32 + 1..).map_while(|kind| Kind::try_from(kind).ok());
        let outcomes = kinds.map(|kind| {
            let seen_by = if kind == Kind::Forgotten { SeenBy::Sequence } else { SeenBy::Unspecified };
            TickOutcome { kind: kind.into(), seen_by: seen_by.into(), ..TickOutcome::default() }
        });
        outcomes.collect()
    }

    #[test]
    fn operations_page_has_every_metric_with_its_labels_and_their_values() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.count(&[DeliveryOutcome { ticks: outcomes(), ..DeliveryOutcome::default() }]);
        for denial in Denial::ALL {
            metrics.denied(denial.reason(), 1);
        }
        metrics.missed("quotes", 1);
        metrics.committed(Duration::ZERO);
        metrics.swapped(Duration::ZERO);
        metrics.commit_failed();
        for result in verified::ALL {
            metrics.verified(result);
        }
        metrics.measured(&Space { ledger_bytes: 3, free_bytes: 2, volume_bytes: 9 });
        metrics.dropped(0, 1);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let fixed: [(&str, &[&str]); 3] = [
            ("tradingalgo_runtime_ledger_verifications_total", &["result"]),
            ("tradingalgo_runtime_ticks_total", &["outcome"]),
            ("tradingalgo_runtime_denied_signals_total", &["reason"]),
        ];
        documents::metrics::compare(&text, "tradingalgo_runtime_", &fixed).unwrap();
    }

    #[test]
    fn space_has_no_series_before_it_is_measured() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let page = |registry: &Registry| {
            let mut page = String::new();
            encode(&mut page, registry).unwrap();
            page
        };
        let series =
            |page: &str| page.lines().filter(|line| line.starts_with("tradingalgo_runtime_ledger_free")).count();
        assert_eq!(series(&page(&registry)), 0);
        metrics.measured(&Space { ledger_bytes: 3, free_bytes: 2, volume_bytes: 9 });
        let page = page(&registry);
        assert!(page.contains("\ntradingalgo_runtime_ledger_free_bytes{} 2\n") && series(&page) == 1, "{page}");
        assert!(page.contains("\ntradingalgo_runtime_ledger_bytes{} 3\n"), "{page}");
    }

    #[test]
    fn denied_signals_have_a_series_for_each_reason() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.denied("NothingHeld", 2);
        metrics.denied("TooSmall", 1);
        metrics.denied("NothingHeld", 3);
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        for line in ["{reason=\"NothingHeld\"} 5\n", "{reason=\"TooSmall\"} 1\n"] {
            assert!(page.contains(&format!("\ntradingalgo_runtime_denied_signals_total{line}")), "{page}");
        }
    }

    #[test]
    fn gaps_have_a_series_for_each_channel_up_to_a_bound() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        for channel in 0..MAX_LABELLED_CHANNELS + 2 {
            metrics.missed(&format!("quotes/{channel}"), 2);
        }
        metrics.missed("quotes/0", 3);
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        assert!(page.contains("tradingalgo_runtime_gaps_total{channel=\"quotes/0\"} 5\n"), "{page}");
        assert!(page.contains("tradingalgo_runtime_gaps_total{channel=\"\"} 4\n"), "{page}");
        assert_eq!(page.matches("gaps_total{").count(), MAX_LABELLED_CHANNELS + 1);
    }
}
