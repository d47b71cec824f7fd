//! The money: the journal, recomputed with integers.

use std::collections::{BTreeMap, BTreeSet};

use algo_runtime::ledger::{Account, Changes, EntryKind, Holding, JournalEntry, Snapshot, Trade};

use super::{
    amounts::{MONEY_PLACES, PRICE_PLACES, QUANTITY_PLACES, money, share, units},
    hold, promise,
};
use crate::facts::{RunId, Violation};

/// 10^-10 x 10^-8 units in a cent.
const PRODUCT_PER_CENT: i128 = 10_i128.pow(PRICE_PLACES + QUANTITY_PLACES - MONEY_PLACES);

/// A holding, in 10^-8 units and cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    quantity: i128,
    cost: i128,
}

/// Sums of a journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    pub(super) entries: u64,
    pub(super) decisions: u64,
    pub(super) cash: i128,
    pub(super) invested: i128,
    pub(super) realised: i128,
    pub(super) deposits: i128,
    held: BTreeMap<String, Held>,
}

/// The journal of the ledger in force.
#[derive(Debug, Default)]
pub(super) struct Books {
    journal: Vec<JournalEntry>,
    sums: Sums,
}

impl Books {
    pub(super) const fn sums(&self) -> &Sums {
        &self.sums
    }

    /// The rows of a commit.
    pub(super) fn commit(&mut self, changes: &Changes) -> Result<(), Violation> {
        let mut traded = BTreeSet::new();
        for entry in &changes.journal {
            self.sums.book(entry)?;
            traded.extend(entry.trade.as_ref().map(|trade| trade.sid.as_str()));
            self.journal.push(entry.clone());
        }
        for (sid, row) in &changes.holdings {
            self.sums.check_holding(sid, row.as_ref())?;
            traded.remove(sid.as_str());
        }
        let forgotten = traded.first();
        hold!(
            forgotten.is_none(),
            promise::BOOKS,
            "a commit trades {:?}, and has no row for its holding",
            forgotten.unwrap_or(&"")
        );
        let Some(account) = &changes.account else {
            let count = changes.journal.len();
            hold!(count == 0, promise::BOOKS, "a commit has {count} journal entries and no totals");
            return Ok(());
        };
        self.sums.check_totals(account)
    }

    /// The first deposit, cents: the starting cash of the first start.
    pub(super) fn first_deposit(&self) -> Option<i128> {
        let first = self.journal.first().filter(|entry| entry.kind == EntryKind::Deposit)?;
        units(&first.amount.to_string(), MONEY_PLACES)
    }

    /// A runtime opened the ledger that was committed.
    pub(super) fn compare(&self, run: RunId, snapshot: &Snapshot) -> Result<(), Violation> {
        let (found, known) = (snapshot.account.entries, self.sums.entries);
        hold!(
            found == known,
            promise::DURABLE,
            "run {run} opened the ledger and found {found} journal entries, and {known} were committed"
        );
        self.sums.check_totals(&snapshot.account)?;
        self.sums.check_holdings(&snapshot.holdings)
    }

    /// Another ledger is in force: the first entries of the earlier one, or none.
    pub(super) fn go_back(&mut self, account: &Account) -> Result<(), Violation> {
        let known = self.journal.len();
        let kept = usize::try_from(account.entries).unwrap_or(usize::MAX);
        hold!(kept <= known, promise::DURABLE, "an older ledger has {kept} journal entries, of {known} ever committed");
        self.journal.truncate(kept);
        self.sums = Sums::default();
        self.journal.iter().try_for_each(|entry| self.sums.book(entry))?;
        self.sums.check_totals(account)
    }
}

