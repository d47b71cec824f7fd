//! A waiting outbox entry. It is kept as the runtime sent it, and rendered at each attempt to send it.

use std::sync::Arc;

use bytes::Bytes;
use intuition_api::{
    topic::OwnTopics,
    v1::{Joined, OutboxEntry, outbox_entry::Content},
};
use intuition_common::planted::{self, Mistake};
use intuition_mqtt::Message;
use prost::Message as _;

use crate::{
    outbox::{self, Cost, Queue},
    render,
};

/// A byte of text takes up to six in JSON, `\u0000`.
const ESCAPED_BYTES: usize = 6;
/// Bytes of the parts of a message that are not in its entry: names, quotes, the SHA-256 as text, times.
const FRAME_BYTES: usize = 512;

/// See the module.
#[derive(Debug)]
pub(in crate::machine) struct Outgoing {
    topic: Arc<str>,
    entry: Box<OutboxEntry>,
    cost: Cost,
}

impl Outgoing {
    pub(super) fn new(topics: &OwnTopics, mut entry: OutboxEntry, cost: Cost) -> Self {
        let topic = entry.content.as_ref().map(|content| render::topic(topics, content)).unwrap_or_default();
        match &mut entry.content {
            // A slice would keep the whole gRPC message alive.
            Some(Content::DeadLetter(letter)) => {
                letter.payload = Bytes::copy_from_slice(&letter.payload);
                letter.payload_sha256 = Bytes::copy_from_slice(&letter.payload_sha256);
            }
            Some(Content::Publication(publication)) => {
                publication.payload = Bytes::copy_from_slice(&publication.payload);
            }
            // Text alone.
            Some(Content::Decision(_) | Content::Joined(_)) | None => {}
        }
        Self { topic: topic.into(), entry: Box::new(entry), cost }
    }

    /// Whether it is retried until the broker takes it.
    pub(super) fn is_strict(&self) -> bool {
        Self::queue(&self.entry) == Some(Queue::Strict)
    }

    /// The quote with its indicators, if it is one.
    pub(super) const fn joined(&self) -> Option<&Joined> {
        if let Some(Content::Joined(joined)) = &self.entry.content { Some(joined) } else { None }
    }

    pub(super) const fn cost(&self) -> Cost {
        self.cost
    }

    /// `None`: the entry has no content.
    pub(super) fn queue(entry: &OutboxEntry) -> Option<Queue> {
        Some(match entry.content.as_ref()? {
            Content::Decision(_) if planted::is(Mistake::DecisionGivenUp) => Queue::Publications,
            Content::DeadLetter(_) if planted::is(Mistake::OneLane) => Queue::Strict,
            Content::Decision(_) | Content::Joined(_) => Queue::Strict,
            Content::DeadLetter(_) => Queue::DeadLetters,
            Content::Publication(_) => Queue::Publications,
        })
    }

    pub(super) fn message(&self, account: &str) -> Message {
        let message = self.entry.content.as_ref().map(|content| render::message(account, &self.topic, content));
        // There is content: the entry has a queue.
        message.unwrap_or_else(|| Message::new(self.topic.to_string(), Bytes::new()))
    }

    pub(super) fn into_entry(self) -> OutboxEntry {
        *self.entry
    }
}

impl outbox::Content for Outgoing {
    fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    fn size(&self) -> usize {
        let content = match &self.entry.content {
            Some(Content::DeadLetter(letter)) => {
                let causes = letter.causes.iter().map(|cause| cause.reason.len() + cause.message.len() + FRAME_BYTES);
                let text = letter.topic.len() + letter.reason.len() + letter.message.len() + causes.sum::<usize>();
                (text + letter.payload.len()) * ESCAPED_BYTES
            }
            Some(Content::Publication(publication)) => publication.payload.len(),
            Some(Content::Joined(joined)) => {
                // Every element has the source, the id and the symbol.
                let common =
                    joined.source.len() + joined.id.len() + joined.quote.as_ref().map_or(0, |quote| quote.sid.len());
                joined.encoded_len() + (joined.indicators.len() + 1) * (common * ESCAPED_BYTES + FRAME_BYTES)
            }
            Some(Content::Decision(_)) | None => 0,
        };
        content + FRAME_BYTES
    }

    fn shorten(&mut self) -> bool {
        match &mut self.entry.content {
            Some(Content::DeadLetter(letter)) => !std::mem::take(&mut letter.payload).is_empty(),
            _ => false,
        }
    }
}
