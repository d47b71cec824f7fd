//! The last outcomes of each class, found by identity, by packet and by the bridge's number. No operation walks the rows of
//! one key: a constant id, or equal payloads, cost as much as others.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::{key, retention::Retention};
use crate::{
    ledger::{Class, Outcome, Sender, Stretch, WindowRow, stretch},
    sizes::Sizes,
};

/// Names a row: it stays valid until the row leaves memory, and finds nothing after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowRef {
    pub(super) class: Class,
    pub(super) ordinal: u64,
}

/// The part of a row that stays in memory. Hashes are cut to 128 bits.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) class: Class,
    pub(super) ordinal: u64,
    /// Run and number of the delivery.
    pub(super) delivery: (u64, u64),
    pub(super) place: u32,
    pub(super) ticks: u32,
    pub(super) connection: Option<u64>,
    pub(super) session: Arc<str>,
    pub(super) packet_id: u32,
    pub(super) packet_key: Option<i64>,
    pub(super) payload: Option<u128>,
    pub(super) envelope: Option<u128>,
    pub(super) identity: Option<u128>,
    pub(super) content: Option<u128>,
    pub(super) outcome: Outcome,
}

impl Kept {
    pub(super) fn from_row(row: &WindowRow, session: Arc<str>) -> Self {
        Self::new(row, session, key::of_row(row))
    }

    /// Of a row with this identity.
    pub(super) fn new(row: &WindowRow, session: Arc<str>, identity: Option<u128>) -> Self {
        let half = |hash: &Option<[u8; 32]>| hash.as_ref().and_then(|hash| key::half(hash));
        Self {
            class: row.class,
            ordinal: row.ordinal,
            delivery: (row.run, row.delivery),
            place: row.index,
            ticks: row.ticks,
            connection: row.connection,
            session,
            packet_id: row.packet_id,
            packet_key: row.packet_key(),
            payload: key::half(&row.payload_sha256),
            envelope: half(&row.envelope_sha256),
            identity,
            content: half(&row.content_sha256),
            outcome: row.outcome.clone(),
        }
    }

    pub(super) const fn reference(&self) -> RowRef {
        RowRef { class: self.class, ordinal: self.ordinal }
    }

    pub(super) fn sender(&self) -> Option<Sender> {
        let (run, delivery) = self.delivery;
        let connection = self.connection.unwrap_or_default();
        (self.packet_id != 0).then(|| Sender { session: Arc::clone(&self.session), run, connection, delivery })
    }

    fn stretch(&self) -> Stretch {
        Stretch { class: self.class, first: self.ordinal, last: self.ordinal, sender: self.sender() }
    }
}

/// Rows of one class; ordinals are contiguous.
#[derive(Debug, Default)]
struct Rows {
    /// The last [`Sizes::window`], oldest first.
    recent: VecDeque<Kept>,
    /// Those before them that the ledger alone has.
    older: VecDeque<Stretch>,
    /// Ordinal of the last row ever inserted.
    last: u64,
    /// The latest row of an identity.
    by_identity: HashMap<u128, u64>,
    /// The latest row of an identity with that content, or without any.
    by_content: HashMap<(u128, Option<u128>), u64>,
    by_packet: BTreeSet<(i64, u64)>,
}

impl Rows {
    fn place(&self, ordinal: u64) -> Option<usize> {
        let first = self.recent.front()?.ordinal;
        usize::try_from(ordinal.checked_sub(first)?).ok()
    }

    fn insert(&mut self, kept: Kept) {
        self.last = kept.ordinal;
        if let Some(identity) = kept.identity {
            self.by_identity.insert(identity, kept.ordinal);
            self.by_content.insert((identity, kept.content), kept.ordinal);
        }
        self.by_packet.extend(kept.packet_key.map(|key| (key, kept.ordinal)));
        self.recent.push_back(kept);
    }

    /// Takes the oldest row out of memory.
    fn pop(&mut self) -> Option<Kept> {
        let kept = self.recent.pop_front()?;
        if let Some(identity) = kept.identity {
            // An entry names the latest row: where it is this one, there is no other.
            if self.by_identity.get(&identity) == Some(&kept.ordinal) {
                self.by_identity.remove(&identity);
            }
            if self.by_content.get(&(identity, kept.content)) == Some(&kept.ordinal) {
                self.by_content.remove(&(identity, kept.content));
            }
        }
        if let Some(key) = kept.packet_key {
            self.by_packet.remove(&(key, kept.ordinal));
        }
        Some(kept)
    }
}

#[derive(Debug, Default)]
pub(super) struct Window {
    sizes: Sizes,
    sequence: Rows,
    id: Rows,
    packet: Rows,
    by_number: HashMap<(u64, u64, u32), RowRef>,
}

