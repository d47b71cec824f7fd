//! Keys by which a tick is looked up.

use std::{collections::HashMap, num::NonZeroU128};

use intuition_api::v1::{Delivery, Tick};
use intuition_common::planted::{self, Mistake};
use sha2::{Digest as _, Sha256};

use crate::ledger::{Class, WindowRow};

/// The first 128 bits of a SHA-256 hash, 0 as 1, so that an absent hash takes no room of its own.
pub(super) type Half = NonZeroU128;

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

/// The number of a tick that has neither source nor id, where its content can tell whether the number is used again.
pub(super) fn unnamed_number(tick: &Tick) -> Option<i64> {
    tick.seq.filter(|_| class_of(tick) == Class::Packet && !tick.content_sha256.is_empty())
}

/// The event that a decision names: `<source>/<seq>`, else the id, else the payload's hash.
pub fn event_of(delivery: &Delivery, tick: &Tick) -> String {
    match (class_of(tick), tick.seq) {
        (Class::Sequence, Some(seq)) => format!("{}/{seq}", tick.source),
        (Class::Id, _) => tick.id.clone(),
        _ => hex::encode(&delivery.payload_sha256),
    }
}

/// The rank of each tick among those of its delivery with the same source, seq and id: the bridge's, else by place.
pub fn ranks(delivery: &Delivery) -> Vec<u32> {
    if let [only] = delivery.ticks.as_slice() {
        return vec![only.ordinal.unwrap_or_default()];
    }
    let mut next: HashMap<(&str, Option<i64>, &str), u32> = HashMap::new();
    let rank = |tick| {
        let Tick { source, seq, id, ordinal, .. }: &Tick = tick;
        ordinal.unwrap_or_else(|| {
            let next = next.entry((source, *seq, id)).or_default();
            let rank = *next;
            *next += 1;
            rank
        })
    };
    delivery.ticks.iter().map(rank).collect()
}

/// The key of a tick's identity; `None` for a tick that only its packet identifies.
pub(super) fn of_tick(delivery: &Delivery, tick: &Tick, rank: u32, era: u64) -> Option<Half> {
    identity(&delivery.topic, &tick.source, number_of(tick), &tick.id, class_of(tick), rank, era)
}

/// The same for a row.
pub(super) fn of_row(row: &WindowRow) -> Option<Half> {
    identity(&row.channel, &row.source, row.seq, &row.id, row.class, row.rank, row.era)
}

/// The number that the window keeps of a tick.
pub(super) fn number_of(tick: &Tick) -> Option<i64> {
    match class_of(tick) {
        Class::Sequence => tick.seq,
        Class::Id => None,
        Class::Packet => unnamed_number(tick),
    }
}

fn identity(
    channel: &str,
    source: &str,
    seq: Option<i64>,
    id: &str,
    class: Class,
    rank: u32,
    era: u64,
) -> Option<Half> {
    let era = if planted::is(Mistake::EraLeftOut) { 0 } else { era };
    let number = seq.unwrap_or_default().to_be_bytes();
    let (kind, name) = match class {
        Class::Sequence => (b's', &number[..]),
        Class::Id => (b'i', id.as_bytes()),
        Class::Packet => (b'n', seq.map(|_| &number[..])?),
    };
    hash(kind, &[channel.as_bytes(), source.as_bytes(), &era.to_be_bytes(), name, &rank.to_be_bytes()])
}

/// 128 bits of SHA-256 over the parts, each with its length: identities that differ have keys that differ, and memory need
/// not hold the strings.
fn hash(kind: u8, parts: &[&[u8]]) -> Option<Half> {
    let bytes = parts.iter().map(|part| size_of::<u64>() + part.len()).sum::<usize>();
    let mut encoded = Vec::with_capacity(1 + bytes);
    encoded.push(kind);
    for part in parts {
        encoded.extend_from_slice(&(part.len() as u64).to_be_bytes());
        encoded.extend_from_slice(part);
    }
    let digest: [u8; 32] = Sha256::digest(&encoded).into();
    half(&digest)
}

/// The first 128 bits of a hash; `None` where there is none.
pub(super) fn half(hash: &[u8]) -> Option<Half> {
    hash.first_chunk().map(|bytes| Half::new(u128::from_be_bytes(*bytes)).unwrap_or(Half::MIN))
}
