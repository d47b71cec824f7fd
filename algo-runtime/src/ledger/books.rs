//! The books: totals and holdings, computed from the journal alone. Pure.
//!
//! The same arithmetic checks a ledger at open, each commit before it is written, and `algo-runtime verify`.

use std::{collections::BTreeMap, fmt::Display};

use intuition_api::decimal::{Money, Quantity};

use super::{Account, Changes, EntryKind, Holding, JournalEntry, OutboxContent, Trade};

/// A contradiction in the ledger, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// An entry contradicts those before it, or itself.
    #[error("journal entry {number}: {field} is {stored}, should be {expected}")]
    ContradictEntry {
        /// Number of the entry.
        number: u64,
        /// Column of the journal.
        field: &'static str,
        /// The stored value.
        stored: String,
        /// The value that follows from the entries before it.
        expected: String,
    },
    /// The numbers have a hole.
    #[error("journal entry {number} is missing")]
    MissEntry {
        /// Number of the entry.
        number: u64,
    },
    /// An entry has columns that no release writes.
    #[error("journal entry {number} cannot be read: {problem}")]
    MisreadEntry {
        /// Number of the entry.
        number: u64,
        /// The cause.
        problem: String,
    },
    /// A total or a holding differs from the sum of the journal.
    #[error("{total} is {stored}, the journal adds up to {expected}")]
    ContradictTotal {
        /// The name of the total.
        total: String,
        /// The value in the ledger.
        stored: String,
        /// The value from the journal.
        expected: String,
    },
    /// Another difference from the written ledger.
    #[error("{0}")]
    BreakSeal(String),
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) entries: u64,
    pub(super) decisions: u64,
    pub(super) cash: Money,
    pub(super) invested: Money,
    pub(super) realised: Money,
    pub(super) deposits: Money,
    pub(super) holdings: BTreeMap<String, Holding>,
}

/// The totals of [`Books`].
#[derive(Debug, Clone, Copy)]
struct Totals {
    entries: u64,
    decisions: u64,
    cash: Money,
    invested: Money,
    realised: Money,
    deposits: Money,
}

/// The part of [`Books`] that a commit changed, as it was before. A commit costs the holdings that it touches, not all of them.
#[derive(Debug)]
pub(super) struct Undo {
    totals: Totals,
    holdings: BTreeMap<String, Option<Holding>>,
}

/// The books behind an entry, as far as they differ from those before it.
#[derive(Debug)]
pub(super) struct Step<'a> {
    totals: Totals,
    /// The symbol of a trade, and the holding of it; `None`: nothing is held any more.
    holding: Option<(&'a str, Option<Holding>)>,
}

impl Books {
    /// Adds one entry, unless it contradicts those before it; then the books stay as they are.
    pub(super) fn apply(&mut self, entry: &JournalEntry) -> Result<(), Finding> {
        let step = self.step(entry)?;
        self.advance(step);
        Ok(())
    }

