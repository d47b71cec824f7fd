//! Numbered sources: the last number of each source on each channel, the one place where the runtime keeps it, with
//! resets, conflicts and sources that were forgotten (ADR 0023).
//!
//! A number is *taken* when its tick is recognised as new, and *settled* when the tick has its outcome. Only settled
//! numbers are shown to people and written to the ledger, in the transaction of that outcome.
//!
//! Pure: the engine loads the registry from a snapshot and hands its changes to the ledger; times come in.
//!
//! - `pairs`: a map by channel and source. `conflicts`: dead letters in a row. `shown`: as the contract shows sources.
//! - [`symbols`]: the symbols that an account has taken quotes of.

mod conflicts;
mod pairs;
mod shown;
pub mod symbols;

use std::{collections::HashSet, sync::Arc};

use intuition_common::planted::{self, Mistake};
use sha2::{Digest as _, Sha256};

pub use self::conflicts::{CONFLICT_DEAD_LETTERS, counts_as_conflict};
use self::{conflicts::Conflicts, pairs::Pairs};
use crate::{
    ledger::{Mark, Reset, SourceChanges, SourceHash, SourceRecords},
    sizes::Sizes,
};

/// Longest source and longest id, bytes.
pub const IDENTITY_BYTES: usize = 256;

/// The sequence numbers that a source left out, both ends included.
pub type Missing = (i64, i64);

/// Why a source that the registry does not hold cannot be taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwelcome {
    /// It was forgotten.
    Forgotten,
    /// The account has [`Sizes::sources`] sources.
    TooMany,
}

/// Why a source was not reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetRefusal {
    /// The account does not know it.
    UnknownSource,
    /// It is in another era, and no earlier reset was the same as this one.
    OtherEra,
    /// Its last number is another, or quotes of it are being decided.
    OtherLast,
}

/// Which sources to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget<'a> {
    /// Those with this name, on every channel.
    Named(&'a str),
    /// Those whose last number is at least so old, microseconds.
    IdleFor(i64),
}

/// See the module.
#[derive(Debug)]
pub struct Sources {
    known: Pairs<Known>,
    /// The last number of each era that ended, for sources that were reset.
    eras: Pairs<Vec<i64>>,
    forgotten: HashSet<SourceHash>,
    conflicts: Conflicts,
    limit: usize,
    /// Sources whose settled number is not handed over yet.
    unsaved: Vec<(Arc<str>, Arc<str>)>,
    changes: SourceChanges,
}

/// One source on one channel.
#[derive(Debug, Default)]
struct Known {
    /// Sequence number taken last, and the tick's rank among those that share it.
    taken: Option<(i64, u32)>,
    /// The same, of ticks that have their outcome.
    settled: Option<(i64, u32)>,
    /// When the last number was settled, or the source was reset; for a number of v0.1.0 a time that is not earlier.
    noted_micros: i64,
    /// v0.1.0 took the last number, so that its time is not known.
    is_undated: bool,
    is_unsaved: bool,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            known: Pairs::default(),
            eras: Pairs::default(),
            forgotten: HashSet::new(),
            conflicts: Conflicts::default(),
            limit: Sizes::DESIGN.sources,
            unsaved: Vec::new(),
            changes: SourceChanges::default(),
        }
    }
}

