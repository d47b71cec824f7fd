//! Second outcomes that docs/delivery-guarantees.md does not exclude.

use std::collections::{BTreeMap, BTreeSet};

use algo_runtime::ledger::{Class, WindowRow};
use intuition_api::v1;

use crate::facts::RunId;

/// What a row was about when it was committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct First<'a> {
    pub(super) row: &'a WindowRow,
    /// Rows that were committed before it.
    pub(super) place: usize,
}

/// Circumstances of a second outcome that the rows do not show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    /// Two bridges ran at the same time, and one did not hear of the other.
    pub(super) unseen_bridges: bool,
    /// The broker delivered copies of the message for different filters.
    pub(super) was_copied: bool,
    /// Rows of a class that the runtime keeps in memory.
    pub(super) window: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// The run that a bridge names itself by, and its broker's URL.
    bridges: BTreeMap<RunId, (u64, String)>,
    /// Rows at the time of each `Open`, with its URL.
    openings: Vec<(usize, String)>,
    /// Run and number of deliveries that nothing marks as sent before.
    unmarked: BTreeSet<(u64, u64)>,
    /// Of deliveries whose session the broker has lost.
    orphans: BTreeSet<(u64, u64)>,
}

impl Limits {
    /// An `Open` reached a runtime when so many rows were there.
    pub(super) fn opening(&mut self, bridge: RunId, open: &v1::Open, rows: usize) {
        self.bridges.insert(bridge, (open.run, open.broker_url.clone()));
        self.openings.push((rows, open.broker_url.clone()));
    }

    /// A bridge handed a delivery to the runtime.
    pub(super) fn sent(&mut self, bridge: RunId, delivery: &v1::Delivery) {
        let Some((run, _)) = self.bridges.get(&bridge) else { return };
        let number = (*run, delivery.number);
        // Without its session a message has no packet identifier either.
        let may_be_repeated = delivery.packet_id != 0 && (delivery.duplicate || delivery.interrupted);
        if may_be_repeated {
            self.unmarked.remove(&number);
        } else {
            self.unmarked.insert(number);
        }
        if delivery.packet_id == 0 {
            self.orphans.insert(number);
        }
    }

    /// Rows that were lost with a ledger count no more.
    pub(super) fn go_back(&mut self, rows: usize) {
        for (at, _) in &mut self.openings {
            *at = rows.min(*at);
        }
    }

    /// Whether the row may be the second outcome of its quote.
    pub(super) fn allow(&self, first: First<'_>, row: &WindowRow, around: Around) -> bool {
        let First { row: earlier, .. } = first;
        let Around { unseen_bridges, was_copied, window } = around;
        // Only its identity is left, and that is known within the window.
        let is_orphan = self.orphans.contains(&(row.run, row.delivery));
        // A bridge stood still while another one had its messages decided.
        let is_unmarked = self.unmarked.contains(&(row.run, row.delivery));
        let stood_still = unseen_bridges && is_unmarked;
        let is_older = row.ordinal - earlier.ordinal >= window;
        match row.class {
            // A publisher had sent the message twice before the reset of its source. Or its number was used again, and the
            // window has that other quote alone.
            Class::Sequence => {
                earlier.era < row.era || is_orphan && is_older && row.outcome.reason == "IdentityConflict"
            }
            Class::Id => is_older && (is_orphan || self.was_elsewhere(first)),
            Class::Packet => {
                let is_other_bridge = earlier.run != row.run;
                // The broker had the PUBACK of one copy alone when the bridge ended.
                let is_lone_copy = was_copied && !is_unmarked && earlier.packet_id != row.packet_id;
                is_other_bridge && (stood_still || is_lone_copy) || is_older && (is_orphan || self.was_elsewhere(first))
            }
        }
    }

    /// Whether a bridge used another URL after a row.
    fn was_elsewhere(&self, First { row, place }: First<'_>) -> bool {
        let url = self.bridges.values().find(|(run, _)| *run == row.run).map(|(_, url)| url);
        self.openings.iter().any(|(rows, other)| *rows > place && Some(other) != url)
    }
}

#[cfg(test)]
mod tests {
    use algo_runtime::ledger::Outcome;
    use intuition_api::v1::tick_outcome::Kind;

    use super::*;

