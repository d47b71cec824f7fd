//! Writes a ledger with many decisions in little time, by the ledger's own interface: each commit has thousands of
//! decisions.
//!
//! The file equals that of a runtime after as many quotes, with a published decision for each: one deposit, the
//! journal, the holding, the last number of the source, counters, and outcomes of the last quotes. Outcomes that the
//! runtime would have deleted again are never written.

use std::{collections::BTreeMap, path::Path};

use algo_runtime::{
    ledger::{
        Account, Changes, Class, EntryKind, Holding, JournalEntry, Ledger, Mark, OutboxContent, OutboxRow, Outcome,
        Trade, WindowRow, sqlite::SqliteLedger,
    },
    sizes::Sizes,
};
use anyhow::Context as _;
use intuition_api::{
    decimal::{Money, Price, Quantity},
    v1,
};

use crate::{
    quotes::{self, CHANNEL},
    stage::ACCOUNT,
};

/// Decisions of one commit.
const COMMIT: u64 = 10_000;
/// Decisions of one commit whose outcomes stay in the window. An opening reads the segment of a commit as a whole. A segment of an account has at most
/// [`Sizes::turn_ticks`] rows, and some hundreds on a busy one.
const WINDOW_COMMIT: u64 = 1_000;
const SYMBOL: &str = "S0";
const SOURCE: &str = "bench";
const TIME_MICROS: i64 = 1_700_000_000_000_000;

/// Writes a new ledger with so many decisions into a folder.
pub fn write(folder: &Path, decisions: u64) -> anyhow::Result<()> {
    let mut ledger = SqliteLedger::open(folder, ACCOUNT)?;
    let mut draft = Draft { account: ledger.snapshot()?.account, holding: Holding::default() };
    ledger.commit(&draft.deposit()?)?;
    let windows = decisions.saturating_sub(Sizes::DESIGN.window);
    let mut written = 0;
    while written < decisions {
        let count = match windows.checked_sub(written) {
            None | Some(0) => WINDOW_COMMIT.min(decisions - written),
            Some(before) => COMMIT.min(before),
        };
        ledger.commit(&draft.decisions(count, windows)?)?;
        written += count;
    }
    draft.account.published_through = draft.account.position;
    ledger.commit(&Changes { account: Some(draft.account.clone()), ..Changes::default() })?;
    Box::new(ledger).close()?;
    Ok(())
}

/// The state behind the last commit.
struct Draft {
    account: Account,
    holding: Holding,
}

impl Draft {
    fn deposit(&mut self) -> anyhow::Result<Changes> {
        let amount: Money = "1000000000".parse()?;
        self.account.cash = amount;
        self.account.deposits = amount;
        let entry = self.entry(EntryKind::Deposit, amount, None);
        Ok(Changes { account: Some(self.account.clone()), journal: vec![entry], ..Changes::default() })
    }

    /// The next so many decisions. Those beyond the number `windows` have an outcome in the window.
    fn decisions(&mut self, count: u64, windows: u64) -> anyhow::Result<Changes> {
        let mut changes = Changes::default();
        self.account.published_through = self.account.position;
        for _ in 0..count {
            let entry = self.buy()?;
            self.account.position += 1;
            let position = self.account.position;
            if self.account.decisions > windows {
                changes.window.push(outcome(self.account.decisions, position));
            }
            changes.journal.push(entry.clone());
            changes.outbox.push(OutboxRow { position, content: OutboxContent::Decision(entry) });
        }
        let decisions = self.account.decisions;
        changes.holdings = BTreeMap::from([(SYMBOL.to_owned(), Some(self.holding))]);
        if decisions == count {
            changes.sources.symbols.push(SYMBOL.to_owned());
        }
        let seq = i64::try_from(decisions)?;
        let mark = Mark {
            channel: CHANNEL.to_owned(),
            source: SOURCE.to_owned(),
            seq,
            taken_micros: TIME_MICROS,
            ..Mark::default()
        };
        changes.marks = BTreeMap::from([((CHANNEL.to_owned(), SOURCE.to_owned()), mark)]);
        changes.counters = BTreeMap::from([(("decided".to_owned(), String::new()), decisions)]);
        changes.account = Some(self.account.clone());
        Ok(changes)
    }

    fn buy(&mut self) -> anyhow::Result<JournalEntry> {
        let number = self.account.decisions + 1;
        let amount = Money::from_cents(100);
        let (units, cents) = quotes::price(number);
        let price: Price = format!("{units}.{cents:02}").parse()?;
        let quantity = Quantity::bought(amount, price).context("a quantity out of range")?;
        let out_of_range = "a sum out of range";
        self.holding.quantity = self.holding.quantity.checked_add(quantity).context(out_of_range)?;
        self.holding.cost = self.holding.cost.checked_add(amount).context(out_of_range)?;
        self.account.cash = self.account.cash.checked_sub(amount).context(out_of_range)?;
        self.account.invested = self.account.invested.checked_add(amount).context(out_of_range)?;
        self.account.decisions = number;
        let trade = Trade {
            seq: number,
            event: format!("{SOURCE}/{number}"),
            sid: SYMBOL.to_owned(),
            quantity,
            price,
            cost: amount,
            time_micros: TIME_MICROS,
            manual: false,
        };
        Ok(self.entry(EntryKind::Buy, amount, Some(trade)))
    }

    fn entry(&mut self, kind: EntryKind, amount: Money, trade: Option<Trade>) -> JournalEntry {
        self.account.entries += 1;
        self.account.updated_micros = TIME_MICROS;
        let Account { entries: number, cash, .. } = self.account;
        JournalEntry { number, kind, amount, cash, committed_micros: TIME_MICROS, trade }
    }
}

/// The outcome of a decided quote, in a delivery of its own.
fn outcome(number: u64, position: u64) -> WindowRow {
    let packet_id = u32::try_from(number % 65_535).unwrap_or_default() + 1;
    // The hash of another payload each time, as in a real run.
    let mut hash = [0x5a; 32];
    hash[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    WindowRow {
        class: Class::Sequence,
        ordinal: number,
        run: 1,
        delivery: number,
        index: 0,
        channel: CHANNEL.to_owned(),
        source: SOURCE.to_owned(),
        seq: i64::try_from(number).ok(),
        id: String::new(),
        rank: 0,
        era: 0,
        session: "5e551012".to_owned(),
        packet_id,
        connection: Some(1),
        ticks: 1,
        payload_sha256: hash,
        envelope_sha256: Some(hash),
        content_sha256: Some(hash),
        outcome: Outcome {
            kind: v1::tick_outcome::Kind::Decided,
            reason: String::new(),
            first_position: position,
            positions: 1,
            first_seq: number,
            seqs: 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_ledger_opens_with_its_decisions_and_their_outcomes() {
        let folder = tempfile::tempdir().unwrap();
        let decisions = COMMIT + 500;
        write(folder.path(), decisions).unwrap();
        let mut ledger = SqliteLedger::open(folder.path(), ACCOUNT).unwrap();
        let snapshot = ledger.snapshot().unwrap();
        assert_eq!(snapshot.account.decisions, decisions);
        assert_eq!(snapshot.window.len() as u64, decisions);
        let last = ledger.decisions(decisions, 1).unwrap();
        assert_eq!(last[0].trade.as_ref().unwrap().event, format!("bench/{decisions}"));
    }
}
