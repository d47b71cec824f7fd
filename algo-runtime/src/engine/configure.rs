//! Settings: at the start, and between two ticks.

use intuition_api::{
    decimal::Money,
    v1::{ConfigureRequest, ConfigureResponse, Refusal, TradingState},
};
use intuition_common::planted::{self, Fault};

use super::Engine;
use crate::{
    algorithm::FieldErrors,
    ledger::{EntryKind, SettingsRecord},
    portfolio::Denial,
    settings::{Adjustable, Authority, SettingsError, StartingCash, to_record},
};

/// Codes of what Configure refuses.
pub mod refusal {
    /// The runtime was started by flags alone.
    pub const NO_UID: &str = "NoUid";
    /// Another resource's settings.
    pub const OTHER_UID: &str = "OtherUid";
    /// Settings older than the recorded ones.
    pub const OLDER_GENERATION: &str = "OlderGeneration";
    /// The algorithm, or its parameters, are on their way.
    pub const SWAPPING: &str = "Swapping";
    /// A field cannot be used.
    pub const INVALID_SETTINGS: &str = "InvalidSettings";
    /// The withdrawal would make the cash negative.
    pub const INSUFFICIENT_CASH: &str = "InsufficientCash";
}

impl Engine {
    /// Puts the settings of the start in force: deposits or withdraws, and records a resource's generations.
    pub(super) fn take_up_settings(&mut self, cash: &StartingCash, now_micros: i64) -> Result<(), SettingsError> {
        if let Some(errors) = &self.settings.refused {
            let generation = self.settings.settings_generation;
            tracing::warn!(
                account = self.account.name,
                generation,
                "the settings of the start cannot be used, those of the generation that the ledger recorded go on: {errors}"
            );
        }
        self.settings.adjustable.starting_cash = cash.target.clone().unwrap_or_else(|| self.book.deposits.to_string());
        let mut target = self.adjustable().starting_cash()?;
        if planted::is(Fault::DepositAtStart) {
            target = target.checked_add(self.book.deposits).unwrap_or(target);
        }
        let taken = self.settle_deposits(target, now_micros);
        if let Authority::Resource { .. } = self.authority {
            // Refused now, tried again with the next Configure: an older generation of the cash shows it.
            self.settings.cash_generation = match taken {
                Ok(()) => cash.generation,
                Err(_) => self.settings.cash_generation.min(cash.generation - 1),
            };
            self.record_settings();
        } else if let Err(denial) = taken {
            tracing::warn!(
                account = self.account.name,
                cash = %self.book.cash,
                deposits = %self.book.deposits,
                target = %target,
                reason = denial.reason(),
                "the starting cash cannot be lowered that far: the withdrawal would make the cash negative"
            );
        }
        Ok(())
    }

    /// Applies a resource's settings. Settings and generation that are in force already change nothing at all; what was
    /// refused of them is tried again.
    pub fn configure(&mut self, request: &ConfigureRequest, now_micros: i64) -> ConfigureResponse {
        let mut refusals = Vec::new();
        let is_ours = matches!(&self.authority, Authority::Resource { uid, .. } if *uid == request.resource_uid);
        if is_ours && request.settings.as_ref().is_some_and(|settings| settings.suspend) {
            self.suspend(request.generation, now_micros);
        }
        match self.settings_to_apply(request) {
            Ok(adjustable) => self.apply(adjustable, request, now_micros, &mut refusals),
            Err(refused) => refusals = refused,
        }
        let (settings, cash) = (self.settings.settings_generation, self.settings.cash_generation);
        ConfigureResponse {
            effective_generation: settings.min(cash),
            settings_generation: settings,
            cash_generation: cash,
            refusals,
        }
    }

