//! What the journal adds up to, entry by entry.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

use crate::{
    amounts::{MONEY_PLACES, PRICE_PLACES, QUANTITY_PLACES, bought, money, plain, proceeds, share, units},
    ledger::{Account, Entry, Trade},
};

/// Running totals, in smallest units.
#[derive(Debug, Default)]
pub(super) struct Books {
    cash: i128,
    invested: i128,
    realised: i128,
    deposits: i128,
    decisions: i64,
    entries: i64,
    /// Quantity and cost by symbol.
    holdings: BTreeMap<String, (i128, i128)>,
}

/// Goes through the journal from the first entry. The error names the first entry that does not fit.
pub(super) fn recompute(journal: &[Entry]) -> anyhow::Result<Books> {
    let mut books = Books::default();
    for entry in journal {
        books.apply(entry).with_context(|| format!("journal entry {entry:?}, after {books:?}"))?;
    }
    Ok(books)
}

impl Books {
    fn apply(&mut self, entry: &Entry) -> anyhow::Result<()> {
        self.entries += 1;
        ensure!(entry.number == self.entries, "entry {} is missing", self.entries);
        let amount = units(&entry.amount, MONEY_PLACES)?;
        ensure!(amount > 0, "an amount of nothing");
        match (entry.kind.as_str(), &entry.trade) {
            ("deposit", None) => {
                self.cash += amount;
                self.deposits += amount;
            }
            ("withdrawal", None) => {
                self.cash -= amount;
                self.deposits -= amount;
            }
            ("buy", Some(trade)) => self.buy(amount, trade)?,
            ("sell", Some(trade)) => self.sell(amount, trade)?,
            (kind, _) => anyhow::bail!("{kind:?} with the wrong columns"),
        }
        ensure!(self.cash >= 0, "cash is negative");
        ensure!(entry.cash == money(self.cash), "cash should be {}", money(self.cash));
        let held: i128 = self.holdings.values().map(|(_, cost)| cost).sum();
        ensure!(held == self.invested, "invested should be {}", money(held));
        ensure!(self.deposits + self.realised == self.cash + self.invested, "deposits + realised = cash + invested");
        Ok(())
    }

    fn buy(&mut self, amount: i128, trade: &Trade) -> anyhow::Result<()> {
        let (quantity, _) = self.numbered(trade)?;
        let right = bought(amount, units(&trade.price, PRICE_PLACES)?)?;
        ensure!(quantity == right && quantity > 0, "quantity should be {}", plain(right, QUANTITY_PLACES));
        ensure!(units(&trade.cost, MONEY_PLACES)? == amount, "cost of a buy is its amount");
        self.cash -= amount;
        self.invested += amount;
        let held = self.holdings.entry(trade.sid.clone()).or_default();
        held.0 += quantity;
        held.1 += amount;
        Ok(())
    }

    fn sell(&mut self, amount: i128, trade: &Trade) -> anyhow::Result<()> {
        let (quantity, cost) = self.numbered(trade)?;
        let right = proceeds(quantity, units(&trade.price, PRICE_PLACES)?)?;
        ensure!(amount == right, "amount should be {}", money(right));
        let (held, held_cost) = self.holdings.get(&trade.sid).copied().context("sold what is not held")?;
        ensure!(0 < quantity && quantity <= held, "sold more than {}", plain(held, QUANTITY_PLACES));
        let share = if quantity == held { held_cost } else { share(held_cost, quantity, held)? };
        ensure!(cost == share, "cost should be {}", money(share));
        self.cash += amount;
        self.invested -= cost;
        self.realised += amount - cost;
        if quantity == held {
            self.holdings.remove(&trade.sid);
        } else {
            self.holdings.insert(trade.sid.clone(), (held - quantity, held_cost - cost));
        }
        Ok(())
    }

    /// Checks the decision's number; gives its quantity and cost.
    fn numbered(&mut self, trade: &Trade) -> anyhow::Result<(i128, i128)> {
        self.decisions += 1;
        ensure!(trade.seq == self.decisions, "seq should be {}", self.decisions);
        Ok((units(&trade.quantity, QUANTITY_PLACES)?, units(&trade.cost, MONEY_PLACES)?))
    }

