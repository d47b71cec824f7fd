//! The engine: one account's whole state and what happens to it. Pure: requests, times, random names and a seed come in,
//! answers and [`Changes`] come out. Whoever drives it commits the changes and only then sends the answers.
//!
//! - `inputs`: which symbols are taken on which topic.
//! - `turn`: what waits, and which ticks have their turn. `process`: they become outcomes, decisions and dead letters.
//! - `decider`: the algorithm, in process or out of it. `swap`: the takeover by another. `states`: saved states.
//! - `letters`: dead letters. `load`: bounds of deliveries.
//! - `stream`: the bridge's messages other than deliveries; `sessions`: the broker sessions that deliveries belong to.
//! - `outbox`: a bridge's reports about the outbox, and a ledger that has gone back.
//! - `sources`: last numbers, conflicts, gaps and limits.
//! - `configure`: settings, at the start and while it runs. `trading`: the trading state. `closing`: sales by hand.
//! - `denials`: signals that were denied.
//! - `tally`: the account as it is shown.

mod closing;
mod configure;
mod decider;
mod denials;
mod inputs;
mod letters;
mod load;
mod outbox;
mod process;
mod sessions;
mod sources;
mod states;
mod stream;
mod swap;
mod tally;
mod topics;
mod trading;
mod turn;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use intuition_api::{decimal::Money, v1};
use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};

use self::{
    closing::Closing,
    decider::Decider,
    inputs::Inputs,
    load::Load,
    outbox::Unsaved,
    process::Progress,
    sessions::Sessions,
    swap::Candidate,
    turn::{Asked, Turn, Work},
};
use crate::{
    generator::{Generator, POLICY_STREAM},
    identity::Identities,
    ledger::{
        Account, Changes, CounterKey, EntryKind, Gap, HeldFilter, Holding, JournalEntry, LedgerIds, Positions,
        SettingsRecord, Snapshot, StateKey,
    },
    portfolio::{Book, Policy},
    settings::{
        Adjustable, Authority, InForce, Settings, SettingsError, StartingCash, Topics, in_force, starting_cash,
    },
    sizes::Sizes,
    sources::{Sources, symbols::Symbols},
    trading::Trading,
};

pub use configure::refusal;
pub use decider::Errand;
pub use denials::Denied;
pub use process::Settled;
pub use stream::{Fresh, RequestError};
pub use tally::{Tally, counter};

/// Key of the policy's generator in the saved state; no algorithm has that name.
const POLICY_STATE: (&str, &str) = ("portfolio", "generator");

/// Names a link to a backend, for as long as the engine lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One account.
pub struct Engine {
    sizes: Sizes,
    /// Draws seeds: of backends' pauses, and of generators without a seed in the settings.
    chance: ChaCha8Rng,
    account: Account,
    ledger_ids: LedgerIds,
    /// Outbox positions beyond `account.published_through` that are published or given up.
    done: Positions,
    unsaved: Unsaved,
    book: Book,
    identities: Identities,
    sources: Sources,
    symbols: Symbols,
    last_gap: Option<Gap>,
    counters: BTreeMap<CounterKey, u64>,
    sessions: Sessions,
    held: Vec<HeldFilter>,
    decider: Decider,
    /// Who shall take over.
    candidate: Option<Candidate>,
    /// What algorithms saved, and the policy.
    states: BTreeMap<StateKey, Vec<u8>>,
    /// Times that the algorithm deciding saved its state.
    saves: u64,
    policy: Policy,
    generator: Generator,
    /// The policy drew from its generator since the last commit.
    drawn: bool,
    authority: Authority,
    settings: InForce,
    trading: Trading,
    closing: Closing,
    /// As the ledger has it.
    recorded: Option<SettingsRecord>,
    subscribe: Option<Vec<String>>,
    inputs: Inputs,
    topics: Topics,
    /// Channels of the algorithm deciding that the account may not use.
    not_allowed: Vec<String>,
    /// What the bridge shall subscribe to; version 0: nobody said yet.
    channels: v1::Channels,
    /// Channels that the active algorithm asked for and may use; `None` before it named them.
    wanted: Option<Vec<String>>,
    /// What is decided by the algorithm deciding; more than it asked for while the bridge changes over.
    filters: Vec<String>,
    /// Capabilities of the bridge that opened the stream last.
    bridge_capabilities: Vec<String>,
    /// The bridge's run.
    run: u64,
    /// The stream that deliveries come on, as whoever drives the engine numbers it.
    stream: u64,
    backlog: VecDeque<Work>,
    load: Load,
    turn: Option<Turn>,
    /// What a backend was asked.
    asked: Vec<Asked>,
    progress: Progress,
    /// Settled, and not given out.
    settled: Vec<Settled>,
    links: u64,
    errands: Vec<Errand>,
    /// Since when something waits and nothing was settled.
    waiting_since: Option<i64>,
    /// Another algorithm is taking over, and has not decided yet.
    taking_over: bool,
    swap_pauses: Vec<Duration>,
    /// Denied signals by reason, since they were last taken.
    denials: BTreeMap<&'static str, Denied>,
    /// What is not handed over yet.
    pending: Changes,
}

