//! Inputs by topic: the symbols that they take and the age that their quotes may have.

use std::collections::BTreeSet;

use intuition_api::{topic, v1};

use super::freshness;
use crate::settings;

/// The inputs of an account, in the order of the resource.
#[derive(Debug, Default)]
pub(super) struct Inputs(Vec<Input>);

/// An input.
#[derive(Debug)]
pub(super) struct Input {
    wire: v1::Input,
    /// Empty: all symbols are taken.
    symbols: BTreeSet<String>,
    max_age_micros: Option<i64>,
}

impl Inputs {
    pub(super) fn new(inputs: &[settings::Input]) -> Self {
        let input = |input: &settings::Input| Input {
            wire: input.into(),
            symbols: input.symbols.iter().cloned().collect(),
            max_age_micros: input.max_quote_age.map(freshness::micros),
        };
        Self(inputs.iter().map(input).collect())
    }

    /// The input of a topic: the first match.
    pub(super) fn on(&self, topic: &str) -> Option<&Input> {
        self.0.iter().find(|input| topic::matches(&input.wire.topic, topic))
    }

    /// Whether one of them describes messages of another form than that of our own quotes.
    pub(super) fn have_formats(&self) -> bool {
        self.0.iter().any(|input| input.wire.format.is_some())
    }

    /// The inputs in the contract's form.
    pub(super) fn wire(&self) -> impl Iterator<Item = &v1::Input> {
        self.0.iter().map(|input| &input.wire)
    }
}

impl Input {
    /// The symbols that are taken. `None`: all.
    pub(super) fn symbols(&self) -> Option<&BTreeSet<String>> {
        (!self.symbols.is_empty()).then_some(&self.symbols)
    }

    /// The greatest age of a quote that is traded on, in microseconds; `None`: quotes may have any age.
    pub(super) const fn max_age_micros(&self) -> Option<i64> {
        self.max_age_micros
    }
}
