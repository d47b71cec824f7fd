//! The account's money: totals, holdings, the sizing policy, and the journal entries that the next commit appends.

use std::collections::BTreeMap;

use intuition_api::{decimal::Money, v1::Position};

use super::{
    outbox::Outbox,
    tick::{PendingQuote, Sale},
};
use crate::{
    algorithm::Signal,
    generator::{Generator, POLICY_STREAM},
    identity::event_of,
    ledger::{Account, Changes, EntryKind, Holding, JournalEntry, LedgerId, LedgerIds, OutboxContent, StateKey, Trade},
    portfolio::{Book, Booked, Denial, Policy},
};

/// Key of the policy's generator in the saved state; no algorithm has that name.
const POLICY_STATE: (&str, &str) = ("portfolio", "generator");

/// See the module.
#[derive(Debug)]
pub(super) struct Accounting {
    name: String,
    ledger_id: String,
    ledger_ids: LedgerIds,
    /// Journal entries, decisions, and the time of the last change, as in [`Account`].
    entries: u64,
    decisions: u64,
    updated_micros: i64,
    book: Book,
    policy: Policy,
    generator: Generator,
    uncommitted: Uncommitted,
}

/// Changes that are in no commit yet.
#[derive(Debug, Default)]
struct Uncommitted {
    journal: Vec<JournalEntry>,
    holdings: BTreeMap<String, Option<Holding>>,
    ledger_ids: Option<LedgerIds>,
    /// The policy drew from its generator.
    drawn: bool,
}

impl Accounting {
    pub(super) fn load(
        account: Account,
        ledger_ids: LedgerIds,
        holdings: BTreeMap<String, Holding>,
        policy: Policy,
        generator: Generator,
    ) -> Self {
        let Account { cash, invested, realised, deposits, .. } = account;
        Self {
            name: account.name,
            ledger_id: account.ledger_id,
            ledger_ids,
            entries: account.entries,
            decisions: account.decisions,
            updated_micros: account.updated_micros,
            book: Book { cash, invested, realised, deposits, holdings },
            policy,
            generator,
            uncommitted: Uncommitted::default(),
        }
    }

    /// The generator of the policy as a ledger has it. `fallback`: the seed where the settings have none.
    pub(super) fn generator(states: &BTreeMap<StateKey, Vec<u8>>, seed: Option<u64>, fallback: u64) -> Generator {
        Generator::resume(seed, POLICY_STREAM, states.get(&policy_state()).map(Vec::as_slice), fallback)
    }

