//! Reads an algorithm's parameters: typed, bounded, and none that the algorithm does not know.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// A parameter that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ParameterError {
    /// Path from the settings, for example `parameters.fast`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ParameterError {
    /// An error about one parameter.
    pub fn new(name: &str, message: impl Into<String>) -> Self {
        Self { field: format!("parameters.{name}"), message: message.into() }
    }
}

/// The parameters, and which of them the algorithm asked for.
#[derive(Debug)]
pub struct Parameters<'a> {
    values: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Parameters<'a> {
    /// Begins to read.
    pub const fn new(values: &'a Map<String, Value>) -> Self {
        Self { values, known: Vec::new() }
    }

    /// A whole number within bounds; `None` where it is not given.
    pub fn integer(&mut self, name: &'static str, bounds: RangeInclusive<u64>) -> Result<Option<u64>, ParameterError> {
        self.known.push(name);
        let Some(value) = self.values.get(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| bounds.contains(number));
        number.map(Some).ok_or_else(|| {
            let (low, high) = (bounds.start(), bounds.end());
            ParameterError::new(name, format!("must be a whole number from {low} to {high}, is {value}"))
        })
    }

    /// The random seed, which every algorithm takes: the policy's randomness derives from it.
    pub fn seed(&mut self) -> Result<Option<u64>, ParameterError> {
        self.integer("seed", 0..=u64::MAX)
    }

    /// Ends the reading: a parameter that nobody asked for is an error.
    pub fn finish(self) -> Result<(), ParameterError> {
        match self.values.keys().find(|name| !self.known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if name == "threshold" => {
                Err(ParameterError::new(name, "belongs beside the parameters, not among them"))
            }
            Some(name) => {
                Err(ParameterError::new(name, format!("is unknown; this algorithm takes {}", self.known.join(", "))))
            }
        }
    }
}
