//! A bridge's reports about the outbox, and a ledger that has gone back.
//!
//! Reports have no commit of their own: losing one only repeats publications. They are in memory at once and join the next
//! commit with another cause. [`Engine::take_all_changes`] commits them alone.

use std::collections::BTreeMap;

use intuition_api::v1::{self, GivenUp, Open, Published};
use intuition_common::planted::{self, Fault};

use super::{Engine, RequestError, counter};
use crate::ledger::{Changes, CounterKey, Known, Ledger, LedgerError, LedgerId, OutboxContent, Positions};

/// Longest reason of an entry that is given up, bytes.
const REASON_BYTES: usize = 64;

/// Reports that are in no commit yet.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// Entries that are done by them.
    entries: u64,
    done: Positions,
    counters: BTreeMap<CounterKey, u64>,
}

impl Unsaved {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0 && self.counters.is_empty()
    }

    /// Moves them into a commit. The account of the commit has the rest.
    pub(super) fn join(&mut self, changes: &mut Changes) {
        let Self { done, counters, .. } = std::mem::take(self);
        changes.done = done;
        changes.counters.extend(counters);
    }
}

impl Engine {
    /// Takes a report about the outbox. `sent`: the last position that the bridge can know of. Returns how many positions
    /// beyond it were reported; those are passed over and counted.
    pub fn published(&mut self, report: &Published, sent: u64, ledger: &mut dyn Ledger) -> Result<u64, RequestError> {
        check(report, self.sizes.report_ranges)?;
        let beyond = self.take_report(report, sent, ledger)?;
        if beyond > 0 {
            self.count_report(counter::PUBLISHED_BEYOND, "", beyond);
        }
        Ok(beyond)
    }

    /// Entries that are done by reports which are in no commit yet; `None`: there is no such report.
    pub fn unsaved_reports(&self) -> Option<u64> {
        (!self.unsaved.is_empty()).then_some(self.unsaved.entries)
    }

    /// Compares the ledger with the bridge's knowledge of it, before a stream begins, and takes the bridge's report. True: the
    /// ledger has gone back. `new_id`: the id that decisions from now on have then.
    pub(super) fn compare_ledger(
        &mut self,
        open: &Open,
        new_id: String,
        ledger: &mut dyn Ledger,
    ) -> Result<bool, RequestError> {
        let nothing = Published::default();
        let report = open.published.as_ref().unwrap_or(&nothing);
        check(report, self.sizes.report_ranges)?;
        if open.ledger_id.is_empty() {
            return Ok(false);
        }
        let last = self.account.position - self.pending.outbox.len() as u64;
        let has_gone_back = match self.ledger_ids.known(&open.ledger_id) {
            Known::Newest => {
                self.take_report(report, last, ledger)?;
                let known = if planted::is(Fault::LastPositionLeftOut) { 0 } else { open.last_position };
                let is_behind = highest(report).max(known) > last && !planted::is(Fault::LedgerThatWentBack);
                if is_behind {
                    self.take_ledger_id(new_id, last);
                }
                is_behind
            }
            // The id was replaced for this loss already, and the bridge has not heard of it.
            Known::Earlier { last_position } => {
                self.take_report(report, last_position.min(last), ledger)?;
                true
            }
            // A copy from before that id was taken, or a ledger that is new to the bridge. Only the copy can have lost
            // decisions. The sign of a new ledger is that it has none.
            Known::Other if self.account.decisions > 0 => {
                self.take_ledger_id(new_id, last);
                true
            }
            Known::Other => false,
        };
        Ok(has_gone_back)
    }

    /// Positions beyond `published_through` that are done, as far as a message holds them.
    pub(super) fn ranges_done(&self) -> Vec<v1::Positions> {
        self.done.ranges().take(self.sizes.report_ranges).map(|(first, last)| v1::Positions { first, last }).collect()
    }

    /// `last`: the last position that is committed.
    fn take_ledger_id(&mut self, id: String, last: u64) {
        // A decision that is not committed yet was never published.
        let uncommitted = self.pending.journal.iter().filter(|entry| entry.trade.is_some()).count() as u64;
        let first_seq = self.account.decisions - uncommitted + 1;
        self.ledger_ids.take(LedgerId { first_seq, first_position: last + 1, id });
        self.account.ledger_id.clone_from(&self.ledger_ids.newest().id);
        self.pending.ledger_ids = Some(self.ledger_ids.clone());
    }

