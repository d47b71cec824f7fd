//! The ledger's rows as the contract shows them.

use intuition_api::v1::{self, Decision, OutboxEntry, Side, TickOutcome, outbox_entry::Content, tick_outcome::SeenBy};

use crate::ledger::{EntryKind, Gap, JournalEntry, LedgerIds, OutboxContent, OutboxRow, Outcome};

/// [`Decision::origin`] of a holding that a person sold.
const ORIGIN_MANUAL: &str = "manual";

/// A decision; an entry without a trade has none, and its decision would be empty.
pub fn decision(account: &str, ids: &LedgerIds, entry: &JournalEntry) -> Decision {
    let Some(trade) = &entry.trade else { return Decision::default() };
    let side = if entry.kind == EntryKind::Sell { Side::Sell } else { Side::Buy };
    Decision {
        id: format!("{account}/{}/{}", ids.of(trade.seq), trade.seq),
        seq: trade.seq,
        algo: account.to_owned(),
        event: trade.event.clone(),
        sid: trade.sid.clone(),
        side: side.into(),
        amount: entry.amount.to_string(),
        quantity: trade.quantity.to_string(),
        price: trade.price.to_string(),
        cash: entry.cash.to_string(),
        time_micros: trade.time_micros,
        origin: if trade.manual { ORIGIN_MANUAL.to_owned() } else { String::new() },
    }
}

/// An outbox entry.
pub fn outbox_entry(account: &str, ids: &LedgerIds, row: &OutboxRow) -> OutboxEntry {
    let content = match &row.content {
        OutboxContent::Decision(entry) => Content::Decision(decision(account, ids, entry)),
        OutboxContent::DeadLetter(letter) => Content::DeadLetter(letter.clone()),
        OutboxContent::Publication(publication) => Content::Publication(publication.clone()),
        OutboxContent::Joined(joined) => Content::Joined(joined.clone()),
    };
    OutboxEntry { position: row.position, content: Some(content) }
}

/// What became of a tick.
pub fn tick_outcome(outcome: &Outcome, seen_by: SeenBy) -> TickOutcome {
    let range = |first: u64, count: u32| (first..first + u64::from(count)).collect();
    TickOutcome {
        kind: outcome.kind.into(),
        reason: outcome.reason.clone(),
        positions: range(outcome.first_position, outcome.positions),
        seqs: range(outcome.first_seq, outcome.seqs),
        seen_by: seen_by.into(),
    }
}

/// Sequence numbers that did not come.
pub fn gap(gap: &Gap) -> v1::Gap {
    let Gap { channel, source, first, last, seen_micros } = gap.clone();
    v1::Gap { channel, source, first, last, seen_micros }
}
