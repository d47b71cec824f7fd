//! Changes of last numbers, decoded from the message that `algo-runtime/src/ledger/sqlite/packed_marks.rs` describes.

use prost::Message;

/// The part of `mark_changes.data` that tests read.
#[derive(Clone, PartialEq, Message)]
struct Changes {
    #[prost(string, repeated, tag = "1")]
    channels: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    removed: Vec<Source>,
    #[prost(message, repeated, tag = "4")]
    marks: Vec<Mark>,
}

#[derive(Clone, PartialEq, Message)]
struct Source {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(string, tag = "2")]
    source: String,
}

/// A last number; topics by number.
#[derive(Clone, PartialEq, Message)]
struct Mark {
    #[prost(uint32, tag = "1")]
    channel: u32,
    #[prost(string, tag = "2")]
    source: String,
    #[prost(sint64, tag = "3")]
    seq: i64,
}

/// The number of a source behind the changes of one row. `before`: its number before them.
pub(crate) fn after(before: Option<i64>, data: &[u8], channel: &str, source: &str) -> anyhow::Result<Option<i64>> {
    let Changes { channels, removed, marks } = Changes::decode(data)?;
    let of = |mark: &&Mark| {
        channels.get(mark.channel as usize).is_some_and(|topic| topic == channel) && mark.source == source
    };
    let is_removed = removed.iter().any(|key| key.channel == channel && key.source == source);
    Ok(marks.iter().rfind(of).map(|mark| mark.seq).or(before.filter(|_| !is_removed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_removed_before_they_are_set() {
        let mark = |channel, source: &str, seq| Mark { channel, source: source.to_owned(), seq };
        let source = |source: &str| Source { channel: "quotes".to_owned(), source: source.to_owned() };
        let changes = Changes {
            channels: vec!["news".to_owned(), "quotes".to_owned()],
            removed: vec![source("lse"), source("nyse")],
            marks: vec![mark(0, "lse", 1), mark(1, "nyse", -2)],
        };
        let data = changes.encode_to_vec();
        let number = |source| after(Some(7), &data, "quotes", source).unwrap();
        assert_eq!((number("nyse"), number("lse"), number("tse")), (Some(-2), None, Some(7)));
        assert_eq!(after(None, &data, "quotes", "tse").unwrap(), None);
    }
}
