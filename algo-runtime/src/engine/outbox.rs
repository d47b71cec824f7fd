//! The outbox: entries that wait for the next commit, and the reports of bridges about published ones.
//!
//! Reports have no commit of their own: a lost report only repeats publications. They are in memory at once and join the
//! next commit with another cause. [`Engine::take_all_changes`](super::Engine::take_all_changes) commits them alone.

use std::collections::BTreeMap;

use intuition_api::v1::{self, DeadLetter, GivenUp, Published};
use intuition_common::planted::{self, Mistake};

use super::{
    counters::{Counters, counter},
    request_error::RequestError,
};
use crate::ledger::{Account, Changes, CounterKey, Ledger, LedgerError, OutboxContent, OutboxRow, Positions};

/// Longest reason of an entry that is given up, bytes.
const MAX_REASON_BYTES: usize = 64;

/// Reports that are in no commit yet.
#[derive(Debug, Default)]
struct UnsavedReports {
    /// Entries that are done by them.
    entries: u64,
    done: Positions,
    counters: BTreeMap<CounterKey, u64>,
}

impl UnsavedReports {
    fn is_empty(&self) -> bool {
        self.entries == 0 && self.counters.is_empty()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Ranges, and entries given up, of a report, at most.
    max_ranges: usize,
    /// The last position given.
    position: u64,
    /// Every position up to this one is published or given up.
    published_through: u64,
    /// Positions beyond it that are.
    done: Positions,
    unsaved: UnsavedReports,
    /// Entries that are in no commit yet.
    rows: Vec<OutboxRow>,
}

impl Outbox {
    pub(super) fn load(account: &Account, done: Positions, max_ranges: usize) -> Self {
        Self {
            max_ranges,
            position: account.position,
            published_through: account.published_through,
            done,
            unsaved: UnsavedReports::default(),
            rows: Vec::new(),
        }
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    pub(super) const fn published_through(&self) -> u64 {
        self.published_through
    }

    /// The last position that is committed.
    pub(super) const fn committed_position(&self) -> u64 {
        self.position - self.rows.len() as u64
    }

    #[cfg(test)]
    pub(super) const fn done(&self) -> &Positions {
        &self.done
    }

    /// Adds an entry. Returns its position.
    pub(super) fn post(&mut self, content: OutboxContent) -> u64 {
        self.position += 1;
        self.rows.push(OutboxRow { position: self.position, content });
        self.position
    }

    /// The dead letter at a position; `None` once it is committed.
    pub(super) fn letter_mut(&mut self, position: u64) -> Option<&mut DeadLetter> {
        let first = self.rows.first()?.position;
        let index = usize::try_from(position.checked_sub(first)?).ok()?;
        match &mut self.rows.get_mut(index)?.content {
            OutboxContent::DeadLetter(letter) => Some(letter),
            OutboxContent::Decision(_) | OutboxContent::Publication(_) | OutboxContent::Joined(_) => None,
        }
    }

    /// Refuses a report that breaks its rules.
    pub(super) fn check(&self, report: &Published) -> Result<(), RequestError> {
        check(report, self.max_ranges)
    }

    /// Takes a report. `sent`: the last position that the bridge can know of. Returns how many positions beyond it were
    /// reported; those are passed over.
    pub(super) fn take_report(
        &mut self,
        report: &Published,
        sent: u64,
        counters: &mut Counters,
        ledger: &mut dyn Ledger,
    ) -> Result<u64, RequestError> {
        let sent = sent.max(self.published_through);
        let mut beyond = self.give_up(&report.given_up, sent, counters, ledger)?;
        beyond = beyond.saturating_add(report.through.saturating_sub(sent));
        let through = report.through.min(sent);
        let mut ranges = vec![(self.published_through + 1, through)];
        for v1::Positions { first, last } in &report.done {
            let first_beyond = (*first).max(sent + 1);
            beyond = beyond.saturating_add((last + 1).saturating_sub(first_beyond));
            let first = if planted::is(Mistake::PublishedByHighest) { 0 } else { *first };
            ranges.push((first.max(self.published_through + 1), (*last).min(sent)));
        }
        for (first, last) in ranges {
            self.note_done(first, last);
        }
        self.published_through = self.done.next_outside(self.published_through + 1) - 1;
        self.done.remove_through(self.published_through);
        self.unsaved.done.remove_through(self.published_through);
        Ok(beyond)
    }

    /// Counts positions that a bridge reported and cannot know of.
    pub(super) fn count_beyond(&mut self, positions: u64, counters: &mut Counters) {
        if positions > 0 {
            self.count_report(counter::PUBLISHED_BEYOND, "", positions, counters);
        }
    }

    /// Entries that are done by reports which are in no commit yet; `None`: there is no such report.
    pub(super) fn unsaved_reports(&self) -> Option<u64> {
        (!self.unsaved.is_empty()).then_some(self.unsaved.entries)
    }

    /// Positions beyond `published_through` that are done, as far as a message holds them.
    pub(super) fn ranges_done(&self) -> Vec<v1::Positions> {
        self.done.ranges().take(self.max_ranges).map(|(first, last)| v1::Positions { first, last }).collect()
    }

    /// The entries that are in no commit yet.
    pub(super) fn take_rows(&mut self) -> Vec<OutboxRow> {
        std::mem::take(&mut self.rows)
    }

    /// Moves the reports into a commit. The account of the commit has the rest.
    pub(super) fn take_reports(&mut self, changes: &mut Changes) {
        let UnsavedReports { done, counters, .. } = std::mem::take(&mut self.unsaved);
        changes.done = done;
        changes.counters.extend(counters);
    }

    /// Entries that are given up are done. Returns how many of them were never sent.
    fn give_up(
        &mut self,
        given_up: &[GivenUp],
        sent: u64,
        counters: &mut Counters,
        ledger: &mut dyn Ledger,
    ) -> Result<u64, RequestError> {
        for GivenUp { position, .. } in given_up.iter().filter(|given_up| self.is_open(given_up.position, sent)) {
            if self.holds_strict(*position, ledger)? {
                let message = format!(
                    "Published: given_up names position {position}, which is a decision or a quote with indicators"
                );
                return Err(RequestError::contract(message));
            }
        }
        for GivenUp { position, reason, .. } in given_up {
            if self.is_open(*position, sent) {
                self.count_report(counter::UNDELIVERABLE, reason, 1, counters);
                self.note_done(*position, *position);
            }
        }
        Ok(given_up.iter().filter(|given_up| given_up.position > sent).count() as u64)
    }

    fn is_open(&self, position: u64, sent: u64) -> bool {
        position > self.published_through && position <= sent && !self.done.contains(position)
    }

    fn holds_strict(&self, position: u64, ledger: &mut dyn Ledger) -> Result<bool, RequestError> {
        let uncommitted = self.rows.iter().find(|row| row.position == position);
        if let Some(row) = uncommitted {
            return Ok(row.content.is_strict());
        }
        ledger.holds_strict(position).map_err(|error: LedgerError| RequestError::ReadLedger {
            reason: error.reason(),
            message: intuition_common::exit::with_causes(&error),
        })
    }

    fn note_done(&mut self, first: u64, last: u64) {
        self.unsaved.entries += self.done.add(first, last);
        self.unsaved.done.add(first, last);
    }

    /// Counts without asking for a commit.
    fn count_report(&mut self, name: &str, reason: &str, by: u64, counters: &mut Counters) {
        let (key, value) = counters.count_report(name, reason, by);
        if !planted::is(Mistake::GivenUpUnsaved) {
            self.unsaved.counters.insert(key, value);
        }
    }
}

/// The highest position that a report names.
pub(super) fn highest(report: &Published) -> u64 {
    let done = report.done.iter().map(|range| range.last);
    let given_up = report.given_up.iter().map(|given_up| given_up.position);
    done.chain(given_up).fold(report.through, u64::max)
}

fn check(report: &Published, most: usize) -> Result<(), RequestError> {
    let Published { done, given_up, .. } = report;
    if done.len() > most || given_up.len() > most {
        let message =
            format!("Published: {} ranges and {} entries given up, at most {most}", done.len(), given_up.len());
        return Err(RequestError::contract(message));
    }
    let mut before = 0;
    for v1::Positions { first, last } in done {
        if *first <= before || last < first || *last == u64::MAX {
            let message =
                format!("Published: done has {first} to {last} behind {before}: not in order, or not a range");
            return Err(RequestError::contract(message));
        }
        before = *last;
    }
    for GivenUp { position, reason, .. } in given_up {
        let is_code =
            (1..=MAX_REASON_BYTES).contains(&reason.len()) && reason.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if *position == 0 || !is_code {
            let message = format!(
                "Published: given_up has position {position} and reason {reason:?}: not an entry, or not a code"
            );
            return Err(RequestError::contract(message));
        }
    }
    Ok(())
}
