//! The symbols that are taken on each topic.

use std::collections::BTreeSet;

use intuition_api::{topic, v1};

use crate::settings::Input;

/// The inputs of an account, in the order of the resource.
#[derive(Debug, Default)]
pub(super) struct Inputs(Vec<(v1::Input, BTreeSet<String>)>);

impl Inputs {
    pub(super) fn new(inputs: &[Input]) -> Self {
        Self(inputs.iter().map(|input| (input.into(), input.symbols.iter().cloned().collect())).collect())
    }

    /// The symbols that are taken on a topic: those of the first input that matches it. `None`: all.
    pub(super) fn symbols(&self, topic: &str) -> Option<&BTreeSet<String>> {
        let (_, symbols) = self.0.iter().find(|(input, _)| topic::matches(&input.topic, topic))?;
        (!symbols.is_empty()).then_some(symbols)
    }

    /// Whether one of them describes messages of another form than that of our own quotes.
    pub(super) fn have_formats(&self) -> bool {
        self.0.iter().any(|(input, _)| input.format.is_some())
    }

    /// The inputs in the contract's form.
    pub(super) fn wire(&self) -> impl Iterator<Item = &v1::Input> {
        self.0.iter().map(|(input, _)| input)
    }
}
