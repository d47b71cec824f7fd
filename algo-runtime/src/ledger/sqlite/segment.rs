//! Rows of the window packed into one message: a commit writes one row of the file for each class, not one for each tick. Pure.

use std::collections::HashMap;

use prost::Message;

use super::rows::{outcome_kind, stored_outcome};
use crate::ledger::{Class, Outcome, WindowRow};

/// The message in `segments.data`; part of the ledger's format.
#[derive(Clone, PartialEq, Message)]
struct SegmentMessage {
    /// Rows up to this ordinal had left the ledger when it was written.
    #[prost(uint64, tag = "1")]
    evicted: u64,
    /// Topics, sources, sessions, outcomes and reasons of the rows, each once.
    #[prost(string, repeated, tag = "2")]
    names: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    rows: Vec<RowMessage>,
}

/// A row; numbers of names count from 0. Absent hashes are empty.
#[derive(Clone, PartialEq, Message)]
struct RowMessage {
    #[prost(uint64, tag = "1")]
    ordinal: u64,
    #[prost(fixed64, tag = "2")]
    run: u64,
    #[prost(uint64, tag = "3")]
    delivery: u64,
    #[prost(uint32, tag = "4")]
    index: u32,
    #[prost(uint32, tag = "5")]
    channel: u32,
    #[prost(uint32, tag = "6")]
    source: u32,
    #[prost(sint64, optional, tag = "7")]
    seq: Option<i64>,
    #[prost(string, tag = "8")]
    id: String,
    #[prost(uint32, tag = "9")]
    rank: u32,
    #[prost(uint64, tag = "10")]
    era: u64,
    #[prost(uint32, tag = "11")]
    session: u32,
    #[prost(uint32, tag = "12")]
    packet_id: u32,
    #[prost(uint64, optional, tag = "13")]
    connection: Option<u64>,
    #[prost(uint32, tag = "14")]
    ticks: u32,
    #[prost(bytes = "vec", tag = "15")]
    payload_sha256: Vec<u8>,
    #[prost(bytes = "vec", tag = "16")]
    envelope_sha256: Vec<u8>,
    #[prost(bytes = "vec", tag = "17")]
    content_sha256: Vec<u8>,
    #[prost(uint32, tag = "18")]
    outcome: u32,
    #[prost(uint32, tag = "19")]
    reason: u32,
    #[prost(uint64, tag = "20")]
    first_position: u64,
    #[prost(uint32, tag = "21")]
    positions: u32,
    #[prost(uint64, tag = "22")]
    first_seq: u64,
    #[prost(uint32, tag = "23")]
    seqs: u32,
}

