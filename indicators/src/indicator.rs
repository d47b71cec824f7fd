//! One indicator of one symbol.

use std::fmt::Debug;

use intuition_api::{decimal::Value, indicator::ONLY_VALUE};

use crate::{
    bytes::{Reader, Writer},
    definition::Definition,
    sample::Sample,
};

/// First byte of a saved state. Each form of the state has its own.
const VERSION: u8 = 1;

/// The values of an indicator at a sample, each with its name, in the order of [`Definition::value_names`].
pub type Values = Vec<(&'static str, Value)>;

/// Bytes that are no saved state of an indicator of this definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a saved state of this indicator")]
pub struct RestoreError;

/// A computation with its state.
pub(crate) trait Computation: Debug + Send {
    /// Takes the next sample. Returns the values that include it, or `None` where there are none yet.
    fn push(&mut self, sample: &Sample) -> Option<Values>;

    /// Writes the state.
    fn write(&self, writer: &mut Writer);

    /// Fills a new computation with a state. `None`: the bytes are no such state.
    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()>;
}

/// An indicator with its state.
#[derive(Debug)]
pub struct Indicator(Box<dyn Computation>);

impl Indicator {
    pub(crate) fn new(computation: impl Computation + 'static) -> Self {
        Self(Box::new(computation))
    }

    /// Takes the next sample, in the order of delivery: times need not rise. Returns the values that include it, or `None` while
    /// the indicator is not ready, or where a value has more digits than [`Value`].
    pub fn push(&mut self, sample: &Sample) -> Option<Values> {
        self.0.push(sample)
    }

    /// The state as bytes.
    pub fn save(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.byte(VERSION);
        self.0.write(&mut writer);
        writer.finish()
    }

    /// An indicator as it was when it was saved: from here on it returns the same values to the last bit.
    pub fn restore(definition: &Definition, bytes: &[u8]) -> Result<Self, RestoreError> {
        let mut indicator = definition.start();
        let mut reader = Reader::new(bytes);
        let is_read = reader.byte() == Some(VERSION) && indicator.0.read(&mut reader).is_some() && reader.is_at_end();
        if is_read { Ok(indicator) } else { Err(RestoreError) }
    }
}

/// The only value of an indicator.
pub(crate) fn single(value: Option<Value>) -> Option<Values> {
    Some(vec![(ONLY_VALUE, value?)])
}
