//! A message's payload as ticks: quotes, values of indicators, or the reason why there is none.
//!
//! An object with `specversion` is a structured CloudEvent, an object with symbol and price is a quote, one with `indicator` and
//! values has values of an indicator, and an object of prices alone is a map of symbols; an array holds several of these. Any other object is no quote: input is never
//! guessed. docs/input.md has every rule. Parsing never fails: a message or element of another shape is an unusable
//! tick, which the runtime sends to the dead-letter topic.

mod details;
mod digest;
mod fields;
mod format;
mod identity;
mod indicators;
mod inputs;
mod json;
mod listing;
mod marks;
mod names;
mod ranks;
mod read;
mod reason;
mod shapes;

use intuition_api::v1::{Tick, Unusable, tick::Content};

use self::{format::Described, identity::Identity, read::Reader};
pub use self::{
    inputs::{Inputs, OnTopic},
    marks::Marks,
    names::with_reserved_names,
    reason::Reason,
};

/// Ticks that one message may hold.
pub const MAX_TICKS: usize = intuition_api::bounds::DELIVERY_TICKS;
/// Bound on the characters of a value that a message to a person repeats.
const MAX_SHOWN_CHARS: usize = 64;

/// A message as the broker gave it.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// Its payload.
    pub payload: &'a [u8],
    /// Its MQTT 5 user properties: `id`, `source` and `seq` count where the payload has none.
    pub user_properties: &'a [(String, String)],
    /// Its description by the inputs of its topic.
    pub input: OnTopic<'a>,
    /// Time of arrival in microseconds since the epoch, for a quote without a time.
    pub arrived_micros: i64,
}

/// The ticks of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// At most [`MAX_TICKS`]. None where every symbol of the message is without a price.
    pub ticks: Vec<Tick>,
    /// Ticks and members that were not taken as they were written.
    pub notes: Notes,
}

/// Ticks and members that were not taken as they were written, and are no error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes {
    /// Members of price maps that are null: symbols without a price now.
    pub no_price: u64,
    /// Ticks with a price or a value of an indicator rounded to 10 places, or a size or volume rounded to 8.
    pub price_rounded: u64,
    /// Ticks with an id and an invalid `seq`.
    pub seq_ignored: u64,
}

impl Envelope<'_> {
    /// The publisher's marks.
    pub fn marks(&self) -> Marks {
        Marks::read(self.user_properties)
    }

    /// SHA-256 of payload and user properties, as `Delivery.envelope_sha256` carries it.
    pub fn sha256(&self) -> [u8; 32] {
        digest::of_envelope(self.payload, self.user_properties)
    }

    /// The tick in place of a delivery that would be too large for the runtime.
    pub fn too_large(&self, bytes: usize, largest: usize) -> Tick {
        let message = format!(
            "the quotes of the message take {bytes} bytes on the way to the runtime, at most {largest} are taken: split it"
        );
        let identity = Identity::from_properties(self.user_properties).unwrap_or_default();
        let rejection = Rejection::new(Reason::DeliveryTooLarge, message);
        Tick { ordinal: Some(0), ..rejection.into_tick(&identity, self.payload) }
    }

    /// The message with its format; `None`: it is a quote of our own.
    fn described(&self) -> Option<Described<'_>> {
        let format = self.input.format?;
        let Self { payload, user_properties, .. } = *self;
        Some(Described { format, topic: self.input.topic, user_properties, payload })
    }

    /// Reads the ticks.
    pub fn parse(&self) -> Parsed {
        let mut reader = Reader::new(self.input.listing, self.arrived_micros);
        let (identity, outcome) = match Identity::from_properties(self.user_properties) {
            Ok(identity) => {
                let outcome = match self.described() {
                    None => reader.payload(self.payload, &identity),
                    Some(described) => format::read(&mut reader, described, &identity),
                };
                (identity, outcome)
            }
            Err(rejection) => (Identity::default(), Err(rejection)),
        };
        match outcome {
            Ok(()) => reader.into_parsed(),
            // The message as a whole.
            Err(rejection) => {
                let tick = Tick { ordinal: Some(0), ..rejection.into_tick(&identity, self.payload) };
                Parsed { ticks: vec![tick], notes: Notes::default() }
            }
        }
    }
}

/// A rejected part of a message: the reason, and the wrong value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rejection {
    reason: Reason,
    message: String,
}

impl Rejection {
    const fn new(reason: Reason, message: String) -> Self {
        Self { reason, message }
    }

    /// The tick of a part of the message that is no quote; `text` is that part.
    fn into_tick(self, identity: &Identity, text: &[u8]) -> Tick {
        let unusable = Unusable { reason: self.reason.as_str().to_owned(), message: self.message };
        Tick {
            content: Some(Content::Unusable(unusable)),
            content_sha256: digest::of_unusable(text).to_vec().into(),
            ..identity.tick()
        }
    }
}

/// The text shortened for a message to a person.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
