//! The common form of all messages of all exchanges, and exact numbers from their JSON text.

use std::{borrow::Cow, str::FromStr as _};

use intuition_api::decimal::{ParseDecimalError, Price, Quantity};
use intuition_common::text::{printable, shortened};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::quote::Kind;

/// Characters of a message that an error shows.
const EXCERPT_CHARS: usize = 120;

/// A message that is not of its documented form. The error names the text that was found.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The text is no JSON, or a member is missing or has another type.
    #[error("a message cannot be parsed: {source}; found {found}")]
    Parse {
        /// The beginning of the message.
        found: String,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// A price or a size is no decimal in range.
    #[error("{field} {problem}; found {found}")]
    Number {
        /// Name of the member.
        field: &'static str,
        /// Its text.
        found: String,
        /// The rule that it breaks.
        problem: ParseDecimalError,
    },
    /// A member is of the right type and has a value that cannot be used.
    #[error("{field} is no {expected}; found {found}")]
    Value {
        /// Name of the member.
        field: &'static str,
        /// The documented value.
        expected: &'static str,
        /// Its text.
        found: String,
    },
    /// The exchange answered a request with an error.
    #[error("the exchange refuses the request: {0}")]
    Refuse(String),
}

/// A trade or a closed bar with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// As in [`Quote::seq`](crate::Quote::seq).
    pub number: u64,
    /// As in [`Quote::price`](crate::Quote::price).
    pub price: Price,
    /// As in [`Quote::time_micros`](crate::Quote::time_micros).
    pub time_micros: i64,
    /// As in [`Quote::kind`](crate::Quote::kind).
    pub kind: Kind,
}

/// A message of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A trade or a closed bar.
    Entry {
        /// The symbol as the exchange writes it.
        symbol: String,
        /// The trade or the bar.
        entry: Entry,
        /// The exchange sends it on subscribing: it is no news.
        is_old: bool,
    },
    /// The highest number of a symbol so far, without its trade.
    LastNumber {
        /// The symbol as the exchange writes it.
        symbol: String,
        /// The number.
        number: u64,
    },
    /// The connection works.
    Heartbeat,
    /// A subscription is in force.
    Subscribed(Subscription),
    /// A subscription is refused.
    Refused {
        /// The subscription, as far as the answer names it.
        subscription: Subscription,
        /// The exchange's text.
        text: String,
    },
    /// The server is about to close the connection.
    Shutdown,
}

/// The subject of an answer to a request: a number of a request, or symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// All symbols of the request with this number.
    Request(u64),
    /// These symbols.
    Symbols(Vec<String>),
    /// The answer names neither.
    Unnamed,
}

/// The beginning of a text from outside, in printable characters.
pub(crate) fn excerpt(text: &str) -> String {
    printable(&shortened(text, EXCERPT_CHARS)).into_owned()
}

/// Parses JSON text, with an error that shows the text.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, MessageError> {
    serde_json::from_str(text).map_err(|source| MessageError::Parse { found: excerpt(text), source })
}

/// The text of a JSON number, or of a JSON string with a number in it: exchanges use both.
fn number_text(raw: &RawValue) -> Result<Cow<'_, str>, MessageError> {
    let text = raw.get();
    if text.starts_with('"') { parse::<String>(text).map(Cow::Owned) } else { Ok(Cow::Borrowed(text)) }
}

/// A price of any notation, exponents included.
pub(crate) fn price(field: &'static str, raw: &RawValue) -> Result<Price, MessageError> {
    let text = number_text(raw)?;
    let rounded = Price::rounded(&text).map(|(price, _)| price);
    rounded.map_err(|problem| MessageError::Number { field, found: excerpt(raw.get()), problem })
}

/// A size of any notation, exponents included.
pub(crate) fn quantity(field: &'static str, raw: &RawValue) -> Result<Quantity, MessageError> {
    let text = number_text(raw)?;
    let rounded = Quantity::rounded(&text).map(|(quantity, _)| quantity);
    rounded.map_err(|problem| MessageError::Number { field, found: excerpt(raw.get()), problem })
}

/// A time in milliseconds since the Unix epoch, as microseconds.
pub(crate) fn millis(field: &'static str, millis: i64) -> Result<i64, MessageError> {
    let micros = millis.checked_mul(1_000);
    micros.ok_or_else(|| MessageError::Value { field, expected: "time", found: millis.to_string() })
}

/// A time in seconds since the Unix epoch with any digits after the point, as microseconds, rounded down.
pub(crate) fn seconds(field: &'static str, raw: &RawValue) -> Result<i64, MessageError> {
    let text = number_text(raw)?;
    let micros = intuition_api::decimal::truncated(&text, 6).and_then(|micros| i64::try_from(micros).ok());
    micros.ok_or_else(|| MessageError::Value { field, expected: "time", found: excerpt(raw.get()) })
}

/// A time of RFC 3339, as microseconds, rounded down.
pub(crate) fn rfc3339(field: &'static str, text: &str) -> Result<i64, MessageError> {
    let time = Timestamp::from_str(text).map(Timestamp::as_microsecond);
    time.map_err(|_| MessageError::Value { field, expected: "time", found: excerpt(text) })
}

/// The minute since the Unix epoch that a time is in. `None`: a time before 1970.
pub(crate) fn minute(time_micros: i64) -> Option<u64> {
    u64::try_from(time_micros.div_euclid(crate::quote::MINUTE_MICROS)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn numbers_are_exact_as_text_and_as_json_numbers() {
        for (text, expected) in [
            ("9.4e-05", "0.000094"),
            ("\"9.4e-05\"", "0.000094"),
            ("0.1", "0.1"),
            ("\"0.00100000\"", "0.001"),
            ("30243.4", "30243.4"),
            ("1e2", "100"),
            // The nearest binary number prints as 12345678.123456789.
            ("12345678.1234567891", "12345678.1234567891"),
        ] {
            assert_eq!(price("p", &raw(text)).unwrap().to_string(), expected, "{text}");
        }
        assert_eq!(quantity("q", &raw("9.4e-05")).unwrap().to_string(), "0.000094");
    }

    #[test]
    fn errors_name_the_member_and_the_text_that_was_found() {
        for (found, shown) in [
            ("\"abc\"", "p is not a decimal number; found \"abc\""),
            ("-1", "p must be more than 0; found -1"),
            ("null", "p is not a decimal number; found null"),
            ("1e40", "p has more than 12 digits before the point; found 1e40"),
        ] {
            assert_eq!(price("p", &raw(found)).unwrap_err().to_string(), shown);
        }
        let error = parse::<serde_json::Value>("<html>\n\u{1b}[2J").unwrap_err().to_string();
        assert!(error.contains("<html>\\n") && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn times_become_microseconds_and_are_rounded_down() {
        assert_eq!(seconds("t", &raw("1688669597.8277369")).unwrap(), 1_688_669_597_827_736);
        assert_eq!(rfc3339("t", "2023-09-25T07:48:36.925533Z").unwrap(), 1_695_628_116_925_533);
        assert_eq!(rfc3339("t", "2023-09-25T07:48:36.925533999Z").unwrap(), 1_695_628_116_925_533);
        assert!(seconds("t", &raw("\"soon\"")).unwrap_err().to_string().contains("soon"));
        assert!(rfc3339("t", "yesterday").unwrap_err().to_string().contains("yesterday"));
        assert!(millis("t", i64::MAX).is_err());
    }
}
