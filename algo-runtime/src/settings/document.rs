//! Settings as JSON: the file behind `--settings`, and the ledger's record.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AlgorithmRef, DEFAULT_STARTING_CASH, DEFAULT_THRESHOLD, LiveSettings, SettingsError, SettingsSource};
use crate::{
    algorithm::{FieldError, FieldErrors},
    ledger::Retention,
};

/// The file behind `--settings`: a resource's live settings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    resource_uid: String,
    generation: i64,
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    algorithm_address: String,
    #[serde(default = "default_threshold")]
    threshold: f64,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default = "default_starting_cash")]
    starting_cash: String,
    #[serde(default)]
    suspend: bool,
}

/// The ledger's record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    algorithm: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    algorithm_address: String,
    threshold: f64,
    parameters: Map<String, Value>,
    starting_cash: String,
    suspend: bool,
    /// No record that v0.1.0 reads has it: that release reads no ledger of the format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention: Option<Retention>,
}

fn default_threshold() -> f64 {
    DEFAULT_THRESHOLD
}

fn default_starting_cash() -> String {
    DEFAULT_STARTING_CASH.to_owned()
}

impl LiveSettings {
    /// Reads the text of a settings file. Whether the settings can be used is not asked here: where they cannot, a
    /// ledger's record may rule.
    pub fn from_file(text: &str) -> Result<(Self, SettingsSource), SettingsError> {
        let file: File = serde_json::from_str(text).map_err(SettingsError::ParseFile)?;
        let live = Self {
            algorithm: AlgorithmRef::from_fields(&file.algorithm, &file.algorithm_address)?,
            threshold: file.threshold,
            parameters: file.parameters,
            starting_cash: file.starting_cash,
            suspend: file.suspend,
            retention: None,
        };
        if file.resource_uid.is_empty() {
            // Nobody's record can rule.
            let mut errors = live.errors();
            errors.push(FieldError::new("resourceUid", "must not be empty"));
            FieldErrors::none(errors)?;
        }
        Ok((live, SettingsSource::Resource { uid: file.resource_uid, generation: file.generation }))
    }
}

/// The text of a record. `suspend` is for v0.1.0, which knows no other stop.
pub fn to_record(settings: &LiveSettings, suspend: bool) -> String {
    let (algorithm, algorithm_address) = settings.algorithm.fields();
    let record = Record {
        algorithm: algorithm.to_owned(),
        algorithm_address: algorithm_address.to_owned(),
        threshold: settings.threshold,
        parameters: settings.parameters.clone(),
        starting_cash: settings.starting_cash.clone(),
        suspend,
        retention: settings.retention,
    };
    // Strings, numbers and JSON values always serialize.
    serde_json::to_string(&record).unwrap_or_default()
}

/// What a record says; `None` where this release cannot use it.
pub fn from_record(text: &str) -> Option<LiveSettings> {
    let record: Record = serde_json::from_str(text).ok()?;
    let live = LiveSettings {
        algorithm: AlgorithmRef::from_fields(&record.algorithm, &record.algorithm_address).ok()?,
        threshold: record.threshold,
        parameters: record.parameters,
        starting_cash: record.starting_cash,
        suspend: record.suspend,
        retention: record.retention,
    };
    live.check().is_ok().then_some(live)
}
