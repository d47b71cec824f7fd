//! A message's payload as ticks: quotes, or the reason why there is none.
//!
//! An object with `specversion` is a structured CloudEvent, an object with one of [`QUOTE_MEMBERS`] is a quote, any
//! other object a map of symbols to prices, an array a batch of these. Nothing here fails: what cannot be used is an
//! unusable tick, which the runtime sends to the dead-letter topic.

mod fields;
mod json;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use intuition_api::v1::{Quote, Tick, Unusable, tick::Content};
use serde_json::value::RawValue;

use self::{
    fields::Identity,
    json::{Object, Value},
};

/// Ticks that one message may hold.
pub const MAX_TICKS: usize = 10_000;
/// Members that make an object a quote.
pub const QUOTE_MEMBERS: [&str; 8] = ["sid", "quote", "price", "symbol", "id", "time", "source", "seq"];
/// Characters of what was found that a message repeats.
const SHOWN: usize = 64;

/// Why a tick cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No UTF-8.
    NotUtf8,
    /// No bytes.
    Empty,
    /// No JSON.
    NotJson,
    /// JSON of no shape that is known.
    NotAQuote,
    /// A quote without symbol or price, an event without data.
    MissingField,
    /// The same key twice in one object.
    RepeatedKey,
    /// No positive decimal that fits.
    BadPrice,
    /// No text of 1 to 64 characters.
    BadSymbol,
    /// No date and no RFC 3339 time.
    BadTime,
    /// An id or a source that is too long or of the wrong kind.
    BadIdentity,
    /// An empty map or array.
    NoQuotes,
    /// More than [`MAX_TICKS`].
    TooManyTicks,
}

impl Reason {
    /// The CamelCase code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "NotUtf8",
            Self::Empty => "Empty",
            Self::NotJson => "NotJson",
            Self::NotAQuote => "NotAQuote",
            Self::MissingField => "MissingField",
            Self::RepeatedKey => "RepeatedKey",
            Self::BadPrice => "BadPrice",
            Self::BadSymbol => "BadSymbol",
            Self::BadTime => "BadTime",
            Self::BadIdentity => "BadIdentity",
            Self::NoQuotes => "NoQuotes",
            Self::TooManyTicks => "TooManyTicks",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message as the broker gave it.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Its payload.
    pub payload: &'a [u8],
    /// Its MQTT 5 user properties: `id`, `source` and `seq` count where the payload says nothing.
    pub user_properties: &'a [(String, String)],
    /// When it came, microseconds since the epoch: a quote's time where nobody gives one.
    pub arrived_micros: i64,
}

impl Envelope<'_> {
    /// Whether the publisher says that a sequence going back is a repetition.
    pub fn is_replay(&self) -> bool {
        self.user_properties.iter().any(|(key, value)| key == "replay" && value != "false")
    }

    /// What is in it: at least one tick, at most [`MAX_TICKS`].
    pub fn ticks(&self) -> Vec<Tick> {
        let mut reader = Reader { ticks: Vec::new(), arrived: self.arrived_micros };
        let (identity, problem) = match Identity::from_properties(self.user_properties) {
            Ok(identity) => (identity, None),
            Err(problem) => (Identity::default(), Some(problem)),
        };
        let outcome = match problem {
            Some(problem) => Err(problem),
            None => reader.payload(self.payload, &identity),
        };
        match outcome {
            Ok(()) => reader.ticks,
            // The message as a whole.
            Err(problem) => vec![problem.into_tick(&identity)],
        }
    }
}

/// Why something cannot be used, with what was found and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    reason: Reason,
    message: String,
}

impl Problem {
    const fn new(reason: Reason, message: String) -> Self {
        Self { reason, message }
    }

    fn into_tick(self, identity: &Identity) -> Tick {
        tick(identity, Content::Unusable(Unusable { reason: self.reason.as_str().to_owned(), message: self.message }))
    }
}

fn tick(identity: &Identity, content: Content) -> Tick {
    Tick {
        source: identity.source.clone(),
        seq: identity.seq,
        id: identity.id.clone(),
        content: Some(content),
        ..Tick::default()
    }
}

/// Text as a message for a person shows it.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What a value may be where it stands.
#[derive(Clone, Copy)]
struct Place {
    event: bool,
    array: bool,
}

/// What holds for a value from what is around it.
#[derive(Clone)]
struct Around<'a> {
    identity: Identity,
    /// The event's time and the path of it, checked only where it is needed.
    time: Option<(&'a RawValue, String)>,
    /// Where the value stands, for a person: empty, or as in `[3].data`.
    path: String,
}

impl Around<'_> {
    /// The path of a member.
    fn member(&self, key: &str) -> String {
        if self.path.is_empty() { cut(key) } else { format!("{}.{}", self.path, cut(key)) }
    }

    fn prefix(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!("{}.", self.path) }
    }

    fn here(&self) -> &str {
        if self.path.is_empty() { "the message" } else { &self.path }
    }
}

struct Reader {
    ticks: Vec<Tick>,
    arrived: i64,
}

impl Reader {
    /// An error here is one of the whole message; errors of single ticks are among the ticks.
    fn payload(&mut self, payload: &[u8], identity: &Identity) -> Result<(), Problem> {
        if payload.is_empty() {
            return Err(Problem::new(Reason::Empty, "the message is empty".to_owned()));
        }
        let text = std::str::from_utf8(payload).map_err(|error| {
            let message = format!("byte {} of the message is no UTF-8", error.valid_up_to());
            Problem::new(Reason::NotUtf8, message)
        })?;
        let raw = json::parse(text).map_err(|error| not_json(&error))?;
        let around = Around { identity: identity.clone(), time: None, path: String::new() };
        self.value(raw, &around, Place { event: true, array: true })
    }

