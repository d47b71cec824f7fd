//! Sources: numbers that ticks take, gaps between them, conflicts, and limits on the names that publishers choose.

use intuition_api::v1::{self, Delivery, Source, Tick, Unusable, tick::Content};
use intuition_common::planted::{self, Mistake};

use super::{
    counters::Counters,
    unusable::{source_forgotten, too_many_sources, unusable},
};
use crate::{
    identity::class_of,
    ledger::{Changes, Class, Gap, Mark, SourceRecords},
    sizes::Sizes,
    sources::{Forget, IDENTITY_BYTES, Missing, ResetRefusal, Sources, Unwelcome, counts_as_conflict},
    wire,
};

/// Sources that the account's answer shows, at most.
const MAX_SHOWN_SOURCES: usize = 100;

/// A number that a tick took from its source. It is settled with the tick's outcome.
#[derive(Debug)]
pub(super) struct TakenNumber {
    /// Sequence number, and the tick's rank among those that share it.
    last: (i64, u32),
    missing: Option<Missing>,
}

/// The registry of sources, and the gaps that are in no commit yet.
#[derive(Debug)]
pub(super) struct SourceNumbers {
    max_sources: usize,
    registry: Sources,
    last_gap: Option<Gap>,
    gaps: Vec<Gap>,
}

impl SourceNumbers {
    pub(super) fn load(marks: Vec<Mark>, mut records: SourceRecords, sizes: Sizes) -> Self {
        let last_gap = records.last_gap.take();
        let registry = Sources::load(marks, records, sizes);
        Self { max_sources: sizes.sources, registry, last_gap, gaps: Vec::new() }
    }

    /// Last numbers and eras, for recognition.
    pub(super) const fn registry(&self) -> &Sources {
        &self.registry
    }

    /// Takes the number of a tick that was recognised as new; an error where its source cannot be taken up.
    pub(super) fn take(
        &mut self,
        delivery: &Delivery,
        rank: u32,
        tick: &Tick,
    ) -> Result<Option<TakenNumber>, Unusable> {
        let Some(seq) = tick.seq.filter(|_| class_of(tick) == Class::Sequence) else { return Ok(None) };
        let (channel, source) = (&delivery.topic, &tick.source);
        match self.registry.unwelcome(channel, source) {
            Some(Unwelcome::Forgotten) => return Err(source_forgotten(channel, source)),
            Some(Unwelcome::TooMany) => return Err(too_many_sources(channel, source, self.max_sources)),
            None => {}
        }
        let last = (seq, rank);
        let missing = self.registry.take(channel, source, last).filter(|_| !delivery.sparse);
        Ok(Some(TakenNumber { last, missing }))
    }

    /// Settles the number of a tick that has its outcome.
    pub(super) fn settle(
        &mut self,
        delivery: &Delivery,
        index: u32,
        taken: Option<TakenNumber>,
        now_micros: i64,
        counters: &mut Counters,
    ) {
        let (Some(TakenNumber { last, missing }), Some(tick)) = (taken, delivery.ticks.get(index as usize)) else {
            return;
        };
        self.registry.settle(&delivery.topic, &tick.source, last, now_micros);
        let Some((first, last)) = missing else { return };
        counters.count_gap(&delivery.topic, last.abs_diff(first).saturating_add(1));
        let (channel, source) = (delivery.topic.clone(), tick.source.clone());
        let gap = Gap { channel, source, first, last, seen_micros: now_micros };
        if !planted::is(Mistake::GapNotRecorded) || self.last_gap.as_ref().is_none_or(|last| last.source != gap.source)
        {
            self.gaps.push(gap.clone());
        }
        self.last_gap = Some(gap);
    }

    /// A dead letter for a tick's identity adds to its source's conflict.
    pub(super) fn note_dead_letter(&mut self, delivery: &Delivery, index: u32, cause: &Unusable) {
        if counts_as_conflict(&cause.reason)
            && let Some(tick) = delivery.ticks.get(index as usize)
        {
            self.registry.refuse(&delivery.topic, &tick.source, &cause.reason, &cause.message);
        }
    }

    /// A tick that was accepted ends its source's conflict. One without an identity of its own shows nothing about its
    /// source's numbers or ids.
    pub(super) fn note_accepted(&mut self, delivery: &Delivery, index: u32) {
        if let Some(tick) = delivery.ticks.get(index as usize).filter(|tick| class_of(tick) != Class::Packet) {
            self.registry.accept(&delivery.topic, &tick.source);
        }
    }

    /// Lets a source begin again, if it stands at this era and number.
    pub(super) fn reset(
        &mut self,
        channel: &str,
        source: &str,
        stand: (u64, i64),
        now_micros: i64,
    ) -> Result<bool, ResetRefusal> {
        self.registry.reset(channel, source, stand, now_micros)
    }

    /// Forgets sources for good. Returns how many.
    pub(super) fn forget(&mut self, which: Forget<'_>, now_micros: i64) -> u64 {
        self.registry.forget(which, now_micros)
    }

    /// A source in the contract's form.
    pub(super) fn shown(&self, channel: &str, source: &str) -> Option<Source> {
        self.registry.shown(channel, source)
    }

    /// Sources behind `after`, in order, at most `limit`.
    pub(super) fn page(&self, after: Option<(&str, &str)>, limit: usize) -> Vec<Source> {
        self.registry.page(after, limit)
    }

    /// The sources that the account's answer shows.
    pub(super) fn notable(&self) -> Vec<Source> {
        self.registry.notable(MAX_SHOWN_SOURCES)
    }

    pub(super) fn count(&self) -> u64 {
        self.registry.len() as u64
    }

    pub(super) fn last_gap(&self) -> Option<v1::Gap> {
        self.last_gap.as_ref().map(wire::gap)
    }

    /// The last number of each source on each channel.
    pub(super) fn marks(&self) -> Vec<Mark> {
        self.registry.marks().collect()
    }

    pub(super) fn take_changes(&mut self, changes: &mut Changes) {
        let (marks, sources) = self.registry.take_changes();
        changes.marks = marks.into_iter().map(|mark| ((mark.channel.clone(), mark.source.clone()), mark)).collect();
        changes.sources = sources;
        changes.gaps = std::mem::take(&mut self.gaps);
    }
}

/// Makes ticks with a source or id that is too long unusable, and takes the text off them: it would be kept in memory and in
/// the ledger. A bridge of this release never sends one.
pub(super) fn bound_identities(delivery: &mut Delivery) {
    for tick in &mut delivery.ticks {
        if tick.source.len() <= IDENTITY_BYTES && tick.id.len() <= IDENTITY_BYTES {
            continue;
        }
        let (name, bytes) =
            if tick.source.len() > IDENTITY_BYTES { ("source", tick.source.len()) } else { ("id", tick.id.len()) };
        let message = format!("{name} has {bytes} bytes, and at most {IDENTITY_BYTES} are allowed: use a shorter one");
        let content = Some(Content::Unusable(unusable("IdentityTooLong", message)));
        (tick.source, tick.seq, tick.id) = (String::new(), None, String::new());
        tick.content = content;
    }
}
