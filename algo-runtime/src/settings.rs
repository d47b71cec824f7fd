//! What a runtime is told to do, and whose word counts at the start. Pure.

use intuition_api::{decimal::Money, topic::check_filter, v1};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    algorithm::{AlgorithmSettings, BUILTINS, Builtin, FieldError, FieldErrors, SavedState},
    ledger::SettingsRecord,
    portfolio::Policy,
};

/// Everything a runtime is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `<namespace>/<name>`.
    pub account: String,
    /// What may change while it runs.
    pub adjustable: Adjustable,
    /// Whose word the adjustable settings are.
    pub authority: Authority,
    /// How buys are sized.
    pub policy: Policy,
    /// Channels; `None`: what the algorithm asks for.
    pub subscribe: Option<Vec<String>>,
}

/// Whose word the adjustable settings are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// Flags, or the manifest of a local run: they rule at every start, and Configure is refused.
    Start,
    /// A resource: the newer of this and the ledger's record of the same uid rules, see [`in_force`].
    Resource {
        /// Its uid.
        uid: String,
        /// Its generation.
        generation: i64,
    },
}

/// Settings that may change while the runtime runs: what Configure carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Adjustable {
    /// Name of the built-in algorithm.
    pub algorithm: String,
    /// 0 to 1.
    #[serde(default = "default_threshold")]
    pub threshold: f64,
    /// The algorithm's parameters, without the threshold.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Net deposits, as a decimal.
    #[serde(default = "default_starting_cash")]
    pub starting_cash: String,
    /// Whether every signal is denied.
    #[serde(default)]
    pub suspend: bool,
}

/// The file behind `--settings`: a resource's adjustable settings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsFile {
    resource_uid: String,
    generation: i64,
    algorithm: String,
    #[serde(default = "default_threshold")]
    threshold: f64,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default = "default_starting_cash")]
    starting_cash: String,
    #[serde(default)]
    suspend: bool,
}

fn default_threshold() -> f64 {
    0.5
}

fn default_starting_cash() -> String {
    "10000".to_owned()
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The text is no settings file.
    #[error("the settings are no JSON object of the known fields")]
    ParseFile(#[source] serde_json::Error),
    /// Fields cannot be used.
    #[error(transparent)]
    InvalidFields(FieldErrors),
}

impl From<FieldErrors> for SettingsError {
    fn from(errors: FieldErrors) -> Self {
        Self::InvalidFields(errors)
    }
}

impl From<FieldError> for SettingsError {
    fn from(error: FieldError) -> Self {
        Self::InvalidFields(error.into())
    }
}

impl Settings {
    /// Checks everything that no ledger has a say in.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut errors = match self.authority {
            Authority::Start => self.adjustable.errors(),
            Authority::Resource { .. } => Vec::new(),
        };
        for filter in self.subscribe.iter().flatten() {
            if let Err(error) = check_filter(filter) {
                errors.push(FieldError::new("channels.subscribe", format!("{filter:?} {error}")));
            }
        }
        Ok(FieldErrors::none(errors)?)
    }
}

impl Adjustable {
    /// Reads the text of a settings file. Whether the settings can be used is not asked here: where they cannot, a
    /// ledger's record may rule.
    pub fn from_file(text: &str) -> Result<(Self, Authority), SettingsError> {
        let file: SettingsFile = serde_json::from_str(text).map_err(SettingsError::ParseFile)?;
        let adjustable = Self {
            algorithm: file.algorithm,
            threshold: file.threshold,
            parameters: file.parameters,
            starting_cash: file.starting_cash,
            suspend: file.suspend,
        };
        if file.resource_uid.is_empty() {
            // Nobody's record can rule.
            let mut errors = adjustable.errors();
            errors.push(FieldError::new("resourceUid", "must not be empty"));
            FieldErrors::none(errors)?;
        }
        Ok((adjustable, Authority::Resource { uid: file.resource_uid, generation: file.generation }))
    }

    /// Reads what Configure carries.
    pub fn from_wire(settings: &v1::Settings) -> Result<Self, SettingsError> {
        let mut errors = Vec::new();
        let threshold = settings.threshold.parse().unwrap_or_else(|_| {
            errors.push(FieldError::new("threshold", format!("{:?} is no number", settings.threshold)));
            default_threshold()
        });
        let parameters = match settings.parameters_json.as_str() {
            "" => Map::new(),
            text => serde_json::from_str(text).unwrap_or_else(|error| {
                errors.push(FieldError::new("parameters", format!("is no JSON object: {error}")));
                Map::new()
            }),
        };
        let adjustable = Self {
            algorithm: settings.algorithm.clone(),
            threshold,
            parameters,
            starting_cash: settings.starting_cash.clone(),
            suspend: settings.suspend,
        };
        errors.extend(adjustable.errors());
        FieldErrors::none(errors)?;
        Ok(adjustable)
    }