    /// One value with all the ticks in it. An error is [`Reason::TooManyTicks`], of the whole message.
    fn value(&mut self, raw: &RawValue, around: &Around<'_>, place: Place) -> Result<(), Problem> {
        let opened = match json::open(raw, MAX_TICKS) {
            Ok(opened) => opened,
            Err(error) => return self.unusable(not_json(&error), &around.identity),
        };
        match opened {
            Value::Array(elements) if place.array => self.array(&elements, around, place),
            Value::Object(object) => self.object(&object, around, place),
            _ => {
                let message = format!("{}: {} is no quote", around.here(), cut(raw.get()));
                self.unusable(Problem::new(Reason::NotAQuote, message), &around.identity)
            }
        }
    }

    fn array(&mut self, elements: &[&RawValue], around: &Around<'_>, place: Place) -> Result<(), Problem> {
        if elements.is_empty() {
            let message = format!("{}: the array is empty", around.here());
            return self.unusable(Problem::new(Reason::NoQuotes, message), &around.identity);
        }
        for (index, element) in elements.iter().enumerate() {
            let mut inside = around.clone();
            inside.path = format!("{}[{index}]", around.path);
            self.value(element, &inside, Place { event: place.event, array: false })?;
        }
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>, around: &Around<'_>, place: Place) -> Result<(), Problem> {
        if let Some(key) = &object.repeated {
            let message = format!("{}: the key {:?} is there twice", around.here(), cut(key));
            return self.unusable(Problem::new(Reason::RepeatedKey, message), &around.identity);
        }
        if place.event && object.has("specversion") {
            return self.event(object, around);
        }
        if QUOTE_MEMBERS.iter().any(|member| object.has(member)) {
            return self.quote(object, around);
        }
        if object.members.is_empty() {
            let message = format!("{}: the map is empty", around.here());
            return self.unusable(Problem::new(Reason::NoQuotes, message), &around.identity);
        }
        for (symbol, raw) in &object.members {
            let path = around.member(symbol);
            let quote = fields::symbol(symbol, &path)
                .and_then(|sid| Ok(Quote { sid, price: fields::price(raw, &path)?, time_micros: self.time(around)? }));
            self.push(quote, &around.identity)?;
        }
        Ok(())
    }

    fn event(&mut self, object: &Object<'_>, around: &Around<'_>) -> Result<(), Problem> {
        let identity = match around.identity.overridden(object, "sequence", &around.prefix()) {
            Ok(identity) => identity,
            Err(problem) => return self.unusable(problem, &around.identity),
        };
        let time = object.get("time").map(|raw| (raw, around.member("time")));
        let inside = Around { identity, time, path: around.member("data") };
        let place = Place { event: false, array: true };
        if let Some(data) = object.get("data") {
            return self.value(data, &inside, place);
        }
        let Some(encoded) = object.get("data_base64") else {
            let message = format!("{}: an event without data", around.here());
            return self.unusable(Problem::new(Reason::MissingField, message), &inside.identity);
        };
        let text = serde_json::from_str::<String>(encoded.get()).ok();
        let decoded = text.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(Ok(data)) = decoded.as_deref().map(json::parse) {
            self.value(data, &inside, place)
        } else {
            let message = format!("{}: is no Base64 of JSON", around.member("data_base64"));
            self.unusable(Problem::new(Reason::NotJson, message), &inside.identity)
        }
    }

    fn quote(&mut self, object: &Object<'_>, around: &Around<'_>) -> Result<(), Problem> {
        let identity = match around.identity.overridden(object, "seq", &around.prefix()) {
            Ok(identity) => identity,
            Err(problem) => return self.unusable(problem, &around.identity),
        };
        let quote = self.quote_members(object, around);
        self.push(quote, &identity)
    }

    fn quote_members(&self, object: &Object<'_>, around: &Around<'_>) -> Result<Quote, Problem> {
        let member = |key: &str| {
            object.get(key).ok_or_else(|| {
                let message = format!("{}: a quote needs `sid` and `quote`, there is no {key:?}", around.here());
                Problem::new(Reason::MissingField, message)
            })
        };
        let (sid, price) = (member("sid")?, member("quote")?);
        Ok(Quote {
            sid: fields::symbol_member(sid, &around.member("sid"))?,
            price: fields::price(price, &around.member("quote"))?,
            time_micros: match object.get("time") {
                Some(raw) => fields::time(raw, &around.member("time"))?,
                None => self.time(around)?,
            },
        })
    }

    fn time(&self, around: &Around<'_>) -> Result<i64, Problem> {
        around.time.as_ref().map_or(Ok(self.arrived), |(raw, path)| fields::time(raw, path))
    }

    fn unusable(&mut self, problem: Problem, identity: &Identity) -> Result<(), Problem> {
        self.push(Err(problem), identity)
    }

    fn push(&mut self, quote: Result<Quote, Problem>, identity: &Identity) -> Result<(), Problem> {
        if self.ticks.len() == MAX_TICKS {
            let message = format!("the message holds more than {MAX_TICKS} quotes");
            return Err(Problem::new(Reason::TooManyTicks, message));
        }
        self.ticks.push(match quote {
            Ok(quote) => tick(identity, Content::Quote(quote)),
            Err(problem) => problem.into_tick(identity),
        });
        Ok(())
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(Reason::NotJson, format!("the message is no JSON: {error}"))
}

#[cfg(test)]
mod tests;
