//! The part of a row that stays in memory. A full window has 65,536 of them in each class, so that every byte counts.

use std::sync::Arc;

use super::key::{self, Half};
use crate::ledger::{Class, Outcome, Sender, Stretch, WindowRow};

/// Names a row: it stays valid until the row leaves memory, and finds nothing after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowRef {
    pub(super) class: Class,
    pub(super) ordinal: u64,
}

/// The connection that rows came on: neighbours share one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) session: Arc<str>,
    pub(super) run: u64,
    pub(super) connection: Option<u64>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) class: Class,
    pub(super) ordinal: u64,
    /// The bridge's number of the delivery.
    pub(super) number: u64,
    pub(super) place: u32,
    pub(super) ticks: u32,
    pub(super) origin: Arc<Origin>,
    pub(super) packet_id: u32,
    /// Of no meaning for the packet id 0.
    packet_key: i64,
    pub(super) payload: Option<Half>,
    pub(super) envelope: Option<Half>,
    pub(super) identity: Option<Half>,
    pub(super) content: Option<Half>,
    pub(super) outcome: Outcome,
}

impl Kept {
    /// `before`: the origin of the row before, which most rows share.
    pub(super) fn from_row(row: &WindowRow, session: &Arc<str>, before: Option<&Arc<Origin>>) -> Self {
        Self::new(row, session, before, key::of_row(row))
    }

    /// Of a row with this identity.
    pub(super) fn new(
        row: &WindowRow,
        session: &Arc<str>,
        before: Option<&Arc<Origin>>,
        identity: Option<Half>,
    ) -> Self {
        let half = |hash: &Option<[u8; 32]>| hash.as_ref().and_then(|hash| key::half(hash));
        let is_shared = |origin: &&Arc<Origin>| {
            (origin.run, origin.connection) == (row.run, row.connection) && origin.session == *session
        };
        let origin = before.filter(is_shared).cloned().unwrap_or_else(|| {
            Arc::new(Origin { session: Arc::clone(session), run: row.run, connection: row.connection })
        });
        Self {
            class: row.class,
            ordinal: row.ordinal,
            number: row.delivery,
            place: row.index,
            ticks: row.ticks,
            origin,
            packet_id: row.packet_id,
            packet_key: row.packet_key().unwrap_or_default(),
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

    /// Run and number of the delivery.
    pub(super) fn delivery(&self) -> (u64, u64) {
        (self.origin.run, self.number)
    }

    pub(super) fn packet_key(&self) -> Option<i64> {
        (self.packet_id != 0).then_some(self.packet_key)
    }

    pub(super) fn sender(&self) -> Option<Sender> {
        let Origin { session, run, connection } = &*self.origin;
        (self.packet_id != 0).then(|| Sender {
            session: Arc::clone(session),
            run: *run,
            connection: connection.unwrap_or_default(),
            delivery: self.number,
        })
    }

    pub(super) fn stretch(&self) -> Stretch {
        Stretch { class: self.class, first: self.ordinal, last: self.ordinal, sender: self.sender() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`Sizes::window`](crate::sizes::Sizes::window) rows are 11 MiB; each of the three lookups takes 9 to 17 bytes a slot beside them.
    #[test]
    fn row_takes_176_bytes() {
        assert_eq!(size_of::<Kept>(), 176);
    }
}