/// The rows of a segment, and the ordinal up to which rows had left the ledger when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) evicted: u64,
    pub(super) rows: Vec<WindowRow>,
}

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SegmentError {
    #[error("not a message of the ledger")]
    Decode(#[from] prost::DecodeError),
    #[error("row {0}: a name, a hash or an outcome that no release writes")]
    Row(u64),
}

/// Names with their numbers.
#[derive(Default)]
struct Names<'a> {
    numbers: HashMap<&'a str, u32>,
    /// The last names asked for: most rows have those of the row before.
    last: [Option<(&'a str, u32)>; 5],
}

impl<'a> Names<'a> {
    /// `place`: which of the names of a row it is.
    fn number(&mut self, place: usize, name: &'a str) -> u32 {
        if let Some(Some((_, number))) = self.last.get(place).filter(|last| last.is_some_and(|(last, _)| last == name))
        {
            return *number;
        }
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(name).or_insert(next);
        if let Some(last) = self.last.get_mut(place) {
            *last = Some((name, number));
        }
        number
    }

    fn into_list(self) -> Vec<String> {
        let mut names: Vec<_> = self.numbers.into_iter().collect();
        names.sort_unstable_by_key(|(_, number)| *number);
        names.into_iter().map(|(name, _)| name.to_owned()).collect()
    }
}

/// Packs rows of one class.
pub(super) fn pack<'a>(evicted: u64, rows: impl Iterator<Item = &'a WindowRow>) -> Vec<u8> {
    let mut names = Names::default();
    let rows = rows.map(|row| {
        let (outcome, reason) = stored_outcome(&row.outcome);
        let hash = |hash: &Option<[u8; 32]>| hash.map_or_else(Vec::new, |hash| hash.to_vec());
        RowMessage {
            ordinal: row.ordinal,
            run: row.run,
            delivery: row.delivery,
            index: row.index,
            channel: names.number(0, &row.channel),
            source: names.number(1, &row.source),
            seq: row.seq,
            id: row.id.clone(),
            rank: row.rank,
            era: row.era,
            session: names.number(2, &row.session),
            packet_id: row.packet_id,
            connection: row.connection,
            ticks: row.ticks,
            payload_sha256: row.payload_sha256.to_vec(),
            envelope_sha256: hash(&row.envelope_sha256),
            content_sha256: hash(&row.content_sha256),
            outcome: names.number(3, outcome),
            reason: names.number(4, reason),
            first_position: row.outcome.first_position,
            positions: row.outcome.positions,
            first_seq: row.outcome.first_seq,
            seqs: row.outcome.seqs,
        }
    });
    let rows = rows.collect();
    SegmentMessage { evicted, rows, names: names.into_list() }.encode_to_vec()
}

/// Unpacks rows of one class.
pub(super) fn unpack(class: Class, data: &[u8]) -> Result<Segment, SegmentError> {
    let SegmentMessage { evicted, names, rows } = SegmentMessage::decode(data)?;
    let rows = rows.into_iter().map(|row| {
        let ordinal = row.ordinal;
        unpack_row(class, &names, row).ok_or(SegmentError::Row(ordinal))
    });
    Ok(Segment { evicted, rows: rows.collect::<Result<_, _>>()? })
}

fn unpack_row(class: Class, names: &[String], row: RowMessage) -> Option<WindowRow> {
    let name = |number: u32| names.get(number as usize).cloned();
    let hash = |bytes: Vec<u8>| if bytes.is_empty() { Some(None) } else { bytes.try_into().ok().map(Some) };
    let (kind, reason) = outcome_kind(&name(row.outcome)?, name(row.reason)?).ok()?;
    Some(WindowRow {
        class,
        ordinal: row.ordinal,
        run: row.run,
        delivery: row.delivery,
        index: row.index,
        channel: name(row.channel)?,
        source: name(row.source)?,
        seq: row.seq,
        id: row.id,
        rank: row.rank,
        era: row.era,
        session: name(row.session)?,
        packet_id: row.packet_id,
        connection: row.connection,
        ticks: row.ticks,
        payload_sha256: row.payload_sha256.try_into().ok()?,
        envelope_sha256: hash(row.envelope_sha256)?,
        content_sha256: hash(row.content_sha256)?,
        outcome: Outcome {
            kind,
            reason,
            first_position: row.first_position,
            positions: row.positions,
            first_seq: row.first_seq,
            seqs: row.seqs,
        },
    })
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::tick_outcome::Kind;

    use super::*;

    fn row(ordinal: u64) -> WindowRow {
        let even = ordinal.is_multiple_of(2);
        WindowRow {
            class: Class::Id,
            ordinal,
            run: u64::MAX - ordinal,
            delivery: ordinal * 3,
            index: 7,
            channel: "quotes".to_owned(),
            source: if even { "nyse" } else { "" }.to_owned(),
            seq: even.then_some(i64::MIN),
            id: format!("id-{ordinal}"),
            rank: 2,
            era: 1,
            session: "5e55".to_owned(),
            packet_id: 65_535,
            connection: even.then_some(0),
            ticks: 9,
            payload_sha256: [9; 32],
            envelope_sha256: even.then_some([8; 32]),
            content_sha256: (!even).then_some([7; 32]),
            outcome: Outcome {
                kind: if even { Kind::NotListed } else { Kind::Denied },
                reason: if even { "" } else { "TooSmall" }.to_owned(),
                first_position: 4,
                positions: 1,
                first_seq: 3,
                seqs: 1,
            },
        }
    }

    #[test]
    fn rows_come_back_as_they_were_and_names_are_stored_once() {
        let rows: Vec<_> = (1..=100).map(row).collect();
        let packed = pack(41, rows.iter());
        let segment = unpack(Class::Id, &packed).unwrap();
        assert_eq!(segment.evicted, 41);
        segment.rows.iter().zip(&rows).for_each(|(found, row)| assert_eq!(found, row));
        assert_eq!(segment.rows.len(), rows.len());
        let times = |name: &str| packed.windows(name.len()).filter(|window| *window == name.as_bytes()).count();
        assert_eq!((times("quotes"), times("nyse"), times("TooSmall")), (1, 1, 1));
        assert!(packed.len() < 100 * 150, "{}", packed.len());
    }

    #[test]
    fn cut_or_foreign_bytes_are_an_error() {
        let packed = pack(0, [row(1), row(2)].iter());
        assert!(unpack(Class::Id, &packed[..packed.len() - 1]).is_err());
        let message = SegmentMessage {
            rows: vec![RowMessage { source: 7, ..RowMessage::default() }],
            ..SegmentMessage::default()
        };
        assert!(matches!(unpack(Class::Id, &message.encode_to_vec()), Err(SegmentError::Row(0))));
    }
}
