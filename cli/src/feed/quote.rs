//! The quote that a feed publishes for a row. Pure.

use bytes::Bytes;
use quote_files::Row;
use serde::Deserialize;

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
    feed::quote::Quote::of_row(row, &source.into(), seq, line).payload()
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
    use super::*;

    #[test]
    fn published_row_is_recognised_again() {
        let row = Row::new("BRK \"B\"".to_owned(), 951_868_800_000_000, "130.310".parse().unwrap());
        let payload = payload(&row, "q.csv", 7, 9).unwrap();
        let sources = Sources(vec![("q.csv".to_owned(), "dir/q.csv".to_owned())]);
        let known = sources.recognise(&payload).unwrap();
        assert_eq!((known.place.as_str(), known.sid.as_str()), ("dir/q.csv: line 9", "BRK \"B\""));
        assert_eq!(known.identity, ("q.csv".to_owned(), 7));
        assert_eq!((sources.recognise(b"{}"), Sources::default().recognise(&payload)), (None, None));
    }
}
