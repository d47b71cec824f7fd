//! The quote that a feed publishes for a row. Pure.

use bytes::Bytes;
use intuition_api::v1::QuoteDetails;
use quote_files::Row;
use serde::{Deserialize, Serialize};

/// A row on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quote {
    /// Index of its file.
    pub(crate) file: usize,
    /// Number of the row in its file.
    pub(crate) seq: u64,
    /// Its line.
    pub(crate) line: u64,
    /// Whether rows before it were left out, so that its number is behind a gap that is none.
    pub(crate) is_behind_gap: bool,
    /// The message.
    pub(crate) payload: Bytes,
}

/// The published form. Prices are text, so that no digit of them changes.
#[derive(Serialize)]
struct Payload<'a> {
    sid: &'a str,
    quote: String,
    time: String,
    source: &'a str,
    seq: u64,
    /// Of the file, so that a dead letter shows it.
    line: u64,
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
}

/// The members of a message that are read back.
#[derive(Deserialize)]
struct Published {
    sid: String,
    source: String,
    seq: u64,
    line: u64,
}

/// The message for a row.
pub(super) fn payload(row: &Row, source: &str, seq: u64, line: u64) -> serde_json::Result<Bytes> {
    let QuoteDetails { size, open, high, low, volume, bid, ask, interval_micros: _ } = row.details.to_message();
    let payload = Payload {
        sid: &row.sid,
        quote: row.price.to_string(),
        time: quote_files::moment(row.time_micros),
        source,
        seq,
        line,
        size,
        open,
        high,
        low,
        volume,
        bid,
        ask,
    };
    serde_json::to_vec(&payload).map(Bytes::from)
}

/// The sources of a feed, and the name of the file of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources(pub(crate) Vec<(String, String)>);

/// A quote that was recognised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// File and line, for a person.
    pub(crate) place: String,
    /// Symbol.
    pub(crate) sid: String,
    /// Source and number.
    pub(crate) identity: (String, u64),
}

impl Sources {
    /// The quote in a message of this feed; `None`: the message is another publisher's.
    pub(crate) fn recognise(&self, payload: &[u8]) -> Option<Known> {
        let Published { sid, source, seq, line } = serde_json::from_slice(payload).ok()?;
        let (_, file) = self.0.iter().find(|(known, _)| *known == source)?;
        Some(Known { place: format!("{file}: line {line}"), sid, identity: (source, seq) })
    }
}

#[cfg(test)]
mod tests {
    use intuition_api::quote::Member::{Ask, Bid, High, Low, Open, Size, Volume};

    use super::*;

    #[test]
    fn a_row_is_published_with_its_exact_price_and_recognised_again() {
        let row = Row::new("BRK \"B\"".to_owned(), 951_868_800_000_000, "130.310".parse().unwrap());
        let payload = payload(&row, "q.csv", 7, 9).unwrap();
        let expected =
            r#"{"sid":"BRK \"B\"","quote":"130.31","time":"2000-03-01T00:00:00Z","source":"q.csv","seq":7,"line":9}"#;
        assert_eq!(payload, expected);
        let mut bar = row.clone();
        let values = [(Open, "1"), (High, "5"), (Low, "0.5"), (Volume, "12.50"), (Bid, "2"), (Ask, "3"), (Size, "0")];
        for (member, text) in values {
            bar.details.set(member, text).unwrap();
        }
        let expected = [
            r#"{"sid":"BRK \"B\"","quote":"130.31","time":"2000-03-01T00:00:00Z","source":"q.csv","seq":7,"line":9,"#,
            r#""size":"0","open":"1","high":"5","low":"0.5","volume":"12.5","bid":"2","ask":"3"}"#,
        ];
        assert_eq!(super::payload(&bar, "q.csv", 7, 9).unwrap(), expected.concat());
        let sources = Sources(vec![("q.csv".to_owned(), "dir/q.csv".to_owned())]);
        let known = sources.recognise(&payload).unwrap();
        assert_eq!((known.place.as_str(), known.sid.as_str()), ("dir/q.csv: line 9", "BRK \"B\""));
        assert_eq!(known.identity, ("q.csv".to_owned(), 7));
        assert_eq!((sources.recognise(b"{}"), Sources::default().recognise(&payload)), (None, None));
    }
}
