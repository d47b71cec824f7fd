//! The last outcomes of each class, findable by identity and by the bridge's number.

use std::collections::{HashMap, VecDeque};

use crate::ledger::{Class, Outcome, WINDOW, WindowRow};

/// Names a row: it stays valid until the row is evicted, and finds nothing after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowRef {
    class: Class,
    ordinal: u64,
}

/// Which delivery took a row for its own. On one connection a broker sends a message once, so a row that one delivery
/// of a connection has claimed is not what another delivery of that connection repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) run: u64,
    pub(super) connection: u64,
    pub(super) delivery: u64,
}

/// What memory keeps of a row.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) payload_sha256: [u8; 32],
    pub(super) outcome: Outcome,
    number: (u64, u64, u32),
    /// Not in the ledger: after a restart every row may be claimed again, which errs on the side of not deciding twice.
    claim: Option<Claim>,
    class: Class,
    ordinal: u64,
    key: u128,
}

impl Kept {
    pub(super) fn from_row(row: &WindowRow) -> Self {
        Self {
            payload_sha256: row.payload_sha256,
            outcome: row.outcome.clone(),
            number: (row.run, row.delivery, row.index),
            claim: None,
            class: row.class,
            ordinal: row.ordinal,
            key: 0,
        }
    }

    pub(super) const fn claim(&mut self, claim: Claim) {
        self.claim = Some(claim);
    }

    /// `redelivered`: the broker says that it sent the delivery before. Otherwise it may have sent it again since, which
    /// only a later connection, or another bridge, can have claimed.
    fn may_be_claimed_by(&self, claim: Claim, redelivered: bool) -> bool {
        match self.claim {
            Some(known) if known == claim => true,
            Some(known) if known.run == claim.run && redelivered => known.connection != claim.connection,
            Some(known) if known.run == claim.run => known.connection > claim.connection,
            _ => redelivered || self.number.0 != claim.run,
        }
    }
}

/// Rows of one class, oldest first; ordinals are contiguous.
#[derive(Debug, Default)]
struct Rows {
    rows: VecDeque<Kept>,
    /// Ordinal of the last row ever inserted.
    last: u64,
}

impl Rows {
    fn place(&self, ordinal: u64) -> Option<usize> {
        let first = self.rows.front()?.ordinal;
        usize::try_from(ordinal.checked_sub(first)?).ok()
    }
}

#[derive(Debug, Default)]
pub(super) struct Window {
    sequence: Rows,
    id: Rows,
    packet: Rows,
    by_key: HashMap<u128, Vec<RowRef>>,
    by_number: HashMap<(u64, u64, u32), RowRef>,
}

impl Window {
    const fn rows_of(&self, class: Class) -> &Rows {
        match class {
            Class::Sequence => &self.sequence,
            Class::Id => &self.id,
            Class::Packet => &self.packet,
        }
    }

    const fn rows_of_mut(&mut self, class: Class) -> &mut Rows {
        match class {
            Class::Sequence => &mut self.sequence,
            Class::Id => &mut self.id,
            Class::Packet => &mut self.packet,
        }
    }

    pub(super) const fn next_ordinal(&self, class: Class) -> u64 {
        self.rows_of(class).last + 1
    }

    /// Inserts a row behind all others of its class.
    pub(super) fn insert(&mut self, key: u128, mut kept: Kept) -> RowRef {
        let row = RowRef { class: kept.class, ordinal: kept.ordinal };
        kept.key = key;
        self.by_key.entry(key).or_default().push(row);
        self.by_number.insert(kept.number, row);
        let rows = self.rows_of_mut(row.class);
        rows.last = row.ordinal;
        rows.rows.push_back(kept);
        row
    }

    pub(super) fn get(&self, row: RowRef) -> Option<&Kept> {
        let rows = self.rows_of(row.class);
        rows.rows.get(rows.place(row.ordinal)?)
    }

    pub(super) fn get_mut(&mut self, row: RowRef) -> Option<&mut Kept> {
        let rows = self.rows_of_mut(row.class);
        let place = rows.place(row.ordinal)?;
        rows.rows.get_mut(place)
    }

    pub(super) fn by_number(&self, run: u64, delivery: u64, index: u32) -> Option<RowRef> {
        self.by_number.get(&(run, delivery, index)).copied()
    }

    /// All rows of that identity, oldest first.
    pub(super) fn rows(&self, key: u128) -> &[RowRef] {
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn latest(&self, key: u128) -> Option<RowRef> {
        self.rows(key).last().copied()
    }

    /// The oldest row of that identity that the delivery may repeat, claimed for it.
    pub(super) fn claim(&mut self, key: u128, claim: Claim, redelivered: bool) -> Option<RowRef> {
        let fits = |row: &&RowRef| self.get(**row).is_some_and(|kept| kept.may_be_claimed_by(claim, redelivered));
        let row = *self.rows(key).iter().find(fits)?;
        self.get_mut(row)?.claim(claim);
        Some(row)
    }

    pub(super) fn evict(&mut self) -> Vec<(Class, u64)> {
        let mut evicted = Vec::new();
        for class in Class::ALL {
            let limit = self.rows_of(class).last.saturating_sub(WINDOW);
            let mut through = None;
            while let Some(kept) = self.rows_of_mut(class).rows.pop_front_if(|kept| kept.ordinal <= limit) {
                through = Some(kept.ordinal);
                self.forget(&kept);
            }
            evicted.extend(through.map(|ordinal| (class, ordinal)));
        }
        evicted
    }

    fn forget(&mut self, kept: &Kept) {
        let row = RowRef { class: kept.class, ordinal: kept.ordinal };
        if self.by_number.get(&kept.number) == Some(&row) {
            self.by_number.remove(&kept.number);
        }
        if let Some(rows) = self.by_key.get_mut(&kept.key) {
            rows.retain(|known| *known != row);
            if rows.is_empty() {
                self.by_key.remove(&kept.key);
            }
        }
    }
}
