//! Recognises ticks that came before: one quote, one outcome (ADR 0021).
//!
//! A tick is recognised, in this order, by
//! 1. the bridge's own number of the delivery, and its place;
//! 2. session, packet id and bytes of the whole delivery, where the broker sent it before or may have sent it again;
//! 3. source and sequence;
//! 4. an id;
//! 5. a sequence without a source, together with the content.
//!
//! The last [`Sizes::window`] outcomes of each class are in memory. Older ones that the broker may still ask
//! for are in the ledger alone, and are looked up for rule 2. Last numbers and eras are in [`Sources`].
//!
//! Pure but for those lookups: the engine loads it from a snapshot and commits the rows that it returns.

mod kept;
mod key;
mod repeated;
mod retention;
mod rows;
mod window;

use std::sync::Arc;

use intuition_api::v1::{Acknowledged, Delivery, Tick, tick_outcome::SeenBy};
use intuition_common::planted::{self, Mistake};

use crate::{
    ledger::{Class, Outcome, Stretch, WindowRow},
    sizes::Sizes,
    sources::Sources,
};
use kept::Kept;
use key::Half;
use repeated::Repeated;
use retention::Retention;
use window::Window;

pub use kept::RowRef;
pub use key::{class_of, event_of, ranks};
pub use repeated::Earlier;

/// What is known of a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognition {
    /// Nothing: it is to be decided.
    Fresh,
    /// The same. Its number came before, without a source as well, and with other content.
    Reused,
    /// It has its outcome.
    Seen(Known, SeenBy),
    /// Its sequence is not above the last number, and its outcome is no longer kept.
    Forgotten,
    /// Its delivery was decided when its bytes were read in another way.
    Reparsed,
    /// Its identity was used for other content.
    Conflict,
    /// Its sequence is not above the last number, and no flag marks it as sent before.
    WentBack {
        /// The last number.
        mark: i64,
    },
}

/// An outcome that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// In a row in memory.
    Row(RowRef),
    /// From the ledger.
    Outcome(Box<Outcome>),
}

/// The answer about a tick.
#[derive(Debug)]
pub struct Recognised {
    /// The answer by the earlier ticks.
    pub recognition: Recognition,
    /// The key of its identity, for its row; `None`: nothing but its packet identifies it, or it has a row.
    identity: Option<Half>,
}

/// A delivery as identities see it.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The delivery.
    pub delivery: &'a Delivery,
    /// The bridge's run.
    pub run: u64,
    /// The broker session it came in.
    pub session: &'a Arc<str>,
    /// Sessions of the same client id at other URLs, which may be other names of the same broker.
    pub others: &'a [Arc<str>],
}

/// The windows.
#[derive(Debug, Default)]
pub struct Identities {
    window: Window,
    repeated: Repeated,
    retention: Retention,
}

impl Identities {
    /// Without any outcome.
    pub fn new(sizes: Sizes) -> Self {
        Self { window: Window::new(sizes), repeated: Repeated::new(sizes), retention: Retention::new(sizes) }
    }

    /// Takes a row of the ledger, behind all others of its class.
    pub fn load(&mut self, row: &WindowRow) {
        self.window.load(row);
    }

    /// Takes the rows that the ledger alone has, which come before the others.
    pub fn load_older(&mut self, older: Vec<Stretch>) {
        self.window.load_older(older);
    }

    /// The bridges that delivered the last outcome of each class.
    pub fn last_runs(&self) -> Vec<u64> {
        self.window.last_runs()
    }

    /// A bridge opened its stream in this session. `reports`: it sends `Acknowledged`.
    pub fn open(&mut self, session: Arc<str>, run: u64, reports: bool) {
        self.retention.open(session, run, reports);
    }

    /// The broker has read acknowledgements.
    pub fn acknowledged(&mut self, report: Acknowledged) {
        self.retention.acknowledged(report);
    }

    /// Recognises the tick at `index`, which has this rank. `earlier`: the delivery that its delivery repeats.
    pub fn recognise(
        &self,
        sources: &Sources,
        envelope: Envelope<'_>,
        index: u32,
        rank: u32,
        earlier: Option<&Earlier>,
    ) -> Recognised {
        let known = |recognition| Recognised { recognition, identity: None };
        let delivery = envelope.delivery;
        let Some(tick) = delivery.ticks.get(index as usize) else { return known(Recognition::Forgotten) };
        if let Some(row) = self.window.by_number(envelope.run, delivery.number, index) {
            return known(Recognition::Seen(Known::Row(row), SeenBy::Number));
        }
        match earlier.map(|earlier| (earlier.outcomes.get(&index), earlier.reparsed)) {
            Some((Some(row), _)) => return known(Recognition::Seen(row.clone(), SeenBy::Packet)),
            Some((None, true)) => return known(Recognition::Reparsed),
            _ => {}
        }
        // The broker sent it before and has lost the session since: another bridge may have had it, any time ago. Its outcome cannot be
        // found if it has no identity, if its source was reset, or if the row of its identity may have left memory. Then it counts
        // among the messages that the broker lost.
        let is_of_lost_session = delivery.duplicate && delivery.packet_id == 0;
        let era = sources.era(&delivery.topic, &tick.source);
        let Some(identity) = key::of_tick(delivery, tick, rank, era) else {
            return known(if is_of_lost_session { Recognition::Forgotten } else { Recognition::Fresh });
        };
        let recognition = match class_of(tick) {
            Class::Sequence => match self.recognise_sequence(sources, identity, delivery, rank, tick) {
                Recognition::Fresh if is_of_lost_session && era > 0 => Recognition::Forgotten,
                recognition => recognition,
            },
            Class::Id => self.recognise_named(Class::Id, SeenBy::Id, identity, tick).unwrap_or(Recognition::Fresh),
            Class::Packet => self.recognise_unnamed(identity, tick),
        };
        let is_seen = matches!(recognition, Recognition::Seen(..));
        let class = class_of(tick);
        if is_of_lost_session && !is_seen && class != Class::Sequence && self.window.has_lost_rows(class) {
            return known(Recognition::Forgotten);
        }
        Recognised { recognition, identity: Some(identity) }
    }

