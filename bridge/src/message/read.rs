//! Goes through a payload and collects its ticks.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use intuition_api::v1::{Tick, tick::Content};
use serde_json::value::RawValue;

use super::{
    MAX_TICKS, Notes, Parsed, Reason, Rejection, cut, digest, fields,
    identity::Identity,
    indicators::{self, ReadValues},
    json::{self, Object, Value},
    listing::Listing,
    ranks,
    shapes::{self, Path, Read, Shape},
};

/// The kinds of values that are allowed at a place of the payload.
#[derive(Clone, Copy)]
struct Place {
    event: bool,
    array: bool,
}

/// The context of a value: identity, time and path from its surroundings.
#[derive(Clone)]
struct Around<'a> {
    identity: Identity,
    /// The event's time and its path. It is read only where a quote has no time of its own.
    time: Option<(&'a RawValue, String)>,
    /// The place of the value, for a person: empty, or as in `[3].data`.
    path: String,
}

impl Around<'_> {
    /// The path of a member.
    fn member(&self, key: &str) -> String {
        format!("{}{}", self.prefix(), cut(key))
    }

    fn prefix(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!("{}.", self.path) }
    }

    fn here(&self) -> &str {
        if self.path.is_empty() { "the message" } else { &self.path }
    }
}

/// The content of a tick that can be used.
struct Usable {
    content: Content,
    sha256: [u8; 32],
    rounded: bool,
}

impl From<Read> for Usable {
    fn from(Read { quote, rounded }: Read) -> Self {
        Self { sha256: digest::of_quote(&quote), content: Content::Quote(quote), rounded }
    }
}

impl From<ReadValues> for Usable {
    fn from(ReadValues { indicator, rounded }: ReadValues) -> Self {
        Self { sha256: digest::of_indicator(&indicator), content: Content::Indicator(Box::new(indicator)), rounded }
    }
}

