//! The ledger's counters, and the outcomes that they have to add up to.

use std::collections::BTreeMap;

use algo_runtime::ledger::{Changes, Snapshot, WindowRow};
use intuition_api::v1::{AccountResponse, Counter};

use super::{
    super::{hold, promise},
    texts::counter_of,
};
use crate::facts::{RunId, Violation};

/// Counters that the rows and the gaps add up to.
const COUNTED: [&str; 7] = ["decided", "noSignal", "denied", "deadLettered", "notSubscribed", "notListed", "gaps"];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Rows by counter and reason, and numbers that are missing.
    tally: BTreeMap<(&'static str, String), u64>,
    /// Values as committed.
    values: BTreeMap<(String, String), u64>,
}

impl Counters {
    /// Counts a row.
    pub(super) fn note(&mut self, row: &WindowRow) {
        *self.tally.entry((counter_of(row.outcome.kind), row.outcome.reason.clone())).or_default() += 1;
    }

    /// After the rows of a commit: its gaps, and the values that it sets.
    pub(super) fn commit(&mut self, changes: &Changes) -> Result<(), Violation> {
        for gap in &changes.gaps {
            let numbers = gap.last.abs_diff(gap.first).saturating_add(1);
            *self.tally.entry(("gaps", String::new())).or_default() += numbers;
        }
        for ((name, reason), value) in &changes.counters {
            let key = (name.clone(), reason.clone());
            let before = self.values.insert(key, *value).unwrap_or_default();
            hold!(before <= *value, promise::SILENCE, "the counter {name} {reason} goes from {before} back to {value}");
            self.check(name, reason, *value)?;
        }
        Ok(())
    }

    /// Whether a counter is the sum of its rows.
    fn check(&self, name: &str, reason: &str, value: u64) -> Result<(), Violation> {
        if !COUNTED.contains(&name) {
            return Ok(());
        }
        let is_its = |(key, _): &(&(&str, String), &u64)| key.0 == name && key.1 == reason;
        let rows: u64 = self.tally.iter().filter(is_its).map(|(_, count)| *count).sum();
        // A quote that an algorithm rejects although a person sold at it is a dead letter beside its outcome.
        let is_right = if name == "deadLettered" { value >= rows } else { value == rows };
        let is_part = reason == "Other" || (name == "gaps" && !reason.is_empty());
        let of = if reason.is_empty() { String::new() } else { format!(" of {reason}") };
        hold!(
            is_right || is_part,
            promise::SILENCE,
            "the counter {name}{of} is {value}, and the ledger has {rows} such outcomes"
        );
        Ok(())
    }

    /// The value of a counter, summed over its reasons.
    pub(super) fn value(&self, name: &str) -> u64 {
        self.values.iter().filter(|((known, _), _)| known == name).map(|(_, value)| *value).sum()
    }

    /// A runtime opened the ledger that was committed.
    pub(super) fn compare(&self, run: RunId, snapshot: &Snapshot) -> Result<(), Violation> {
        for (key, value) in &self.values {
            let found = snapshot.counters.get(key);
            hold!(
                found == Some(value),
                promise::DURABLE,
                "run {run} opened the ledger and found the counter {key:?} at {found:?}, {value} was committed"
            );
        }
        Ok(())
    }

    /// The values of another ledger, whose rows are counted already.
    pub(super) fn restore(&mut self, snapshot: &Snapshot) {
        self.values.clone_from(&snapshot.counters);
        let gaps = self.values.get(&("gaps".to_owned(), String::new())).copied().unwrap_or_default();
        self.tally.insert(("gaps", String::new()), gaps);
    }

    /// Whether the counters of the account are the sums of all rows.
    pub(super) fn check_account(&self, account: &AccountResponse) -> Result<(), Violation> {
        for counter in &account.counters {
            self.check(&counter.name, &counter.reason, counter.value)?;
        }
        for ((name, reason), rows) in self.tally.iter().filter(|(_, rows)| **rows > 0) {
            let is_its =
                |counter: &Counter| counter.name == *name && (counter.reason == *reason || counter.reason == "Other");
            hold!(
                account.counters.iter().any(is_its),
                promise::SILENCE,
                "{rows} outcomes {name} {reason} are in no counter of the account"
            );
        }
        Ok(())
    }
}
