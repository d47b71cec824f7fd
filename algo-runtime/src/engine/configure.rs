//! Settings: at the start, and between two ticks.

use intuition_api::{
    refusal,
    v1::{ConfigureRequest, ConfigureResponse, Refusal, TradingState},
};
use intuition_common::planted::{self, Mistake};

use super::{
    Engine,
    notice::EngineNotice,
    refusal::{invalid, refuse},
};
use crate::{
    algorithm::FieldErrors,
    settings::{LiveSettings, SettingsError, SettingsSource, StartingCash, retention},
};

impl Engine {
    /// Makes the settings of the start effective: deposits or withdraws, and records a resource's generations.
    pub(super) fn take_up_settings(&mut self, cash: &StartingCash, now_micros: i64) -> Result<(), SettingsError> {
        if let Some(errors) = self.settings.refused().cloned() {
            self.notices.add(EngineNotice::SettingsRefused { generation: self.settings.generation(), errors });
        }
        let deposits = self.accounting.book().deposits;
        self.settings.set_starting_cash(cash.target.clone().unwrap_or_else(|| deposits.to_string()));
        let mut target = self.settings.live().starting_cash()?;
        if planted::is(Mistake::DepositAtStart) {
            target = target.checked_add(deposits).unwrap_or(target);
        }
        let taken = self.accounting.settle_deposits(target, now_micros);
        if let SettingsSource::Resource { .. } = self.settings.source() {
            // Refused now, tried again with the next Configure: an older generation of the cash shows it.
            let generation = match taken {
                Ok(()) => cash.generation,
                Err(_) => self.settings.cash_generation().min(cash.generation - 1),
            };
            self.settings.set_cash_generation(generation);
            self.record_settings();
        } else if let Err(denial) = taken {
            let (cash, reason) = (self.accounting.book().cash, denial.reason());
            self.notices.add(EngineNotice::CashNotLowered { cash, deposits, target, reason });
        }
        Ok(())
    }

    /// Applies a resource's settings. Settings and generation that are effective already change nothing; refused parts of them
    /// are tried again.
    pub fn configure(&mut self, request: &ConfigureRequest, now_micros: i64) -> ConfigureResponse {
        let mut refusals = Vec::new();
        let is_ours =
            matches!(self.settings.source(), SettingsSource::Resource { uid, .. } if *uid == request.resource_uid);
        if is_ours && request.settings.as_ref().is_some_and(|settings| settings.suspend) {
            self.suspend(request.generation, now_micros);
        }
        match self.settings_to_apply(request) {
            Ok(live) => self.apply(live, request, now_micros, &mut refusals),
            Err(refused) => refusals = refused,
        }
        let (settings, cash) = (self.settings.generation(), self.settings.cash_generation());
        ConfigureResponse {
            effective_generation: settings.min(cash),
            settings_generation: settings,
            cash_generation: cash,
            refusals,
        }
    }

    fn settings_to_apply(&self, request: &ConfigureRequest) -> Result<LiveSettings, Vec<Refusal>> {
        let SettingsSource::Resource { uid, .. } = self.settings.source() else {
            let message = "the runtime was started by flags alone, and they rule".to_owned();
            return Err(vec![refuse(refusal::NO_UID, "", message)]);
        };
        if request.resource_uid != *uid {
            let message = format!("the runtime was started for the resource {uid}, not {}", request.resource_uid);
            return Err(vec![refuse(refusal::OTHER_UID, "", message)]);
        }
        let newest = self.settings.generation().max(self.deciders.swap_generation());
        if request.generation < newest && !planted::is(Mistake::OlderSettings) {
            let message = format!("generation {} is older than {newest}, which came before it", request.generation);
            return Err(vec![refuse(refusal::OLDER_GENERATION, "", message)]);
        }
        let wire = request.settings.clone().unwrap_or_default();
        LiveSettings::from_wire(&wire).map_err(|error| match error {
            SettingsError::InvalidFields(errors) => invalid(errors),
            SettingsError::ParseFile(error) => vec![refuse(refusal::INVALID_SETTINGS, "", error.to_string())],
        })
    }

    /// Algorithm, threshold and parameters together or not at all, once the algorithm can decide by them; retention and cash at
    /// once, so that an algorithm that does not answer does not hold them back.
    fn apply(&mut self, next: LiveSettings, request: &ConfigureRequest, now_micros: i64, refusals: &mut Vec<Refusal>) {
        let generation = request.generation;
        if let Err(errors) = self.apply_algorithm(&next, generation) {
            refusals.extend(invalid(errors));
            return;
        }
        refusals.extend(self.deciders.swap_refusals());
        if !next.suspend {
            self.end_suspend(generation);
        }
        self.settings.set_retention(retention::from_wire(request.retention.as_ref()));
        // Where another algorithm never came up, settings older than the cash can be taken.
        if generation >= self.settings.cash_generation() {
            let deposits = self.accounting.book().deposits.to_string();
            let cash = if request.starting_cash_unchanged { deposits } else { next.starting_cash };
            self.settings.set_starting_cash(cash);
            self.apply_cash(generation, now_micros, refusals);
        }
        self.record_settings();
    }

    fn apply_cash(&mut self, generation: i64, now_micros: i64, refusals: &mut Vec<Refusal>) {
        let target = self.settings.live().starting_cash();
        match target.map(|target| self.accounting.settle_deposits(target, now_micros)) {
            Ok(Ok(())) => self.settings.set_cash_generation(generation),
            Ok(Err(denial)) => refusals.push(refuse(
                refusal::INSUFFICIENT_CASH,
                "startingCash",
                format!(
                    "{} is deposited and {} is cash: lowering it to {} is refused ({})",
                    self.accounting.book().deposits,
                    self.accounting.book().cash,
                    self.settings.live().starting_cash,
                    denial.reason()
                ),
            )),
            Err(error) => refusals.push(refuse(refusal::INVALID_SETTINGS, "startingCash", error.to_string())),
        }
    }

    fn apply_algorithm(&mut self, next: &LiveSettings, generation: i64) -> Result<(), FieldErrors> {
        if next.decides_like(self.settings.live()) {
            self.deciders.drop_swap(&mut self.channels);
            self.settings.set_generation(generation);
        } else if !self.deciders.is_swapping_to(next, generation) {
            self.begin_swap(next.clone(), generation)?;
        }
        self.take_over_when_due();
        Ok(())
    }

    /// Records the effective settings with the next commit, together with the trading state's view of them.
    pub(super) fn record_settings(&mut self) {
        let Some(record) = self.settings.record(self.trading.state() > TradingState::Active) else { return };
        self.trading.note_settings(&record);
        self.settings.save(record);
    }
}
