//! The members of a quote, each read exactly.

use intuition_api::decimal::Price;
use jiff::{Timestamp, civil::Date, fmt::temporal::Pieces, tz::TimeZone};
use serde_json::value::RawValue;

use super::{
    Problem, Reason, cut,
    json::{self, Object, Value},
};

/// Bytes that an id or a source may have.
const IDENTITY_BYTES: usize = 256;
/// Characters that a symbol may have.
const SYMBOL_CHARS: usize = 64;
const NO_TIME: &str = "is neither a date nor a time as in 2026-01-02T03:04:05Z";
/// RFC 3339 has no year before 0; the end is the library's, which leaves room for every offset.
const OUT_OF_RANGE: &str = "is out of range, which is 0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z";

/// Who published a quote, and which of theirs it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) seq: Option<i64>,
}

impl Identity {
    /// From MQTT 5 user properties; the first of a name counts.
    pub(super) fn from_properties(properties: &[(String, String)]) -> Result<Self, Problem> {
        let find = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let checked = |name: &'static str| match find(name) {
            Some(text) => fits(text, &format!("user property {name}")),
            None => Ok(String::new()),
        };
        Ok(Self { id: checked("id")?, source: checked("source")?, seq: find("seq").and_then(|text| text.parse().ok()) })
    }

    /// These, where the object says nothing about a field. `seq` is the name that the sequence has there.
    pub(super) fn overridden(&self, object: &Object<'_>, seq: &str, path: &str) -> Result<Self, Problem> {
        let mut identity = self.clone();
        if let Some(raw) = object.get("id") {
            let id = match open(raw) {
                Value::Text(text) => text,
                Value::Number(text) if text.parse::<i128>().is_ok() => text.to_owned(),
                _ => return Err(bad_identity(&format!("{path}id"), "is neither a string nor an integer", raw)),
            };
            identity.id = fits(id, &format!("{path}id"))?;
        }
        if let Some(raw) = object.get("source") {
            let Value::Text(source) = open(raw) else {
                return Err(bad_identity(&format!("{path}source"), "is no string", raw));
            };
            identity.source = fits(source, &format!("{path}source"))?;
        }
        if let Some(raw) = object.get(seq) {
            identity.seq = match open(raw) {
                Value::Text(text) => text.parse().ok(),
                Value::Number(text) => text.parse().ok(),
                _ => None,
            };
        }
        Ok(identity)
    }
}

fn fits(text: String, path: &str) -> Result<String, Problem> {
    if text.len() <= IDENTITY_BYTES {
        return Ok(text);
    }
    let message = format!("{path}: {} bytes, at most {IDENTITY_BYTES} are taken", text.len());
    Err(Problem::new(Reason::BadIdentity, message))
}

fn bad_identity(path: &str, complaint: &str, raw: &RawValue) -> Problem {
    Problem::new(Reason::BadIdentity, format!("{path}: {} {complaint}", cut(raw.get())))
}

/// A value that was looked at; one that cannot be decoded is nothing that anyone asks for.
fn open(raw: &RawValue) -> Value<'_> {
    json::open(raw, 0).unwrap_or(Value::Null)
}

/// A price, from a string or a number.
pub(super) fn price(raw: &RawValue, path: &str) -> Result<String, Problem> {
    let parsed = match open(raw) {
        Value::Text(text) => text.parse::<Price>(),
        Value::Number(text) => text.parse::<Price>(),
        _ => return Err(Problem::new(Reason::BadPrice, format!("{path}: {} is no price", cut(raw.get())))),
    };
    match parsed {
        Ok(price) => Ok(price.to_string()),
        Err(error) => Err(Problem::new(Reason::BadPrice, format!("{path}: {} {error}", cut(raw.get())))),
    }
}

/// A symbol.
pub(super) fn symbol(text: &str, path: &str) -> Result<String, Problem> {
    let length = text.chars().take(SYMBOL_CHARS + 1).count();
    if (1..=SYMBOL_CHARS).contains(&length) {
        return Ok(text.to_owned());
    }
    let message = format!("{path}: a symbol has 1 to {SYMBOL_CHARS} characters, found {:?}", cut(text));
    Err(Problem::new(Reason::BadSymbol, message))
}

/// The symbol in a member.
pub(super) fn symbol_member(raw: &RawValue, path: &str) -> Result<String, Problem> {
    match open(raw) {
        Value::Text(text) => symbol(&text, path),
        _ => Err(Problem::new(Reason::BadSymbol, format!("{path}: {} is no string", cut(raw.get())))),
    }
}

/// A time in microseconds since the epoch, which RFC 3339 can write in UTC.
pub(super) fn time(raw: &RawValue, path: &str) -> Result<i64, Problem> {
    let parsed = match open(raw) {
        Value::Text(text) => moment(&text),
        _ => Err(NO_TIME),
    };
    parsed
        .map(Timestamp::as_microsecond)
        .map_err(|complaint| Problem::new(Reason::BadTime, format!("{path}: {} {complaint}", cut(raw.get()))))
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    // Exactly a date: longer text would be read as one too, and its time of day be lost.
    let timestamp = if text.len() == "2026-01-02".len() {
        let date: Date = text.parse().map_err(|_| NO_TIME)?;
        date.to_zoned(TimeZone::UTC).map_err(|_| OUT_OF_RANGE)?.timestamp()
    } else {
        text.parse().map_err(|_| if is_time(text) { OUT_OF_RANGE } else { NO_TIME })?
    };
    if TimeZone::UTC.to_datetime(timestamp).year() < 0 { Err(OUT_OF_RANGE) } else { Ok(timestamp) }
}

/// Whether text is a time of day with its offset from UTC, however far away.
fn is_time(text: &str) -> bool {
    Pieces::parse(text).is_ok_and(|pieces| pieces.time().is_some() && pieces.offset().is_some())
}
