//! Trading state, sales by hand, and calls that were confirmed to their callers.

use std::collections::BTreeSet;

use algo_runtime::ledger::{Changes, EntryKind, Snapshot, TradingRecord};
use intuition_api::v1::{
    CloseRequest, CloseResponse, ConfigureResponse, ResetSourceRequest, ResetSourceResponse, SetTradingStateRequest,
    SetTradingStateResponse, TradingState, tick_outcome::Kind,
};

use super::{hold, promise};
use crate::facts::{RunId, Violation};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Calls {
    trading: Option<TradingRecord>,
    /// Symbols that wait to be sold by hand.
    waiting: BTreeSet<String>,
    /// Ids of all requests to sell by hand, of any ledger of the run.
    requests: BTreeSet<String>,
    /// Channel, source, era and last number of all resets, of any ledger of the run.
    resets: BTreeSet<(String, String, u64, i64)>,
    /// Generations of settings and of cash.
    settings: (i64, i64),
    /// An older ledger does not have calls that were confirmed before.
    has_gone_back: bool,
}

impl Calls {
    /// Whether the recorded state allows the trades of a commit. Where the commit has another state, that one may have
    /// been in force at its trades.
    pub(super) fn judge(&self, changes: &Changes) -> Result<(), Violation> {
        let before = strictness(self.trading.as_ref());
        let after = changes.trading.as_ref().map_or(before, |trading| strictness(Some(trading)));
        let number = self.trading.as_ref().map_or(0, |trading| trading.number);
        for entry in &changes.journal {
            let Some(trade) = &entry.trade else { continue };
            let is_allowed = |state: TradingState| match state {
                TradingState::Unspecified | TradingState::Active => !trade.manual,
                TradingState::Reducing => entry.kind == EntryKind::Sell,
                TradingState::Halted => trade.manual && entry.kind == EntryKind::Sell,
            };
            hold!(
                is_allowed(before) || is_allowed(after),
                promise::STOP,
                "decision {} ({} of {} {:?} at {}{}) is booked, and the trading state has been {} since number {number}",
                trade.seq,
                entry.kind.name(),
                trade.quantity,
                trade.sid,
                trade.price,
                if trade.manual { ", by hand" } else { "" },
                before.as_str_name()
            );
            hold!(
                !trade.manual || self.waiting.contains(&trade.sid),
                promise::STOP,
                "decision {} sells {:?} by hand, and no request for it was recorded before",
                trade.seq,
                trade.sid
            );
        }
        self.judge_denials(changes, before, after)
    }

    /// Whether a state was in force for which signals were denied.
    fn judge_denials(&self, changes: &Changes, before: TradingState, after: TradingState) -> Result<(), Violation> {
        let numbers = (self.trading.as_ref(), changes.trading.as_ref());
        let number = |trading: Option<&TradingRecord>| trading.map_or(0, |trading| trading.number);
        // With several changes in one commit, the states between them are not known.
        if numbers.1.is_some() && number(numbers.1) > number(numbers.0) + 1 {
            return Ok(());
        }
        for row in &changes.window {
            let forbids = |state: TradingState| match row.outcome.reason.as_str() {
                "Halted" => state == TradingState::Halted,
                "Reducing" => state == TradingState::Reducing,
                _ => true,
            };
            hold!(
                row.outcome.kind != Kind::Denied || forbids(before) || forbids(after),
                promise::STOP,
                "delivery {}, place {} on {:?} is denied {}, and the trading state is {}",
                row.delivery,
                row.index,
                row.channel,
                row.outcome.reason,
                before.as_str_name()
            );
        }
        Ok(())
    }

    /// The rows of a commit.
    pub(super) fn commit(&mut self, changes: &Changes) -> Result<(), Violation> {
        if let Some(trading) = &changes.trading {
            self.trading = Some(trading.clone());
        }
        for (sid, waits) in &changes.closing.waiting {
            if *waits {
                self.waiting.insert(sid.clone());
            } else {
                self.waiting.remove(sid);
            }
        }
        for request in &changes.closing.requests {
            let is_new = self.requests.insert(request.clone());
            hold!(
                is_new || self.has_gone_back,
                promise::CONFIRMED,
                "the request {request:?} to sell by hand is carried out a second time"
            );
        }
        for reset in &changes.sources.resets {
            self.resets.insert((reset.channel.clone(), reset.source.clone(), reset.era, reset.last));
        }
        if let Some(settings) = &changes.settings {
            let before = self.settings.0;
            self.settings = (settings.settings_generation, settings.cash_generation);
            hold!(
                before <= settings.settings_generation,
                promise::CONFIRMED,
                "settings of generation {} replace those of generation {before}",
                settings.settings_generation
            );
        }
        Ok(())
    }