    /// Holds the totals against the ledger's own.
    pub(super) fn check_totals(
        &self,
        account: &Account,
        holdings: Option<&[(String, String, String)]>,
    ) -> anyhow::Result<()> {
        let ours = [self.cash, self.invested, self.realised, self.deposits].map(money);
        let theirs = [&account.cash, &account.invested, &account.realised, &account.deposits].map(Clone::clone);
        ensure!(
            ours == theirs,
            "cash, invested, realised, deposits: {ours:?} by the journal, {theirs:?} in the account"
        );
        ensure!(self.entries == account.entries && self.decisions == account.decisions, "{self:?} against {account:?}");
        let Some(holdings) = holdings else { return Ok(()) };
        let ours: Vec<_> = self
            .holdings
            .iter()
            .map(|(sid, (quantity, cost))| (sid.clone(), plain(*quantity, QUANTITY_PLACES), money(*cost)))
            .collect();
        ensure!(ours == holdings, "holdings: {ours:?} by the journal, {holdings:?} in the table");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// number, kind, amount, cash; then sid, quantity, price, cost of the decision with that number.
    fn entry(number: i64, kind: &str, amount: &str, cash: &str, trade: Option<(i64, &str, &str, &str)>) -> Entry {
        let trade = trade.map(|(seq, quantity, price, cost)| Trade {
            seq,
            event: format!("e2e/{seq}"),
            sid: "GOOG".to_owned(),
            quantity: quantity.to_owned(),
            price: price.to_owned(),
            cost: cost.to_owned(),
            time_micros: 0,
        });
        Entry {
            number,
            kind: kind.to_owned(),
            amount: amount.to_owned(),
            cash: cash.to_owned(),
            committed_micros: 0,
            hash: String::new(),
            placement: None,
            trade,
        }
    }

    fn sound() -> Vec<Entry> {
        vec![
            entry(1, "deposit", "10000.00", "10000.00", None),
            entry(2, "buy", "1234.56", "8765.44", Some((1, "3.57843478", "345", "1234.56"))),
            entry(3, "sell", "345.67", "9111.11", Some((2, "1", "345.67", "345.00"))),
            entry(4, "sell", "900.00", "10011.11", Some((3, "2.57843478", "349.049", "889.56"))),
        ]
    }

    #[test]
    fn a_sound_journal_adds_up() {
        let books = recompute(&sound()).unwrap();
        assert_eq!([books.cash, books.invested, books.realised], [1_001_111, 0, 1_111]);
    }

    #[test]
    fn every_wrong_figure_is_found() {
        type Spoil = fn(&mut Entry);
        let wrong: [(usize, Spoil); 9] = [
            (0, |entry| entry.amount = "0.00".to_owned()),
            (1, |entry| entry.number = 3),
            (1, |entry| entry.cash = "8765.45".to_owned()),
            (1, |entry| entry.trade.as_mut().unwrap().quantity = "3.57843479".to_owned()),
            (1, |entry| entry.trade.as_mut().unwrap().seq = 2),
            (2, |entry| entry.amount = "345.68".to_owned()),
            (2, |entry| entry.trade.as_mut().unwrap().cost = "344.99".to_owned()),
            (3, |entry| entry.trade.as_mut().unwrap().quantity = "2.57843479".to_owned()),
            (3, |entry| entry.kind = "buy".to_owned()),
        ];
        for (number, (place, spoil)) in wrong.into_iter().enumerate() {
            let mut journal = sound();
            spoil(&mut journal[place]);
            assert!(recompute(&journal).is_err(), "mistake {number} is not found");
        }
    }

    #[test]
    fn spending_more_than_there_is_is_found() {
        let journal = [
            entry(1, "deposit", "100.00", "100.00", None),
            entry(2, "buy", "100.01", "-0.01", Some((1, "100.01", "1", "100.01"))),
        ];
        assert!(recompute(&journal).is_err());
    }
}
