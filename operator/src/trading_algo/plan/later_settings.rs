//! The settings of a `TradingAlgo` that came after v0.1.0.

use intuition_api::capability;
use intuition_resources::{ChannelSource, Input, TradingAlgoSpec};

use crate::{
    account::plan::{BRIDGE, LaterSetting, RUNTIME, later_setting as at},
    names::Component,
};

const INDICATOR: &str = "spec.channels.from[].indicator";

/// Whether a resource uses a setting.
type IsUsed = fn(&TradingAlgoSpec) -> bool;

/// All of them, each with whether a resource uses it.
const SETTINGS: [(LaterSetting, IsUsed); 10] = [
    (at("spec.channels.inputs", capability::INPUTS, &Component::ALL), |spec| inputs(spec).next().is_some()),
    (at("spec.channels.inputs[].format", capability::INPUT_FORMATS, &Component::ALL), |spec| {
        inputs(spec).any(|input| input.format.is_some())
    }),
    (at("spec.channels.inputs[].maxQuoteAge", capability::QUOTE_AGE, RUNTIME), |spec| {
        inputs(spec).any(|input| input.max_quote_age.is_some())
    }),
    (at("spec.channels.inputs[].staleAfter", capability::QUOTE_AGE, RUNTIME), |spec| {
        inputs(spec).any(|input| input.stale_after.is_some())
    }),
    (at("spec.channels.from[].symbols", capability::INPUTS, RUNTIME), |spec| {
        sources(spec).any(|source| source.symbols.is_some())
    }),
    (at("spec.channels.from[].maxQuoteAge", capability::QUOTE_AGE, RUNTIME), |spec| {
        sources(spec).any(|source| source.max_quote_age.is_some())
    }),
    (at("spec.channels.from[].staleAfter", capability::QUOTE_AGE, RUNTIME), |spec| {
        sources(spec).any(|source| source.stale_after.is_some())
    }),
    (at(INDICATOR, capability::INDICATORS, RUNTIME), |spec| sources(spec).any(|source| source.indicator.is_some())),
    (at(INDICATOR, capability::JOINED, BRIDGE), |spec| sources(spec).any(|source| source.indicator.is_some())),
    (at("spec.storage.retain", capability::RETENTION, RUNTIME), |spec| spec.storage.retain.is_some()),
];

/// Those that a resource uses.
pub(crate) fn of(spec: &TradingAlgoSpec) -> Vec<LaterSetting> {
    SETTINGS.iter().filter(|(_, is_used)| is_used(spec)).map(|(setting, _)| *setting).collect()
}

fn inputs(spec: &TradingAlgoSpec) -> impl Iterator<Item = &Input> {
    spec.channels.iter().flat_map(|channels| channels.inputs.iter().flatten())
}

/// Feeds alone need no capability: a runtime of any release subscribes to their topics and reads quotes of our own.
fn sources(spec: &TradingAlgoSpec) -> impl Iterator<Item = &ChannelSource> {
    spec.channels.iter().flat_map(|channels| channels.from.iter().flatten())
}
