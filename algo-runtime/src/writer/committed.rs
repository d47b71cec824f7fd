//! Fills `Committed` messages up to their bound. Pure.

use intuition_api::v1::{Committed, DeliveryOutcome, OutboxEntry};
use intuition_common::planted::{self, Mistake};
use prost::encoding::message::encoded_len;

/// Bytes of the response around the parts of a message, at most.
const AROUND_BYTES: usize = 16;
/// Field numbers in `Committed`.
const ENTRIES: u32 = 1;
const OUTCOMES: u32 = 2;

/// The message that is being filled.
#[derive(Debug)]
pub(super) struct CommittedBuilder {
    committed: Committed,
    bytes: usize,
    /// Bytes of the parts, at most.
    most: usize,
}

impl CommittedBuilder {
    /// For messages of so many bytes.
    pub(super) fn new(message_bytes: usize) -> Self {
        let most = message_bytes.saturating_sub(AROUND_BYTES);
        Self { committed: Committed::default(), bytes: 0, most }
    }

    /// Adds an entry. Returns the message before it if that has no room. An entry larger than a message goes alone.
    #[must_use]
    pub(super) fn entry(&mut self, entry: OutboxEntry) -> Option<Committed> {
        let full = self.make_room(encoded_len(ENTRIES, &entry));
        self.committed.entries.push(entry);
        full
    }

    /// The same for an outcome.
    #[must_use]
    pub(super) fn outcome(&mut self, outcome: DeliveryOutcome) -> Option<Committed> {
        let full = self.make_room(encoded_len(OUTCOMES, &outcome));
        self.committed.outcomes.push(outcome);
        full
    }

    /// The last message, unless it is empty.
    pub(super) fn rest(self) -> Option<Committed> {
        (self.bytes > 0).then_some(self.committed)
    }

    fn make_room(&mut self, bytes: usize) -> Option<Committed> {
        let is_full = self.bytes > 0 && self.bytes + bytes > self.most && !planted::is(Mistake::MessageUnbounded);
        if is_full {
            self.bytes = 0;
        }
        self.bytes += bytes;
        is_full.then(|| std::mem::take(&mut self.committed))
    }
}

#[cfg(test)]
mod tests {
    use intuition_api::{
        bounds::MESSAGE_BYTES,
        v1::{ProcessResponse, Publication, TickOutcome, outbox_entry::Content, process_response::Message},
    };
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    proptest! {
        #[test]
        fn every_message_is_within_the_bound_unless_it_has_one_part(
            sizes in prop::collection::vec((any::<bool>(), prop_oneof![0_usize..2_000, 0..MESSAGE_BYTES * 2]), 0..40),
        ) {
            let mut builder = CommittedBuilder::new(MESSAGE_BYTES);
            let mut sent: Vec<Committed> = Vec::new();
            for (position, (is_entry, size)) in (1_u64..).zip(&sizes) {
                sent.extend(if *is_entry {
                    let publication = Publication { channel: "c".to_owned(), payload: vec![0; *size].into() };
                    builder.entry(OutboxEntry { position, content: Some(Content::Publication(publication)) })
                } else {
                    let tick = TickOutcome { reason: "x".repeat(*size), ..TickOutcome::default() };
                    builder.outcome(DeliveryOutcome { number: position, ticks: vec![tick] })
                });
            }
            sent.extend(builder.rest());
            for committed in &sent {
                let count = committed.entries.len() + committed.outcomes.len();
                let response = ProcessResponse { message: Some(Message::Committed(committed.clone())) };
                prop_assert!(count == 1 || count > 1 && response.encoded_len() <= MESSAGE_BYTES);
            }
            let entries = sent.iter().flat_map(|committed| &committed.entries).map(|entry| entry.position);
            let outcomes = sent.iter().flat_map(|committed| &committed.outcomes).map(|outcome| outcome.number);
            let numbered = |wanted| (1_u64..).zip(&sizes).filter(move |(_, (is_entry, _))| *is_entry == wanted);
            prop_assert_eq!(entries.collect::<Vec<_>>(), numbered(true).map(|(number, _)| number).collect::<Vec<_>>());
            prop_assert_eq!(outcomes.collect::<Vec<_>>(), numbered(false).map(|(number, _)| number).collect::<Vec<_>>());
        }
    }
}