impl Engine {
    /// Takes a ledger's state up under these settings. The first start deposits the starting cash.
    ///
    /// `seed`: of all chance in the engine. Engines with equal seeds, snapshots and requests do the same. A runtime draws a new
    /// seed for each start.
    pub fn start(
        mut snapshot: Snapshot,
        settings: &Settings,
        sizes: Sizes,
        seed: u64,
        now_micros: i64,
    ) -> Result<Self, SettingsError> {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let ruling = in_force(&settings.adjustable, &settings.authority, snapshot.settings.as_ref())?;
        let cash = starting_cash(
            &settings.adjustable,
            settings.initial.cash_unchanged,
            &settings.authority,
            snapshot.settings.as_ref(),
            snapshot.account.entries > 0,
        )?;
        let trading = Trading::load(snapshot.trading, settings.authority.uid(), snapshot.settings.as_ref(), now_micros);
        let closing = Closing::load(snapshot.closing, snapshot.holdings.keys(), sizes);
        let policy_state = snapshot.state.get(&(POLICY_STATE.0.to_owned(), POLICY_STATE.1.to_owned()));
        let policy_state = policy_state.map(Vec::as_slice);
        let generator = Generator::resume(ruling.adjustable.seed(), POLICY_STREAM, policy_state, chance.next_u64());
        let (decider, errand) =
            Decider::start(&ruling.adjustable, &snapshot.state, LinkId(1), sizes, chance.next_u64())?;
        let mut engine = Self {
            sizes,
            chance,
            book: book_of(&snapshot.account, snapshot.holdings),
            identities: Identities::load(&snapshot.window, snapshot.older, sizes),
            symbols: Symbols::load(std::mem::take(&mut snapshot.sources.symbols), sizes.symbols),
            last_gap: snapshot.sources.last_gap.take(),
            sources: Sources::load(snapshot.marks, snapshot.sources, sizes),
            counters: snapshot.counters,
            sessions: Sessions::new(snapshot.sessions, snapshot.client_sessions),
            bridge_capabilities: Vec::new(),
            held: snapshot.held,
            account: snapshot.account,
            ledger_ids: snapshot.ledger_ids,
            done: snapshot.done,
            unsaved: Unsaved::default(),
            decider,
            candidate: None,
            states: snapshot.state,
            saves: 0,
            policy: settings.policy,
            generator,
            drawn: false,
            authority: settings.authority.clone(),
            settings: ruling,
            trading,
            closing,
            recorded: snapshot.settings,
            subscribe: settings.subscribe.clone(),
            inputs: Inputs::new(&settings.inputs),
            topics: settings.topics.clone(),
            not_allowed: Vec::new(),
            channels: v1::Channels::default(),
            wanted: None,
            filters: Vec::new(),
            run: 0,
            stream: 0,
            backlog: VecDeque::new(),
            load: Load::default(),
            turn: None,
            asked: Vec::new(),
            progress: Progress::default(),
            settled: Vec::new(),
            links: 1,
            errands: errand.into_iter().collect(),
            waiting_since: None,
            taking_over: false,
            swap_pauses: Vec::new(),
            denials: BTreeMap::new(),
            pending: Changes::default(),
        };
        engine.take_up_trading(settings, now_micros);
        engine.begin(&cash, now_micros)?;
        Ok(engine)
    }

    fn begin(&mut self, cash: &StartingCash, now_micros: i64) -> Result<(), SettingsError> {
        match &self.decider {
            Decider::Builtin { algorithm, .. } => {
                let channels = algorithm.channels();
                self.wants(channels);
            }
            // What the resource says is known before the algorithm answers.
            Decider::Backend { .. } => self.wants(Vec::new()),
        }
        self.take_up_settings(cash, now_micros)?;
        if let Some((candidate, generation)) = self.settings.candidate.take() {
            self.begin_swap(candidate, generation)?;
        }
        Ok(())
    }

