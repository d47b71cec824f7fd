//! The settings of a runtime, and the precedence of their sources at the start. Pure.

mod algorithm_ref;
mod cash;
mod document;
mod inputs;
mod precedence;
pub(crate) mod retention;
mod topics;

use intuition_api::{
    decimal::Money,
    topic::check_filter,
    v1::{self, TradingState},
};
use serde_json::{Map, Value};

use crate::{
    algorithm::{AlgorithmSettings, FieldError, FieldErrors, SavedState},
    ledger::Retention,
    portfolio::Policy,
    trading::Document,
};

pub use algorithm_ref::AlgorithmRef;
pub use cash::{CashFile, StartingCash, starting_cash};
pub use document::{from_record, to_record};
pub use inputs::{Input, SecondFile, from_second_file, second_file};
pub use precedence::{EffectiveSettings, effective_settings};
pub use topics::{TopicRule, Topics};

/// The settings of a runtime.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `<namespace>/<name>`.
    pub account: String,
    /// Settings that may change while it runs.
    pub live: LiveSettings,
    /// The source of the live settings.
    pub source: SettingsSource,
    /// How buys are sized.
    pub policy: Policy,
    /// Which channels an algorithm may ask for.
    pub topics: Topics,
    /// Channels; `None`: those that the algorithm asks for.
    pub subscribe: Option<Vec<String>>,
    /// The symbols to take on some of the channels; of several inputs that match a topic, the first counts.
    pub inputs: Vec<Input>,
    /// Settings of the start alone.
    pub initial: Initial,
}

/// Settings that count when the ledger is taken up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Initial {
    /// The starting cash is left open: the deposits stay as they are. At the very first start the number in the live
    /// settings is deposited all the same.
    pub cash_unchanged: bool,
    /// The trading state that is asked for.
    pub trading: InitialTrading,
}

/// The trading state that is asked for when the ledger is taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitialTrading {
    /// That of flags or of a local manifest, for the cause `User`: it rules at every start, together with `suspend`. For
    /// [`SettingsSource::Start`].
    Flags(TradingState),
    /// That of a resource: the file beside the settings, where it is there, or else `suspend`. For
    /// [`SettingsSource::Resource`].
    File(Document),
    /// The recorded one, as in a process that takes the ledger up again after a failed commit.
    Recorded,
}

impl Default for InitialTrading {
    fn default() -> Self {
        Self::Flags(TradingState::Active)
    }
}

/// The source of the live settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsSource {
    /// Flags, or the manifest of a local run: they rule at every start, and Configure is refused.
    Start,
    /// A resource: the newer of this and the ledger's record of the same uid rules, see [`effective_settings`].
    Resource {
        /// Its uid.
        uid: String,
        /// Its generation.
        generation: i64,
    },
}

impl SettingsSource {
    /// uid of the resource; empty without one.
    pub fn uid(&self) -> &str {
        match self {
            Self::Start => "",
            Self::Resource { uid, .. } => uid,
        }
    }
}

/// Settings that may change while the runtime runs: what Configure carries.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// The algorithm that decides.
    pub algorithm: AlgorithmRef,
    /// 0 to 1.
    pub threshold: f64,
    /// The algorithm's parameters, without the threshold.
    pub parameters: Map<String, Value>,
    /// Net deposits, as a decimal.
    pub starting_cash: String,
    /// The older way to ask for the trading state Halted.
    pub suspend: bool,
    /// When entries of the journal may be dropped; `None`: never. Configure carries it beside the settings, and no file has it: at a
    /// start the ledger's record counts.
    pub retention: Option<Retention>,
}

/// Default of the threshold.
pub const DEFAULT_THRESHOLD: f64 = 0.5;
/// Default of the starting cash.
pub const DEFAULT_STARTING_CASH: &str = "10000";

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
        let mut errors = match self.source {
            SettingsSource::Start => self.live.errors(),
            SettingsSource::Resource { .. } => Vec::new(),
        };
        for filter in self.subscribe.iter().flatten() {
            if let Err(error) = check_filter(filter) {
                errors.push(FieldError::new("channels.subscribe", format!("{filter:?} {error}")));
            }
        }
        errors.extend(inputs::errors(&self.inputs, self.subscribe.as_deref().unwrap_or_default()));
        Ok(FieldErrors::none(errors)?)
    }
}

impl LiveSettings {
    /// Reads the settings of Configure, without the retention beside them.
    pub fn from_wire(settings: &v1::Settings) -> Result<Self, SettingsError> {
        let mut errors = Vec::new();
        let threshold = settings.threshold.parse().unwrap_or_else(|_| {
            errors.push(FieldError::new("threshold", format!("{:?} is no number", settings.threshold)));
            DEFAULT_THRESHOLD
        });
        let parameters = match settings.parameters_json.as_str() {
            "" => Map::new(),
            text => serde_json::from_str(text).unwrap_or_else(|error| {
                errors.push(FieldError::new("parameters", format!("is no JSON object: {error}")));
                Map::new()
            }),
        };
        let algorithm = match AlgorithmRef::from_fields(&settings.algorithm, &settings.algorithm_address) {
            Ok(algorithm) => algorithm,
            Err(error) => {
                errors.push(error);
                return Err(FieldErrors::from(errors).into());
            }
        };
        let live = Self {
            algorithm,
            threshold,
            parameters,
            starting_cash: settings.starting_cash.clone(),
            suspend: settings.suspend,
            retention: None,
        };
        errors.extend(live.errors());
        FieldErrors::none(errors)?;
        Ok(live)
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
        match &self.algorithm {
            AlgorithmRef::Builtin(_) => match self.algorithm.builtin() {
                Err(error) => errors.push(error),
                Ok(builtin) => {
                    let refused = builtin.initialize(&self.algorithm_settings(), &SavedState::new(), 0).err();
                    errors.extend(refused.into_iter().flatten());
                }
            },
            // What else is wrong with the parameters, the algorithm itself says once it is reached.
            AlgorithmRef::Backend(_) if self.parameters.contains_key("threshold") => {
                errors.push(FieldError::new("parameters.threshold", "belongs beside the parameters, not among them"));
            }
            AlgorithmRef::Backend(_) => {}
        }
        errors
    }

    /// Whether both make the same algorithm decide in the same way.
    pub fn decides_like(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.algorithm_settings() == other.algorithm_settings()
    }

    /// The net deposits that the ledger shall show.
    pub fn starting_cash(&self) -> Result<Money, SettingsError> {
        Ok(plain_sum("startingCash", &self.starting_cash)?)
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let read = LiveSettings::from_file(text).and_then(|(settings, _)| settings.check());
            assert_eq!(fields(read.unwrap_err()), expected, "{text}");
        }
        let unknown = r#"{"resourceUid":"u","generation":1,"algorithm":"random","treshold":1}"#;
        assert!(matches!(LiveSettings::from_file(unknown), Err(SettingsError::ParseFile(_))));
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
        assert_eq!(fields(LiveSettings::from_wire(&wire).unwrap_err()), expected);
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
