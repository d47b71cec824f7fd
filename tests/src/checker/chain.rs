//! The chain of hashes, recomputed from the documented encoding.

use anyhow::ensure;
use sha2::{Digest as _, Sha256};

use crate::ledger::{Account, Entry};

/// Every entry's hash covers it and all before it.
pub(super) fn check(account: &Account, journal: &[Entry]) -> anyhow::Result<()> {
    let mut start = Vec::new();
    for field in ["intuition-ledger", &account.ledger_id, &account.name] {
        netstring(&mut start, field);
    }
    let mut previous = hex::encode(Sha256::digest(&start));
    for entry in journal {
        let hash = link(&previous, entry)?;
        ensure!(entry.hash == hash, "entry {} hashes to {hash}", entry.number);
        previous = hash;
    }
    Ok(())
}

fn link(previous: &str, entry: &Entry) -> anyhow::Result<String> {
    let mut bytes = hex::decode(previous)?;
    if let Some((rules, position, origin)) = &entry.placement {
        for field in [&rules.to_string(), &position.to_string(), origin] {
            netstring(&mut bytes, field);
        }
    }
    netstring(&mut bytes, &entry.number.to_string());
    netstring(&mut bytes, &entry.kind);
    netstring(&mut bytes, &entry.amount);
    netstring(&mut bytes, &entry.cash);
    netstring(&mut bytes, &entry.committed_micros.to_string());
    if let Some(trade) = &entry.trade {
        netstring(&mut bytes, &trade.seq.to_string());
        for field in [&trade.event, &trade.sid, &trade.quantity, &trade.price, &trade.cost] {
            netstring(&mut bytes, field);
        }
        netstring(&mut bytes, &trade.time_micros.to_string());
    }
    Ok(hex::encode(Sha256::digest(&bytes)))
}

fn netstring(bytes: &mut Vec<u8>, field: &str) {
    bytes.extend_from_slice(format!("{}:{field},", field.len()).as_bytes());
}
