//! The ledger's counters: their names, their values, and the values that the next commit writes.

use std::collections::BTreeMap;

use intuition_api::v1::Counter;

use crate::{ledger::CounterKey, sizes::Sizes};

/// Stands for the reasons beyond [`Sizes::counted_reasons`] and [`Sizes::letter_causes`].
pub(super) const OTHER: &str = "Other";

/// Names of the ledger's counters.
pub mod counter {
    /// Ticks that became a decision.
    pub const DECIDED: &str = "decided";
    /// Ticks without a signal.
    pub const NO_SIGNAL: &str = "noSignal";
    /// Ticks with a denied signal, by reason.
    pub const DENIED: &str = "denied";
    /// Signals that were denied, by reason, also those beside a booked signal of the same tick.
    pub const SIGNALS_DENIED: &str = "signalsDenied";
    /// Ticks that went to the dead-letter topic, by reason.
    pub const DEAD_LETTERED: &str = "deadLettered";
    /// Ticks of channels that the active algorithm does not ask for.
    pub const NOT_SUBSCRIBED: &str = "notSubscribed";
    /// Ticks of symbols that the input of their channel does not list.
    pub const NOT_LISTED: &str = "notListed";
    /// Ticks that were seen before, unless it was the bridge that sent them again.
    pub const DUPLICATES: &str = "duplicates";
    /// Those of the duplicates that only session, packet id and bytes identify.
    pub const AMBIGUOUS: &str = "ambiguous";
    /// Sequence numbers that are missing: the sum, and by channel beside it.
    pub const GAPS: &str = "gaps";
    /// Duplicates without an outcome, since it is no longer kept.
    pub const FORGOTTEN: &str = "forgotten";
    /// Ticks of redeliveries that were decided when their bytes were read in another way.
    pub const REPARSED: &str = "reparsed";
    /// Outbox entries that the bridge gave up, by reason.
    pub const UNDELIVERABLE: &str = "undeliverable";
    /// Positions that a bridge reported as published and that were never sent to it.
    pub const PUBLISHED_BEYOND: &str = "publishedBeyond";
    /// Ticks without a source, with a number that came before with other content.
    pub const SEQ_REUSED: &str = "seqReused";
}

/// See the module.
#[derive(Debug)]
pub(super) struct Counters {
    sizes: Sizes,
    values: BTreeMap<CounterKey, u64>,
    /// Values that are in no commit yet.
    changed: BTreeMap<CounterKey, u64>,
}

impl Counters {
    pub(super) const fn new(values: BTreeMap<CounterKey, u64>, sizes: Sizes) -> Self {
        Self { sizes, values, changed: BTreeMap::new() }
    }

    /// Counts under a reason of the engine's own.
    pub(super) fn count(&mut self, name: &str, reason: &str, by: u64) {
        let key = (name.to_owned(), reason.to_owned());
        let value = self.raise(&key, by);
        self.changed.insert(key, value);
    }

    /// Counts under a reason that a bridge or an algorithm chose: the number of those is bounded.
    pub(super) fn count_bounded(&mut self, name: &str, reason: &str, by: u64) {
        let key = self.bounded_key(name, reason);
        self.count(&key.0, &key.1, by);
    }

    /// The same for a report, which asks for no commit: returns the value that a later commit has to write.
    pub(super) fn count_report(&mut self, name: &str, reason: &str, by: u64) -> (CounterKey, u64) {
        let key = self.bounded_key(name, reason);
        let value = self.raise(&key, by);
        (key, value)
    }

    /// Counts missing numbers: the sum, and by channel for a bounded number of channels.
    pub(super) fn count_gap(&mut self, channel: &str, missing: u64) {
        self.count(counter::GAPS, "", missing);
        let key = (counter::GAPS.to_owned(), channel.to_owned());
        if self.values.contains_key(&key) || self.reasons_of(counter::GAPS) <= self.sizes.gap_channels {
            self.count(counter::GAPS, channel, missing);
        }
    }

    /// All of them, in the contract's form.
    pub(super) fn shown(&self) -> Vec<Counter> {
        let counter = |((name, reason), value): (&CounterKey, &u64)| Counter {
            name: name.clone(),
            reason: reason.clone(),
            value: *value,
        };
        self.values.iter().map(counter).collect()
    }

    pub(super) fn take_changes(&mut self) -> BTreeMap<CounterKey, u64> {
        std::mem::take(&mut self.changed)
    }

    fn raise(&mut self, key: &CounterKey, by: u64) -> u64 {
        let value = self.values.entry(key.clone()).or_default();
        // The ledger's integers have a sign; a counter that is full stays so.
        *value = value.saturating_add(by).min(i64::MAX.cast_unsigned());
        *value
    }

    fn bounded_key(&self, name: &str, reason: &str) -> CounterKey {
        let key = (name.to_owned(), reason.to_owned());
        if !self.values.contains_key(&key) && self.reasons_of(name) >= self.sizes.counted_reasons {
            return (key.0, OTHER.to_owned());
        }
        key
    }

    fn reasons_of(&self, name: &str) -> usize {
        let of_name = (name.to_owned(), String::new())..;
        self.values.range(of_name).take_while(|((other, _), _)| other == name).count()
    }
}