    /// The changes since the last call, to be committed. `None`: there are none, or only reports about the outbox.
    pub fn take_changes(&mut self) -> Option<Changes> {
        let changes = self.collect();
        (changes != Changes::default()).then(|| self.complete(changes))
    }

    /// The changes since the last call, also where they are only reports about the outbox.
    pub fn take_all_changes(&mut self) -> Option<Changes> {
        let changes = self.collect();
        (changes != Changes::default() || !self.unsaved.is_empty()).then(|| self.complete(changes))
    }

    fn collect(&mut self) -> Changes {
        self.collect_state();
        if std::mem::take(&mut self.drawn) {
            let key = (POLICY_STATE.0.to_owned(), POLICY_STATE.1.to_owned());
            self.pending.state.insert(key, Some(self.generator.save()));
        }
        self.pending.trading = self.trading.take_change();
        self.pending.closing = self.closing.take_changes();
        self.pending.evict = self.identities.evict(self.recognised());
        let (marks, sources) = self.sources.take_changes();
        self.pending.marks =
            marks.into_iter().map(|mark| ((mark.channel.clone(), mark.source.clone()), mark)).collect();
        self.pending.sources = sources;
        self.pending.sources.symbols = self.symbols.take_added();
        std::mem::take(&mut self.pending)
    }

    fn complete(&mut self, mut changes: Changes) -> Changes {
        self.unsaved.join(&mut changes);
        let Book { cash, invested, realised, deposits, .. } = self.book;
        self.account = Account { cash, invested, realised, deposits, ..self.account.clone() };
        changes.account = Some(self.account.clone());
        changes
    }

    /// Takes over what an algorithm in process saved.
    fn collect_state(&mut self) {
        let Decider::Builtin { builtin, algorithm } = &mut self.decider else { return };
        for (key, state) in algorithm.take_changes() {
            self.states.insert((builtin.name.to_owned(), key.clone()), state.clone());
            self.pending.state.insert((builtin.name.to_owned(), key), Some(state));
        }
    }

    /// What the bridge is to subscribe to; `None`: the algorithm has not said yet.
    pub fn channels(&self) -> Option<&v1::Channels> {
        (self.channels.version > 0).then_some(&self.channels)
    }

    /// What the algorithm deciding lacks, as a code and for a person.
    pub fn trouble(&self) -> Option<(&'static str, &str)> {
        self.decider.trouble().map(|trouble| (trouble.reason(), trouble.message.as_str()))
    }

    /// How long nothing was decided because another algorithm took over, each time since the last call.
    pub fn take_swap_pauses(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.swap_pauses)
    }

    /// The account's name and the ledger's ids.
    pub const fn names(&self) -> (&str, &LedgerIds) {
        (self.account.name.as_str(), &self.ledger_ids)
    }

    /// Every outbox position up to this one is done.
    pub const fn published_through(&self) -> u64 {
        self.account.published_through
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
        let value = self.raise(&key, by);
        self.pending.counters.insert(key, value);
    }

    fn raise(&mut self, key: &CounterKey, by: u64) -> u64 {
        let value = self.counters.entry(key.clone()).or_default();
        // The ledger's integers have a sign; a counter that is full stays so.
        *value = value.saturating_add(by).min(i64::MAX.cast_unsigned());
        *value
    }

    /// The counter of a reason that the bridge gives. There is a bounded number of them.
    fn counter_key(&self, name: &str, reason: &str) -> CounterKey {
        let key = (name.to_owned(), reason.to_owned());
        let of_name = (name.to_owned(), String::new())..;
        let is_full = || {
            self.counters.range(of_name).take_while(|((other, _), _)| other == name).count()
                >= self.sizes.counted_reasons
        };
        if !self.counters.contains_key(&key) && is_full() {
            return (key.0, letters::OTHER.to_owned());
        }
        key
    }

    fn adjustable(&self) -> &Adjustable {
        &self.settings.adjustable
    }
}

fn book_of(account: &Account, holdings: BTreeMap<String, Holding>) -> Book {
    let Account { cash, invested, realised, deposits, .. } = *account;
    Book { cash, invested, realised, deposits, holdings }
}

#[cfg(test)]
mod tests;