    /// Lets the policy draw from another seed.
    pub(super) fn reseed(&mut self, seed: Option<u64>, fallback: u64) {
        self.generator = Generator::resume(seed, POLICY_STREAM, None, fallback);
        self.uncommitted.drawn = true;
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ledger_id(&self) -> &str {
        &self.ledger_id
    }

    pub(super) const fn ledger_ids(&self) -> &LedgerIds {
        &self.ledger_ids
    }

    pub(super) const fn decisions(&self) -> u64 {
        self.decisions
    }

    pub(super) const fn book(&self) -> &Book {
        &self.book
    }

    #[cfg(test)]
    pub(super) const fn book_mut(&mut self) -> &mut Book {
        &mut self.book
    }

    /// The totals. Positions of the outbox are those of `outbox`.
    pub(super) fn totals(&self, outbox: &Outbox) -> Account {
        let Book { cash, invested, realised, deposits, .. } = self.book;
        Account {
            name: self.name.clone(),
            ledger_id: self.ledger_id.clone(),
            cash,
            invested,
            realised,
            deposits,
            entries: self.entries,
            decisions: self.decisions,
            position: outbox.position(),
            published_through: outbox.published_through(),
            updated_micros: self.updated_micros,
        }
    }

    /// The holdings in the contract's form.
    pub(super) fn positions(&self) -> Vec<Position> {
        let position = |(sid, held): (&String, &Holding)| Position {
            sid: sid.clone(),
            quantity: held.quantity.to_string(),
            cost: held.cost.to_string(),
        };
        self.book.holdings.iter().map(position).collect()
    }

    /// The account changed at this time, also where nothing is booked.
    pub(super) const fn note_decision_at(&mut self, now_micros: i64) {
        self.updated_micros = now_micros;
    }

    /// Sizes a signal about a quote and books it: journal, holdings and outbox. Returns position and number of the decision.
    pub(super) fn book_signal(
        &mut self,
        about: &PendingQuote,
        signal: Signal,
        now_micros: i64,
        outbox: &mut Outbox,
    ) -> Result<(u64, u64), Denial> {
        let quote = &about.quote;
        let (kind, booked) = match signal {
            Signal::Buy => {
                let amount = self.policy.size(self.book.cash, &mut self.generator);
                self.uncommitted.drawn = true;
                (EntryKind::Buy, self.book.buy(&quote.sid, quote.price, amount)?)
            }
            Signal::Sell(quantity) => (EntryKind::Sell, self.book.sell(&quote.sid, quote.price, quantity)?),
        };
        Ok(self.journal(about, kind, false, booked, now_micros, outbox))
    }

    /// Sells a holding whole, by a person's request.
    pub(super) fn sell_by_hand(
        &mut self,
        about: &PendingQuote,
        now_micros: i64,
        outbox: &mut Outbox,
    ) -> Result<Sale, Denial> {
        let booked = self.book.sell(&about.quote.sid, about.quote.price, None)?;
        let (position, seq) = self.journal(about, EntryKind::Sell, true, booked, now_micros, outbox);
        Ok(Sale { position, seq })
    }

    /// Deposits or withdraws the difference to the target (invariant 5).
    pub(super) fn settle_deposits(&mut self, target: Money, now_micros: i64) -> Result<(), Denial> {
        let Some(difference) = self.book.settle_deposits(target)? else { return Ok(()) };
        let (kind, amount) = if difference.is_negative() {
            (EntryKind::Withdrawal, Money::from_cents(-difference.cents()))
        } else {
            (EntryKind::Deposit, difference)
        };
        let entry = self.entry(kind, amount, now_micros);
        self.uncommitted.journal.push(entry);
        Ok(())
    }

    /// Gives decisions from now on another ledger id. `committed_position`: the last outbox position that is committed.
    pub(super) fn take_ledger_id(&mut self, id: String, committed_position: u64) {
        // A decision that is not committed yet was never published.
        let uncommitted = self.uncommitted.journal.iter().filter(|entry| entry.trade.is_some()).count() as u64;
        let first_seq = self.decisions - uncommitted + 1;
        self.ledger_ids.take(LedgerId { first_seq, first_position: committed_position + 1, id });
        self.ledger_id.clone_from(&self.ledger_ids.newest().id);
        self.uncommitted.ledger_ids = Some(self.ledger_ids.clone());
    }

    pub(super) fn take_changes(&mut self, changes: &mut Changes) {
        let Uncommitted { journal, holdings, ledger_ids, drawn } = std::mem::take(&mut self.uncommitted);
        (changes.journal, changes.holdings, changes.ledger_ids) = (journal, holdings, ledger_ids);
        if drawn {
            changes.state.insert(policy_state(), Some(self.generator.save()));
        }
    }

    /// Writes a booked trade to the journal and to the outbox. Returns its position and its number.
    fn journal(
        &mut self,
        about: &PendingQuote,
        kind: EntryKind,
        manual: bool,
        booked: Booked,
        now_micros: i64,
        outbox: &mut Outbox,
    ) -> (u64, u64) {
        let PendingQuote { delivery, index, quote, .. } = about;
        let holding = self.book.holdings.get(&quote.sid).copied();
        match self.uncommitted.holdings.get_mut(&quote.sid) {
            Some(known) => *known = holding,
            None => drop(self.uncommitted.holdings.insert(quote.sid.clone(), holding)),
        }
        let mut entry = self.entry(kind, booked.amount, now_micros);
        self.decisions += 1;
        let seq = self.decisions;
        let tick = delivery.ticks.get(*index as usize);
        entry.trade = Some(Trade {
            seq,
            event: tick.map(|tick| event_of(delivery, tick)).unwrap_or_default(),
            sid: quote.sid.clone(),
            quantity: booked.quantity,
            price: quote.price,
            cost: booked.cost,
            time_micros: quote.time_micros,
            manual,
        });
        self.uncommitted.journal.push(entry.clone());
        (outbox.post(OutboxContent::Decision(entry)), seq)
    }

    /// The next journal entry; the money is in the book already.
    fn entry(&mut self, kind: EntryKind, amount: Money, now_micros: i64) -> JournalEntry {
        self.entries += 1;
        self.updated_micros = now_micros;
        JournalEntry {
            number: self.entries,
            kind,
            amount,
            cash: self.book.cash,
            committed_micros: now_micros,
            trade: None,
        }
    }
}

fn policy_state() -> StateKey {
    (POLICY_STATE.0.to_owned(), POLICY_STATE.1.to_owned())
}
