//! Sources in the engine: numbers that ticks take, gaps between them, conflicts, resets, and limits on the
//! names that publishers choose.

use intuition_api::v1::{
    Delivery, ForgetSourcesRequest, ForgetSourcesResponse, Refusal, ResetSourceRequest, ResetSourceResponse, Source,
    Tick, Unusable, tick::Content,
};
use intuition_common::planted::{self, Fault};

use super::{Engine, RequestError, counter, turn::unusable};
use crate::{
    identity::class_of,
    ledger::{Class, Gap},
    sources::{Forget, IDENTITY_BYTES, Missing, ResetRefusal, Unwelcome, counts_as_conflict},
};

/// Sources that the account's answer shows.
pub(super) const SHOWN: usize = 100;

/// A number that a tick took from its source. It is settled with the tick's outcome.
#[derive(Debug)]
pub(super) struct Taken {
    /// Sequence number, and the tick's rank among those that share it.
    last: (i64, u32),
    missing: Option<Missing>,
}

impl Engine {
    /// Takes the number of a tick that was recognised as new; an error where its source cannot be taken up.
    pub(super) fn take_number(
        &mut self,
        delivery: &Delivery,
        rank: u32,
        tick: &Tick,
    ) -> Result<Option<Taken>, Unusable> {
        let Some(seq) = tick.seq.filter(|_| class_of(tick) == Class::Sequence) else { return Ok(None) };
        let (channel, source) = (&delivery.topic, &tick.source);
        match self.sources.unwelcome(channel, source) {
            Some(Unwelcome::Forgotten) => return Err(forgotten(channel, source)),
            Some(Unwelcome::TooMany) => return Err(too_many_sources(channel, source, self.sizes.sources)),
            None => {}
        }
        let last = (seq, rank);
        let missing = self.sources.take(channel, source, last).filter(|_| !delivery.sparse);
        Ok(Some(Taken { last, missing }))
    }

    /// Settles the number of a tick that has its outcome.
    pub(super) fn settle_number(&mut self, delivery: &Delivery, index: u32, taken: Option<Taken>, now_micros: i64) {
        let (Some(Taken { last, missing }), Some(tick)) = (taken, delivery.ticks.get(index as usize)) else { return };
        self.sources.settle(&delivery.topic, &tick.source, last, now_micros);
        let Some((first, last)) = missing else { return };
        let by = last.abs_diff(first).saturating_add(1);
        self.count(counter::GAPS, "", by);
        if self.counts_gaps_of(&delivery.topic) {
            self.count(counter::GAPS, &delivery.topic, by);
        }
        let (channel, source) = (delivery.topic.clone(), tick.source.clone());
        let gap = Gap { channel, source, first, last, seen_micros: now_micros };
        if !planted::is(Fault::GapNotRecorded) || self.last_gap.as_ref().is_none_or(|last| last.source != gap.source) {
            self.pending.gaps.push(gap.clone());
        }
        self.last_gap = Some(gap);
    }

    fn counts_gaps_of(&self, channel: &str) -> bool {
        let key = (counter::GAPS.to_owned(), channel.to_owned());
        let all = (counter::GAPS.to_owned(), String::new());
        self.counters.contains_key(&key)
            || self.counters.range(all..).take_while(|((name, _), _)| name == counter::GAPS).count()
                <= self.sizes.gap_channels
    }

    /// Notes that a tick was dead-lettered: one for its identity adds to its source's conflict.
    pub(super) fn note_refused(&mut self, delivery: &Delivery, index: u32, cause: &Unusable) {
        if counts_as_conflict(&cause.reason)
            && let Some(tick) = delivery.ticks.get(index as usize)
        {
            self.sources.refuse(&delivery.topic, &tick.source, &cause.reason, &cause.message);
        }
    }

    /// Notes that a tick was accepted, which ends its source's conflict. One without any identity of its own says
    /// nothing about its source's numbers or ids.
    pub(super) fn note_accepted(&mut self, delivery: &Delivery, index: u32) {
        if let Some(tick) = delivery.ticks.get(index as usize).filter(|tick| class_of(tick) != Class::Packet) {
            self.sources.accept(&delivery.topic, &tick.source);
        }
    }

    /// Sources behind `after`, in order, at most `limit`.
    pub fn sources(&self, after: Option<(&str, &str)>, limit: usize) -> Vec<Source> {
        self.sources.page(after, limit)
    }

