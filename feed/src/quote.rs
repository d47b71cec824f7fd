//! A quote of a source, and its published form. Pure.

use std::sync::Arc;

use bytes::Bytes;
use intuition_api::{
    decimal::Price,
    quote::{Details, interval_text},
    v1::QuoteDetails,
};
use quote_files::Row;
use serde::Serialize;

/// A quote with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Name of the source in the quote, at most 256 bytes. The numbers of one source grow.
    pub source: Arc<str>,
    /// The number, from 0 to 2^63 - 1.
    pub seq: u64,
    /// Symbol, 1 to 64 characters.
    pub sid: Arc<str>,
    /// Price of one unit; of a bar, its close.
    pub price: Price,
    /// The values beside the price.
    pub details: Details,
    /// When the price was made, in microseconds since 1970.
    pub time_micros: i64,
    /// Line of a file, so that a dead letter shows it.
    pub line: Option<u64>,
    /// Whether numbers before it were left out on purpose, so that they are no gap.
    pub is_sparse: bool,
    /// Whether the quote was fetched later than it was made: it trades nothing.
    pub is_backfill: bool,
    /// Whether no earlier run can have published it.
    pub is_new: bool,
}

/// The published form. Prices are text, so that no digit of them changes.
#[derive(Serialize)]
struct Payload<'a> {
    sid: &'a str,
    quote: String,
    time: String,
    source: &'a str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
}

impl Quote {
    /// The quote of a row of a file.
    pub fn of_row(row: &Row, source: &Arc<str>, seq: u64, line: u64) -> Self {
        Self {
            source: Arc::clone(source),
            seq,
            sid: row.sid.as_str().into(),
            price: row.price,
            details: row.details.clone(),
            time_micros: row.time_micros,
            line: Some(line),
            is_sparse: false,
            is_backfill: false,
            is_new: false,
        }
    }

    /// The message of the quote: JSON in UTF-8, as `docs/input.md` describes it.
    pub fn payload(&self) -> serde_json::Result<Bytes> {
        let QuoteDetails { size, open, high, low, volume, bid, ask, interval_micros } = self.details.to_message();
        let payload = Payload {
            sid: &self.sid,
            quote: self.price.to_string(),
            time: quote_files::moment(self.time_micros),
            source: &self.source,
            seq: self.seq,
            line: self.line,
            size,
            open,
            high,
            low,
            volume,
            bid,
            ask,
            interval: interval_micros.map(interval_text),
        };
        serde_json::to_vec(&payload).map(Bytes::from)
    }
}

#[cfg(test)]
impl Quote {
    /// A quote of a test.
    pub(crate) fn sample(source: &str, seq: u64) -> Self {
        Self {
            source: source.into(),
            seq,
            sid: "BTC/USD".into(),
            price: "1.50".parse().unwrap(),
            details: Details::default(),
            time_micros: 0,
            line: None,
            is_sparse: false,
            is_backfill: false,
            is_new: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use intuition_api::quote::Member::{Ask, Bid, High, Low, Open, Size, Volume};

    use super::*;

    #[test]
    fn row_is_published_with_its_exact_price_and_all_values() {
        let mut row = Row::new("BRK \"B\"".to_owned(), 951_868_800_000_000, "130.310".parse().unwrap());
        let published = |row: &Row| Quote::of_row(row, &"q.csv".into(), 7, 9).payload().unwrap();
        let expected =
            r#"{"sid":"BRK \"B\"","quote":"130.31","time":"2000-03-01T00:00:00Z","source":"q.csv","seq":7,"line":9}"#;
        assert_eq!(published(&row), expected);
        let values = [(Open, "1"), (High, "5"), (Low, "0.5"), (Volume, "12.50"), (Bid, "2"), (Ask, "3"), (Size, "0")];
        for (member, text) in values {
            row.details.set(member, text).unwrap();
        }
        let expected = [
            r#"{"sid":"BRK \"B\"","quote":"130.31","time":"2000-03-01T00:00:00Z","source":"q.csv","seq":7,"line":9,"#,
            r#""size":"0","open":"1","high":"5","low":"0.5","volume":"12.5","bid":"2","ask":"3"}"#,
        ];
        assert_eq!(published(&row), expected.concat());
    }
}