    fn take_report(&mut self, report: &Published, sent: u64, ledger: &mut dyn Ledger) -> Result<u64, RequestError> {
        let sent = sent.max(self.account.published_through);
        let mut beyond = self.give_up(&report.given_up, sent, ledger)?;
        beyond = beyond.saturating_add(report.through.saturating_sub(sent));
        let through = report.through.min(sent);
        let mut ranges = vec![(self.account.published_through + 1, through)];
        for v1::Positions { first, last } in &report.done {
            let first_beyond = (*first).max(sent + 1);
            beyond = beyond.saturating_add((last + 1).saturating_sub(first_beyond));
            let first = if planted::is(Fault::PublishedByHighest) { 0 } else { *first };
            ranges.push((first.max(self.account.published_through + 1), (*last).min(sent)));
        }
        for (first, last) in ranges {
            self.note_done(first, last);
        }
        self.account.published_through = self.done.next_outside(self.account.published_through + 1) - 1;
        self.done.remove_through(self.account.published_through);
        self.unsaved.done.remove_through(self.account.published_through);
        Ok(beyond)
    }

    /// Entries that are given up are done. Returns how many of them were never sent.
    fn give_up(&mut self, given_up: &[GivenUp], sent: u64, ledger: &mut dyn Ledger) -> Result<u64, RequestError> {
        let is_open = |engine: &Self, position| {
            position > engine.account.published_through && position <= sent && !engine.done.contains(position)
        };
        for GivenUp { position, .. } in given_up.iter().filter(|given_up| is_open(self, given_up.position)) {
            if self.holds_decision(*position, ledger)? {
                return Err(broken(format!("Published: given_up names position {position}, which is a decision")));
            }
        }
        for GivenUp { position, reason, .. } in given_up {
            if is_open(self, *position) {
                self.count_report(counter::UNDELIVERABLE, reason, 1);
                self.note_done(*position, *position);
            }
        }
        Ok(given_up.iter().filter(|given_up| given_up.position > sent).count() as u64)
    }

    fn holds_decision(&self, position: u64, ledger: &mut dyn Ledger) -> Result<bool, RequestError> {
        let uncommitted = self.pending.outbox.iter().find(|row| row.position == position);
        if let Some(row) = uncommitted {
            return Ok(matches!(row.content, OutboxContent::Decision(_)));
        }
        ledger.holds_decision(position).map_err(|error: LedgerError| RequestError::ReadLedger {
            reason: error.reason(),
            message: intuition_common::exit::with_causes(&error),
        })
    }

    fn note_done(&mut self, first: u64, last: u64) {
        self.unsaved.entries += self.done.add(first, last);
        self.unsaved.done.add(first, last);
    }

    /// Counts without asking for a commit.
    fn count_report(&mut self, name: &str, reason: &str, by: u64) {
        let key = self.counter_key(name, reason);
        let value = self.raise(&key, by);
        if !planted::is(Fault::GivenUpUnsaved) {
            self.unsaved.counters.insert(key, value);
        }
    }
}

/// The highest position that a report names.
fn highest(report: &Published) -> u64 {
    let done = report.done.iter().map(|range| range.last);
    let given_up = report.given_up.iter().map(|given_up| given_up.position);
    done.chain(given_up).fold(report.through, u64::max)
}

fn check(report: &Published, most: usize) -> Result<(), RequestError> {
    let Published { done, given_up, .. } = report;
    if done.len() > most || given_up.len() > most {
        let message =
            format!("Published: {} ranges and {} entries given up, at most {most}", done.len(), given_up.len());
        return Err(broken(message));
    }
    let mut before = 0;
    for v1::Positions { first, last } in done {
        if *first <= before || last < first || *last == u64::MAX {
            let message =
                format!("Published: done has {first} to {last} behind {before}: not in order, or not a range");
            return Err(broken(message));
        }
        before = *last;
    }
    for GivenUp { position, reason, .. } in given_up {
        let is_code =
            (1..=REASON_BYTES).contains(&reason.len()) && reason.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if *position == 0 || !is_code {
            let message = format!(
                "Published: given_up has position {position} and reason {reason:?}: not an entry, or not a code"
            );
            return Err(broken(message));
        }
    }
    Ok(())
}

fn broken(message: String) -> RequestError {
    RequestError::BreakContract(message)
}
