//! The memory that entries may take, and the credit for it at the runtime. Pure.

use std::mem;

use intuition_api::v1::{Indicator, IndicatorValue, OutboxEntry, outbox_entry::Content};
use prost::Message as _;

/// Memory of an entry beside the bytes of its encoded form: the message as a structure, its allocations, its place in the
/// queue.
const ENTRY_OVERHEAD_BYTES: usize = mem::size_of::<OutboxEntry>() + 512;
/// Memory of an indicator beside its text, and of a value: structures and allocations.
const INDICATOR_BYTES: usize = mem::size_of::<Indicator>() + 48;
const VALUE_BYTES: usize = mem::size_of::<IndicatorValue>() + 32;
/// Memory of an entry for each byte of its encoded form, at most: the shortest entries are a few bytes long.
const MEMORY_PER_BYTE: usize = 128;
/// Credit is given in steps of the budget divided by this.
const CREDIT_DIVISOR: u64 = 4;

/// The memory and the encoded bytes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of memory.
    memory: usize,
    /// Bytes of credit.
    credit: u64,
}

impl Cost {
    /// The cost of an entry as the runtime sent it.
    pub fn of(entry: &OutboxEntry) -> Self {
        let encoded = entry.encoded_len();
        let mut memory = ENTRY_OVERHEAD_BYTES + encoded;
        if let Some(Content::Joined(joined)) = &entry.content {
            let values: usize = joined.indicators.iter().map(|indicator| indicator.values.len()).sum();
            memory += joined.indicators.len() * INDICATOR_BYTES + values * VALUE_BYTES;
        }
        Self { memory, credit: encoded as u64 }
    }
}

/// Room for entries, in bytes of memory.
#[derive(Debug)]
pub struct Room {
    budget: usize,
    held: usize,
    /// Credit that the runtime has, in bytes of encoded entries.
    given: u64,
}

impl Room {
    /// Room for entries of `budget` bytes of memory together.
    pub const fn new(budget: usize) -> Self {
        Self { budget, held: 0, given: 0 }
    }

    /// Bytes of memory that entries take.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// A new stream. Its runtime has no credit yet.
    pub const fn stream_opened(&mut self) {
        self.given = 0;
    }

    /// An entry came. The runtime counts it also where the bridge has it already.
    pub const fn received(&mut self, cost: Cost) {
        self.given = self.given.saturating_sub(cost.credit);
    }

    /// An entry is held.
    pub const fn enter(&mut self, cost: Cost) {
        self.held = self.held.saturating_add(cost.memory);
    }

    /// An entry is held no more.
    pub const fn leave(&mut self, cost: Cost) {
        self.held = self.held.saturating_sub(cost.memory);
    }

    /// All entries are held no more.
    pub const fn clear(&mut self) {
        self.held = 0;
    }

    /// The credit to give now, which counts as given. All credit together is worth less memory than is free, by the worst
    /// entries there are.
    pub fn give(&mut self) -> Option<u64> {
        let worth = |memory: usize| (memory / MEMORY_PER_BYTE) as u64;
        let free = worth(self.budget.saturating_sub(self.held)).saturating_sub(self.given);
        if free < (worth(self.budget) / CREDIT_DIVISOR).max(1) {
            return None;
        }
        self.given += free;
        Some(free)
    }
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::{Joined, Publication};
    use proptest::prelude::*;

    use super::*;

    const BUDGET_BYTES: usize = 1 << 20;

    fn cost(bytes: usize) -> Cost {
        let publication = Publication { channel: "c".to_owned(), payload: vec![0; bytes].into() };
        Cost::of(&OutboxEntry { position: 1, content: Some(Content::Publication(publication)) })
    }

    proptest! {
        /// The runtime sends while it has credit, and its last entry may exceed it.
        #[test]
        fn entries_stay_within_the_budget_and_credit_follows_done_entries(
            sizes in proptest::collection::vec(prop_oneof![3 => 0_usize..64, 1 => 0_usize..70_000], 1..400)
        ) {
            let mut room = Room::new(BUDGET_BYTES);
            let (mut credit, mut held) = (0_u64, std::collections::VecDeque::new());
            for size in sizes {
                while credit == 0 {
                    match room.give() {
                        Some(bytes) => credit += bytes,
                        None => room.leave(held.pop_front().expect("an empty bridge gives credit")),
                    }
                }
                let cost = cost(size);
                credit = credit.saturating_sub(cost.credit);
                room.received(cost);
                room.enter(cost);
                held.push_back(cost);
                prop_assert_eq!(room.given, credit, "both sides count alike");
                prop_assert!(room.held() <= BUDGET_BYTES + 70_000 + ENTRY_OVERHEAD_BYTES, "{}", room.held());
            }
        }
    }

    #[test]
    fn indicators_cost_more_than_their_text_and_no_more_than_their_credit() {
        let indicators = vec![Indicator { values: vec![IndicatorValue::default()], ..Indicator::default() }; 32];
        let joined = |indicators| {
            let joined = Joined { indicators, ..Joined::default() };
            Cost::of(&OutboxEntry { position: 1, content: Some(Content::Joined(joined)) })
        };
        let (all, none) = (joined(indicators), joined(Vec::new()));
        assert!(all.memory - none.memory > 32 * 200, "{all:?}");
        let worth = usize::try_from(all.credit - none.credit).unwrap() * MEMORY_PER_BYTE;
        assert!(all.memory - none.memory < worth, "{all:?}");
    }

    #[test]
    fn shortest_entries_fill_the_budget_and_no_more() {
        let mut room = Room::new(BUDGET_BYTES);
        let mut credit = room.give().unwrap();
        while credit > 0 {
            credit = credit.saturating_sub(cost(0).credit);
            room.received(cost(0));
            room.enter(cost(0));
            credit += room.give().unwrap_or_default();
        }
        assert!((BUDGET_BYTES / 2..=BUDGET_BYTES + ENTRY_OVERHEAD_BYTES).contains(&room.held()), "{}", room.held());
    }
}
