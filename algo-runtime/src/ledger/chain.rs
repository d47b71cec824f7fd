//! The hash chain of the journal: an entry's hash covers the entry and the hash before it, so that no past entry can
//! change, vanish or move without every later hash being wrong.
//!
//! The encoding can be recomputed with any tool. A field is its text as the view `history` shows it, written as a
//! netstring: length in bytes, `:`, the bytes, `,`. Then
//!
//! - the hash before the first entry is SHA-256 over the fields `intuition-ledger`, ledger id, account;
//! - the hash of an entry is SHA-256 over the previous hash (32 bytes) and the fields number, kind, amount, cash,
//!   `committed_micros`, and for a buy or a sale also seq, event, sid, quantity, price, cost, `time_micros`. An entry of the
//!   format 2 has in front of them all the fields rules, position and origin: those of the format 1 have them in other tables.

use std::fmt::{Display, Write as _};

use sha2::{Digest as _, Sha256};

use super::JournalEntry;

/// SHA-256 of an entry and everything before it.
pub(super) type Hash = [u8; 32];

/// The fields of an entry that are in its row since format 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    /// Version of the rules that the entry was booked by.
    pub(super) rules: u32,
    /// Its outbox position; for a transfer, which has none, that of the last decision before it.
    pub(super) position: u64,
}

/// The hash before the first entry.
pub(super) fn genesis(ledger_id: &str, account: &str) -> Hash {
    let mut bytes = Vec::new();
    for field in ["intuition-ledger", ledger_id, account] {
        feed(&mut bytes, &mut String::new(), field);
    }
    Sha256::digest(bytes).into()
}

/// Computes hashes, with buffers that every entry uses again.
#[derive(Debug, Clone, Default)]
pub(super) struct Chain {
    bytes: Vec<u8>,
    field: String,
}

impl Chain {
    /// The hash of `entry` behind an entry with the hash `previous`. `placement`: `None` for an entry of the format 1.
    pub(super) fn link(&mut self, previous: &Hash, entry: &JournalEntry, placement: Option<Placement>) -> Hash {
        let Self { bytes, field } = self;
        bytes.clear();
        bytes.extend_from_slice(previous);
        let mut feed = |value: &dyn Display| feed(bytes, field, value);
        if let Some(Placement { rules, position }) = placement {
            feed(&rules);
            feed(&position);
            feed(&entry.trade.as_ref().map_or("", |trade| trade.origin()));
        }
        feed(&entry.number);
        feed(&entry.kind.name());
        feed(&entry.amount);
        feed(&entry.cash);
        feed(&entry.committed_micros);
        if let Some(trade) = &entry.trade {
            feed(&trade.seq);
            feed(&trade.event);
            feed(&trade.sid);
            feed(&trade.quantity);
            feed(&trade.price);
            feed(&trade.cost);
            feed(&trade.time_micros);
        }
        Sha256::digest(&self.bytes).into()
    }
}

/// `text`: a buffer.
fn feed(bytes: &mut Vec<u8>, text: &mut String, field: &(impl Display + ?Sized)) {
    text.clear();
    // Writing to a string cannot fail.
    write!(text, "{field}").unwrap_or_default();
    let length = text.len();
    write!(text, ":{length}").unwrap_or_default();
    let (field, length) = text.split_at(length);
    bytes.extend_from_slice(length.get(1..).unwrap_or_default().as_bytes());
    bytes.push(b':');
    bytes.extend_from_slice(field.as_bytes());
    bytes.push(b',');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{EntryKind, Trade};

    #[test]
    fn the_encoding_is_the_documented_one() {
        let first = genesis("3f9c2a71", "default/goog-random");
        let by_hand = Sha256::digest("16:intuition-ledger,8:3f9c2a71,19:default/goog-random,");
        assert_eq!(first.as_slice(), by_hand.as_slice());

        let entry = JournalEntry {
            number: 2,
            kind: EntryKind::Buy,
            amount: "1234.5".parse().unwrap(),
            cash: "8765.5".parse().unwrap(),
            committed_micros: 1_700_000_000_000_000,
            trade: Some(Trade {
                seq: 1,
                event: "nyse,1:x/17".to_owned(),
                sid: "GOOG".to_owned(),
                quantity: "3.57826087".parse().unwrap(),
                price: "345".parse().unwrap(),
                cost: "1234.5".parse().unwrap(),
                time_micros: -1,
                manual: false,
            }),
        };
        let mut bytes = first.to_vec();
        bytes.extend_from_slice(
            b"1:2,3:buy,7:1234.50,7:8765.50,16:1700000000000000,1:1,11:nyse,1:x/17,4:GOOG,10:3.57826087,3:345,7:1234.50,2:-1,",
        );
        let mut chain = Chain::default();
        assert_eq!(chain.link(&first, &entry, None).as_slice(), Sha256::digest(&bytes).as_slice());
        let behind = bytes.split_off(first.len());
        bytes.extend_from_slice(b"1:1,2:42,0:,");
        bytes.extend(behind);
        let placement = Placement { rules: 1, position: 42 };
        assert_eq!(chain.link(&first, &entry, Some(placement)).as_slice(), Sha256::digest(bytes).as_slice());
    }
}
