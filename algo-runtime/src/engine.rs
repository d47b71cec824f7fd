//! The engine: one account's whole state, and the rules by which requests change it. Pure: requests, times, random names and
//! a seed are arguments, answers and [`Changes`] are results. The writer commits the changes and only then sends the answers.
//!
//! [`Engine`] is composed of parts. Each part owns its fields and its share of the next commit; no part calls the engine.
//! - `backlog`: deliveries that wait, and the batch of ticks that is being decided.
//! - `recogniser`: identities, sessions, symbols and, by `source_numbers`, sources.
//! - `channels`: subscriptions, and the quotes that are decided; `inputs`: symbols and ages by topic; `freshness`: the age of a quote;
//!   `silence`: inputs without quotes.
//! - `deciders`: the active algorithm (`decider`) and the candidate (`pending_swap`), with `starter` and `states`. `swap_clock`.
//! - `accounting`: money, journal and policy. `outbox`: entries and reports. `counters`, `denials`.
//! - `settings_state`: effective and recorded settings. [`Trading`] and `closing`: stops, and sales by hand.
//!
//! The engine itself, on top of the parts:
//! - `advance`: the loop, and the events of links. `booking`: the outcome of one tick; `letters`: its dead letter; `joined`: its
//!   messages in an indicator's account.
//! - `stream`: the bridge's messages; `load`: bounds of deliveries. `sources`, `trading`, `closing`, `configure`: the calls.
//! - `swap`: the step at which an algorithm becomes active. `tally`: the account in the contract's form. `notice`: facts for the log.

mod accounting;
mod advance;
mod backlog;
mod booking;
mod channels;
mod closing;
mod configure;
mod counters;
mod decider;
mod deciders;
mod denials;
mod freshness;
mod groups;
mod inputs;
mod joined;
mod letters;
mod link_action;
mod load;
mod notice;
mod outbox;
mod pending_swap;
mod recogniser;
mod refusal;
mod request_error;
mod sessions;
mod settings_state;
mod silence;
mod source_numbers;
mod sources;
mod starter;
mod states;
mod stream;
mod swap;
mod swap_clock;
mod tally;
mod tick;
mod trading;
mod unusable;

use std::{collections::BTreeMap, time::Duration};

use intuition_api::v1;
use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};

use self::{
    accounting::Accounting, backlog::Backlog, booking::DeliveryProgress, channels::ChannelState, closing::Closing,
    counters::Counters, deciders::Deciders, denials::Denials, inputs::Inputs, joined::JoinedNumbers, notice::Notices,
    outbox::Outbox, recogniser::Recogniser, sessions::Sessions, settings_state::SettingsState, silence::Silence,
    source_numbers::SourceNumbers, swap_clock::SwapClock,
};
use crate::{
    identity::Identities,
    ledger::{Changes, LedgerIds, Snapshot},
    settings::{Settings, SettingsError, StartingCash, effective_settings, starting_cash},
    sizes::Sizes,
    sources::symbols::Symbols,
    trading::Trading,
};

pub use advance::SettledBatch;
pub use channels::KnownInputs;
pub use counters::counter;
pub use denials::Denied;
pub use link_action::{LinkAction, LinkId};
pub use notice::EngineNotice;
pub use request_error::RequestError;
pub use sessions::Doubtful;
pub use stream::Fresh;
pub use tally::Tally;

/// One account.
pub struct Engine {
    sizes: Sizes,
    backlog: Backlog,
    recogniser: Recogniser,
    channels: ChannelState,
    silence: Silence,
    deciders: Deciders,
    swap_clock: SwapClock,
    accounting: Accounting,
    outbox: Outbox,
    counters: Counters,
    denials: Denials,
    settings: SettingsState,
    trading: Trading,
    closing: Closing,
    /// Capabilities of the bridge that opened the stream last.
    bridge_capabilities: Vec<String>,
    progress: DeliveryProgress,
    joined: JoinedNumbers,
    /// Settled, and not returned by [`Engine::advance`] yet.
    settled: Vec<SettledBatch>,
    notices: Notices,
}

impl Engine {
    /// [`take_up`](Self::take_up) with a snapshot that has the window.
    #[cfg(test)]
    pub(crate) fn start(
        mut snapshot: Snapshot,
        settings: &Settings,
        sizes: Sizes,
        seed: u64,
        now_micros: i64,
    ) -> Result<Self, SettingsError> {
        let mut identities = Identities::new(sizes);
        for row in std::mem::take(&mut snapshot.window) {
            identities.load(&row);
        }
        Self::take_up((snapshot, identities), settings, sizes, seed, now_micros)
    }

