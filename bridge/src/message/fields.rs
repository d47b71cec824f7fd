//! The members of a quote, each read exactly. Their paths are asked for only where something is wrong.

use intuition_api::{
    decimal::{self, ParseDecimalError, Price},
    epoch,
};
use jiff::{Timestamp, civil::Date, fmt::temporal::Pieces, tz::TimeZone};
use serde_json::value::RawValue;

use super::{
    Reason, Rejection, cut,
    json::{self, Value},
};

/// Bound on the characters of a symbol.
const MAX_SYMBOL_CHARS: usize = 64;
const NO_TIME: &str = "is neither a date nor a time as in 2026-01-02T03:04:05Z";
const NO_EPOCH: &str =
    "is no time between 1990 and 2100 in seconds, milliseconds, microseconds or nanoseconds since 1970-01-01T00:00:00Z";
/// RFC 3339 has no year before 0; the end is the library's, which leaves room for every offset.
const OUT_OF_RANGE: &str = "is out of range, which is 0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z";

/// A value of one level. A value that cannot be decoded counts as null, which no field accepts.
pub(super) fn open(raw: &RawValue) -> Value<'_> {
    json::open(raw, 0).unwrap_or(Value::Null)
}

/// A price as the contract carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PriceText {
    pub(super) price: Price,
    /// In its canonical form.
    pub(super) text: String,
    /// Whether digits were rounded off.
    pub(super) rounded: bool,
}

/// Reasons against a price.
pub(super) enum NoPrice {
    /// Neither a positive number nor text of one.
    OtherKind(&'static str),
    /// A positive number beyond the range that is kept exactly.
    OutOfRange(ParseDecimalError),
}

/// A price, from a string or a number.
pub(super) fn read_price(raw: &RawValue) -> Result<PriceText, NoPrice> {
    let parsed = match open(raw) {
        Value::Text(text) => Price::rounded(&text),
        Value::Number(text) => Price::rounded(text),
        _ => return Err(NoPrice::OtherKind("is no price")),
    };
    match parsed {
        Ok((price, rounded)) => Ok(PriceText { price, text: price.to_string(), rounded }),
        Err(ParseDecimalError::NotANumber) => Err(NoPrice::OtherKind("is not a decimal number")),
        Err(ParseDecimalError::NotPositive) => Err(NoPrice::OtherKind("must be more than 0")),
        Err(error) => Err(NoPrice::OutOfRange(error)),
    }
}

/// A price of a quote.
pub(super) fn price(raw: &RawValue, path: impl FnOnce() -> String) -> Result<PriceText, Rejection> {
    read_price(raw).map_err(|error| bad_price(&error, raw, path))
}

/// The rejection of a value that should be a price.
pub(super) fn bad_price(error: &NoPrice, raw: &RawValue, path: impl FnOnce() -> String) -> Rejection {
    let complaint: &dyn std::fmt::Display = match error {
        NoPrice::OtherKind(complaint) => complaint,
        NoPrice::OutOfRange(error) => error,
    };
    Rejection::new(Reason::BadPrice, format!("{}: {} {complaint}", path(), cut(raw.get())))
}

/// Whether both values are numbers, or text of numbers, and the same one. `None`: one of them is no number.
pub(super) fn same_number(one: &RawValue, other: &RawValue) -> Option<bool> {
    let text = |raw| match open(raw) {
        Value::Text(text) => Some(text),
        Value::Number(text) => Some(text.into()),
        _ => None,
    };
    decimal::same_number(&text(one)?, &text(other)?)
}

/// A symbol.
pub(super) fn symbol(text: &str, path: impl FnOnce() -> String) -> Result<String, Rejection> {
    let length = text.chars().take(MAX_SYMBOL_CHARS + 1).count();
    if (1..=MAX_SYMBOL_CHARS).contains(&length) {
        return Ok(text.to_owned());
    }
    let message = format!("{}: a symbol has 1 to {MAX_SYMBOL_CHARS} characters, found {:?}", path(), cut(text));
    Err(Rejection::new(Reason::BadSymbol, message))
}

/// The symbol in a member.
pub(super) fn symbol_member(raw: &RawValue, path: impl FnOnce() -> String) -> Result<String, Rejection> {
    match open(raw) {
        Value::Text(text) => symbol(&text, path),
        _ => Err(Rejection::new(Reason::BadSymbol, format!("{}: {} is no string", path(), cut(raw.get())))),
    }
}

/// A time in microseconds since the epoch, which RFC 3339 can write in UTC.
pub(super) fn time(raw: &RawValue, path: impl FnOnce() -> String) -> Result<i64, Rejection> {
    let parsed = match open(raw) {
        Value::Text(text) => moment(&text).map(Timestamp::as_microsecond),
        Value::Number(text) => epoch::recognised(text).map(|(_, micros)| micros).ok_or(NO_EPOCH),
        _ => Err(NO_TIME),
    };
    parsed.map_err(|complaint| Rejection::new(Reason::BadTime, format!("{}: {} {complaint}", path(), cut(raw.get()))))
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