impl Window {
    pub(super) fn load(rows: &[WindowRow], older: Vec<Stretch>, sizes: Sizes) -> Self {
        let mut window = Self { sizes, ..Self::default() };
        for stretch in older {
            let rows = window.rows_of_mut(stretch.class);
            rows.last = stretch.last;
            rows.older.push_back(stretch);
        }
        // Rows share the few names of sessions.
        let mut sessions: HashSet<Arc<str>> = HashSet::new();
        for row in rows {
            let session = sessions.get(row.session.as_str()).cloned().unwrap_or_else(|| {
                let name: Arc<str> = row.session.as_str().into();
                sessions.insert(Arc::clone(&name));
                name
            });
            window.insert(Kept::from_row(row, session));
        }
        window
    }

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

    pub(super) fn last_runs(&self) -> Vec<u64> {
        let last = Class::ALL.into_iter().filter_map(|class| self.rows_of(class).recent.back());
        last.map(|kept| kept.delivery.0).collect()
    }

    pub(super) const fn next_ordinal(&self, class: Class) -> u64 {
        self.rows_of(class).last + 1
    }

    /// Inserts a row behind all others of its class.
    pub(super) fn insert(&mut self, kept: Kept) -> RowRef {
        let row = kept.reference();
        let (run, delivery) = kept.delivery;
        self.by_number.insert((run, delivery, kept.place), row);
        self.rows_of_mut(row.class).insert(kept);
        row
    }

    pub(super) fn get(&self, row: RowRef) -> Option<&Kept> {
        let rows = self.rows_of(row.class);
        rows.recent.get(rows.place(row.ordinal)?)
    }

    pub(super) fn get_mut(&mut self, row: RowRef) -> Option<&mut Kept> {
        let rows = self.rows_of_mut(row.class);
        let place = rows.place(row.ordinal)?;
        rows.recent.get_mut(place)
    }

    pub(super) fn by_number(&self, run: u64, delivery: u64, place: u32) -> Option<RowRef> {
        self.by_number.get(&(run, delivery, place)).copied()
    }

    /// The latest row of an identity.
    pub(super) fn by_identity(&self, class: Class, identity: u128) -> Option<RowRef> {
        let ordinal = *self.rows_of(class).by_identity.get(&identity)?;
        Some(RowRef { class, ordinal })
    }

    /// The latest row of an identity with this content; `None`: without any.
    pub(super) fn by_content(&self, class: Class, identity: u128, content: Option<u128>) -> Option<RowRef> {
        let ordinal = *self.rows_of(class).by_content.get(&(identity, content))?;
        Some(RowRef { class, ordinal })
    }

    /// Rows in memory under a packet's key and behind an ordinal, oldest first.
    pub(super) fn by_packet(&self, class: Class, key: i64, after: u64) -> impl Iterator<Item = &Kept> {
        let behind = (key, after.saturating_add(1))..=(key, u64::MAX);
        let rows = self.rows_of(class).by_packet.range(behind);
        rows.filter_map(move |(_, ordinal)| self.get(RowRef { class, ordinal: *ordinal }))
    }

    /// The ordinal that rows in memory begin at, where the ledger has more.
    pub(super) fn older_before(&self, class: Class) -> Option<u64> {
        let rows = self.rows_of(class);
        rows.older.back().map(|stretch| stretch.last + 1)
    }

    /// Rows of the class that came after this one.
    pub(super) const fn since(&self, row: RowRef) -> u64 {
        self.rows_of(row.class).last.saturating_sub(row.ordinal)
    }

    /// Takes rows beyond the windows' length out of memory. Returns the rows that leave the ledger: of each class every row up to
    /// the ordinal, as far as nothing holds it.
    pub(super) fn evict(&mut self, retention: &Retention, waiting: usize) -> Vec<(Class, u64)> {
        let Sizes { window, stretch_rows, .. } = self.sizes;
        // A waiting tick refers to its own row, or to a row in the newest half of the window at the time of recognition.
        let window = window.max(window / 2 + waiting as u64);
        let mut evicted = Vec::new();
        for class in Class::ALL {
            while self.rows_of(class).recent.len() as u64 > window {
                let rows = self.rows_of_mut(class);
                let Some(kept) = rows.pop() else { break };
                stretch::append(&mut rows.older, kept.stretch(), stretch_rows);
                let (run, delivery) = kept.delivery;
                let number = (run, delivery, kept.place);
                if self.by_number.get(&number) == Some(&kept.reference()) {
                    self.by_number.remove(&number);
                }
            }
            let mut through = None;
            let free = |stretch: &mut Stretch| !stretch.sender.as_ref().is_some_and(|sender| retention.holds(sender));
            while let Some(stretch) = self.rows_of_mut(class).older.pop_front_if(free) {
                through = Some(stretch.last);
            }
            evicted.extend(through.map(|ordinal| (class, ordinal)));
        }
        evicted
    }

    #[cfg(test)]
    pub(super) fn in_memory(&self) -> (usize, usize) {
        let rows = || Class::ALL.into_iter().map(|class| self.rows_of(class));
        (rows().map(|rows| rows.recent.len()).sum(), rows().map(|rows| rows.older.len()).sum())
    }
}
