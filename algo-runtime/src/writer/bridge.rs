//! The writer's end of a stream to a bridge: the entries that were sent, and the credit for more. Every message of a stream is
//! sent here.

use intuition_api::v1::{Committed, Open, Opened, OutboxEntry, ProcessResponse, process_response::Message};
use prost::Message as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Sizes, committed::CommittedBuilder};
use crate::{
    engine::KnownInputs,
    ledger::{OutboxPage, Positions},
    responses::Responses,
};

/// See the module. Dropping it without [`Bridge::end`] also ends the reading of the stream.
pub(super) struct Bridge {
    pub(super) stream: u64,
    responses: Responses,
    /// Cancelled when the stream ends, so that no more messages are read from it.
    ended: CancellationToken,
    /// Bytes of entries that it takes; `None`: all there are.
    credit: Option<u64>,
    /// Position of the next entry.
    next: u64,
    /// The last position that it can know of: it was sent, or was there when the stream began.
    known: u64,
    /// Positions that are never sent: `Opened.done` has them.
    left_out: Positions,
    /// The descriptions of messages that it reads.
    pub(super) knows: KnownInputs,
    /// The channels version that was sent last.
    pub(super) sent_channels: u64,
    /// It has reported positions that it cannot know of.
    pub(super) has_reported_beyond: bool,
}

impl Bridge {
    /// `position`: the last position given.
    pub(super) fn new(
        stream: u64,
        responses: Responses,
        ended: CancellationToken,
        (open, opened): (&Open, &Opened),
        position: u64,
    ) -> Self {
        // Without pages everything is sent at once. A bridge that had this ledger on an earlier stream may hold any of it.
        let holds_entries = !open.pages || open.ledger_id == opened.ledger_id && !opened.restored;
        let mut left_out = Positions::default();
        for range in &opened.done {
            left_out.add(range.first, range.last);
        }
        Self {
            stream,
            responses,
            ended,
            credit: open.pages.then_some(0),
            next: opened.published_through + 1,
            known: if holds_entries { position } else { opened.published_through },
            left_out,
            knows: KnownInputs::of(&open.capabilities),
            sent_channels: 0,
            has_reported_beyond: false,
        }
    }

    /// The last position that it can know of.
    pub(super) const fn known(&self) -> u64 {
        self.known
    }

    /// It has room for more entries.
    pub(super) const fn add_credit(&mut self, bytes: u64) {
        if let Some(credit) = &mut self.credit {
            *credit = credit.saturating_add(bytes);
        }
    }

    /// Whether the entry at this position is the next one, and there is room for it.
    pub(super) fn takes(&self, position: u64) -> bool {
        position == self.next && self.has_room()
    }

    /// The next entries to send, as a page of the ledger up to the position `last`. `None`: there are none, or no room.
    pub(super) fn next_page(&mut self, published_through: u64, last: u64, sizes: &Sizes) -> Option<OutboxPage> {
        let (rows, most) = (sizes.page, sizes.message_bytes);
        // Entries that it reported itself are no longer in the outbox.
        self.next = self.left_out.next_outside(self.next.max(published_through + 1));
        if self.next > last || !self.has_room() {
            return None;
        }
        let end = self.left_out.next_inside(self.next).map_or(last, |left_out| last.min(left_out - 1));
        let rows = usize::try_from(end - self.next + 1).unwrap_or(rows).min(rows);
        let credit = self.credit.and_then(|credit| usize::try_from(credit).ok()).unwrap_or(most);
        Some(OutboxPage { after: self.next - 1, rows, bytes: credit.min(most) })
    }

    /// Sends an entry as part of the messages that are being filled.
    pub(super) fn entry(&mut self, entry: OutboxEntry, builder: &mut CommittedBuilder, now: Instant) {
        if let Some(credit) = &mut self.credit {
            *credit = credit.saturating_sub(entry.encoded_len() as u64);
        }
        self.next = entry.position + 1;
        self.known = self.known.max(entry.position);
        let full = builder.entry(entry);
        self.committed(full, now);
    }

    /// Sends a message of entries and outcomes.
    pub(super) fn committed(&self, committed: Option<Committed>, now: Instant) {
        if let Some(committed) = committed {
            self.send(Message::Committed(committed), now);
        }
    }

    /// Sends a message.
    pub(super) fn send(&self, message: Message, now: Instant) {
        // The queue refuses it if the bridge has gone or does not read: the writer checks `is_stuck` after every group.
        self.responses.send(ProcessResponse { message: Some(message) }, now);
    }

    /// Ends the stream.
    pub(super) fn end(self, status: Status) {
        // Stop reading before the bridge learns of the end.
        self.ended.cancel();
        self.responses.end(status);
    }

    /// Whether the client does not read.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        self.responses.is_stuck(now)
    }

    fn has_room(&self) -> bool {
        self.credit != Some(0) && self.responses.has_room()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// Refuses a stream that was never begun.
pub(super) fn refuse(responses: &Responses, ended: &CancellationToken, status: Status) {
    ended.cancel();
    responses.end(status);
}
