//! The rows of one class in memory, found by identity, by content and by packet.
//!
//! The lookups hold ordinals alone and compare with the rows, so that no key is stored twice.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use hashbrown::HashTable;

use super::{kept::Kept, key::Half};
use crate::ledger::Stretch;

/// Ordinals are contiguous.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The last [`Sizes::window`](crate::sizes::Sizes::window), oldest first.
    pub(super) recent: VecDeque<Kept>,
    /// Those before them that the ledger alone has.
    pub(super) older: VecDeque<Stretch>,
    /// Ordinal of the last row ever inserted.
    pub(super) last: u64,
    /// The latest row of an identity.
    by_identity: HashTable<u64>,
    /// The latest row of an identity with that content, or without any.
    by_content: HashTable<u64>,
    by_packet: BTreeSet<(i64, u64)>,
    hasher: RandomState,
}

/// The row with this ordinal among those in memory.
fn at(recent: &VecDeque<Kept>, ordinal: u64) -> Option<&Kept> {
    let first = recent.front()?.ordinal;
    recent.get(usize::try_from(ordinal.checked_sub(first)?).ok()?)
}

fn has_identity(recent: &VecDeque<Kept>, ordinal: u64, identity: Half) -> bool {
    at(recent, ordinal).is_some_and(|kept| kept.identity == Some(identity))
}

fn has_content(recent: &VecDeque<Kept>, ordinal: u64, key: (Half, Option<Half>)) -> bool {
    at(recent, ordinal).is_some_and(|kept| (kept.identity, kept.content) == (Some(key.0), key.1))
}

impl Rows {
    pub(super) fn get(&self, ordinal: u64) -> Option<&Kept> {
        at(&self.recent, ordinal)
    }

    pub(super) fn get_mut(&mut self, ordinal: u64) -> Option<&mut Kept> {
        let first = self.recent.front()?.ordinal;
        self.recent.get_mut(usize::try_from(ordinal.checked_sub(first)?).ok()?)
    }

    /// The latest row of an identity.
    pub(super) fn by_identity(&self, identity: Half) -> Option<u64> {
        let hash = self.hasher.hash_one(identity);
        self.by_identity.find(hash, |ordinal| has_identity(&self.recent, *ordinal, identity)).copied()
    }

    /// The latest row of an identity with this content; `None`: without any.
    pub(super) fn by_content(&self, identity: Half, content: Option<Half>) -> Option<u64> {
        let key = (identity, content);
        let hash = self.hasher.hash_one(key);
        self.by_content.find(hash, |ordinal| has_content(&self.recent, *ordinal, key)).copied()
    }

    /// Rows under a packet's key and behind an ordinal, oldest first.
    pub(super) fn by_packet(&self, key: i64, after: u64) -> impl Iterator<Item = &Kept> {
        let rows = self.by_packet.range((key, after.saturating_add(1))..=(key, u64::MAX));
        rows.filter_map(|(_, ordinal)| self.get(*ordinal))
    }

    /// Inserts a row behind all others.
    pub(super) fn insert(&mut self, kept: Kept) {
        let ordinal = kept.ordinal;
        let (identity, content) = (kept.identity, kept.content);
        self.last = ordinal;
        self.by_packet.extend(kept.packet_key().map(|key| (key, ordinal)));
        if self.recent.len() == self.recent.capacity() {
            // By an eighth: by the doubling of a `VecDeque` half of it would stay empty for ever.
            self.recent.reserve_exact((self.recent.len() / 8).max(64));
        }
        self.recent.push_back(kept);
        let Self { recent, by_identity, by_content, hasher, .. } = self;
        let Some(identity) = identity else { return };
        put(
            by_identity,
            hasher.hash_one(identity),
            ordinal,
            |known| has_identity(recent, known, identity),
            |known| at(recent, known).and_then(|kept| kept.identity).map_or(0, |identity| hasher.hash_one(identity)),
        );
        let key = (identity, content);
        put(
            by_content,
            hasher.hash_one(key),
            ordinal,
            |known| has_content(recent, known, key),
            |known| {
                let key = at(recent, known).and_then(|kept| Some((kept.identity?, kept.content)));
                key.map_or(0, |key| hasher.hash_one(key))
            },
        );
    }

    /// Takes the oldest row out of memory.
    pub(super) fn pop(&mut self) -> Option<Kept> {
        let ordinal = self.recent.front()?.ordinal;
        let is_this = |known: &u64| *known == ordinal;
        if let Some(identity) = self.recent.front()?.identity {
            // An entry has the latest row: where it is this one, there is no other.
            remove(&mut self.by_identity, self.hasher.hash_one(identity), is_this);
            let content = self.recent.front()?.content;
            remove(&mut self.by_content, self.hasher.hash_one((identity, content)), is_this);
        }
        let kept = self.recent.pop_front()?;
        if let Some(key) = kept.packet_key() {
            self.by_packet.remove(&(key, kept.ordinal));
        }
        Some(kept)
    }
}

/// Puts a row into a table, in the place of a row with the same key.
pub(super) fn put<T: Copy>(
    table: &mut HashTable<T>,
    hash: u64,
    row: T,
    is_equal: impl Fn(T) -> bool,
    hash_of: impl Fn(T) -> u64,
) {
    match table.find_mut(hash, |known| is_equal(*known)) {
        Some(known) => *known = row,
        None => drop(table.insert_unique(hash, row, |known| hash_of(*known))),
    }
}

/// Removes a row where the table has it.
pub(super) fn remove<T>(table: &mut HashTable<T>, hash: u64, is_this: impl Fn(&T) -> bool) {
    if let Ok(entry) = table.find_entry(hash, is_this) {
        entry.remove();
    }
}
