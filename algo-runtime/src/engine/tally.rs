//! The account in the contract's form, and in that of a local run.

use intuition_api::{
    capability,
    v1::{AccountResponse, Counter},
};

use super::{Engine, counters::counter};
use crate::{ledger::Mark, settings::retention};

/// An account at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// As the contract shows it.
    pub account: AccountResponse,
    /// Last outbox position given.
    pub position: u64,
    /// Every position up to this one is published.
    pub published_through: u64,
    /// The last number of each source on each channel.
    pub marks: Vec<Mark>,
    /// The last number of each source in the messages of an indicator's account since the start of the process.
    pub joined: Vec<(String, i64)>,
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

    /// Ticks that have an outcome, but for values of indicators.
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
        let totals = self.accounting.totals(&self.outbox);
        let backend = self.deciders.shown();
        let sources = self.recogniser.sources();
        AccountResponse {
            account: totals.name,
            ledger_id: totals.ledger_id,
            cash: totals.cash.to_string(),
            invested: totals.invested.to_string(),
            realised: totals.realised.to_string(),
            deposits: totals.deposits.to_string(),
            decisions: totals.decisions,
            updated_micros: totals.updated_micros,
            positions: self.accounting.positions(),
            counters: self.counters.shown(),
            algorithm: if backend.name.is_empty() { backend.address.clone() } else { backend.name.clone() },
            channels: self.channels.current().cloned(),
            effective_generation: self.settings.generation().min(self.settings.cash_generation()),
            unpublished: totals.position - totals.published_through,
            algorithm_version: backend.version.clone(),
            backend: Some(backend),
            candidate: self.deciders.candidate_shown(),
            capabilities: capability::OF_RUNTIME.map(str::to_owned).to_vec(),
            bridge_capabilities: self.bridge_capabilities.clone(),
            sources: sources.notable(),
            source_count: sources.count(),
            last_gap: sources.last_gap(),
            trading: Some(self.shown_trading()),
            ledger_first_seq: self.accounting.ledger_ids().newest().first_seq,
            retention: retention::to_wire(self.settings.live().retention),
            inputs: self.silence.shown(),
        }
    }

    /// The account as it is, with the positions and last numbers that a local run waits for.
    pub fn tally(&self) -> Tally {
        Tally {
            account: self.account(),
            position: self.outbox.position(),
            published_through: self.outbox.published_through(),
            marks: self.recogniser.sources().marks(),
            joined: self.joined.shown(),
        }
    }
}