    fn recognise_sequence(
        &self,
        sources: &Sources,
        identity: Half,
        delivery: &Delivery,
        rank: u32,
        tick: &Tick,
    ) -> Recognition {
        if let Some(known) = self.recognise_named(Class::Sequence, SeenBy::Sequence, identity, tick) {
            return known;
        }
        let seq = tick.seq.unwrap_or_default();
        match sources.last(&delivery.topic, &tick.source) {
            Some((mark, last)) if (seq, rank) <= (mark, last) => {
                if delivery.duplicate || delivery.interrupted || delivery.replay {
                    Recognition::Forgotten
                } else if planted::is(Mistake::SequenceWentBackIsNew) {
                    Recognition::Fresh
                } else {
                    Recognition::WentBack { mark }
                }
            }
            _ => Recognition::Fresh,
        }
    }

    /// Looks an identity up, and compares the content where both have one.
    fn recognise_named(&self, class: Class, by: SeenBy, identity: Half, tick: &Tick) -> Option<Recognition> {
        let latest = self.window.by_identity(class, identity)?;
        let same = match key::half(&tick.content_sha256) {
            _ if planted::is(Mistake::RepetitionByNumber) => Some(latest),
            None => Some(latest),
            content => self
                .window
                .by_content(class, identity, content)
                .or_else(|| self.window.by_content(class, identity, None)),
        };
        Some(same.map_or(Recognition::Conflict, |row| Recognition::Seen(Known::Row(row), by)))
    }

    /// A number without a source may be given by several publishers: only together with the content it identifies a tick.
    fn recognise_unnamed(&self, identity: Half, tick: &Tick) -> Recognition {
        match self.recognise_named(Class::Packet, SeenBy::Sequence, identity, tick) {
            Some(Recognition::Conflict) => Recognition::Reused,
            known => known.unwrap_or(Recognition::Fresh),
        }
    }

    /// Takes a row for a tick that had none. `recognised`: the answer about it. Its outcome follows by [`Identities::settle`].
    pub fn reserve(
        &mut self,
        sources: &Sources,
        envelope: Envelope<'_>,
        (index, rank): (u32, u32),
        tick: &Tick,
        recognised: &Recognised,
    ) -> (RowRef, WindowRow) {
        let delivery = envelope.delivery;
        let class = class_of(tick);
        let row = WindowRow {
            class,
            ordinal: self.window.next_ordinal(class),
            run: envelope.run,
            delivery: delivery.number,
            index,
            channel: delivery.topic.clone(),
            source: tick.source.clone(),
            seq: key::number_of(tick),
            id: tick.id.clone(),
            rank,
            era: sources.era(&delivery.topic, &tick.source),
            session: envelope.session.to_string(),
            packet_id: delivery.packet_id,
            connection: Some(delivery.connection),
            ticks: u32::try_from(delivery.ticks.len()).unwrap_or(u32::MAX),
            payload_sha256: delivery.payload_sha256.as_ref().try_into().unwrap_or_default(),
            envelope_sha256: delivery.envelope_sha256.as_ref().try_into().ok(),
            content_sha256: tick.content_sha256.as_ref().try_into().ok(),
            outcome: Outcome::no_signal(),
        };
        let kept = Kept::new(&row, envelope.session, self.window.origin(), recognised.identity);
        // A repeated delivery may have been decided in part. Only a first one proves that the broker has repeated all before.
        if let Some(sender) = kept.sender().filter(|_| !delivery.duplicate && !delivery.interrupted) {
            self.retention.took_new(&sender);
        }
        (self.window.insert(kept), row)
    }

    /// Sets the outcome of a row.
    pub fn settle(&mut self, row: RowRef, outcome: Outcome) {
        if let Some(kept) = self.window.get_mut(row) {
            kept.outcome = outcome;
        }
    }

    /// The outcome in a row; `None` once it is evicted.
    pub fn outcome<'a>(&'a self, known: &'a Known) -> Option<&'a Outcome> {
        match known {
            Known::Row(row) => self.window.get(*row).map(|kept| &kept.outcome),
            Known::Outcome(outcome) => Some(outcome),
        }
    }

    /// Takes outcomes beyond the windows' length out of memory. Returns those that leave the ledger as well, since the
    /// broker cannot ask for them: of each class every row up to the ordinal. `waiting`: ticks that were recognised and
    /// are not answered, whose rows stay in memory.
    pub fn evict(&mut self, waiting: usize) -> Vec<(Class, u64)> {
        self.window.evict(&self.retention, waiting)
    }
}

#[cfg(test)]
mod tests;