    fn settings_to_apply(&self, request: &ConfigureRequest) -> Result<Adjustable, Vec<Refusal>> {
        let Authority::Resource { uid, .. } = &self.authority else {
            let message = "the runtime was started by flags alone, and they rule".to_owned();
            return Err(vec![refuse(refusal::NO_UID, "", message)]);
        };
        if request.resource_uid != *uid {
            let message = format!("the runtime was started for the resource {uid}, not {}", request.resource_uid);
            return Err(vec![refuse(refusal::OTHER_UID, "", message)]);
        }
        let newest = self.settings.settings_generation.max(self.candidate_generation());
        if request.generation < newest && !planted::is(Fault::OlderSettings) {
            let message = format!("generation {} is older than {newest}, which came before it", request.generation);
            return Err(vec![refuse(refusal::OLDER_GENERATION, "", message)]);
        }
        let wire = request.settings.clone().unwrap_or_default();
        Adjustable::from_wire(&wire).map_err(|error| match error {
            SettingsError::InvalidFields(errors) => invalid(errors),
            SettingsError::ParseFile(error) => vec![refuse(refusal::INVALID_SETTINGS, "", error.to_string())],
        })
    }

    /// Algorithm, threshold and parameters together or not at all, once the algorithm can decide by them; cash at once, so
    /// that an algorithm that does not answer does not hold it back.
    fn apply(&mut self, next: Adjustable, request: &ConfigureRequest, now_micros: i64, refusals: &mut Vec<Refusal>) {
        let generation = request.generation;
        if let Err(errors) = self.apply_algorithm(&next, generation) {
            refusals.extend(invalid(errors));
            return;
        }
        refusals.extend(self.candidate_refusals());
        if !next.suspend {
            self.end_suspend(generation);
        }
        // Where another algorithm never came up, settings older than the cash can be taken.
        if generation >= self.settings.cash_generation {
            let unchanged = request.starting_cash_unchanged;
            self.settings.adjustable.starting_cash =
                if unchanged { self.book.deposits.to_string() } else { next.starting_cash };
            self.apply_cash(generation, now_micros, refusals);
        }
        self.record_settings();
    }

    fn apply_cash(&mut self, generation: i64, now_micros: i64, refusals: &mut Vec<Refusal>) {
        let target = self.adjustable().starting_cash();
        match target.map(|target| self.settle_deposits(target, now_micros)) {
            Ok(Ok(())) => self.settings.cash_generation = generation,
            Ok(Err(denial)) => refusals.push(refuse(
                refusal::INSUFFICIENT_CASH,
                "startingCash",
                format!(
                    "{} is deposited and {} is cash: lowering it to {} is refused ({})",
                    self.book.deposits,
                    self.book.cash,
                    self.adjustable().starting_cash,
                    denial.reason()
                ),
            )),
            Err(error) => refusals.push(refuse(refusal::INVALID_SETTINGS, "startingCash", error.to_string())),
        }
    }

    fn apply_algorithm(&mut self, next: &Adjustable, generation: i64) -> Result<(), FieldErrors> {
        if next.decides_like(self.adjustable()) {
            self.drop_candidate();
            self.settings.settings_generation = generation;
        } else if !self.is_on_its_way(next, generation) {
            self.begin_swap(next.clone(), generation)?;
        }
        self.take_over_when_due();
        Ok(())
    }

    /// Deposits or withdraws what lacks to the target (invariant 5).
    fn settle_deposits(&mut self, target: Money, now_micros: i64) -> Result<(), Denial> {
        let Some(difference) = self.book.settle_deposits(target)? else { return Ok(()) };
        let (kind, amount) = if difference.is_negative() {
            (EntryKind::Withdrawal, Money::from_cents(-difference.cents()))
        } else {
            (EntryKind::Deposit, difference)
        };
        let entry = self.append(kind, amount, now_micros);
        self.pending.journal.push(entry);
        Ok(())
    }

    pub(super) fn record_settings(&mut self) {
        let Authority::Resource { uid, .. } = &self.authority else { return };
        let record = SettingsRecord {
            resource_uid: uid.clone(),
            settings_generation: self.settings.settings_generation,
            cash_generation: self.settings.cash_generation,
            settings_json: to_record(self.adjustable(), self.trading.state() > TradingState::Active),
        };
        self.trading.note_settings(&record);
        if self.recorded.as_ref() != Some(&record) {
            self.recorded = Some(record.clone());
            self.pending.settings = Some(record);
        }
    }
}

pub(super) fn invalid(errors: FieldErrors) -> Vec<Refusal> {
    errors.into_iter().map(|error| refuse(refusal::INVALID_SETTINGS, &error.field, error.message)).collect()
}

pub(super) fn refuse(reason: &str, field: &str, message: String) -> Refusal {
    Refusal { reason: reason.to_owned(), field: field.to_owned(), message }
}
