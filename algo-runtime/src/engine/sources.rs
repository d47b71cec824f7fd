//! Sources in the engine: numbers that ticks take, and the gaps between them.

use intuition_api::v1::{Delivery, Tick};

use super::{Engine, counter};
use crate::{
    identity::class_of,
    ledger::{Class, Gap},
    sources::Missing,
};

/// A number that a tick took from its source. It is settled with the tick's outcome.
#[derive(Debug)]
pub(super) struct Taken {
    /// Sequence number, and the tick's place among those that share it.
    last: (i64, u32),
    missing: Option<Missing>,
}

impl Engine {
    /// Takes the number of a tick that was recognised as new.
    pub(super) fn take_number(&mut self, delivery: &Delivery, index: u32, tick: &Tick) -> Option<Taken> {
        let seq = tick.seq.filter(|_| class_of(tick) == Class::Sequence)?;
        let last = (seq, index);
        let missing = self.sources.take(&delivery.topic, &tick.source, last);
        Some(Taken { last, missing })
    }

    /// Settles the number of a tick that has its outcome.
    pub(super) fn settle_number(&mut self, delivery: &Delivery, index: u32, taken: Option<Taken>, now_micros: i64) {
        let (Some(Taken { last, missing }), Some(tick)) = (taken, delivery.ticks.get(index as usize)) else { return };
        self.sources.settle(&delivery.topic, &tick.source, last);
        let Some((first, last)) = missing else { return };
        self.count(counter::GAPS, "", last.abs_diff(first).saturating_add(1));
        self.pending.gaps.push(Gap {
            channel: delivery.topic.clone(),
            source: tick.source.clone(),
            first,
            last,
            seen_micros: now_micros,
        });
    }
}
