//! Last numbers of the sources, and the gaps between them.

use std::collections::{BTreeMap, BTreeSet};

use algo_runtime::ledger::{Changes, Class, Gap, Snapshot, WindowRow};
use intuition_api::v1::tick_outcome::Kind;

use super::{
    super::{hold, promise},
    TAKE_NO_NUMBER,
};
use crate::facts::Violation;

/// Numbers that a source left out.
#[derive(Debug)]
pub(super) struct Missing {
    channel: String,
    source: String,
    first: i64,
    last: i64,
    /// The publisher leaves numbers out by `numbering`: they are no gap.
    is_sparse: bool,
}

impl Missing {
    fn is_gap(&self, gap: &Gap) -> bool {
        self.channel == gap.channel && self.source == gap.source && (self.first, self.last) == (gap.first, gap.last)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Last number and rank by channel, source and era.
    last: BTreeMap<(String, String, u64), (i64, u32)>,
    /// Channel and source of all resets, of any ledger of the run.
    resets: BTreeSet<(String, String)>,
}

impl Numbers {
    /// The last numbers of another ledger.
    pub(super) fn restore(&mut self, snapshot: &Snapshot) {
        self.last.clear();
        for mark in &snapshot.marks {
            let is_its =
                |reset: &&algo_runtime::ledger::Reset| reset.channel == mark.channel && reset.source == mark.source;
            let era = snapshot.sources.resets.iter().filter(is_its).count() as u64;
            self.last.insert((mark.channel.clone(), mark.source.clone(), era), (mark.seq, mark.index));
        }
    }

    /// Takes the number of a row, where it takes one. Returns the numbers between the last one and this.
    pub(super) fn take(
        &mut self,
        row: &WindowRow,
        shown: &str,
        quote: &str,
        is_sparse: bool,
    ) -> Result<Option<Missing>, Violation> {
        let Some(seq) = row.seq.filter(|_| row.class == Class::Sequence) else { return Ok(None) };
        let key = (row.channel.clone(), row.source.clone(), row.era);
        let last = self.last.get(&key).copied();
        let reason = row.outcome.reason.as_str();
        if row.outcome.kind == Kind::DeadLettered && TAKE_NO_NUMBER.contains(&reason) {
            let is_behind = last.is_some_and(|last| (seq, row.rank) <= last);
            hold!(
                reason != "SequenceWentBack" || is_behind,
                promise::DEAD_LETTERS,
                "{shown}: number {seq} of {quote} is above the last number of its source, {last:?} (number, rank)"
            );
            return Ok(None);
        }
        let (channel, source) = (row.channel.clone(), row.source.clone());
        let Some((before, rank)) = self.last.insert(key, (seq, row.rank)) else { return Ok(None) };
        hold!(
            (before, rank) < (seq, row.rank),
            promise::ONE_OUTCOME,
            "{shown}: number {seq}, rank {}, of {quote} is not above the last number of its source, {before}, rank {rank}",
            row.rank
        );
        let is_missing = seq.saturating_sub(before) > 1;
        Ok(is_missing.then_some(Missing { channel, source, first: before + 1, last: seq - 1, is_sparse }))
    }

    /// After the rows of a commit: the last numbers that it records are those of outcomes.
    pub(super) fn check_marks(&mut self, changes: &Changes) -> Result<(), Violation> {
        let resets = changes.sources.resets.iter();
        self.resets.extend(resets.map(|reset| (reset.channel.clone(), reset.source.clone())));
        for ((channel, source), mark) in &changes.marks {
            let eras = self.eras(channel, source);
            let last = eras.last().map(|(_, last)| *last);
            hold!(
                last == Some((mark.seq, mark.index)),
                promise::ONE_OUTCOME,
                "the last number of source {source:?} on {channel:?} is recorded as {}, rank {}, and by its outcomes it is {last:?}",
                mark.seq,
                mark.index
            );
        }
        Ok(())
    }

    /// The last numbers of a source by era.
    fn eras(&self, channel: &str, source: &str) -> impl Iterator<Item = (&(String, String, u64), &(i64, u32))> {
        let first = (channel.to_owned(), source.to_owned(), 0);
        let last = (channel.to_owned(), source.to_owned(), u64::MAX);
        self.last.range(first..=last)
    }

    /// Whether a source began another era.
    pub(super) fn was_reset(&self, channel: &str, source: &str) -> bool {
        self.resets.contains(&(channel.to_owned(), source.to_owned()))
    }

    /// Whether a number is not above the last one of its source, in some era.
    pub(super) fn is_passed(&self, channel: &str, source: &str, seq: i64) -> bool {
        self.eras(channel, source).any(|(_, (last, _))| seq <= *last)
    }
}

/// The gaps of a commit are exactly the numbers that are missing.
pub(super) fn compare(missing: &[Missing], gaps: &[Gap]) -> Result<(), Violation> {
    let mut missing = missing.iter();
    for gap in gaps {
        // Equal messages may differ in `numbering`, so that a sparse one may be a gap all the same.
        let found = missing.by_ref().find(|missing| !missing.is_sparse || missing.is_gap(gap));
        hold!(
            found.is_some_and(|missing| missing.is_gap(gap)),
            promise::GAPS,
            "the ledger has a gap of source {:?} on {:?}, {} to {}; by the outcomes the next one should be {}",
            gap.source,
            gap.channel,
            gap.first,
            gap.last,
            show(found)
        );
    }
    let rest = missing.find(|missing| !missing.is_sparse);
    hold!(rest.is_none(), promise::GAPS, "the ledger has no gap for numbers that are missing: {}", show(rest));
    Ok(())
}

fn show(missing: Option<&Missing>) -> String {
    missing.map_or("none".to_owned(), |Missing { channel, source, first, last, .. }| {
        format!("source {source:?} on {channel:?}, {first} to {last}")
    })
}
