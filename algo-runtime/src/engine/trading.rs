//! The trading state in the engine: at the start, by `SetTradingState`, and by `suspend` of the settings.

use intuition_api::{
    refusal::{OLDER_GENERATION, OTHER_NUMBER},
    trading::cause,
    v1::{Refusal, SetTradingStateRequest, SetTradingStateResponse, Trading as Shown, TradingState},
};
use intuition_common::text::{printable, shortened};

use super::{Engine, notice::EngineNotice, refusal::refuse, request_error::RequestError};
use crate::{
    ledger::Retention,
    portfolio::Denial,
    settings::{InitialTrading, Settings, SettingsSource},
    trading::{LeftOut, requested_causes},
};

/// Characters of a finding in the message of a cause. With four bytes each, the message stays within the contract's bound.
const FINDING_CHARACTERS: usize = 200;

impl Engine {
    /// Applies the trading state that a start asks for. A stop that was set while the runtime ran stays.
    pub(super) fn take_up_trading(&mut self, settings: &Settings, now_micros: i64) {
        let suspend = settings.live.suspend;
        let before = self.trading.shown();
        let recorded = self.settings.recorded_generation();
        match (self.settings.source(), &settings.initial.trading) {
            (_, InitialTrading::Recorded) | (SettingsSource::Start, InitialTrading::File(_)) => {}
            (SettingsSource::Start, InitialTrading::Flags(state)) => {
                let state = if suspend { TradingState::Halted } else { *state };
                self.trading.begin_by_flags(state, now_micros);
            }
            // A file that is not older than the settings names their `suspend` among its causes.
            (SettingsSource::Resource { generation, .. }, InitialTrading::File(file))
                if file.generation >= *generation =>
            {
                self.trading.begin_with(file, recorded, now_micros);
            }
            (SettingsSource::Resource { generation, .. }, initial) => {
                let generation = *generation;
                if let InitialTrading::File(file) = initial {
                    self.trading.begin_with(file, recorded, now_micros);
                }
                if suspend {
                    self.trading.suspend(generation, now_micros);
                } else if generation > recorded.max(self.trading.generation()) {
                    // At a recorded generation the file may be a late one.
                    self.trading.end_suspend(generation);
                }
            }
        }
        self.trading_changed(&before);
        if self.trading.state() == TradingState::Active {
            // v0.1.0 had the ledger in between.
            self.closing.drop_all();
        }
    }

    /// Replaces the causes that a caller may set, by the contract's `SetTradingState`.
    pub fn set_trading_state(
        &mut self,
        request: &SetTradingStateRequest,
        now_micros: i64,
    ) -> Result<SetTradingStateResponse, RequestError> {
        let causes = requested_causes(&request.causes)
            .map_err(|error| RequestError::contract(format!("SetTradingState.causes: {error}")))?;
        if let Some(refusal) = self.settings.other_uid(&request.resource_uid) {
            return Ok(SetTradingStateResponse { trading: Some(self.shown_trading()), refusal: Some(refusal) });
        }
        let generation = match self.settings.source() {
            // Without a resource there are no generations.
            SettingsSource::Start => 0,
            SettingsSource::Resource { .. } => request.generation,
        };
        let (before, recorded) = (self.trading.shown(), self.trading.generation());
        let left_out = self.trading.set(&causes, generation, request.from, now_micros);
        self.trading_changed(&before);
        self.record_settings();
        let refusal = left_out.map(|left_out| left_out_refusal(left_out, generation, recorded, &before));
        Ok(SetTradingStateResponse { trading: Some(self.shown_trading()), refusal })
    }

    /// Applies `suspend: true` of a `Configure`, before its other fields are judged.
    pub(super) fn suspend(&mut self, generation: i64, now_micros: i64) {
        let before = self.trading.shown();
        self.trading.suspend(generation, now_micros);
        self.trading_changed(&before);
        self.record_settings();
    }

    /// `suspend: false` of a `Configure` that was taken. The caller records the settings.
    pub(super) fn end_suspend(&mut self, generation: i64) {
        let before = self.trading.shown();
        self.trading.end_suspend(generation);
        self.trading_changed(&before);
    }

    /// Takes the result of a verification of the whole journal: halts the account by a finding, and ends such a halt without one.
    pub fn take_verification(&mut self, finding: Option<&str>, now_micros: i64) {
        let before = self.trading.shown();
        match finding {
            Some(finding) => {
                // Its text may come from the damaged file.
                let finding = printable(finding);
                let finding = shortened(&finding, FINDING_CHARACTERS);
                let message = format!(
                    "{finding}; restore the ledger from a copy with `algo-runtime restore`, or keep its sound part with \
                     `algo-runtime salvage`"
                );
                self.trading.halt(cause::LEDGER_DAMAGED, &message, now_micros);
            }
            None => self.trading.end(cause::LEDGER_DAMAGED),
        }
        self.trading_changed(&before);
        self.record_settings();
    }

    /// When entries of the journal may be dropped; `None`: never, also while the journal is damaged.
    pub fn retention(&self) -> Option<Retention> {
        self.settings.live().retention.filter(|_| !self.trading.has(cause::LEDGER_DAMAGED))
    }

    /// The trading state as the contract shows it.
    pub(super) fn shown_trading(&self) -> Shown {
        Shown { closing: self.closing.waiting(), ..self.trading.shown() }
    }

    /// Why the trading state forbids a trade.
    pub(super) fn forbids(&self, is_buy: bool) -> Option<Denial> {
        match self.trading.state() {
            TradingState::Unspecified | TradingState::Active => None,
            TradingState::Reducing => is_buy.then_some(Denial::Reducing),
            TradingState::Halted => Some(Denial::Halted),
        }
    }

    fn trading_changed(&mut self, before: &Shown) {
        let now = self.trading.shown();
        if now.number == before.number {
            return;
        }
        let (from, to) = (before.state(), now.state());
        let causes = now.causes.iter();
        let causes = causes.map(|cause| (cause.cause.clone(), cause.strictness().name(), cause.message.clone()));
        let causes = causes.collect();
        self.notices.add(EngineNotice::TradingStateChanged { from, to, number: now.number, causes });
        if to <= TradingState::Active {
            self.closing.drop_all();
        }
    }
}

fn left_out_refusal(left_out: LeftOut, generation: i64, recorded: i64, before: &Shown) -> Refusal {
    let kept = "the part of the request that makes the trading state looser was left out";
    match left_out {
        LeftOut::OlderGeneration => {
            let message = format!("generation {generation} is older than {recorded}, which is recorded: {kept}");
            refuse(OLDER_GENERATION, "generation", message)
        }
        LeftOut::OtherNumber => {
            let message = format!(
                "the request does not replace the state in force, which has the number {}: {kept}; read the account and \
                 repeat the call with that number",
                before.number
            );
            refuse(OTHER_NUMBER, "from", message)
        }
    }
}