impl Sums {
    fn book(&mut self, entry: &JournalEntry) -> Result<(), Violation> {
        let number = entry.number;
        hold!(
            number == self.entries + 1,
            promise::BOOKS,
            "journal entry {number} follows entry {}: numbers have no holes",
            self.entries
        );
        self.entries = number;
        let amount = read(entry, "amount", &entry.amount.to_string(), MONEY_PLACES)?;
        let cash = read(entry, "cash", &entry.cash.to_string(), MONEY_PLACES)?;
        hold!(amount > 0, promise::BOOKS, "journal entry {number} moves {}, which is not more than 0", entry.amount);
        match (entry.kind, &entry.trade) {
            (EntryKind::Deposit, None) => (self.cash, self.deposits) = (self.cash + amount, self.deposits + amount),
            (EntryKind::Withdrawal, None) => (self.cash, self.deposits) = (self.cash - amount, self.deposits - amount),
            (EntryKind::Buy, Some(trade)) => self.buy(entry, amount, trade)?,
            (EntryKind::Sell, Some(trade)) => self.sell(entry, amount, trade)?,
            (kind, trade) => {
                hold!(false, promise::BOOKS, "journal entry {number} is a {} with the trade {trade:?}", kind.name());
            }
        }
        let expected = money(self.cash);
        hold!(
            cash == self.cash,
            promise::BOOKS,
            "journal entry {number}, a {} of {}: the cash after it is {}, should be {expected}",
            entry.kind.name(),
            entry.amount,
            entry.cash
        );
        hold!(cash >= 0, promise::BOOKS, "journal entry {number}: the cash is {expected}, below 0");
        let (paid_in, owned) = (self.deposits + self.realised, self.cash + self.invested);
        hold!(
            paid_in == owned,
            promise::BOOKS,
            "after journal entry {number}, deposits + realised is {}, and cash + cost of the holdings is {}",
            money(paid_in),
            money(owned)
        );
        Ok(())
    }

    fn buy(&mut self, entry: &JournalEntry, amount: i128, trade: &Trade) -> Result<(), Violation> {
        let read = self.trade(entry, trade)?;
        let bought = share(amount, PRODUCT_PER_CENT, read.price);
        hold!(
            bought == Some(read.quantity) && read.quantity > 0,
            promise::BOOKS,
            "decision {}: {} at {} buy {} rounded down, the entry has {}",
            trade.seq,
            entry.amount,
            trade.price,
            bought.map_or("a number out of range".to_owned(), |units| format!("{units} x 10^-8")),
            trade.quantity
        );
        hold!(
            read.cost == amount,
            promise::BOOKS,
            "decision {} costs {}, and {} moved",
            trade.seq,
            trade.cost,
            entry.amount
        );
        self.cash -= amount;
        self.invested += amount;
        let held = self.held.entry(trade.sid.clone()).or_default();
        *held = Held { quantity: held.quantity + read.quantity, cost: held.cost + amount };
        Ok(())
    }

    fn sell(&mut self, entry: &JournalEntry, amount: i128, trade: &Trade) -> Result<(), Violation> {
        let read = self.trade(entry, trade)?;
        let seq = trade.seq;
        let proceeds = share(read.quantity, read.price, PRODUCT_PER_CENT);
        hold!(
            proceeds == Some(amount),
            promise::BOOKS,
            "decision {seq}: {} at {} bring {} rounded down, the entry has {}",
            trade.quantity,
            trade.price,
            proceeds.map_or("a number out of range".to_owned(), money),
            entry.amount
        );
        let held = self.held.get(&trade.sid).copied().unwrap_or_default();
        hold!(
            read.quantity > 0 && read.quantity <= held.quantity,
            promise::BOOKS,
            "decision {seq} sells {} of {:?}, and {} x 10^-8 are held",
            trade.quantity,
            trade.sid,
            held.quantity
        );
        let cost = share(held.cost, read.quantity, held.quantity);
        hold!(
            cost == Some(read.cost),
            promise::BOOKS,
            "decision {seq} takes {} of the cost, should take {}",
            trade.cost,
            cost.map_or("a number out of range".to_owned(), money)
        );
        let left = Held { quantity: held.quantity - read.quantity, cost: held.cost - read.cost };
        if left.quantity == 0 {
            self.held.remove(&trade.sid);
        } else {
            self.held.insert(trade.sid.clone(), left);
        }
        self.cash += amount;
        self.invested -= read.cost;
        self.realised += amount - read.cost;
        Ok(())
    }

