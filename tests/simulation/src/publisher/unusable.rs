//! Messages and elements that are no quote, with the reason of their dead letter.

use bytes::Bytes;
use rand::{RngExt as _, rngs::ChaCha8Rng};

/// JSON values that may stand in an array.
pub(super) const ELEMENTS: [(&str, &str); 12] = [
    (r#"{"temperature": 21.5, "ok": true}"#, "NotAQuote"),
    (r#"{"o": 1, "h": 2, "l": 1, "c": 2, "t": 1582641000}"#, "NotAQuote"),
    (r#"{"GOOG": 3.45, "AAPL": "n/a"}"#, "NotAQuote"),
    ("17", "NotAQuote"),
    (r#"{"sid": "GOOG", "quote": "1,029.27"}"#, "BadPrice"),
    (r#"{"sid": "GOOG", "quote": -1}"#, "BadPrice"),
    (r#"{"symbol": "GOOG", "price": 42000.1, "quote": 41999}"#, "BadPrice"),
    (r#"{"GOOG": 3.45, "AAPL": 2.5e-11}"#, "BadPrice"),
    (r#"{"sid": "GOOG"}"#, "MissingField"),
    (r#"{"sid": "GOOG", "symbol": "AAPL", "price": 3.45}"#, "BadSymbol"),
    (r#"{"sid": "GOOG", "quote": 3.45, "time": 20260102}"#, "BadTime"),
    (r#"{"sid": "GOOG", "quote": 3.45, "seq": 1.5}"#, "BadIdentity"),
];

/// Payloads that are no quote as a whole.
pub(super) const MESSAGES: [(&[u8], &str); 5] = [
    (br#"{"sid": "GOOG", "#, "NotJson"),
    (b"", "Empty"),
    (b"\xff\xfe", "NotUtf8"),
    (b"[]", "NoQuotes"),
    (b"{}", "NoQuotes"),
];

/// Bytes of a message whose dead letter has six for each of them.
const LONG: std::ops::RangeInclusive<usize> = 300..=3_000;

pub(super) fn element(draw: &mut ChaCha8Rng) -> (&'static str, &'static str) {
    ELEMENTS.get(draw.random_range(0..ELEMENTS.len())).copied().unwrap_or_default()
}

pub(super) fn message(draw: &mut ChaCha8Rng) -> (Bytes, &'static str) {
    match draw.random_range(0..=MESSAGES.len()) {
        0 => (vec![1; draw.random_range(LONG)].into(), "NotJson"),
        place if draw.random_bool(0.5) => {
            let (payload, reason) = MESSAGES.get(place - 1).copied().unwrap_or_default();
            (Bytes::from_static(payload), reason)
        }
        _ => {
            let (payload, reason) = element(draw);
            (Bytes::from_static(payload.as_bytes()), reason)
        }
    }
}
