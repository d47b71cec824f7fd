//! Changes of last numbers packed into one message: a commit that changes many of them writes one row of the file. Pure.

use prost::Message;

use crate::ledger::{Mark, SourceKey};

/// The message in `mark_changes.data`; part of the ledger's format.
#[derive(Clone, PartialEq, Message)]
struct MarksMessage {
    /// Topics of the marks, each once.
    #[prost(string, repeated, tag = "1")]
    channels: Vec<String>,
    /// Time of the first mark.
    #[prost(sint64, tag = "2")]
    taken_micros: i64,
    #[prost(message, repeated, tag = "3")]
    removed: Vec<SourceMessage>,
    #[prost(message, repeated, tag = "4")]
    marks: Vec<MarkMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SourceMessage {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(string, tag = "2")]
    source: String,
}

/// A last number; numbers of topics count from 0.
#[derive(Clone, PartialEq, Message)]
struct MarkMessage {
    #[prost(uint32, tag = "1")]
    channel: u32,
    #[prost(string, tag = "2")]
    source: String,
    #[prost(sint64, tag = "3")]
    seq: i64,
    #[prost(uint32, tag = "4")]
    index: u32,
    /// Time beyond that of the first mark, which most marks of a commit share.
    #[prost(sint64, tag = "5")]
    later_micros: i64,
}

/// Changes of last numbers by one commit: it removes numbers before it sets others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PackedMarks {
    pub(super) removed: Vec<SourceKey>,
    pub(super) marks: Vec<Mark>,
}

/// Why changes cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("not a message of the ledger")]
    Decode(#[from] prost::DecodeError),
    #[error("a topic that is not in the message")]
    Channel,
}

/// Packs changes. Marks with the same topic are to be neighbours. `found_micros` is left out: the ledger sets it in `marks` alone.
pub(super) fn pack<'a>(removed: &[SourceKey], marks: impl Iterator<Item = &'a Mark>) -> Vec<u8> {
    let (mut channels, mut first_micros): (Vec<String>, Option<i64>) = (Vec::new(), None);
    let marks = marks.map(|Mark { channel, source, seq, index, taken_micros, .. }| {
        if channels.last() != Some(channel) {
            channels.push(channel.clone());
        }
        MarkMessage {
            channel: u32::try_from(channels.len() - 1).unwrap_or(u32::MAX),
            source: source.clone(),
            seq: *seq,
            index: *index,
            later_micros: taken_micros.wrapping_sub(*first_micros.get_or_insert(*taken_micros)),
        }
    });
    let marks = marks.collect();
    let source = |(channel, source): &SourceKey| SourceMessage { channel: channel.clone(), source: source.clone() };
    let removed = removed.iter().map(source).collect();
    MarksMessage { channels, taken_micros: first_micros.unwrap_or(0), removed, marks }.encode_to_vec()
}

/// Unpacks changes.
pub(super) fn unpack(data: &[u8]) -> Result<PackedMarks, UnpackError> {
    let MarksMessage { channels, taken_micros, removed, marks } = MarksMessage::decode(data)?;
    let marks = marks.into_iter().map(|MarkMessage { channel, source, seq, index, later_micros }| {
        let channel = channels.get(channel as usize).cloned().ok_or(UnpackError::Channel)?;
        let taken_micros = taken_micros.wrapping_add(later_micros);
        Ok(Mark { channel, source, seq, index, taken_micros, found_micros: 0 })
    });
    let removed = removed.into_iter().map(|SourceMessage { channel, source }| (channel, source));
    Ok(PackedMarks { removed: removed.collect(), marks: marks.collect::<Result<_, UnpackError>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(channel: &str, source: u32, taken_micros: i64) -> Mark {
        let (channel, source) = (channel.to_owned(), format!("feed-{source:04}"));
        Mark { channel, source, seq: i64::MIN, index: u32::MAX, taken_micros, found_micros: 0 }
    }

    #[test]
    fn changes_come_back_unchanged_over_all_times() {
        let marks = vec![
            mark("news", 1, i64::MAX),
            mark("quotes", 1, i64::MIN),
            mark("quotes", 2, 0),
            mark("quotes", 3, i64::MAX),
        ];
        let removed = vec![("quotes".to_owned(), "old".to_owned()), (String::new(), String::new())];
        let packed = pack(&removed, marks.iter());
        assert_eq!(unpack(&packed).unwrap(), PackedMarks { removed, marks });
        assert_eq!(unpack(&pack(&[], [].iter())).unwrap(), PackedMarks::default());
    }

    #[test]
    fn mark_of_a_commit_takes_a_few_bytes() {
        let now = 1_700_000_000_000_000;
        let marks: Vec<_> =
            (0..1_000).map(|source| Mark { seq: 9_999, index: 0, ..mark("quotes", source, now) }).collect();
        let packed = pack(&[], marks.iter());
        assert!(packed.len() < 1_000 * 20, "{}", packed.len());
    }

    #[test]
    fn cut_or_foreign_bytes_are_an_error() {
        let packed = pack(&[], [mark("quotes", 1, 5)].iter());
        assert!(matches!(unpack(&packed[..packed.len() - 1]), Err(UnpackError::Decode(_))));
        let message = MarksMessage { marks: vec![MarkMessage::default()], ..MarksMessage::default() };
        assert!(matches!(unpack(&message.encode_to_vec()), Err(UnpackError::Channel)));
    }
}
