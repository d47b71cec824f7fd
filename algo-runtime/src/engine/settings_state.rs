//! The settings of an account: their source, the effective ones, and the record of them in the ledger.

use intuition_api::{refusal::OTHER_UID, v1::Refusal};

use super::refusal::refuse;
use crate::{
    algorithm::FieldErrors,
    ledger::{Changes, Retention, SettingsRecord},
    settings::{EffectiveSettings, LiveSettings, SettingsSource, to_record},
};

/// See the module.
#[derive(Debug)]
pub(super) struct SettingsState {
    source: SettingsSource,
    effective: EffectiveSettings,
    /// As the ledger has it.
    recorded: Option<SettingsRecord>,
    /// In no commit yet.
    changed: Option<SettingsRecord>,
}

impl SettingsState {
    pub(super) const fn new(
        source: SettingsSource,
        effective: EffectiveSettings,
        recorded: Option<SettingsRecord>,
    ) -> Self {
        Self { source, effective, recorded, changed: None }
    }

    pub(super) const fn source(&self) -> &SettingsSource {
        &self.source
    }

    /// The effective settings.
    pub(super) const fn live(&self) -> &LiveSettings {
        &self.effective.live
    }

    /// Generation of the effective settings but for the cash.
    pub(super) const fn generation(&self) -> i64 {
        self.effective.settings_generation
    }

    /// The generation of the cash that was taken last.
    pub(super) const fn cash_generation(&self) -> i64 {
        self.effective.cash_generation
    }

    /// Why the settings of the start are not effective, where they cannot be used.
    pub(super) const fn refused(&self) -> Option<&FieldErrors> {
        self.effective.refused.as_ref()
    }

    /// Settings of the start that are to take over, and their generation; once.
    pub(super) const fn take_candidate(&mut self) -> Option<(LiveSettings, i64)> {
        self.effective.candidate.take()
    }

    /// The highest generation that the ledger recorded for this resource; 0 without one.
    pub(super) fn recorded_generation(&self) -> i64 {
        let recorded = self.recorded.as_ref().filter(|record| record.resource_uid == self.source.uid());
        recorded.map_or(0, |record| record.settings_generation.max(record.cash_generation))
    }

    /// The refusal of a request for another resource.
    pub(super) fn other_uid(&self, wanted: &str) -> Option<Refusal> {
        let ours = self.source.uid();
        (wanted != ours).then(|| {
            let message = match ours {
                "" => format!(
                    "this runtime was started by flags and belongs to no resource; the request names {wanted:?}"
                ),
                ours => format!("this runtime belongs to the resource with uid {ours:?}; the request names {wanted:?}"),
            };
            refuse(OTHER_UID, "resource_uid", message)
        })
    }

    pub(super) fn set_starting_cash(&mut self, cash: String) {
        self.effective.live.starting_cash = cash;
    }

    /// Makes these limits of the journal effective.
    pub(super) const fn set_retention(&mut self, retention: Option<Retention>) {
        self.effective.live.retention = retention;
    }

    pub(super) const fn set_cash_generation(&mut self, generation: i64) {
        self.effective.cash_generation = generation;
    }

    pub(super) const fn set_generation(&mut self, generation: i64) {
        self.effective.settings_generation = generation;
    }

    /// Makes the settings of the active algorithm effective. Cash, suspension and retention have their own way.
    pub(super) fn activate(&mut self, settings: LiveSettings, generation: i64) {
        let LiveSettings { starting_cash, suspend, retention, .. } = self.live().clone();
        self.effective.live = LiveSettings { starting_cash, suspend, retention, ..settings };
        self.effective.settings_generation = generation;
    }

    /// The record of the effective settings; `None` without a resource. `is_stopped`: the trading state is not Active.
    pub(super) fn record(&self, is_stopped: bool) -> Option<SettingsRecord> {
        let SettingsSource::Resource { uid, .. } = &self.source else { return None };
        Some(SettingsRecord {
            resource_uid: uid.clone(),
            settings_generation: self.effective.settings_generation,
            cash_generation: self.effective.cash_generation,
            settings_json: to_record(self.live(), is_stopped),
        })
    }

    /// Hands a record over to the next commit, if the ledger has another one.
    pub(super) fn save(&mut self, record: SettingsRecord) {
        if self.recorded.as_ref() != Some(&record) {
            self.recorded = Some(record.clone());
            self.changed = Some(record);
        }
    }

    pub(super) fn take_changes(&mut self, changes: &mut Changes) {
        changes.settings = self.changed.take();
    }
}