    /// Checks every field.
    pub fn check(&self) -> Result<(), SettingsError> {
        Ok(FieldErrors::none(self.errors())?)
    }

    /// Everything that is wrong, the algorithm's parameters last.
    fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !(0.0..=1.0).contains(&self.threshold) {
            errors.push(FieldError::new("threshold", format!("must be from 0 to 1, is {}", self.threshold)));
        }
        errors.extend(plain_sum("startingCash", &self.starting_cash).err());
        match self.find_builtin() {
            Err(error) => errors.push(error),
            Ok(builtin) => {
                let refused = builtin.initialize(&self.algorithm_settings(), &SavedState::new()).err();
                errors.extend(refused.into_iter().flatten());
            }
        }
        errors
    }

    /// The net deposits that the ledger shall show.
    pub fn starting_cash(&self) -> Result<Money, SettingsError> {
        Ok(plain_sum("startingCash", &self.starting_cash)?)
    }

    /// The algorithm's entry in the registry.
    pub fn builtin(&self) -> Result<&'static Builtin, SettingsError> {
        Ok(self.find_builtin()?)
    }

    fn find_builtin(&self) -> Result<&'static Builtin, FieldError> {
        Builtin::find(&self.algorithm).ok_or_else(|| {
            let names: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
            FieldError::new("algorithm", format!("{:?} is unknown; there are {}", self.algorithm, names.join(", ")))
        })
    }

    /// What the algorithm is given.
    pub fn algorithm_settings(&self) -> AlgorithmSettings {
        AlgorithmSettings { threshold: self.threshold, parameters: self.parameters.clone() }
    }

    /// The seed that the policy's randomness derives from.
    pub fn seed(&self) -> Option<u64> {
        self.parameters.get("seed").and_then(Value::as_u64)
    }
}

/// Reads a sum of money as a manifest writes it: digits and at most a point and two places, no sign and no exponent.
pub(crate) fn plain_sum(field: &str, text: &str) -> Result<Money, FieldError> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str, longest: usize| {
        (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let sum = (is_digits(whole, 13) && is_digits(part, 2)).then(|| text.parse().ok()).flatten();
    sum.ok_or_else(|| {
        let expected = "a plain decimal of at most 13 digits before the point and 2 after it, such as 10000.50";
        FieldError::new(field, format!("must be {expected}, is {text:?}"))
    })
}

/// What is in force at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// The settings. Their starting cash is the target, which a refused withdrawal may hold back.
    pub adjustable: Adjustable,
    /// Of everything but the cash; 0 without a resource.
    pub settings_generation: i64,
    /// The last one whose cash was in force; 0 without a resource.
    pub cash_generation: i64,
    /// Why the given settings are not in force, where they cannot be used.
    pub refused: Option<FieldErrors>,
}