pub(super) struct Reader<'a> {
    listing: Listing<'a>,
    arrived: i64,
    ticks: Vec<Tick>,
    /// Which of the ticks are members of one map.
    maps: Vec<Range<usize>>,
    notes: Notes,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(listing: Listing<'a>, arrived: i64) -> Self {
        Self {
            listing,
            arrived,
            ticks: Vec::new(),
            maps: Vec::new(),
            notes: Notes { no_price: 0, price_rounded: 0, seq_ignored: 0 },
        }
    }

    pub(super) fn into_parsed(mut self) -> Parsed {
        ranks::assign(&mut self.ticks, &self.maps);
        Parsed { ticks: self.ticks, notes: self.notes }
    }

    /// An error here is one of the whole message; errors of single ticks are among the ticks.
    pub(super) fn payload(&mut self, payload: &[u8], identity: &Identity) -> Result<(), Rejection> {
        let raw = json::parse(Self::text(payload)?).map_err(|error| not_json(&error))?;
        let around = Around { identity: identity.clone(), time: None, path: String::new() };
        self.value(raw, &around, Place { event: true, array: true })
    }

    /// The text of a payload.
    pub(super) fn text(payload: &[u8]) -> Result<&str, Rejection> {
        if payload.is_empty() {
            return Err(Rejection::new(Reason::Empty, "the message is empty".to_owned()));
        }
        std::str::from_utf8(payload).map_err(|error| {
            let message = format!("byte {} of the message is no UTF-8", error.valid_up_to());
            Rejection::new(Reason::NotUtf8, message)
        })
    }

    /// The time of quotes without a time.
    pub(super) const fn arrived(&self) -> i64 {
        self.arrived
    }

    /// Counts a symbol that has no price now.
    pub(super) const fn note_no_price(&mut self) {
        self.notes.no_price += 1;
    }

    /// One value with all the ticks in it. An error is [`Reason::TooManyTicks`], of the whole message.
    fn value(&mut self, raw: &RawValue, around: &Around<'_>, place: Place) -> Result<(), Rejection> {
        let opened = match json::open(raw, MAX_TICKS) {
            Ok(opened) => opened,
            Err(error) => return self.unusable(not_json(&error), &around.identity, raw),
        };
        match opened {
            Value::Array(elements) if place.array => self.array(raw, &elements, around, place),
            Value::Object(object) => self.object(raw, &object, around, place),
            _ => {
                let message = format!("{}: {} is no quote", around.here(), cut(raw.get()));
                self.unusable(Rejection::new(Reason::NotAQuote, message), &around.identity, raw)
            }
        }
    }

    fn array(
        &mut self,
        raw: &RawValue,
        elements: &[&RawValue],
        around: &Around<'_>,
        place: Place,
    ) -> Result<(), Rejection> {
        if elements.is_empty() {
            let message = format!("{}: the array is empty", around.here());
            return self.unusable(Rejection::new(Reason::NoQuotes, message), &around.identity, raw);
        }
        for (index, element) in elements.iter().enumerate() {
            let mut inside = around.clone();
            inside.path = format!("{}[{index}]", around.path);
            self.value(element, &inside, Place { event: place.event, array: false })?;
        }
        Ok(())
    }

    fn object(
        &mut self,
        raw: &RawValue,
        object: &Object<'_>,
        around: &Around<'_>,
        place: Place,
    ) -> Result<(), Rejection> {
        if let Some(key) = &object.repeated {
            let message = format!("{}: the key {:?} is there twice", around.here(), cut(key));
            return self.unusable(Rejection::new(Reason::RepeatedKey, message), &around.identity, raw);
        }
        if place.event && object.has("specversion") {
            return self.event(raw, object, around);
        }
        if object.members.is_empty() {
            let message = format!("{}: the map is empty", around.here());
            return self.unusable(Rejection::new(Reason::NoQuotes, message), &around.identity, raw);
        }
        match shapes::shape(object, self.listing) {
            Shape::Quote => self.element(raw, object, around, false),
            Shape::Indicator => self.element(raw, object, around, true),
            Shape::Map => self.map(raw, object, around),
        }
    }

    fn event(&mut self, raw: &RawValue, object: &Object<'_>, around: &Around<'_>) -> Result<(), Rejection> {
        let identity = match around.identity.overridden(object, "sequence", &around.prefix()) {
            Ok(identity) => identity,
            Err(rejection) => return self.unusable(rejection, &around.identity, raw),
        };
        let time = object.get("time").map(|raw| (raw, around.member("time")));
        let inside = Around { identity, time, path: around.member("data") };
        if let Some(data) = object.get("data") {
            // Some libraries put the JSON of the data into a string. Only strings are opened twice.
            return match data.get().starts_with('"').then(|| fields::open(data)) {
                Some(Value::Text(text)) => {
                    self.encoded(data, Some(&text), &inside, "is a string whose text is no JSON")
                }
                _ => self.value(data, &inside, Place { event: false, array: true }),
            };
        }
        let Some(encoded) = object.get("data_base64") else {
            let message = format!("{}: an event without data", around.here());
            return self.unusable(Rejection::new(Reason::MissingField, message), &inside.identity, raw);
        };
        let inside = Around { path: around.member("data_base64"), ..inside };
        let text = if let Value::Text(text) = fields::open(encoded) { Some(text) } else { None };
        let decoded =
            text.and_then(|text| STANDARD.decode(text.as_bytes()).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
        self.encoded(encoded, decoded.as_deref(), &inside, "is no Base64 of JSON")
    }

    /// The data of an event as text; `raw` is the member that it stands in.
    fn encoded(
        &mut self,
        raw: &RawValue,
        text: Option<&str>,
        around: &Around<'_>,
        complaint: &str,
    ) -> Result<(), Rejection> {
        if let Some(Ok(data)) = text.map(json::parse) {
            return self.value(data, around, Place { event: false, array: true });
        }
        let message = format!("{}: {} {complaint}", around.here(), cut(raw.get()));
        self.unusable(Rejection::new(Reason::NotJson, message), &around.identity, raw)
    }

    /// A quote, or values of an indicator.
    fn element(
        &mut self,
        raw: &RawValue,
        object: &Object<'_>,
        around: &Around<'_>,
        is_indicator: bool,
    ) -> Result<(), Rejection> {
        let prefix = around.prefix();
        let identity = match around.identity.overridden(object, "seq", &prefix) {
            Ok(identity) => identity,
            Err(rejection) => return self.unusable(rejection, &around.identity, raw),
        };
        let path = Path { here: around.here(), prefix: &prefix, name: &cut };
        let time = || self.time(around);
        let read = identity.check().and_then(|()| {
            if is_indicator {
                indicators::read(object, path, time).map(Usable::from)
            } else {
                shapes::quote(object, path, time).map(Usable::from)
            }
        });
        match read {
            Ok(usable) => self.put(usable, &identity),
            Err(rejection) => self.unusable(rejection, &identity, raw),
        }
    }

    fn map(&mut self, raw: &RawValue, object: &Object<'_>, around: &Around<'_>) -> Result<(), Rejection> {
        // Members beyond are not kept, so that it is not known whether they are prices.
        if object.members.len() > MAX_TICKS {
            return Err(too_many());
        }
        let prefix = around.prefix();
        let path = Path { here: around.here(), prefix: &prefix, name: &cut };
        let read = shapes::map(object, self.listing, path, || self.time(around));
        let map = match around.identity.check().and(read) {
            Ok(map) => map,
            Err(rejection) => return self.unusable(rejection, &around.identity, raw),
        };
        self.notes.no_price += map.without_price;
        let start = self.ticks.len();
        for read in map.quotes {
            self.push(read, &around.identity)?;
        }
        self.maps.push(start..self.ticks.len());
        Ok(())
    }

    fn time(&self, around: &Around<'_>) -> Result<i64, Rejection> {
        around.time.as_ref().map_or(Ok(self.arrived), |(raw, path)| fields::time(raw, || path.clone()))
    }

    pub(super) fn unusable(
        &mut self,
        rejection: Rejection,
        identity: &Identity,
        raw: &RawValue,
    ) -> Result<(), Rejection> {
        self.add(rejection.into_tick(identity, raw.get().as_bytes()), identity)
    }

    pub(super) fn push(&mut self, read: Read, identity: &Identity) -> Result<(), Rejection> {
        self.put(read.into(), identity)
    }

    fn put(&mut self, Usable { content, sha256, rounded }: Usable, identity: &Identity) -> Result<(), Rejection> {
        self.notes.price_rounded += u64::from(rounded);
        let content_sha256 = sha256.to_vec().into();
        self.add(Tick { content: Some(content), content_sha256, ..identity.tick() }, identity)
    }

    fn add(&mut self, tick: Tick, identity: &Identity) -> Result<(), Rejection> {
        if self.ticks.len() == MAX_TICKS {
            return Err(too_many());
        }
        self.notes.seq_ignored += u64::from(identity.ignores_seq());
        self.ticks.push(tick);
        Ok(())
    }
}

fn too_many() -> Rejection {
    Rejection::new(Reason::TooManyTicks, format!("the message holds more than {MAX_TICKS} quotes"))
}

pub(super) fn not_json(error: &serde_json::Error) -> Rejection {
    Rejection::new(Reason::NotJson, format!("the message is no JSON: {error}"))
}