    /// The step that an entry makes, unless it contradicts the entries before it.
    pub(super) fn step<'a>(&self, entry: &'a JournalEntry) -> Result<Step<'a>, Finding> {
        if entry.number != self.entries + 1 {
            return Err(Finding::MissEntry { number: self.entries + 1 });
        }
        if entry.amount <= Money::ZERO {
            return Err(wrong(entry, "amount", &entry.amount, &"more than 0"));
        }
        let mut totals = Totals { entries: entry.number, ..self.totals() };
        let holding = match (entry.kind, &entry.trade) {
            (EntryKind::Deposit, None) => {
                totals.settle(entry, self.cash.checked_add(entry.amount), true)?;
                totals.deposits = bounded(entry, self.deposits.checked_add(entry.amount))?;
                None
            }
            (EntryKind::Withdrawal, None) => {
                totals.settle(entry, self.cash.checked_sub(entry.amount), true)?;
                totals.deposits = bounded(entry, self.deposits.checked_sub(entry.amount))?;
                None
            }
            (EntryKind::Buy, Some(trade)) => Some((trade.sid.as_str(), Some(self.buy(entry, trade, &mut totals)?))),
            (EntryKind::Sell, Some(trade)) => Some((trade.sid.as_str(), self.sell(entry, trade, &mut totals)?)),
            (kind, Some(_)) => return Err(wrong(entry, "kind", &kind.name(), &"a trade's")),
            (kind, None) => return Err(wrong(entry, "kind", &kind.name(), &"a transfer's")),
        };
        // Invariant 1 follows from the steps above. The check costs two additions.
        if totals.deposits.checked_add(totals.realised) != totals.cash.checked_add(totals.invested) {
            return Err(wrong(entry, "amount", &entry.amount, &"one that keeps deposits + realised = cash + invested"));
        }
        Ok(Step { totals, holding })
    }

    /// Makes a step.
    pub(super) fn advance(&mut self, Step { totals, holding }: Step<'_>) {
        self.set_totals(totals);
        match holding {
            None => {}
            Some((sid, None)) => drop(self.holdings.remove(sid)),
            Some((sid, Some(holding))) => match self.holdings.get_mut(sid) {
                Some(held) => *held = holding,
                None => drop(self.holdings.insert(sid.to_owned(), holding)),
            },
        }
    }

    /// Compares with the totals that a ledger or a commit gives.
    pub(super) fn check_totals(&self, account: &Account) -> Result<(), Finding> {
        compare("entries", &account.entries, &self.entries)?;
        compare("decisions", &account.decisions, &self.decisions)?;
        compare("deposits", &account.deposits, &self.deposits)?;
        compare("cash", &account.cash, &self.cash)?;
        compare("invested", &account.invested, &self.invested)?;
        compare("realised", &account.realised, &self.realised)
    }

    /// Compares with the holdings that a ledger gives.
    pub(super) fn check_holdings(&self, stored: &BTreeMap<String, Holding>) -> Result<(), Finding> {
        stored.keys().chain(self.holdings.keys()).try_for_each(|sid| self.check_holding(sid, stored.get(sid)))
    }

    /// Takes the entries of `changes`, unless these contradict the books or themselves; then the books stay as they are.
    /// [`Books::revert`] takes the entries back, which is for a commit that fails later.
    pub(super) fn take(&mut self, before: &Account, changes: &Changes) -> Result<Undo, Finding> {
        let mut undo = Undo { totals: self.totals(), holdings: BTreeMap::new() };
        match self.try_take(before, changes, &mut undo) {
            Ok(()) => Ok(undo),
            Err(finding) => {
                self.revert(undo);
                Err(finding)
            }
        }
    }

    /// The books before [`Books::take`] returned `undo`.
    pub(super) fn revert(&mut self, Undo { totals, holdings }: Undo) {
        self.set_totals(totals);
        for (sid, holding) in holdings {
            match holding {
                Some(holding) => self.holdings.insert(sid, holding),
                None => self.holdings.remove(&sid),
            };
        }
    }

    fn set_totals(&mut self, Totals { entries, decisions, cash, invested, realised, deposits }: Totals) {
        (self.entries, self.decisions, self.cash) = (entries, decisions, cash);
        (self.invested, self.realised, self.deposits) = (invested, realised, deposits);
    }

    const fn totals(&self) -> Totals {
        let Self { entries, decisions, cash, invested, realised, deposits, .. } = *self;
        Totals { entries, decisions, cash, invested, realised, deposits }
    }

    fn try_take(&mut self, before: &Account, changes: &Changes, undo: &mut Undo) -> Result<(), Finding> {
        for entry in &changes.journal {
            if let Some(sid) =
                entry.trade.as_ref().map(|trade| &trade.sid).filter(|sid| !undo.holdings.contains_key(*sid))
            {
                undo.holdings.insert(sid.clone(), self.holdings.get(sid).copied());
            }
            self.apply(entry)?;
        }
        let account = changes.account.as_ref().unwrap_or(before);
        self.check_totals(account)?;
        for sid in changes.holdings.keys().chain(undo.holdings.keys()) {
            self.check_holding(sid, changes.holdings.get(sid).and_then(Option::as_ref))?;
        }
        check_outbox(before, account, changes)
    }

    /// The holding after it.
    fn buy(&self, entry: &JournalEntry, trade: &Trade, totals: &mut Totals) -> Result<Holding, Finding> {
        totals.count(entry, trade)?;
        let bought = Quantity::bought(entry.amount, trade.price);
        totals.settle(entry, self.cash.checked_sub(entry.amount), bought == Some(trade.quantity))?;
        expect(entry, "quantity", trade.quantity, bought.filter(|quantity| !quantity.is_zero()))?;
        expect(entry, "cost", trade.cost, Some(entry.amount))?;
        totals.invested = bounded(entry, self.invested.checked_add(trade.cost))?;
        let held = self.holdings.get(&trade.sid).copied().unwrap_or_default();
        Ok(Holding {
            quantity: bounded(entry, held.quantity.checked_add(trade.quantity))?,
            cost: bounded(entry, held.cost.checked_add(trade.cost))?,
        })
    }

    /// The holding after it, if anything is left.
    fn sell(&self, entry: &JournalEntry, trade: &Trade, totals: &mut Totals) -> Result<Option<Holding>, Finding> {
        totals.count(entry, trade)?;
        let proceeds = Money::proceeds(trade.quantity, trade.price);
        totals.settle(entry, self.cash.checked_add(entry.amount), proceeds == Some(entry.amount))?;
        expect(entry, "amount", entry.amount, proceeds)?;
        let Some(held) = self.holdings.get(&trade.sid) else {
            return Err(wrong(entry, "sid", &trade.sid, &"one that is held"));
        };
        let Some(left) = held.quantity.checked_sub(trade.quantity) else {
            return Err(wrong(entry, "quantity", &trade.quantity, &format!("at most {}", held.quantity)));
        };
        expect(entry, "cost", trade.cost, held.cost.cost_share(trade.quantity, held.quantity))?;
        let cost = bounded(entry, held.cost.checked_sub(trade.cost))?;
        totals.invested = bounded(entry, self.invested.checked_sub(trade.cost))?;
        let result = bounded(entry, entry.amount.checked_sub(trade.cost))?;
        totals.realised = bounded(entry, self.realised.checked_add(result))?;
        Ok((!left.is_zero()).then_some(Holding { quantity: left, cost }))
    }

    fn check_holding(&self, sid: &str, stored: Option<&Holding>) -> Result<(), Finding> {
        let expected = self.holdings.get(sid);
        if stored == expected {
            return Ok(());
        }
        let show = |held: Option<&Holding>| {
            held.map_or_else(|| "nothing".to_owned(), |held| format!("{} at a cost of {}", held.quantity, held.cost))
        };
        Err(contradiction(&format!("the holding of {sid}"), &show(stored), &show(expected)))
    }
}

