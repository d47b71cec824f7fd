//! Dead letters: one for each message and commit. A message cannot multiply itself, however many faults its ticks have.

use std::sync::Arc;

use intuition_api::v1::{DeadLetter, DeadLetterCause, Delivery, Unusable, tick_outcome::Kind};

use super::{Engine, counter, process::undecided};
use crate::ledger::{OutboxContent, Outcome};

/// Longest text of a reason in a letter, bytes.
const MESSAGE_BYTES: usize = 1_024;
/// Stands for the reasons beyond [`Sizes::letter_causes`](crate::sizes::Sizes::letter_causes).
pub(super) const OTHER: &str = "Other";

/// The dead letters of the delivery that is being settled.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// Position of the last one.
    last: Option<u64>,
}

impl Engine {
    /// Gives a tick the letter of its delivery in this commit; the first tick posts it.
    pub(super) fn dead_letter(&mut self, delivery: &Arc<Delivery>, cause: &Unusable) -> Outcome {
        let key = self.counter_key(counter::DEAD_LETTERED, &cause.reason);
        self.count(&key.0, &key.1, 1);
        let last = self.progress.letters.last;
        let position = match last.filter(|position| self.add_cause(*position, cause)) {
            Some(position) => position,
            None => self.post(OutboxContent::DeadLetter(letter(delivery, cause, last.is_none()))),
        };
        self.progress.letters.last = Some(position);
        let reason = cause.reason.clone();
        Outcome { kind: Kind::DeadLettered, reason, first_position: position, positions: 1, ..undecided() }
    }

    /// Adds a cause to a letter. False: the letter is committed already.
    fn add_cause(&mut self, position: u64, cause: &Unusable) -> bool {
        let most = self.sizes.letter_causes;
        let first = self.pending.outbox.first().map(|row| row.position);
        let index = first.and_then(|first| usize::try_from(position.checked_sub(first)?).ok());
        let row = index.and_then(|index| self.pending.outbox.get_mut(index));
        let Some(OutboxContent::DeadLetter(letter)) = row.map(|row| &mut row.content) else { return false };
        let full = letter.causes.len() >= most;
        let last = letter.causes.len().saturating_sub(1);
        let known = letter.causes.iter().position(|known| known.reason == cause.reason).or(full.then_some(last));
        if let Some(known) = known.and_then(|index| letter.causes.get_mut(index)) {
            known.count = known.count.saturating_add(1);
        } else if last + 2 == most {
            letter.causes.push(cause_of(OTHER, "ticks with further reasons"));
        } else {
            letter.causes.push(cause_of(&cause.reason, &cause.message));
        }
        true
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
    DeadLetterCause { reason: reason.to_owned(), message: cut(message), count: 1 }
}

/// At most so many bytes of a text, and whole characters.
fn cut(text: &str) -> String {
    if text.len() <= MESSAGE_BYTES {
        return text.to_owned();
    }
    let mark = "...";
    let end = text.floor_char_boundary(MESSAGE_BYTES - mark.len());
    format!("{}{mark}", text.get(..end).unwrap_or_default())
}

/// Bytes of a letter beside topic and payload, as a turn counts them.
pub(super) const OVERHEAD_BYTES: usize = 2 * MESSAGE_BYTES;
