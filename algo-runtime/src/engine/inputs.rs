//! Which symbols are taken on which topic.

use std::collections::BTreeSet;

use intuition_api::{topic, v1};

use super::Engine;
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
}

impl Engine {
    /// The channels as the bridge gets them; `None`: the algorithm has not named them yet. A bridge with the capability
    /// `inputs` gets every input, also those without symbols: there too the first one that matches a topic counts.
    pub(crate) fn channels_for_bridge(&self, knows_inputs: bool) -> Option<v1::Channels> {
        let channels = self.channels()?;
        let is_told = |input: &&v1::Input| knows_inputs && channels.filters.contains(&input.topic);
        let inputs = self.inputs.0.iter().map(|(input, _)| input).filter(is_told).cloned().collect();
        Some(v1::Channels { inputs, ..channels.clone() })
    }
}