/// Whose word counts at the start: the newer of the given settings and the ledger's record of the same resource. Given
/// settings that cannot be used give way to a record that can, however old, so that an account with a mistake in its
/// newest settings goes on as before, after a restart too.
pub fn in_force(
    given: &Adjustable,
    authority: &Authority,
    record: Option<&SettingsRecord>,
) -> Result<InForce, SettingsError> {
    let refused = FieldErrors::none(given.errors()).err();
    let by_given = |settings_generation, cash_generation| match refused.clone() {
        Some(errors) => Err(errors.into()),
        None => Ok(InForce { adjustable: given.clone(), settings_generation, cash_generation, refused: None }),
    };
    let Authority::Resource { uid, generation } = authority else { return by_given(0, 0) };
    let Some(record) = record.filter(|record| record.resource_uid == *uid) else {
        return by_given(*generation, *generation);
    };
    // A record is written from checked settings; one that this release cannot use gives way to the file.
    let recorded: Option<Adjustable> = serde_json::from_str(&record.settings_json).ok();
    match recorded.filter(|recorded| recorded.check().is_ok()) {
        Some(adjustable) if record.settings_generation > *generation || refused.is_some() => Ok(InForce {
            adjustable,
            settings_generation: record.settings_generation,
            cash_generation: record.cash_generation,
            refused,
        }),
        _ => by_given(*generation, record.cash_generation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"resourceUid":"u-1","generation":3,"algorithm":"random","threshold":0.25,
        "parameters":{"seed":1},"startingCash":"500.50"}"#;

    fn record(uid: &str, generation: i64, threshold: f64) -> SettingsRecord {
        let (mut settings, _) = Adjustable::from_file(FILE).unwrap();
        settings.threshold = threshold;
        SettingsRecord {
            resource_uid: uid.to_owned(),
            settings_generation: generation,
            cash_generation: generation - 1,
            settings_json: serde_json::to_string(&settings).unwrap(),
        }
    }

    #[test]
    fn the_newer_of_file_and_record_rules_for_the_same_resource() {
        let (given, authority) = Adjustable::from_file(FILE).unwrap();
        for (record, threshold, generations) in [
            (None, 0.25, (3, 3)),
            (Some(record("u-1", 4, 0.75)), 0.75, (4, 3)),
            (Some(record("u-1", 2, 0.75)), 0.25, (3, 1)),
            (Some(record("u-2", 9, 0.75)), 0.25, (3, 3)),
            // Of a release that knew better thresholds.
            (Some(record("u-1", 4, 7.5)), 0.25, (3, 3)),
        ] {
            let ruling = in_force(&given, &authority, record.as_ref()).unwrap();
            assert_eq!(ruling.adjustable.threshold.to_bits(), f64::to_bits(threshold));
            assert_eq!((ruling.settings_generation, ruling.cash_generation), generations);
            assert_eq!(ruling.refused, None);
        }
        let by_flags = in_force(&given, &Authority::Start, Some(&record("u-1", 9, 0.75))).unwrap();
        assert_eq!(by_flags.adjustable, given);
    }

    #[test]
    fn a_file_that_cannot_be_used_gives_way_to_any_usable_record_of_the_same_resource() {
        let (given, authority) = Adjustable::from_file(&FILE.replace("random", "rnd")).unwrap();
        for generation in [2, 3, 4] {
            let ruling = in_force(&given, &authority, Some(&record("u-1", generation, 0.75))).unwrap();
            assert_eq!(ruling.adjustable.algorithm, "random");
            assert_eq!((ruling.settings_generation, ruling.cash_generation), (generation, generation - 1));
            let refused: Vec<_> = ruling.refused.unwrap().into_iter().map(|error| error.field).collect();
            assert_eq!(refused, ["algorithm"]);
        }
        for record in [None, Some(record("u-2", 9, 0.75)), Some(record("u-1", 2, 7.5))] {
            let refused = in_force(&given, &authority, record.as_ref()).unwrap_err();
            assert_eq!(fields(refused), ["algorithm"], "{record:?}");
        }
        let by_flags = in_force(&given, &Authority::Start, Some(&record("u-1", 9, 0.75))).unwrap_err();
        assert_eq!(fields(by_flags), ["algorithm"]);
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_by_their_path() {
        for (text, expected) in [
            (r#"{"resourceUid":"u","generation":1,"algorithm":"random","threshold":1.5}"#, vec!["threshold"]),
            (r#"{"resourceUid":"u","generation":1,"algorithm":"rnd"}"#, vec!["algorithm"]),
            (
                r#"{"resourceUid":"u","generation":1,"algorithm":"random","parameters":{"threshold":1}}"#,
                vec!["parameters.threshold"],
            ),
            (
                r#"{"resourceUid":"","generation":1,"algorithm":"random","threshold":-1,"startingCash":"","parameters":{"x":1}}"#,
                vec!["threshold", "startingCash", "parameters.x", "resourceUid"],
            ),
        ] {
            let read = Adjustable::from_file(text).and_then(|(settings, _)| settings.check());
            assert_eq!(fields(read.unwrap_err()), expected, "{text}");
        }
        let unknown = r#"{"resourceUid":"u","generation":1,"algorithm":"random","treshold":1}"#;
        assert!(matches!(Adjustable::from_file(unknown), Err(SettingsError::ParseFile(_))));
    }

    #[test]
    fn what_configure_carries_is_refused_with_every_field_that_is_wrong() {
        let wire = v1::Settings {
            algorithm: "sma-crossover".to_owned(),
            threshold: "half".to_owned(),
            parameters_json: r#"{"fast":0,"slow":1}"#.to_owned(),
            starting_cash: "1e4".to_owned(),
            suspend: false,
            algorithm_address: String::new(),
        };
        let expected = ["threshold", "startingCash", "parameters.fast", "parameters.slow"];
        assert_eq!(fields(Adjustable::from_wire(&wire).unwrap_err()), expected);
    }

    #[test]
    fn the_starting_cash_is_a_plain_decimal_as_in_a_manifest() {
        for (text, cents) in
            [("0", 0), ("010000", 1_000_000), ("10000.5", 1_000_050), ("9999999999999.99", 10_i128.pow(15) - 1)]
        {
            assert_eq!(plain_sum("startingCash", text).map(Money::cents), Ok(cents), "{text}");
        }
        for text in ["", "-1", "+1", "1e4", "1E4", "10000.555", "1.", ".5", " 1", "12345678901234", "1_000", "NaN"] {
            assert_eq!(plain_sum("startingCash", text).unwrap_err().field, "startingCash", "{text}");
        }
    }

    fn fields(error: SettingsError) -> Vec<String> {
        let SettingsError::InvalidFields(errors) = error else { panic!("{error}") };
        errors.into_iter().map(|error| error.field).collect()
    }
}
