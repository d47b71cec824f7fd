//! The last outcomes of each class, found by identity, by packet and by the bridge's number. No operation walks the rows of
//! one key: a constant id, or equal payloads, cost as much as others.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

use super::{
    kept::{Kept, Origin, RowRef},
    key::Half,
    retention::Retention,
    rows::{self, Rows},
};
use crate::{
    ledger::{Class, Stretch, WindowRow, stretch},
    sizes::Sizes,
};

/// The rows of all classes.
#[derive(Debug, Default)]
struct Classes {
    sequence: Rows,
    id: Rows,
    packet: Rows,
}

impl Classes {
    const fn of(&self, class: Class) -> &Rows {
        match class {
            Class::Sequence => &self.sequence,
            Class::Id => &self.id,
            Class::Packet => &self.packet,
        }
    }

    const fn of_mut(&mut self, class: Class) -> &mut Rows {
        match class {
            Class::Sequence => &mut self.sequence,
            Class::Id => &mut self.id,
            Class::Packet => &mut self.packet,
        }
    }

    fn get(&self, row: RowRef) -> Option<&Kept> {
        self.of(row.class).get(row.ordinal)
    }
}

/// Run and number of a delivery, and a place in it.
type Number = (u64, u64, u32);

fn number_of(kept: &Kept) -> Number {
    let (run, delivery) = kept.delivery();
    (run, delivery, kept.place)
}

#[derive(Debug, Default)]
pub(super) struct Window {
    sizes: Sizes,
    classes: Classes,
    by_number: HashTable<RowRef>,
    hasher: RandomState,
    /// Of the row that was inserted last.
    origin: Option<Arc<Origin>>,
}

impl Window {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self { sizes, ..Self::default() }
    }

    pub(super) fn load(&mut self, row: &WindowRow) {
        // Neighbours share the few names of sessions.
        let before = self.origin.as_ref().map(|origin| &origin.session).filter(|session| ***session == *row.session);
        let session = before.map_or_else(|| row.session.as_str().into(), Arc::clone);
        self.insert(Kept::from_row(row, &session, self.origin.as_ref()));
    }

    pub(super) fn load_older(&mut self, older: Vec<Stretch>) {
        for stretch in older {
            let rows = self.classes.of_mut(stretch.class);
            rows.last = rows.last.max(stretch.last);
            rows.older.push_back(stretch);
        }
    }

    pub(super) fn last_runs(&self) -> Vec<u64> {
        let last = Class::ALL.into_iter().filter_map(|class| self.classes.of(class).recent.back());
        last.map(|kept| kept.origin.run).collect()
    }

    pub(super) const fn next_ordinal(&self, class: Class) -> u64 {
        self.classes.of(class).last + 1
    }

    /// Of the row that was inserted last.
    pub(super) const fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }

    /// Inserts a row behind all others of its class.
    pub(super) fn insert(&mut self, kept: Kept) -> RowRef {
        let (row, number) = (kept.reference(), number_of(&kept));
        if !self.origin.as_ref().is_some_and(|origin| Arc::ptr_eq(origin, &kept.origin)) {
            self.origin = Some(Arc::clone(&kept.origin));
        }
        self.classes.of_mut(row.class).insert(kept);
        let Self { classes, by_number, hasher, .. } = self;
        rows::put(
            by_number,
            hasher.hash_one(number),
            row,
            |known| classes.get(known).is_some_and(|kept| number_of(kept) == number),
            |known| classes.get(known).map_or(0, |kept| hasher.hash_one(number_of(kept))),
        );
        row
    }

    pub(super) fn get(&self, row: RowRef) -> Option<&Kept> {
        self.classes.get(row)
    }

    pub(super) fn get_mut(&mut self, row: RowRef) -> Option<&mut Kept> {
        self.classes.of_mut(row.class).get_mut(row.ordinal)
    }

    pub(super) fn by_number(&self, run: u64, delivery: u64, place: u32) -> Option<RowRef> {
        let number = (run, delivery, place);
        let is_equal = |row: &RowRef| self.get(*row).is_some_and(|kept| number_of(kept) == number);
        self.by_number.find(self.hasher.hash_one(number), is_equal).copied()
    }

    /// The latest row of an identity.
    pub(super) fn by_identity(&self, class: Class, identity: Half) -> Option<RowRef> {
        self.classes.of(class).by_identity(identity).map(|ordinal| RowRef { class, ordinal })
    }

    /// The latest row of an identity with this content; `None`: without any.
    pub(super) fn by_content(&self, class: Class, identity: Half, content: Option<Half>) -> Option<RowRef> {
        self.classes.of(class).by_content(identity, content).map(|ordinal| RowRef { class, ordinal })
    }

    /// Rows in memory under a packet's key and behind an ordinal, oldest first.
    pub(super) fn by_packet(&self, class: Class, key: i64, after: u64) -> impl Iterator<Item = &Kept> {
        self.classes.of(class).by_packet(key, after)
    }

    /// The ordinal that rows in memory begin at, where the ledger has more.
    pub(super) fn older_before(&self, class: Class) -> Option<u64> {
        self.classes.of(class).older.back().map(|stretch| stretch.last + 1)
    }

    /// Whether rows of the class are in the ledger alone, or have left it.
    pub(super) fn has_lost_rows(&self, class: Class) -> bool {
        let rows = self.classes.of(class);
        rows.last > rows.recent.len() as u64
    }

    /// Rows of the class that came after this one.
    pub(super) const fn since(&self, row: RowRef) -> u64 {
        self.classes.of(row.class).last.saturating_sub(row.ordinal)
    }

    /// Takes rows beyond the windows' length out of memory. Returns the rows that leave the ledger: of each class every row up to
    /// the ordinal, as far as nothing holds it and [`Sizes::evicted_stretches`] allows. The next commits take the others.
    pub(super) fn evict(&mut self, retention: &Retention, waiting: usize) -> Vec<(Class, u64)> {
        let Sizes { window, stretch_rows, evicted_stretches, .. } = self.sizes;
        // A waiting tick refers to its own row, or to a row in the newest half of the window at the time of recognition.
        let window = window.max(window / 2 + waiting as u64);
        let mut evicted = Vec::new();
        for class in Class::ALL {
            while self.classes.of(class).recent.len() as u64 > window {
                let rows = self.classes.of_mut(class);
                let Some(kept) = rows.pop() else { break };
                stretch::append(&mut rows.older, kept.stretch(), stretch_rows);
                let hash = self.hasher.hash_one(number_of(&kept));
                rows::remove(&mut self.by_number, hash, |row| *row == kept.reference());
            }
            let mut through = None;
            let free = |stretch: &mut Stretch| !stretch.sender.as_ref().is_some_and(|sender| retention.holds(sender));
            for _ in 0..evicted_stretches {
                let Some(stretch) = self.classes.of_mut(class).older.pop_front_if(free) else { break };
                through = Some(stretch.last);
            }
            evicted.extend(through.map(|ordinal| (class, ordinal)));
        }
        evicted
    }

    #[cfg(test)]
    pub(super) fn in_memory(&self) -> (usize, usize) {
        let rows = || Class::ALL.into_iter().map(|class| self.classes.of(class));
        (rows().map(|rows| rows.recent.len()).sum(), rows().map(|rows| rows.older.len()).sum())
    }
}
