//! The hash chain of the journal: an entry's hash covers the entry and the hash before it, so that no past entry can
//! change, vanish or move without every later hash being wrong.
//!
//! The encoding can be recomputed with any tool. A field is its text as the journal table shows it, written as a
//! netstring: length in bytes, `:`, the bytes, `,`. Then
//!
//! - the hash before the first entry is SHA-256 over the fields `intuition-ledger`, ledger id, account;
//! - the hash of an entry is SHA-256 over the previous hash (32 bytes) and the fields number, kind, amount, cash,
//!   `committed_micros`, and for a buy or a sale also seq, event, sid, quantity, price, cost, `time_micros`.

use std::fmt::Display;

use sha2::{Digest as _, Sha256};

use super::JournalEntry;

/// SHA-256 of an entry and everything before it.
pub(super) type Hash = [u8; 32];

/// The hash before the first entry.
pub(super) fn genesis(ledger_id: &str, account: &str) -> Hash {
    let mut hasher = Sha256::new();
    for field in ["intuition-ledger", ledger_id, account] {
        feed(&mut hasher, field);
    }
    hasher.finalize().into()
}

/// The hash of `entry` behind an entry with the hash `previous`.
pub(super) fn link(previous: &Hash, entry: &JournalEntry) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    feed(&mut hasher, &entry.number);
    feed(&mut hasher, entry.kind.name());
    feed(&mut hasher, &entry.amount);
    feed(&mut hasher, &entry.cash);
    feed(&mut hasher, &entry.committed_micros);
    if let Some(trade) = &entry.trade {
        feed(&mut hasher, &trade.seq);
        feed(&mut hasher, &trade.event);
        feed(&mut hasher, &trade.sid);
        feed(&mut hasher, &trade.quantity);
        feed(&mut hasher, &trade.price);
        feed(&mut hasher, &trade.cost);
        feed(&mut hasher, &trade.time_micros);
    }
    hasher.finalize().into()
}

fn feed(hasher: &mut Sha256, field: &(impl Display + ?Sized)) {
    let text = field.to_string();
    hasher.update(format!("{}:{text},", text.len()));
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
        assert_eq!(link(&first, &entry).as_slice(), Sha256::digest(bytes).as_slice());
    }
}
