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
    /// Ticks with values of an indicator that the algorithm got, without a signal.
    pub const INDICATOR_VALUES: &str = "indicatorValues";
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
    /// Messages of an indicator's account: quotes and bars with their values.
    pub const JOINED: &str = "joined";
    /// Ticks without a source, with a number that came before with other content.
    pub const SEQ_REUSED: &str = "seqReused";
    /// Quotes that an indicator's account took when a later bar of their symbol was open: no bar has them.
    pub const LATE: &str = "late";
}

/// Values by name and reason. Nearly every tick counts one: nested maps find it without a copy of its key.
type Values = BTreeMap<String, BTreeMap<String, u64>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Counters {
    sizes: Sizes,
    values: Values,
    /// Values that are in no commit yet.
    changed: Values,
}

impl Counters {
    pub(super) fn new(values: BTreeMap<CounterKey, u64>, sizes: Sizes) -> Self {
        let mut counters = Self { sizes, values: Values::new(), changed: Values::new() };
        for ((name, reason), value) in values {
            counters.values.entry(name).or_default().insert(reason, value);
        }
        counters
    }

    /// Counts under a reason of the engine's own.
    pub(super) fn count(&mut self, name: &str, reason: &str, by: u64) {
        let value = self.raise(name, reason, by);
        set(&mut self.changed, name, reason, value);
    }

    /// Counts under a reason that a bridge or an algorithm chose: the number of those is bounded.
    pub(super) fn count_bounded(&mut self, name: &str, reason: &str, by: u64) {
        let key = self.bounded_key(name, reason);
        self.count(&key.0, &key.1, by);
    }

    /// The same for a report, which asks for no commit: returns the value that a later commit has to write.
    pub(super) fn count_report(&mut self, name: &str, reason: &str, by: u64) -> (CounterKey, u64) {
        let key = self.bounded_key(name, reason);
        let value = self.raise(&key.0, &key.1, by);
        (key, value)
    }

    /// Counts missing numbers: the sum, and by channel for a bounded number of channels.
    pub(super) fn count_gap(&mut self, channel: &str, missing: u64) {
        self.count(counter::GAPS, "", missing);
        if self.value(counter::GAPS, channel).is_some() || self.reasons_of(counter::GAPS) <= self.sizes.gap_channels {
            self.count(counter::GAPS, channel, missing);
        }
    }

    /// All of them, in the contract's form.
    pub(super) fn shown(&self) -> Vec<Counter> {
        let counter = |(name, reason, value): (&String, &String, u64)| Counter {
            name: name.clone(),
            reason: reason.clone(),
            value,
        };
        flat(&self.values).map(counter).collect()
    }

    pub(super) fn take_changes(&mut self) -> BTreeMap<CounterKey, u64> {
        let changed = std::mem::take(&mut self.changed);
        flat(&changed).map(|(name, reason, value)| ((name.clone(), reason.clone()), value)).collect()
    }

    fn value(&self, name: &str, reason: &str) -> Option<u64> {
        self.values.get(name)?.get(reason).copied()
    }

    fn raise(&mut self, name: &str, reason: &str, by: u64) -> u64 {
        let before = self.value(name, reason).unwrap_or_default();
        // The ledger's integers have a sign; a counter that is full stays so.
        let value = before.saturating_add(by).min(i64::MAX.cast_unsigned());
        set(&mut self.values, name, reason, value);
        value
    }

    fn bounded_key(&self, name: &str, reason: &str) -> CounterKey {
        let is_other = self.value(name, reason).is_none() && self.reasons_of(name) >= self.sizes.counted_reasons;
        (name.to_owned(), if is_other { OTHER } else { reason }.to_owned())
    }

    fn reasons_of(&self, name: &str) -> usize {
        self.values.get(name).map_or(0, BTreeMap::len)
    }
}

fn set(values: &mut Values, name: &str, reason: &str, value: u64) {
    match values.get_mut(name).and_then(|reasons| reasons.get_mut(reason)) {
        Some(known) => *known = value,
        None => {
            values.entry(name.to_owned()).or_default().insert(reason.to_owned(), value);
        }
    }
}

/// All values, by name and then by reason.
fn flat(values: &Values) -> impl Iterator<Item = (&String, &String, u64)> {
    values.iter().flat_map(|(name, reasons)| reasons.iter().map(move |(reason, value)| (name, reason, *value)))
}
