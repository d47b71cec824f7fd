//! Dead letters: one for each message and commit. A message cannot multiply itself, however many faults its ticks have.

use std::sync::Arc;

use intuition_api::v1::{DeadLetter, DeadLetterCause, Delivery, Unusable, tick_outcome::Kind};

use super::{
    counters::{Counters, OTHER, counter},
    outbox::Outbox,
};
use crate::ledger::{OutboxContent, Outcome};

/// Longest text of a reason in a letter, bytes.
const MAX_MESSAGE_BYTES: usize = 1_024;
/// Bytes of a letter beside topic and payload, as a batch of ticks counts them.
pub(super) const OVERHEAD_BYTES: usize = 2 * MAX_MESSAGE_BYTES;

/// The dead letters of one delivery.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// Position of the last one.
    last: Option<u64>,
}

impl Letters {
    /// Gives a tick the letter of its delivery in this commit; the first tick posts it. `max_causes`: see
    /// [`Sizes::letter_causes`](crate::sizes::Sizes::letter_causes).
    pub(super) fn post(
        &mut self,
        delivery: &Arc<Delivery>,
        cause: &Unusable,
        max_causes: usize,
        outbox: &mut Outbox,
        counters: &mut Counters,
    ) -> Outcome {
        counters.count_bounded(counter::DEAD_LETTERED, &cause.reason, 1);
        // A letter that is committed already takes no further cause.
        let open = self.last.and_then(|position| Some((position, outbox.letter_mut(position)?)));
        let position = match open {
            Some((position, letter)) => {
                add_cause(letter, cause, max_causes);
                position
            }
            None => outbox.post(OutboxContent::DeadLetter(letter(delivery, cause, self.last.is_none()))),
        };
        self.last = Some(position);
        let reason = cause.reason.clone();
        Outcome { kind: Kind::DeadLettered, reason, first_position: position, positions: 1, ..Outcome::no_signal() }
    }
}

/// The last of `max_causes` stands for all further reasons.
fn add_cause(letter: &mut DeadLetter, cause: &Unusable, max_causes: usize) {
    let full = letter.causes.len() >= max_causes;
    let last = letter.causes.len().saturating_sub(1);
    let known = letter.causes.iter().position(|known| known.reason == cause.reason).or(full.then_some(last));
    if let Some(known) = known.and_then(|index| letter.causes.get_mut(index)) {
        known.count = known.count.saturating_add(1);
    } else if last + 2 == max_causes {
        letter.causes.push(cause_of(OTHER, "ticks with further reasons"));
    } else {
        letter.causes.push(cause_of(&cause.reason, &cause.message));
    }
}

fn letter(delivery: &Delivery, cause: &Unusable, is_first: bool) -> DeadLetter {
    let first = cause_of(&cause.reason, &cause.message);
    DeadLetter {
        topic: delivery.topic.clone(),
        reason: first.reason.clone(),
        message: first.message.clone(),
        payload_size: delivery.payload_size,
        payload_sha256: delivery.payload_sha256.clone(),
        payload: if is_first { delivery.payload.clone() } else { bytes::Bytes::new() },
        time_micros: delivery.arrived_micros,
        causes: vec![first],
    }
}

fn cause_of(reason: &str, message: &str) -> DeadLetterCause {
    DeadLetterCause { reason: reason.to_owned(), message: shortened(message), count: 1 }
}

/// At most [`MAX_MESSAGE_BYTES`] of a text, and whole characters.
fn shortened(text: &str) -> String {
    if text.len() <= MAX_MESSAGE_BYTES {
        return text.to_owned();
    }
    let mark = "...";
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES - mark.len());
    format!("{}{mark}", text.get(..end).unwrap_or_default())
}