    const WINDOW: u64 = 8;
    const SEEN: Around = Around { unseen_bridges: false, was_copied: false, window: WINDOW };
    const UNSEEN: Around = Around { unseen_bridges: true, ..SEEN };
    const COPIED: Around = Around { was_copied: true, ..SEEN };

    fn row(class: Class, ordinal: u64, run: u64, delivery: u64) -> WindowRow {
        let kind = Kind::NoSignal;
        let outcome = Outcome { kind, reason: String::new(), first_position: 0, positions: 0, first_seq: 0, seqs: 0 };
        WindowRow {
            class,
            ordinal,
            run,
            delivery,
            index: 0,
            channel: "quotes".to_owned(),
            source: String::new(),
            seq: None,
            id: String::new(),
            rank: 0,
            era: 0,
            session: "s".to_owned(),
            packet_id: 1,
            connection: Some(1),
            ticks: 1,
            payload_sha256: [0; 32],
            envelope_sha256: None,
            content_sha256: None,
            outcome,
        }
    }

    fn open(run: u64, url: &str) -> v1::Open {
        v1::Open { run, broker_url: url.to_owned(), ..v1::Open::default() }
    }

    fn delivery(number: u64, packet_id: u32, duplicate: bool) -> v1::Delivery {
        v1::Delivery { number, packet_id, duplicate, ..v1::Delivery::default() }
    }

    /// Bridge 1 had the first outcome, bridge 2 has the second.
    fn two_bridges() -> Limits {
        let mut limits = Limits::default();
        limits.opening(1, &open(11, "mqtt://a"), 0);
        limits.opening(2, &open(12, "mqtt://a"), 1);
        limits
    }

    #[test]
    fn frozen_bridge_may_get_a_second_outcome_of_unmarked_quotes() {
        let (earlier, later) = (row(Class::Packet, 1, 11, 5), row(Class::Packet, 2, 12, 5));
        let first = First { row: &earlier, place: 0 };
        for (packet_id, duplicate, is_allowed) in [(3, false, true), (3, true, false), (0, true, true)] {
            let mut limits = two_bridges();
            limits.sent(2, &delivery(5, packet_id, duplicate));
            assert_eq!(limits.allow(first, &later, UNSEEN), is_allowed, "packet {packet_id}, DUP {duplicate}");
            assert!(!limits.allow(first, &later, SEEN), "one bridge alone");
            assert!(!limits.allow(first, &row(Class::Packet, 2, 11, 5), UNSEEN), "the same bridge");
            assert!(!limits.allow(first, &row(Class::Id, 2, 12, 5), UNSEEN), "an id within the window");
        }
    }

    #[test]
    fn a_lone_copy_may_get_a_second_outcome_from_the_next_bridge() {
        let earlier = row(Class::Packet, 1, 11, 5);
        let first = First { row: &earlier, place: 0 };
        let other = |class, run, packet_id| WindowRow { packet_id, ..row(class, 2, run, 5) };
        let mut limits = two_bridges();
        limits.sent(2, &delivery(5, 2, true));
        assert!(limits.allow(first, &other(Class::Packet, 12, 2), COPIED));
        assert!(!limits.allow(first, &other(Class::Packet, 12, 2), SEEN), "one copy alone");
        assert!(!limits.allow(first, &other(Class::Packet, 12, 1), COPIED), "the same packet");
        assert!(!limits.allow(first, &other(Class::Packet, 11, 2), COPIED), "the same bridge");
        assert!(!limits.allow(first, &other(Class::Id, 12, 2), COPIED), "an id");
        limits.sent(2, &delivery(5, 2, false));
        assert!(!limits.allow(first, &other(Class::Packet, 12, 2), COPIED), "no redelivery");
    }

    #[test]
    fn outcomes_beyond_the_window_are_lost_while_the_bridge_is_at_another_url() {
        let earlier = row(Class::Packet, 1, 11, 5);
        let first = First { row: &earlier, place: 0 };
        let later = |ordinal| row(Class::Packet, ordinal, 11, 9);
        let mut limits = two_bridges();
        assert!(!limits.allow(first, &later(1 + WINDOW), SEEN));
        limits.opening(3, &open(13, "mqtt://b"), 4);
        assert!(limits.allow(first, &later(1 + WINDOW), SEEN));
        assert!(!limits.allow(first, &later(WINDOW), SEEN));
        assert!(!limits.allow(First { row: &earlier, place: 4 }, &later(20), SEEN), "it came before the row");
    }
}
