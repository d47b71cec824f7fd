//! The account as it is shown to others.

use intuition_api::{
    capability,
    v1::{AccountResponse, Counter, Position},
};

use super::{Engine, sources::SHOWN};
use crate::{
    ledger::{CounterKey, Mark},
    wire,
};

/// Names of the ledger's counters.
pub mod counter {
    /// Ticks that became a decision.
    pub const DECIDED: &str = "decided";
    /// Ticks without a signal.
    pub const NO_SIGNAL: &str = "noSignal";
    /// Ticks whose signal was denied, by reason.
    pub const DENIED: &str = "denied";
    /// Signals that were denied, by reason, also those beside a booked signal of the same tick.
    pub const SIGNALS_DENIED: &str = "signalsDenied";
    /// Ticks that went to the dead-letter topic, by reason.
    pub const DEAD_LETTERED: &str = "deadLettered";
    /// Ticks of channels that the algorithm deciding does not ask for.
    pub const NOT_SUBSCRIBED: &str = "notSubscribed";
    /// Ticks of symbols that the input of their channel does not list.
    pub const NOT_LISTED: &str = "notListed";
    /// Ticks that were seen before, unless it was the bridge that sent them again.
    pub const DUPLICATES: &str = "duplicates";
    /// Those of the duplicates that only session, packet id and bytes identify.
    pub const AMBIGUOUS: &str = "ambiguous";
    /// Sequence numbers that are missing: the sum, and by channel beside it.
    pub const GAPS: &str = "gaps";
    /// Those of the duplicates whose outcome is no longer kept.
    pub const FORGOTTEN: &str = "forgotten";
    /// Ticks of redeliveries that were decided when their bytes were read in another way.
    pub const REPARSED: &str = "reparsed";
    /// Outbox entries that the bridge gave up, by reason.
    pub const UNDELIVERABLE: &str = "undeliverable";
    /// Positions that a bridge reported as published and that were never sent to it.
    pub const PUBLISHED_BEYOND: &str = "publishedBeyond";
    /// Ticks without a source whose number came before with other content.
    pub const SEQ_REUSED: &str = "seqReused";
}

/// An account at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// As the contract shows it.
    pub account: AccountResponse,
    /// Last outbox position given.
    pub position: u64,
    /// Every position up to this one is published.
    pub published_through: u64,
    /// How far each source has come on each channel.
    pub marks: Vec<Mark>,
}

impl Tally {
    /// The sum over all reasons of a counter.
    pub fn count(&self, name: &str) -> u64 {
        // The sum of the gaps has an entry of its own.
        let is_counted =
            |counter: &&Counter| counter.name == name && (name != counter::GAPS || counter.reason.is_empty());
        let values = self.account.counters.iter().filter(is_counted).map(|counter| counter.value);
        values.fold(0, u64::saturating_add)
    }

    /// A counter by its reasons.
    pub fn by_reason(&self, name: &str) -> impl Iterator<Item = (&str, u64)> {
        let counters = self.account.counters.iter().filter(move |counter| counter.name == name);
        counters.map(|counter| (counter.reason.as_str(), counter.value))
    }

    /// Ticks that have an outcome.
    pub fn ticks(&self) -> u64 {
        let outcomes = [
            counter::DECIDED,
            counter::NO_SIGNAL,
            counter::DENIED,
            counter::DEAD_LETTERED,
            counter::NOT_SUBSCRIBED,
            counter::NOT_LISTED,
        ];
        outcomes.iter().map(|name| self.count(name)).fold(0, u64::saturating_add)
    }

    /// Sequence that a source has come to on a channel.
    pub fn mark(&self, channel: &str, source: &str) -> Option<i64> {
        self.marks.iter().find(|mark| mark.channel == channel && mark.source == source).map(|mark| mark.seq)
    }
}

impl Engine {
    /// The account as it is.
    pub fn account(&self) -> AccountResponse {
        let backend = self.decider.shown();
        let positions = self.book.holdings.iter().map(|(sid, held)| Position {
            sid: sid.clone(),
            quantity: held.quantity.to_string(),
            cost: held.cost.to_string(),
        });
        let counters = self.counters.iter().map(|((name, reason), value): (&CounterKey, &u64)| Counter {
            name: name.clone(),
            reason: reason.clone(),
            value: *value,
        });
        AccountResponse {
            account: self.account.name.clone(),
            ledger_id: self.account.ledger_id.clone(),
            cash: self.book.cash.to_string(),
            invested: self.book.invested.to_string(),
            realised: self.book.realised.to_string(),
            deposits: self.book.deposits.to_string(),
            decisions: self.account.decisions,
            updated_micros: self.account.updated_micros,
            positions: positions.collect(),
            counters: counters.collect(),
            algorithm: if backend.name.is_empty() { backend.address.clone() } else { backend.name.clone() },
            channels: self.channels().cloned(),
            effective_generation: self.settings.settings_generation.min(self.settings.cash_generation),
            unpublished: self.account.position - self.account.published_through,
            algorithm_version: backend.version.clone(),
            backend: Some(backend),
            candidate: self.candidate.as_ref().map(|candidate| candidate.shown(&self.decider)),
            capabilities: capability::OF_RUNTIME.map(str::to_owned).to_vec(),
            bridge_capabilities: self.bridge_capabilities.clone(),
            sources: self.sources.notable(SHOWN),
            source_count: self.sources.len() as u64,
            last_gap: self.last_gap.as_ref().map(wire::gap),
            trading: Some(self.shown_trading()),
            ledger_first_seq: self.ledger_ids.newest().first_seq,
        }
    }

    /// The account as it is, with what a local run waits for.
    pub fn tally(&self) -> Tally {
        Tally {
            account: self.account(),
            position: self.account.position,
            published_through: self.account.published_through,
            marks: self.sources.marks().collect(),
        }
    }
}
