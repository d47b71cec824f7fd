//! Which ticks were seen before: one quote, one outcome (ADR 0006).
//!
//! A tick is recognised, in this order, by the bridge's own number of the delivery, and by the first of these that it
//! carries: source and sequence, an id, or, for a delivery that the broker sent before or may have sent again, its session,
//! packet id and payload. Outcomes are kept in one window per rule, [`WINDOW`](crate::ledger::WINDOW) ticks long; the last
//! numbers are in [`Sources`].
//!
//! Pure: the engine loads it from a snapshot and writes down what it tells.

mod window;

use intuition_api::v1::{Delivery, Tick, tick_outcome::SeenBy};
use sha2::{Digest as _, Sha256};

use crate::{
    ledger::{Class, Outcome, WindowRow},
    sources::Sources,
};
use window::{Claim, Kept, Window};

pub use window::RowRef;

/// What is known of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    /// Nothing: it is to be decided.
    Fresh,
    /// It has its outcome, in this row.
    Seen(RowRef, SeenBy),
    /// Its sequence is behind the mark, and its outcome is no longer kept.
    Forgotten,
    /// Its id was used for another payload.
    Conflict,
    /// Its sequence is behind the mark, and nothing says that it was sent before.
    WentBack {
        /// Where the mark stands.
        mark: i64,
    },
}

/// A delivery as identities see it.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The delivery.
    pub delivery: &'a Delivery,
    /// The bridge's run.
    pub run: u64,
    /// The broker session it came in.
    pub session: &'a str,
}

/// The windows.
#[derive(Debug, Default)]
pub struct Identities {
    window: Window,
}

impl Identities {
    /// From a snapshot.
    pub fn load(rows: Vec<WindowRow>) -> Self {
        let mut identities = Self::default();
        for row in rows {
            let key = key_of_row(&row);
            identities.window.insert(key, Kept::from_row(&row));
        }
        identities
    }

    /// What is known of the tick at `index`.
    pub fn recognise(&mut self, sources: &Sources, envelope: Envelope<'_>, index: u32, tick: &Tick) -> Recognition {
        let delivery = envelope.delivery;
        if let Some(row) = self.window.by_number(envelope.run, delivery.number, index) {
            return Recognition::Seen(row, SeenBy::Number);
        }
        match class_of(tick) {
            Class::Sequence => self.recognise_sequence(sources, delivery, index, tick),
            Class::Id => self.recognise_id(delivery, index, tick),
            Class::Packet => self.recognise_packet(envelope, index),
        }
    }

    fn recognise_sequence(&self, sources: &Sources, delivery: &Delivery, index: u32, tick: &Tick) -> Recognition {
        if let Some(row) = self.window.latest(key_of_tick(delivery, index, tick)) {
            return Recognition::Seen(row, SeenBy::Sequence);
        }
        let seq = tick.seq.unwrap_or_default();
        match sources.last(&delivery.topic, &tick.source) {
            Some((mark, last)) if (seq, index) <= (mark, last) => {
                if delivery.duplicate || delivery.interrupted || delivery.replay {
                    Recognition::Forgotten
                } else {
                    Recognition::WentBack { mark }
                }
            }
            _ => Recognition::Fresh,
        }
    }

    fn recognise_id(&self, delivery: &Delivery, index: u32, tick: &Tick) -> Recognition {
        let rows = self.window.rows(key_of_tick(delivery, index, tick));
        if rows.is_empty() {
            return Recognition::Fresh;
        }
        let same = rows.iter().find(|row| {
            self.window.get(**row).is_some_and(|kept| delivery.payload_sha256.as_ref() == kept.payload_sha256)
        });
        same.map_or(Recognition::Conflict, |row| Recognition::Seen(*row, SeenBy::Id))
    }

    fn recognise_packet(&mut self, envelope: Envelope<'_>, index: u32) -> Recognition {
        let delivery = envelope.delivery;
        if !(delivery.duplicate || delivery.interrupted) || delivery.packet_id == 0 {
            return Recognition::Fresh;
        }
        let key = packet_key(envelope.session, delivery.packet_id, &delivery.payload_sha256, index);
        self.window
            .claim(key, claim_of(envelope), delivery.duplicate)
            .map_or(Recognition::Fresh, |row| Recognition::Seen(row, SeenBy::Packet))
    }

