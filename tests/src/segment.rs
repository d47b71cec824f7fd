//! Segments of a ledger's window, decoded from the message that `algo-runtime/src/ledger/sqlite/segment.rs` describes.

use anyhow::Context as _;
use prost::Message;

use crate::ledger::WindowRow;

/// The part of `segments.data` that tests read.
#[derive(Clone, PartialEq, Message)]
struct Segment {
    #[prost(uint64, tag = "1")]
    evicted: u64,
    #[prost(string, repeated, tag = "2")]
    names: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    rows: Vec<Row>,
}

/// A row; names by number.
#[derive(Clone, PartialEq, Message)]
struct Row {
    #[prost(uint64, tag = "1")]
    ordinal: u64,
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
    #[prost(bytes = "vec", tag = "15")]
    payload_sha256: Vec<u8>,
    #[prost(uint32, tag = "18")]
    outcome: u32,
    #[prost(uint32, tag = "19")]
    reason: u32,
    #[prost(uint64, tag = "22")]
    first_seq: u64,
    #[prost(uint32, tag = "23")]
    seqs: u32,
}

/// Rows of the segments of a class, those in front that are gone left out.
pub(crate) fn rows(class: &str, segments: &[Vec<u8>]) -> anyhow::Result<Vec<WindowRow>> {
    let decode = |data: &Vec<u8>| Segment::decode(data.as_slice());
    let segments = segments.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    let gone = segments.iter().map(|segment| segment.evicted).max().unwrap_or(0);
    let rows = segments.iter().flat_map(|segment| segment.rows.iter().map(|row| (&segment.names, row)));
    rows.filter(|(_, row)| row.ordinal > gone).map(|(names, row)| window_row(class, names, row)).collect()
}

fn window_row(class: &str, names: &[String], row: &Row) -> anyhow::Result<WindowRow> {
    let name = |number: u32| names.get(number as usize).cloned().context("a name that is not in the segment");
    Ok(WindowRow {
        class: class.to_owned(),
        tick_index: row.index.into(),
        channel: name(row.channel)?,
        source: name(row.source)?,
        seq: row.seq,
        id: row.id.clone(),
        payload_sha256: hex::encode(&row.payload_sha256),
        outcome: name(row.outcome)?,
        reason: name(row.reason)?,
        first_seq: i64::try_from(row.first_seq)?,
        seqs: row.seqs.into(),
    })
}
