//! Bounds of deliveries: a client that is not the bridge cannot make the runtime grow. Pure.
//!
//! Text that publishers choose has bounds that no release of the bridge reaches: a quote of theirs must never end the stream.

use intuition_api::{
    bounds::{DELIVERY_TICKS, PAYLOAD_BYTES, REASON_BYTES, SYMBOL_BYTES, TEXT_BYTES, TOPIC_BYTES},
    v1::{Delivery, Indicator, QuoteDetails, Tick, tick::Content},
};
use prost::Message as _;

use super::request_error::RequestError;
use crate::sizes::Sizes;

/// Deliveries that have been taken and have no outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    ticks: usize,
    bytes: usize,
}

impl Load {
    /// Of one delivery.
    pub(super) fn of(delivery: &Delivery) -> Self {
        Self { ticks: delivery.ticks.len(), bytes: delivery.encoded_len() }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.ticks += more.ticks;
        self.bytes += more.bytes;
    }

    pub(super) fn subtract(&mut self, less: Self) {
        self.ticks = self.ticks.saturating_sub(less.ticks);
        self.bytes = self.bytes.saturating_sub(less.bytes);
    }

    /// Whether it is within the bounds.
    pub(super) fn check(self, sizes: &Sizes) -> Result<(), RequestError> {
        let Sizes { waiting_ticks, waiting_bytes, .. } = *sizes;
        if self.ticks <= waiting_ticks && self.bytes <= waiting_bytes {
            return Ok(());
        }
        Err(RequestError::Overload(format!(
            "{} ticks of {} bytes wait for the algorithm, and at most {waiting_ticks} of {waiting_bytes} bytes may: \
             send on when outcomes have come",
            self.ticks, self.bytes
        )))
    }
}

/// Refuses a delivery that breaks the contract's bounds, and names the field.
pub(super) fn check(delivery: &Delivery) -> Result<(), RequestError> {
    let Delivery { number, topic, packet_id, payload_sha256, payload, ticks, envelope_sha256, .. } = delivery;
    let broken = |message: String| Err(RequestError::contract(format!("Batch: delivery {number}: {message}")));
    if !(1..=DELIVERY_TICKS).contains(&ticks.len()) {
        return broken(format!("ticks: {}, and 1 to {DELIVERY_TICKS} are allowed", ticks.len()));
    }
    if topic.len() > TOPIC_BYTES {
        return broken(format!("topic: {} bytes, at most {TOPIC_BYTES}", topic.len()));
    }
    if *packet_id > u32::from(u16::MAX) {
        return broken(format!("packet_id: {packet_id}, at most {}", u16::MAX));
    }
    if payload.len() > PAYLOAD_BYTES {
        return broken(format!("payload: {} bytes, at most {PAYLOAD_BYTES}", payload.len()));
    }
    if payload_sha256.len() != 32 {
        return broken(format!("payload_sha256: {} bytes, not 32", payload_sha256.len()));
    }
    if ![0, 32].contains(&envelope_sha256.len()) {
        return broken(format!("envelope_sha256: {} bytes, not 32", envelope_sha256.len()));
    }
    for (index, tick) in ticks.iter().enumerate() {
        if let Some(problem) = problem(tick) {
            return broken(format!("ticks[{index}].{problem}"));
        }
    }
    Ok(())
}

/// Source and id have their own answer, `IdentityTooLong`.
fn problem(tick: &Tick) -> Option<String> {
    if ![0, 32].contains(&tick.content_sha256.len()) {
        return Some(format!("content_sha256: {} bytes, not 32", tick.content_sha256.len()));
    }
    let fields = match tick.content.as_ref()? {
        Content::Quote(quote) => {
            if let Some(problem) = quote.details.as_ref().and_then(|details| details_problem(details)) {
                return Some(problem);
            }
            [("quote.sid", quote.sid.len(), SYMBOL_BYTES), ("quote.price", quote.price.len(), TEXT_BYTES)]
        }
        Content::Indicator(indicator) => {
            if let Some(problem) = values_problem(indicator) {
                return Some(problem);
            }
            [
                ("indicator.name", indicator.name.len(), SYMBOL_BYTES),
                ("indicator.sid", indicator.sid.len(), SYMBOL_BYTES),
            ]
        }
        Content::Unusable(unusable) => [
            ("unusable.reason", unusable.reason.len(), REASON_BYTES),
            ("unusable.message", unusable.message.len(), TEXT_BYTES),
        ],
    };
    let (name, length, most) = fields.into_iter().find(|(_, length, most)| length > most)?;
    Some(format!("{name}: {length} bytes, at most {most}"))
}

fn details_problem(details: &QuoteDetails) -> Option<String> {
    let lengths = details.decimals().map(|(name, text)| (name, text.map_or(0, str::len)));
    let (name, length) = lengths.into_iter().find(|(_, length)| *length > TEXT_BYTES)?;
    Some(format!("quote.{name}: {length} bytes, at most {TEXT_BYTES}"))
}

fn values_problem(indicator: &Indicator) -> Option<String> {
    let lengths = indicator
        .values
        .iter()
        .flat_map(|value| [("name", value.name.len(), SYMBOL_BYTES), ("value", value.value.len(), TEXT_BYTES)]);
    let (name, length, most) = lengths.into_iter().find(|(_, length, most)| length > most)?;
    Some(format!("indicator.values.{name}: {length} bytes, at most {most}"))
}