    /// Takes a ledger's state up under these settings, with the outcomes of its window. The first start deposits the starting cash.
    ///
    /// `seed`: of all chance in the engine. Engines with equal seeds, snapshots and requests do the same. A runtime draws a new
    /// seed for each start.
    pub fn take_up(
        (mut snapshot, mut identities): (Snapshot, Identities),
        settings: &Settings,
        sizes: Sizes,
        seed: u64,
        now_micros: i64,
    ) -> Result<Self, SettingsError> {
        identities.load_older(snapshot.older);
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let effective = effective_settings(&settings.live, &settings.source, snapshot.settings.as_ref())?;
        let cash = starting_cash(
            &settings.live,
            settings.initial.cash_unchanged,
            &settings.source,
            snapshot.settings.as_ref(),
            snapshot.account.entries > 0,
        )?;
        let trading = Trading::load(snapshot.trading, settings.source.uid(), snapshot.settings.as_ref(), now_micros);
        let closing = Closing::load(snapshot.closing, snapshot.holdings.keys(), sizes);
        let generator = Accounting::generator(&snapshot.state, effective.live.seed(), chance.next_u64());
        let account = snapshot.account.name.clone();
        let deciders = Deciders::start(account, &effective.live, snapshot.state, sizes, chance)?;
        let symbols = Symbols::load(std::mem::take(&mut snapshot.sources.symbols), sizes.symbols);
        let inputs = Inputs::new(&settings.inputs);
        let mut engine = Self {
            sizes,
            backlog: Backlog::new(sizes),
            recogniser: Recogniser::new(
                identities,
                SourceNumbers::load(snapshot.marks, snapshot.sources, sizes),
                (symbols, sizes.symbols),
                Sessions::new(snapshot.sessions, snapshot.client_sessions),
            ),
            channels: ChannelState::new(settings.subscribe.clone(), inputs, settings.topics.clone(), snapshot.held),
            silence: Silence::new(&settings.inputs, now_micros),
            deciders,
            swap_clock: SwapClock::default(),
            outbox: Outbox::load(&snapshot.account, snapshot.done, sizes.report_ranges),
            accounting: Accounting::load(
                snapshot.account,
                snapshot.ledger_ids,
                snapshot.holdings,
                settings.policy,
                generator,
            ),
            counters: Counters::new(snapshot.counters, sizes),
            denials: Denials::default(),
            settings: SettingsState::new(settings.source.clone(), effective, snapshot.settings),
            trading,
            closing,
            bridge_capabilities: Vec::new(),
            progress: DeliveryProgress::default(),
            joined: JoinedNumbers::default(),
            settled: Vec::new(),
            notices: Notices::default(),
        };
        engine.take_up_trading(settings, now_micros);
        engine.begin(&cash, now_micros)?;
        Ok(engine)
    }

    fn begin(&mut self, cash: &StartingCash, now_micros: i64) -> Result<(), SettingsError> {
        // The channels of the resource are known before a backend answers.
        self.want_channels(self.deciders.builtin_channels());
        self.take_up_settings(cash, now_micros)?;
        if let Some((candidate, generation)) = self.settings.take_candidate() {
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
        (changes != Changes::default() || self.outbox.unsaved_reports().is_some()).then(|| self.complete(changes))
    }

    /// The changes of all parts.
    fn collect(&mut self) -> Changes {
        let unsettled = self.unsettled_ticks();
        let mut changes = Changes {
            outbox: self.outbox.take_rows(),
            counters: self.counters.take_changes(),
            trading: self.trading.take_change(),
            ..Changes::default()
        };
        self.deciders.take_changes(&mut changes);
        self.accounting.take_changes(&mut changes);
        self.channels.take_changes(&mut changes);
        self.settings.take_changes(&mut changes);
        self.closing.take_changes(self.recogniser.recognised(), &mut changes);
        self.recogniser.take_changes(unsettled, &mut changes);
        changes
    }

    /// Ticks that were recognised and are in no answer yet.
    fn unsettled_ticks(&self) -> usize {
        let pending = self.backlog.first_pending().map_or(0, |first| self.recogniser.recognised() + 1 - first);
        self.progress.settled() + usize::try_from(pending).unwrap_or(usize::MAX)
    }

    /// Adds the reports about the outbox, and the totals that count from this commit on.
    fn complete(&mut self, mut changes: Changes) -> Changes {
        self.outbox.take_reports(&mut changes);
        changes.account = Some(self.accounting.totals(&self.outbox));
        changes
    }

    /// The channels that the bridge is to subscribe to; `None`: the algorithm has not named them yet.
    pub fn channels(&self) -> Option<&v1::Channels> {
        self.channels.current()
    }

    /// The channels as a bridge gets them; `None`: it gets none yet.
    pub(crate) fn channels_for_bridge(&self, knows: KnownInputs) -> Option<v1::Channels> {
        self.channels.for_bridge(knows)
    }

    /// Whether a bridge reads the messages of the channels as the inputs describe them.
    pub(crate) fn can_read(&self, knows: KnownInputs) -> bool {
        self.channels.can_read(knows)
    }

    /// Inputs that have brought no quote for their `staleAfter`.
    pub fn stale_inputs(&self) -> usize {
        self.silence.stale()
    }

    /// Why the active algorithm cannot be asked, as a code and for a person; `None` while it can.
    pub fn algorithm_condition(&self) -> Option<(&'static str, &str)> {
        self.deciders.condition().map(|condition| (condition.code(), condition.message.as_str()))
    }

    /// A channel of the active algorithm that is not subscribed to, as a code and for a person; `None`: all are.
    pub fn topics_condition(&self) -> Option<(&'static str, String)> {
        self.channels.condition(self.accounting.name())
    }

    /// How long nothing was decided because another algorithm took over, each time since the last call.
    pub fn take_swap_pauses(&mut self) -> Vec<Duration> {
        self.swap_clock.take_pauses()
    }

    /// Denied signals by reason, since the last call. To be called after the commit that holds them.
    pub fn take_denials(&mut self) -> BTreeMap<&'static str, Denied> {
        self.denials.take()
    }

    /// Facts for the log since the last call.
    pub fn take_notices(&mut self) -> Vec<EngineNotice> {
        self.notices.take()
    }

    /// The account's name and the ledger's ids.
    pub fn names(&self) -> (&str, &LedgerIds) {
        (self.accounting.name(), self.accounting.ledger_ids())
    }

    /// Every outbox position up to this one is done.
    pub const fn published_through(&self) -> u64 {
        self.outbox.published_through()
    }

    /// The last outbox position given.
    pub const fn position(&self) -> u64 {
        self.outbox.position()
    }
}

#[cfg(test)]
mod tests;