impl Totals {
    fn count(&mut self, entry: &JournalEntry, trade: &Trade) -> Result<(), Finding> {
        expect(entry, "seq", trade.seq, Some(self.decisions + 1))?;
        self.decisions = trade.seq;
        Ok(())
    }

    /// Takes over the cash after the entry. On a contradiction, `consistent` (the amount matches the entry's quantity and
    /// price) decides whether the amount or the cash is wrong.
    fn settle(&mut self, entry: &JournalEntry, cash: Option<Money>, consistent: bool) -> Result<(), Finding> {
        let cash = bounded(entry, cash)?;
        if entry.cash != cash && !consistent {
            let moved = entry.cash.checked_sub(self.cash).map(|moved| Money::from_cents(moved.cents().abs()));
            return Err(wrong(entry, "amount", &entry.amount, &bounded(entry, moved)?));
        }
        expect(entry, "cash", entry.cash, Some(cash))?;
        if cash.is_negative() {
            return Err(wrong(entry, "cash", &cash, &"0.00 or more"));
        }
        self.cash = cash;
        Ok(())
    }
}

/// Checks positions: they follow each other, each decision of the journal has one, in the same order, and reports are within them.
fn check_outbox(before: &Account, account: &Account, changes: &Changes) -> Result<(), Finding> {
    for (expected, row) in (before.position + 1..).zip(&changes.outbox) {
        compare("outbox position", &row.position, &expected)?;
    }
    let booked = changes.journal.iter().filter(|entry| entry.trade.is_some()).map(|entry| entry.number);
    let sent = changes.outbox.iter().filter_map(|row| match &row.content {
        OutboxContent::Decision(entry) => Some(entry.number),
        OutboxContent::DeadLetter(_) | OutboxContent::Publication(_) | OutboxContent::Joined(_) => None,
    });
    if !booked.clone().eq(sent.clone()) {
        let show = |numbers: &mut dyn Iterator<Item = u64>| format!("{:?}", numbers.collect::<Vec<_>>());
        return Err(contradiction("decisions in the outbox", &show(&mut { sent }), &show(&mut { booked })));
    }
    compare("position", &account.position, &(before.position + changes.outbox.len() as u64))?;
    if let Some((_, last)) = changes.done.ranges().last().filter(|(_, last)| *last > account.position) {
        return Err(contradiction("the last position done", &last, &format!("at most {}", account.position)));
    }
    if account.published_through > account.position || account.published_through < before.published_through {
        let range = format!("{} to {}", before.published_through, account.position);
        return Err(contradiction("published_through", &account.published_through, &range));
    }
    Ok(())
}

fn compare<T: PartialEq + Display>(total: &str, stored: &T, expected: &T) -> Result<(), Finding> {
    if stored == expected { Ok(()) } else { Err(contradiction(total, stored, expected)) }
}

fn contradiction(total: &str, stored: &dyn Display, expected: &dyn Display) -> Finding {
    Finding::ContradictTotal { total: total.to_owned(), stored: stored.to_string(), expected: expected.to_string() }
}

/// `None` as `expected`: no value would fit.
fn expect<T: Copy + PartialEq + Display>(
    entry: &JournalEntry,
    field: &'static str,
    stored: T,
    expected: Option<T>,
) -> Result<(), Finding> {
    match expected {
        Some(expected) if expected == stored => Ok(()),
        Some(expected) => Err(wrong(entry, field, &stored, &expected)),
        None => Err(wrong(entry, field, &stored, &"more than 0 and within the limit")),
    }
}

fn bounded<T>(entry: &JournalEntry, value: Option<T>) -> Result<T, Finding> {
    value.ok_or_else(|| wrong(entry, "amount", &entry.amount, &"one that keeps every sum within the limit"))
}

fn wrong(entry: &JournalEntry, field: &'static str, stored: &dyn Display, expected: &dyn Display) -> Finding {
    Finding::ContradictEntry { number: entry.number, field, stored: stored.to_string(), expected: expected.to_string() }
}