    /// A runtime opened the ledger that was committed.
    pub(super) fn compare(&self, run: RunId, snapshot: &Snapshot) -> Result<(), Violation> {
        hold!(
            self.trading == snapshot.trading,
            promise::DURABLE,
            "run {run} opened the ledger and found the trading state {:?}, {:?} was committed",
            snapshot.trading,
            self.trading
        );
        hold!(
            self.waiting == snapshot.closing.waiting,
            promise::DURABLE,
            "run {run} opened the ledger and found {:?} waiting to be sold by hand, {:?} was committed",
            snapshot.closing.waiting,
            self.waiting
        );
        Ok(())
    }

    /// Another ledger is in force.
    pub(super) fn go_back(&mut self, snapshot: &Snapshot) {
        self.trading.clone_from(&snapshot.trading);
        self.waiting.clone_from(&snapshot.closing.waiting);
        self.settings = snapshot
            .settings
            .as_ref()
            .map_or((0, 0), |settings| (settings.settings_generation, settings.cash_generation));
        self.has_gone_back = true;
    }

    pub(super) fn trading_confirmed(
        &self,
        request: &SetTradingStateRequest,
        response: &SetTradingStateResponse,
    ) -> Result<(), Violation> {
        let Some(told) = &response.trading else {
            hold!(false, promise::CONFIRMED, "a call that sets the trading state is answered without the state");
            return Ok(());
        };
        let refusal = response.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str());
        let asked = request.causes.iter().map(|cause| cause.state).max().unwrap_or_default();
        hold!(
            refusal == "OtherUid" || told.state >= asked,
            promise::STOP,
            "{:?} was asked for, and {} is confirmed",
            request.causes,
            told.state().as_str_name()
        );
        let (number, state) =
            self.trading.as_ref().map_or((0, TradingState::Active), |known| (known.number, strictness(Some(known))));
        hold!(
            number >= told.number || self.has_gone_back,
            promise::STOP,
            "the trading state {} with number {} is confirmed, and the ledger has number {number}",
            told.state().as_str_name(),
            told.number
        );
        hold!(
            number != told.number || state == told.state() || self.has_gone_back,
            promise::STOP,
            "the trading state {} with number {number} is confirmed, and the ledger has {} under that number",
            told.state().as_str_name(),
            state.as_str_name()
        );
        Ok(())
    }

    pub(super) fn close_confirmed(&self, request: &CloseRequest, response: &CloseResponse) -> Result<(), Violation> {
        hold!(
            response.refusal.is_some() || self.requests.contains(&request.request),
            promise::CONFIRMED,
            "the request {:?} to sell by hand is confirmed and not in the ledger",
            request.request
        );
        Ok(())
    }

    pub(super) fn configure_confirmed(&self, response: &ConfigureResponse) -> Result<(), Violation> {
        let told = (response.settings_generation, response.cash_generation);
        hold!(
            (told.0 <= self.settings.0 && told.1 <= self.settings.1) || self.has_gone_back,
            promise::CONFIRMED,
            "settings of generation {} and cash of generation {} are confirmed, and the ledger has {:?}",
            told.0,
            told.1,
            self.settings
        );
        Ok(())
    }

    pub(super) fn reset_confirmed(
        &self,
        request: &ResetSourceRequest,
        response: &ResetSourceResponse,
    ) -> Result<(), Violation> {
        let ResetSourceRequest { channel, source, era, last, .. } = request;
        let key = (channel.clone(), source.clone(), *era, *last);
        hold!(
            !response.applied || self.resets.contains(&key),
            promise::CONFIRMED,
            "the reset of source {source:?} on {channel:?} in era {era} at {last} is confirmed and not in the ledger"
        );
        Ok(())
    }
}

/// The strictest state of all causes.
fn strictness(trading: Option<&TradingRecord>) -> TradingState {
    let causes = trading.into_iter().flat_map(|trading| trading.causes.values());
    causes.map(|cause| cause.state).max_by_key(|state| *state as i32).unwrap_or(TradingState::Active)
}