impl Sources {
    /// From a snapshot.
    pub fn load(marks: Vec<Mark>, records: SourceRecords, sizes: Sizes) -> Self {
        let forgotten = records.forgotten.into_iter().collect();
        let conflicts = Conflicts::load(records.conflicts, sizes);
        let mut sources = Self { forgotten, conflicts, limit: sizes.sources, ..Self::default() };
        for Reset { channel, source, last, reset_micros, .. } in records.resets {
            if sources.is_forgotten(&channel, &source) {
                continue;
            }
            sources.eras.update(&channel, &source, |ended| ended.push(last));
            sources.known.update(&channel, &source, |known| known.noted_micros = reset_micros);
        }
        for mark in marks {
            let Mark { channel, source, seq, index, taken_micros, found_micros } = mark;
            // v0.1.0 takes quotes of a source that was forgotten. It stays forgotten here.
            if sources.is_forgotten(&channel, &source) {
                sources.changes.removed.push((channel, source));
                continue;
            }
            let last = Some((seq, index));
            let known = Known {
                taken: last,
                settled: last,
                noted_micros: taken_micros.max(found_micros),
                is_undated: taken_micros == 0,
                is_unsaved: false,
            };
            sources.known.insert(&channel, &source, known);
        }
        sources
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sequence number and rank taken last.
    pub fn last(&self, channel: &str, source: &str) -> Option<(i64, u32)> {
        self.known.get(channel, source)?.taken
    }

    /// The highest sequence number whose tick has its outcome.
    pub fn settled(&self, channel: &str, source: &str) -> Option<i64> {
        self.known.get(channel, source)?.settled.map(|(seq, _)| seq)
    }

    /// The era of a source: how often it was reset. Part of the identity of its ticks.
    pub fn era(&self, channel: &str, source: &str) -> u64 {
        // Few sources are ever reset: most accounts look nothing up.
        if self.eras.len() == 0 {
            return 0;
        }
        self.eras.get(channel, source).map_or(0, |ended| ended.len() as u64)
    }

    /// Why no quote of a source is taken; `None` where quotes are.
    pub fn unwelcome(&self, channel: &str, source: &str) -> Option<Unwelcome> {
        if self.known.get(channel, source).is_some() {
            None
        } else if self.is_forgotten(channel, source) {
            Some(Unwelcome::Forgotten)
        } else {
            (self.known.len() >= self.limit).then_some(Unwelcome::TooMany)
        }
    }

    fn is_forgotten(&self, channel: &str, source: &str) -> bool {
        !self.forgotten.is_empty() && self.forgotten.contains(&hash(channel, source))
    }

    /// Takes a number above the last one. Returns the numbers that it left out.
    pub fn take(&mut self, channel: &str, source: &str, (seq, rank): (i64, u32)) -> Option<Missing> {
        let before = self.known.update(channel, source, |known| known.taken.replace((seq, rank)));
        if planted::is(Mistake::NumberBeforeOutcome) {
            self.settle(channel, source, (seq, rank), 0);
        }
        before.filter(|(last, _)| seq.saturating_sub(*last) > 1).map(|(last, _)| (last + 1, seq - 1))
    }

    /// Settles a number that was taken: its tick has its outcome. A source that was forgotten since stays so.
    pub fn settle(&mut self, channel: &str, source: &str, last: (i64, u32), now_micros: i64) {
        let Some(known) = self.known.get_mut(channel, source) else { return };
        known.settled = Some(last);
        (known.noted_micros, known.is_undated) = (now_micros, false);
        if !std::mem::replace(&mut known.is_unsaved, true) {
            self.unsaved.extend(self.known.names(channel, source));
        }
    }

    /// Counts a dead letter for a source's identity.
    pub fn refuse(&mut self, channel: &str, source: &str, reason: &str, message: &str) {
        self.conflicts.extend(channel, source, reason, message);
    }

    /// A tick of the source was accepted, which ends a conflict.
    pub fn accept(&mut self, channel: &str, source: &str) {
        self.conflicts.end(channel, source);
    }

    /// Begins the source's next era, where it is in `era` and stands at `last`. Returns false where an earlier reset
    /// was the same.
    pub fn reset(
        &mut self,
        channel: &str,
        source: &str,
        (era, last): (u64, i64),
        now_micros: i64,
    ) -> Result<bool, ResetRefusal> {
        let Some(known) = self.known.get_mut(channel, source) else { return Err(ResetRefusal::UnknownSource) };
        let ended = self.eras.get(channel, source).map_or(&[][..], Vec::as_slice);
        let before = usize::try_from(era).ok().and_then(|era| ended.get(era));
        match before {
            Some(before) if *before == last => return Ok(false),
            _ if era != ended.len() as u64 => return Err(ResetRefusal::OtherEra),
            _ => {}
        }
        if known.settled.map(|(seq, _)| seq) != Some(last) || known.taken != known.settled {
            return Err(ResetRefusal::OtherLast);
        }
        *known = Known { noted_micros: now_micros, is_unsaved: known.is_unsaved, ..Known::default() };
        self.eras.update(channel, source, |ended| ended.push(last));
        let (channel, source) = (channel.to_owned(), source.to_owned());
        self.changes.removed.push((channel.clone(), source.clone()));
        self.changes.resets.push(Reset { channel, source, era, last, reset_micros: now_micros });
        Ok(true)
    }

    /// Forgets sources for good. Returns how many.
    pub fn forget(&mut self, which: Forget<'_>, now_micros: i64) -> u64 {
        let is_meant = |source: &str, known: &Known| match which {
            Forget::Named(name) => source == name,
            Forget::IdleFor(micros) => now_micros.saturating_sub(known.noted_micros) >= micros,
        };
        let mut meant: Vec<_> = self
            .known
            .iter()
            .filter(|(_, source, known)| is_meant(source, known))
            .map(|(channel, source, _)| (Arc::clone(channel), Arc::clone(source)))
            .collect();
        // The order of the changes must not depend on the map's.
        meant.sort_unstable();
        for (channel, source) in &meant {
            self.known.remove(channel, source);
            self.eras.remove(channel, source);
            self.conflicts.end(channel, source);
            let hash = hash(channel, source);
            self.forgotten.insert(hash);
            self.changes.forgotten.push(hash);
            self.changes.removed.push((channel.as_ref().to_owned(), source.as_ref().to_owned()));
        }
        meant.len() as u64
    }

    /// Everything that changed since the last call. Numbers that were taken and not settled are not among it.
    pub fn take_changes(&mut self) -> (Vec<Mark>, SourceChanges) {
        let mut marks = Vec::new();
        for (channel, source) in std::mem::take(&mut self.unsaved) {
            let Some(known) = self.known.get_mut(&channel, &source) else { continue };
            known.is_unsaved = false;
            marks.extend(known.mark(&channel, &source));
        }
        let mut changes = std::mem::take(&mut self.changes);
        changes.conflicts = self.conflicts.take_changes();
        (marks, changes)
    }

    /// All settled numbers, in no order.
    pub fn marks(&self) -> impl Iterator<Item = Mark> + '_ {
        self.known.iter().filter_map(|(channel, source, known)| known.mark(channel, source))
    }
}

impl Known {
    fn mark(&self, channel: &str, source: &str) -> Option<Mark> {
        let (seq, index) = self.settled?;
        let (channel, source) = (channel.to_owned(), source.to_owned());
        Some(Mark { channel, source, seq, index, taken_micros: self.taken_micros(), found_micros: 0 })
    }

    /// When the last number was taken; 0 where that is not known.
    const fn taken_micros(&self) -> i64 {
        if self.is_undated || self.settled.is_none() { 0 } else { self.noted_micros }
    }
}

/// The hash that stays of a source that was forgotten. The length keeps channel and source apart.
fn hash(channel: &str, source: &str) -> SourceHash {
    let mut hasher = Sha256::new();
    hasher.update((channel.len() as u64).to_be_bytes());
    hasher.update(channel);
    hasher.update(source);
    let digest: [u8; 32] = hasher.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