    /// Lets a source begin again, by the contract's `ResetSource`.
    pub fn reset_source(
        &mut self,
        request: &ResetSourceRequest,
        now_micros: i64,
    ) -> Result<ResetSourceResponse, RequestError> {
        let ResetSourceRequest { resource_uid, channel, source, era, last, .. } = request;
        if channel.is_empty() || channel.len() > usize::from(u16::MAX) {
            return Err(broken("ResetSource: channel has to be a topic of 1 to 65,535 bytes"));
        }
        if source.is_empty() || source.len() > IDENTITY_BYTES {
            return Err(broken("ResetSource: source has to be a name of 1 to 256 bytes"));
        }
        let shown = |engine: &Self| engine.sources.shown(channel, source);
        if let Some(refusal) = self.other_uid(resource_uid) {
            return Ok(ResetSourceResponse { applied: false, source: shown(self), refusal: Some(refusal) });
        }
        let outcome = self.sources.reset(channel, source, (*era, *last), now_micros);
        let source = shown(self);
        let refusal = outcome.err().map(|refused| reset_refusal(refused, request, source.as_ref()));
        Ok(ResetSourceResponse { applied: outcome == Ok(true), source, refusal })
    }

    /// Forgets sources for good, by the contract's `ForgetSources`.
    pub fn forget_sources(
        &mut self,
        request: &ForgetSourcesRequest,
        now_micros: i64,
    ) -> Result<ForgetSourcesResponse, RequestError> {
        let ForgetSourcesRequest { resource_uid, source, idle_seconds, .. } = request;
        let which = match (source.as_str(), *idle_seconds) {
            ("", 0) => return Err(broken("ForgetSources: source or idle_seconds has to be given")),
            ("", seconds) => Forget::IdleFor(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)),
            (name, 0) => Forget::Named(name),
            _ => return Err(broken("ForgetSources: either source or idle_seconds can be given, not both")),
        };
        if let Some(refusal) = self.other_uid(resource_uid) {
            return Ok(ForgetSourcesResponse { forgotten: 0, refusal: Some(refusal) });
        }
        let forgotten = self.sources.forget(which, now_micros);
        let is_unknown = forgotten == 0 && matches!(which, Forget::Named(_));
        let refusal =
            is_unknown.then(|| refuse("UnknownSource", "source", format!("no channel has a source {source:?}")));
        Ok(ForgetSourcesResponse { forgotten, refusal })
    }

    pub(super) fn other_uid(&self, wanted: &str) -> Option<Refusal> {
        let ours = self.authority.uid();
        (wanted != ours).then(|| {
            let message = match ours {
                "" => format!(
                    "this runtime was started by flags and belongs to no resource; the request names {wanted:?}"
                ),
                ours => format!("this runtime belongs to the resource with uid {ours:?}; the request names {wanted:?}"),
            };
            refuse("OtherUid", "resource_uid", message)
        })
    }
}

/// Makes ticks whose source or id is too long unusable, and takes the text off them: it would be kept in memory and in
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

/// Why a quote of a new symbol is not taken.
pub(super) fn too_many_symbols(sid: &str, limit: usize) -> Unusable {
    let message = format!(
        "{sid:?} is a new symbol, and the account has taken quotes of {limit} symbols, which is the limit: \
         list the symbols to take in spec.channels.inputs, or give the others an account of their own"
    );
    unusable("TooManySymbols", message)
}

fn too_many_sources(channel: &str, source: &str, limit: usize) -> Unusable {
    let message = format!(
        "{source:?} is a new source on {channel}, and the account has {limit} sources, which is the limit: give \
         sources names that stay the same, and forget those that are gone by `intuition sources forget`"
    );
    unusable("TooManySources", message)
}

fn forgotten(channel: &str, source: &str) -> Unusable {
    let message = format!(
        "{source:?} was forgotten on {channel} by `intuition sources forget`, so that its last number is not known: \
         publish under another source"
    );
    unusable("SourceForgotten", message)
}

fn reset_refusal(refused: ResetRefusal, request: &ResetSourceRequest, source: Option<&Source>) -> Refusal {
    let ResetSourceRequest { channel, source: name, era, last, .. } = request;
    let era_now = source.map_or(0, |source| source.era);
    let last_now = source.and_then(|source| source.last).map_or("no number".to_owned(), |last| last.to_string());
    match refused {
        ResetRefusal::UnknownSource => {
            refuse("UnknownSource", "source", format!("channel {channel} has no source {name:?}"))
        }
        ResetRefusal::OtherEra => {
            let message = format!("source {name:?} on {channel} is in era {era_now}; the request names era {era}");
            refuse("OtherEra", "era", message)
        }
        ResetRefusal::OtherLast => {
            let message = format!(
                "source {name:?} on {channel} stands at {last_now} in era {era_now}; the request names {last}: stop \
                 the publisher, then reset the source at the number at which it stands"
            );
            refuse("OtherLast", "last", message)
        }
    }
}

fn refuse(reason: &str, field: &str, message: String) -> Refusal {
    Refusal { reason: reason.to_owned(), field: field.to_owned(), message }
}

fn broken(message: &str) -> RequestError {
    RequestError::BreakContract(message.to_owned())
}
