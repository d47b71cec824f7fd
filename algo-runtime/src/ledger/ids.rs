//! The ids of a ledger. There is one, unless the ledger has gone back: decisions that were lost may have been published, so
//! those booked from then on are numbered under another id. Pure.

/// An id with its first decision and its first position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerId {
    /// Number of the first decision under it.
    pub first_seq: u64,
    /// First outbox position that may be under it.
    pub first_position: u64,
    /// Random, 8 hex digits.
    pub id: String,
}

/// Relation of a ledger id to this ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The id of the next decision.
    Newest,
    /// An id of earlier decisions.
    Earlier {
        /// Last outbox position under it. Entries up to here are in both timelines.
        last_position: u64,
    },
    /// The id is unknown.
    Other,
}

/// All ids of a ledger, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerIds {
    /// Made with the ledger.
    first: LedgerId,
    /// In the order in which they were taken.
    later: Vec<LedgerId>,
}

impl LedgerIds {
    /// The ids of a ledger that was created under `id`, and has never gone back.
    pub fn new(id: &str) -> Self {
        Self { first: LedgerId { first_seq: 1, first_position: 1, id: id.to_owned() }, later: Vec::new() }
    }

    /// The recorded ids, in the order in which they were taken. A ledger that has never gone back records none, and has the
    /// id of its account.
    pub fn from_records(account: &str, records: Vec<LedgerId>) -> Self {
        let mut records = records.into_iter();
        match records.next() {
            Some(first) => Self { first, later: records.collect() },
            None => Self::new(account),
        }
    }

    /// The rows to record; none for a ledger that has never gone back.
    pub fn records(&self) -> impl Iterator<Item = &LedgerId> {
        let first = (!self.later.is_empty()).then_some(&self.first);
        first.into_iter().chain(&self.later)
    }

    /// All ids, in the order in which they were taken.
    pub fn iter(&self) -> impl Iterator<Item = &LedgerId> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The id that was made with the ledger; the journal's hash chain begins with it.
    pub fn first(&self) -> &str {
        &self.first.id
    }

    /// The id of the next decision.
    pub fn newest(&self) -> &LedgerId {
        self.later.last().unwrap_or(&self.first)
    }

    /// The id of the decision with this number.
    pub fn of(&self, seq: u64) -> &str {
        let later = self.later.iter().rev().find(|id| id.first_seq <= seq);
        &later.unwrap_or(&self.first).id
    }

    /// Relation of an id to this ledger.
    pub fn known(&self, id: &str) -> Known {
        if self.newest().id == id {
            return Known::Newest;
        }
        let place = self.iter().position(|known| known.id == id);
        // The next one ends it.
        let next = place.and_then(|place| self.later.get(place));
        next.map_or(Known::Other, |next| Known::Earlier { last_position: next.first_position - 1 })
    }

    /// Takes another id for later decisions. It replaces the newest one if no decision was booked under that,
    /// so that ids do not pile up.
    pub fn take(&mut self, next: LedgerId) {
        if self.later.last().is_some_and(|last| last.first_seq == next.first_seq) {
            self.later.pop();
        }
        self.later.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first_seq: u64, first_position: u64, id: &str) -> LedgerId {
        LedgerId { first_seq, first_position, id: id.to_owned() }
    }

    #[test]
    fn decisions_keep_the_id_under_which_they_were_booked() {
        let mut ids = LedgerIds::new("aaaaaaaa");
        assert_eq!((ids.of(1), ids.of(u64::MAX), ids.records().count()), ("aaaaaaaa", "aaaaaaaa", 0));
        ids.take(id(5, 9, "bbbbbbbb"));
        ids.take(id(8, 20, "cccccccc"));
        assert_eq!([4, 5, 7, 8].map(|seq| ids.of(seq)), ["aaaaaaaa", "bbbbbbbb", "bbbbbbbb", "cccccccc"]);
        assert_eq!((ids.first(), ids.newest().id.as_str()), ("aaaaaaaa", "cccccccc"));
        assert_eq!(ids.known("aaaaaaaa"), Known::Earlier { last_position: 8 });
        assert_eq!(ids.known("bbbbbbbb"), Known::Earlier { last_position: 19 });
        assert_eq!((ids.known("cccccccc"), ids.known("dddddddd")), (Known::Newest, Known::Other));
        let records = ids.records().cloned().collect();
        assert_eq!(LedgerIds::from_records("cccccccc", records), ids);
    }

    #[test]
    fn an_id_without_a_decision_is_replaced_but_never_the_first() {
        let mut ids = LedgerIds::new("aaaaaaaa");
        ids.take(id(1, 1, "bbbbbbbb"));
        ids.take(id(1, 4, "cccccccc"));
        assert_eq!(ids.iter().map(|id| id.id.as_str()).collect::<Vec<_>>(), ["aaaaaaaa", "cccccccc"]);
        assert_eq!((ids.first(), ids.of(1)), ("aaaaaaaa", "cccccccc"));
    }
}