    fn trade(&mut self, entry: &JournalEntry, trade: &Trade) -> Result<Read, Violation> {
        let expected = self.decisions + 1;
        hold!(
            trade.seq == expected,
            promise::BOOKS,
            "journal entry {} is decision {}, should be {expected}: numbers have no holes",
            entry.number,
            trade.seq
        );
        self.decisions = trade.seq;
        Ok(Read {
            quantity: read(entry, "quantity", &trade.quantity.to_string(), QUANTITY_PLACES)?,
            price: read(entry, "price", &trade.price.to_string(), PRICE_PLACES)?,
            cost: read(entry, "cost", &trade.cost.to_string(), MONEY_PLACES)?,
        })
    }

    pub(super) fn check_totals(&self, account: &Account) -> Result<(), Violation> {
        let counts = [("entries", account.entries, self.entries), ("decisions", account.decisions, self.decisions)];
        for (name, found, expected) in counts {
            hold!(found == expected, promise::BOOKS, "the totals have {found} {name}, the journal has {expected}");
        }
        let sums = [
            ("cash", account.cash.to_string(), self.cash),
            ("invested", account.invested.to_string(), self.invested),
            ("realised", account.realised.to_string(), self.realised),
            ("deposits", account.deposits.to_string(), self.deposits),
        ];
        for (name, found, expected) in sums {
            let is_same = units(&found, MONEY_PLACES) == Some(expected);
            hold!(is_same, promise::BOOKS, "{name} is {found}, the journal adds up to {}", money(expected));
        }
        Ok(())
    }

    fn check_holdings(&self, rows: &BTreeMap<String, Holding>) -> Result<(), Violation> {
        rows.keys().chain(self.held.keys()).try_for_each(|sid| self.check_holding(sid, rows.get(sid)))
    }

    fn check_holding(&self, sid: &str, row: Option<&Holding>) -> Result<(), Violation> {
        let found = row.map(|row| {
            let quantity = units(&row.quantity.to_string(), QUANTITY_PLACES);
            (quantity, units(&row.cost.to_string(), MONEY_PLACES))
        });
        let expected = self.held.get(sid).map(|held| (Some(held.quantity), Some(held.cost)));
        hold!(
            found == expected,
            promise::BOOKS,
            "the holding of {sid:?}: the row has {found:?} (units of 10^-8, cents), the journal adds up to {expected:?}"
        );
        Ok(())
    }

    /// Compares with the holdings in the account's answer.
    pub(super) fn check_positions(&self, shown: &[(String, String, String)]) -> Result<(), Violation> {
        let found: BTreeMap<&str, (Option<i128>, Option<i128>)> = shown
            .iter()
            .map(|(sid, quantity, cost)| (sid.as_str(), (units(quantity, QUANTITY_PLACES), units(cost, MONEY_PLACES))))
            .collect();
        let held = self.held.iter().map(|(sid, held)| (sid.as_str(), (Some(held.quantity), Some(held.cost))));
        let expected: BTreeMap<_, _> = held.collect();
        hold!(
            found == expected,
            promise::BOOKS,
            "the account answers that it holds {found:?} (units of 10^-8, cents), the journal adds up to {expected:?}"
        );
        Ok(())
    }
}

/// A trade in integers.
struct Read {
    quantity: i128,
    price: i128,
    cost: i128,
}

fn read(entry: &JournalEntry, field: &str, text: &str, places: u32) -> Result<i128, Violation> {
    let value = units(text, places);
    hold!(value.is_some(), promise::BOOKS, "journal entry {}: {field} is {text:?}, no decimal", entry.number);
    Ok(value.unwrap_or_default())
}