    /// Takes a row for a tick that had none. Its outcome follows by [`Identities::settle`].
    pub fn reserve(
        &mut self,
        envelope: Envelope<'_>,
        index: u32,
        tick: &Tick,
        outcome: Outcome,
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
            seq: (class == Class::Sequence).then_some(tick.seq).flatten(),
            id: tick.id.clone(),
            session: envelope.session.to_owned(),
            packet_id: delivery.packet_id,
            payload_sha256: delivery.payload_sha256.as_ref().try_into().unwrap_or_default(),
            outcome,
        };
        let mut kept = Kept::from_row(&row);
        kept.claim(claim_of(envelope));
        let reference = self.window.insert(key_of_row(&row), kept);
        (reference, row)
    }

    /// Sets the outcome of a row.
    pub fn settle(&mut self, row: RowRef, outcome: Outcome) {
        if let Some(kept) = self.window.get_mut(row) {
            kept.outcome = outcome;
        }
    }

    /// The outcome in a row; `None` once it is evicted.
    pub fn outcome(&self, row: RowRef) -> Option<&Outcome> {
        self.window.get(row).map(|kept| &kept.outcome)
    }

    /// Forgets what is beyond the windows' length: of each class every row up to the ordinal.
    pub fn evict(&mut self) -> Vec<(Class, u64)> {
        self.window.evict()
    }
}

const fn claim_of(Envelope { delivery, run, .. }: Envelope<'_>) -> Claim {
    Claim { run, connection: delivery.connection, delivery: delivery.number }
}

/// Which rule a tick falls under: the first that fits.
pub fn class_of(tick: &Tick) -> Class {
    if !tick.source.is_empty() && tick.seq.is_some() {
        Class::Sequence
    } else if tick.id.is_empty() {
        Class::Packet
    } else {
        Class::Id
    }
}

/// What a decision names as its event: `<source>/<seq>`, else the id, else the payload's hash.
pub fn event_of(delivery: &Delivery, tick: &Tick) -> String {
    match (class_of(tick), tick.seq) {
        (Class::Sequence, Some(seq)) => format!("{}/{seq}", tick.source),
        (Class::Id, _) => tick.id.clone(),
        _ => hex::encode(&delivery.payload_sha256),
    }
}

fn key_of_tick(delivery: &Delivery, index: u32, tick: &Tick) -> u128 {
    match class_of(tick) {
        Class::Sequence => sequence_key(&delivery.topic, &tick.source, tick.seq.unwrap_or_default(), index),
        _ => id_key(&delivery.topic, &tick.source, &tick.id, index),
    }
}

fn key_of_row(row: &WindowRow) -> u128 {
    match row.class {
        Class::Sequence => sequence_key(&row.channel, &row.source, row.seq.unwrap_or_default(), row.index),
        Class::Id => id_key(&row.channel, &row.source, &row.id, row.index),
        Class::Packet => packet_key(&row.session, row.packet_id, &row.payload_sha256, row.index),
    }
}

fn sequence_key(channel: &str, source: &str, seq: i64, index: u32) -> u128 {
    key(b's', &[channel.as_bytes(), source.as_bytes(), &seq.to_be_bytes()], index)
}

fn id_key(channel: &str, source: &str, id: &str, index: u32) -> u128 {
    key(b'i', &[channel.as_bytes(), source.as_bytes(), id.as_bytes()], index)
}

fn packet_key(session: &str, packet_id: u32, payload_sha256: &[u8], index: u32) -> u128 {
    key(b'p', &[session.as_bytes(), &packet_id.to_be_bytes(), payload_sha256], index)
}

/// 128 bits of SHA-256 over the parts, each with its length: identities that differ have keys that differ, and the
/// strings need not be kept in memory.
fn key(kind: u8, parts: &[&[u8]], index: u32) -> u128 {
    let mut hash = Sha256::new();
    hash.update([kind]);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(index.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
