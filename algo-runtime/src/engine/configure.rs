//! Settings: at the start, and between two ticks.

use intuition_api::{
    decimal::Money,
    v1::{Channels, ConfigureRequest, ConfigureResponse, Refusal},
};

use super::Engine;
use crate::{
    algorithm::FieldErrors,
    generator::{Generator, POLICY_STREAM},
    ledger::{EntryKind, SettingsRecord},
    portfolio::Denial,
    settings::{Adjustable, Authority, SettingsError},
};

/// Codes of what Configure refuses.
pub mod refusal {
    /// The runtime was started by flags alone.
    pub const NO_UID: &str = "NoUid";
    /// Another resource's settings.
    pub const OTHER_UID: &str = "OtherUid";
    /// Settings older than the recorded ones.
    pub const OLDER_GENERATION: &str = "OlderGeneration";
    /// Another algorithm.
    pub const RESTART_NEEDED: &str = "RestartNeeded";
    /// A field cannot be used.
    pub const INVALID_SETTINGS: &str = "InvalidSettings";
    /// The withdrawal would make the cash negative.
    pub const INSUFFICIENT_CASH: &str = "InsufficientCash";
}

impl Engine {
    /// Puts the settings of the start in force: deposits or withdraws, and records a resource's generations.
    pub(super) fn take_up_settings(&mut self, now_micros: i64) -> Result<(), SettingsError> {
        if let Some(errors) = &self.settings.refused {
            let generation = self.settings.settings_generation;
            tracing::warn!(
                account = self.account.name,
                generation,
                "the settings of the start cannot be used, those of the generation that the ledger recorded go on: {errors}"
            );
        }
        let target = self.adjustable().starting_cash()?;
        let taken = self.settle_deposits(target, now_micros);
        if let Authority::Resource { .. } = self.authority {
            // Refused now, tried again with the next Configure: an older generation of the cash shows it.
            self.settings.cash_generation = match taken {
                Ok(()) => self.settings.settings_generation,
                Err(_) => self.settings.cash_generation.min(self.settings.settings_generation - 1),
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
        match self.settings_to_apply(request) {
            Ok(adjustable) => self.apply(adjustable, request.generation, now_micros, &mut refusals),
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
        let recorded = self.settings.settings_generation;
        if request.generation < recorded {
            let message = format!("generation {} is older than {recorded}, which is in force", request.generation);
            return Err(vec![refuse(refusal::OLDER_GENERATION, "", message)]);
        }
        let wire = request.settings.clone().unwrap_or_default();
        // Before the algorithm is compared: a restart would not help settings that cannot be used.
        let next = Adjustable::from_wire(&wire).map_err(|error| match error {
            SettingsError::InvalidFields(errors) => invalid(errors),
            SettingsError::ParseFile(error) => vec![refuse(refusal::INVALID_SETTINGS, "", error.to_string())],
        })?;
        if next.algorithm != self.adjustable().algorithm {
            let message = format!("{} is deciding; {:?} needs a restart", self.adjustable().algorithm, next.algorithm);
            return Err(vec![refuse(refusal::RESTART_NEEDED, "algorithm", message)]);
        }
        Ok(next)
    }

    /// Algorithm, threshold and parameters together or not at all; the cash separately, so that a refused withdrawal
    /// holds nothing back.
    fn apply(&mut self, next: Adjustable, generation: i64, now_micros: i64, refusals: &mut Vec<Refusal>) {
        let target = next.starting_cash();
        let algorithm = next.algorithm_settings();
        if algorithm != self.adjustable().algorithm_settings() {
            if let Err(errors) = self.algorithm.reconfigure(&algorithm) {
                refusals.extend(invalid(errors));
                return;
            }
            if next.seed() != self.adjustable().seed() {
                self.generator = Generator::resume(next.seed(), POLICY_STREAM, None);
                self.drawn = true;
            }
            self.follow_channels();
        }
        if next != *self.adjustable() {
            self.settings.adjustable = next;
        }
        self.settings.settings_generation = generation;
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
        self.record_settings();
    }

    /// Other parameters may want other channels, unless the resource names them.
    fn follow_channels(&mut self) {
        let filters = self.subscribe.clone().unwrap_or_else(|| self.algorithm.channels());
        if filters != self.channels.filters {
            self.channels = Channels { version: self.channels.version + 1, filters };
        }
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

    fn record_settings(&mut self) {
        let Authority::Resource { uid, .. } = &self.authority else { return };
        let record = SettingsRecord {
            resource_uid: uid.clone(),
            settings_generation: self.settings.settings_generation,
            cash_generation: self.settings.cash_generation,
            // Strings, numbers and JSON values always serialize.
            settings_json: serde_json::to_string(self.adjustable()).unwrap_or_default(),
        };
        if self.recorded.as_ref() != Some(&record) {
            self.recorded = Some(record.clone());
            self.pending.settings = Some(record);
        }
    }
}

fn invalid(errors: FieldErrors) -> Vec<Refusal> {
    errors.into_iter().map(|error| refuse(refusal::INVALID_SETTINGS, &error.field, error.message)).collect()
}

fn refuse(reason: &str, field: &str, message: String) -> Refusal {
    Refusal { reason: reason.to_owned(), field: field.to_owned(), message }
}
