//! The engine: one account's whole state and what happens to it. Pure: requests, times and random names come in,
//! answers and [`Changes`] come out. Whoever drives it commits the changes and only then sends the answers.
//!
//! - [`process`](Engine::process): deliveries become outcomes, decisions and dead letters.
//! - `stream`: what else a bridge says on its stream.
//! - `configure`: settings, at the start and while it runs.
//! - `tally`: the account as it is shown.

mod configure;
mod process;
mod stream;
mod tally;

use std::collections::BTreeMap;

use intuition_api::{decimal::Money, v1};

use crate::{
    algorithm::{Algorithm, SavedState},
    generator::{Generator, POLICY_STREAM},
    identity::Identities,
    ledger::{Account, Changes, CounterKey, EntryKind, HeldFilter, JournalEntry, SettingsRecord, Snapshot},
    portfolio::{Book, Policy},
    settings::{Adjustable, Authority, InForce, Settings, SettingsError, in_force},
};

pub use configure::refusal;
pub use stream::RequestError;
pub use tally::{Tally, counter};

/// Key of the policy's generator in the saved state; no algorithm has that name.
const POLICY_STATE: (&str, &str) = ("portfolio", "generator");

/// One account.
pub struct Engine {
    account: Account,
    book: Book,
    identities: Identities,
    counters: BTreeMap<CounterKey, u64>,
    sessions: BTreeMap<String, String>,
    held: Vec<HeldFilter>,
    algorithm: Box<dyn Algorithm>,
    policy: Policy,
    generator: Generator,
    /// The policy drew from its generator since the last commit.
    drawn: bool,
    authority: Authority,
    settings: InForce,
    /// As the ledger has it.
    recorded: Option<SettingsRecord>,
    subscribe: Option<Vec<String>>,
    channels: v1::Channels,
    /// The broker session that deliveries belong to.
    session: String,
    /// The bridge's run.
    run: u64,
    /// What is not handed over yet.
    pending: Changes,
}

impl Engine {
    /// Takes a ledger's state up under these settings. The first start deposits the starting cash.
    pub fn start(snapshot: Snapshot, settings: &Settings, now_micros: i64) -> Result<Self, SettingsError> {
        let ruling = in_force(&settings.adjustable, &settings.authority, snapshot.settings.as_ref())?;
        let adjustable = &ruling.adjustable;
        let saved = saved_state(&snapshot, &adjustable.algorithm);
        let algorithm = adjustable
            .builtin()
            .and_then(|builtin| Ok(builtin.initialize(&adjustable.algorithm_settings(), &saved)?))?;
        // What the resource says, else what the algorithm asks for.
        let filters = settings.subscribe.clone().unwrap_or_else(|| algorithm.channels());
        let policy_state = snapshot.state.get(&(POLICY_STATE.0.to_owned(), POLICY_STATE.1.to_owned()));
        let generator = Generator::resume(adjustable.seed(), POLICY_STREAM, policy_state.map(Vec::as_slice));
        let account = &snapshot.account;
        let book = Book {
            cash: account.cash,
            invested: account.invested,
            realised: account.realised,
            deposits: account.deposits,
            holdings: snapshot.holdings,
        };
        let mut engine = Self {
            book,
            identities: Identities::load(snapshot.window, snapshot.marks),
            counters: snapshot.counters,
            sessions: snapshot.sessions,
            held: snapshot.held,
            account: snapshot.account,
            algorithm,
            policy: settings.policy,
            generator,
            drawn: false,
            authority: settings.authority.clone(),
            settings: ruling,
            recorded: snapshot.settings,
            subscribe: settings.subscribe.clone(),
            channels: v1::Channels { version: 1, filters },
            session: String::new(),
            run: 0,
            pending: Changes::default(),
        };
        engine.take_up_settings(now_micros)?;
        Ok(engine)
    }

    /// What is to be committed: everything since the last call. `None`: nothing happened.
    pub fn take_changes(&mut self) -> Option<Changes> {
        for (key, state) in self.algorithm.take_changes() {
            self.pending.state.insert((self.settings.adjustable.algorithm.clone(), key), Some(state));
        }
        if std::mem::take(&mut self.drawn) {
            let key = (POLICY_STATE.0.to_owned(), POLICY_STATE.1.to_owned());
            self.pending.state.insert(key, Some(self.generator.save()));
        }
        self.pending.evict = self.identities.evict();
        let mut changes = std::mem::take(&mut self.pending);
        if changes == Changes::default() {
            return None;
        }
        let Book { cash, invested, realised, deposits, .. } = self.book;
        self.account = Account { cash, invested, realised, deposits, ..self.account.clone() };
        changes.account = Some(self.account.clone());
        Some(changes)
    }

    /// The channels in force.
    pub const fn channels(&self) -> &v1::Channels {
        &self.channels
    }

    /// The account's name and the ledger's id.
    pub fn names(&self) -> (&str, &str) {
        (&self.account.name, &self.account.ledger_id)
    }

    /// The last outbox position given.
    pub const fn position(&self) -> u64 {
        self.account.position
    }

    /// Appends to the journal; the money is in the book already.
    fn append(&mut self, kind: EntryKind, amount: Money, now_micros: i64) -> JournalEntry {
        self.account.entries += 1;
        self.account.updated_micros = now_micros;
        JournalEntry {
            number: self.account.entries,
            kind,
            amount,
            cash: self.book.cash,
            committed_micros: now_micros,
            trade: None,
        }
    }

    fn count(&mut self, name: &str, reason: &str, by: u64) {
        let key = (name.to_owned(), reason.to_owned());
        let value = self.counters.entry(key.clone()).or_default();
        // The ledger's integers have a sign; a counter that is full stays so.
        *value = value.saturating_add(by).min(i64::MAX.cast_unsigned());
        self.pending.counters.insert(key, *value);
    }

    fn adjustable(&self) -> &Adjustable {
        &self.settings.adjustable
    }
}

fn saved_state(snapshot: &Snapshot, algorithm: &str) -> SavedState {
    let of_algorithm = snapshot.state.iter().filter(|((owner, _), _)| owner == algorithm);
    of_algorithm.map(|((_, key), state)| (key.clone(), state.clone())).collect()
}

#[cfg(test)]
mod tests;
