//! Settings that a runtime or a bridge of an earlier release does not know (ADR 0019).

use intuition_api::capability;
use intuition_resources::{ChannelSource, Input, TradingAlgoStatus};

use crate::{
    names::Component,
    reconcile::{
        condition_type,
        finding::Finding,
        reason::{CAPABILITIES_UNKNOWN, RUNTIME_TOO_OLD, Urgency},
    },
    trading_algo::{plan::Plan, status::observation::Observation},
};

/// A setting that came after v0.1.0.
struct Setting {
    /// Path in the resource.
    path: &'static str,
    /// The capability of a component that knows it.
    capability: &'static str,
    /// The components that have to know it.
    components: &'static [Component],
    /// Whether a resource uses it.
    is_used: fn(&Plan) -> bool,
}

/// All of them.
const SETTINGS: [Setting; 8] = [
    Setting {
        path: "spec.channels.inputs",
        capability: capability::INPUTS,
        components: &[Component::Runtime, Component::Bridge],
        is_used: |plan| plan.channels.inputs.is_some(),
    },
    Setting {
        path: "spec.channels.inputs[].format",
        capability: capability::INPUT_FORMATS,
        components: &[Component::Runtime, Component::Bridge],
        is_used: |plan| inputs(plan).any(|input| input.format.is_some()),
    },
    Setting {
        path: "spec.channels.inputs[].maxQuoteAge",
        capability: capability::QUOTE_AGE,
        components: &[Component::Runtime],
        is_used: |plan| inputs(plan).any(|input| input.max_quote_age.is_some()),
    },
    Setting {
        path: "spec.channels.inputs[].staleAfter",
        capability: capability::QUOTE_AGE,
        components: &[Component::Runtime],
        is_used: |plan| inputs(plan).any(|input| input.stale_after.is_some()),
    },
    Setting {
        path: "spec.channels.from[].symbols",
        capability: capability::INPUTS,
        components: &[Component::Runtime],
        is_used: |plan| sources(plan).any(|source| source.symbols.is_some()),
    },
    Setting {
        path: "spec.channels.from[].maxQuoteAge",
        capability: capability::QUOTE_AGE,
        components: &[Component::Runtime],
        is_used: |plan| sources(plan).any(|source| source.max_quote_age.is_some()),
    },
    Setting {
        path: "spec.channels.from[].staleAfter",
        capability: capability::QUOTE_AGE,
        components: &[Component::Runtime],
        is_used: |plan| sources(plan).any(|source| source.stale_after.is_some()),
    },
    Setting {
        path: "spec.storage.retain",
        capability: capability::RETENTION,
        components: &[Component::Runtime],
        is_used: |plan| plan.storage.retain.is_some(),
    },
];

fn inputs(plan: &Plan) -> impl Iterator<Item = &Input> {
    plan.channels.inputs.iter().flatten()
}

/// Feeds alone need no capability: a runtime of any release subscribes to their topics and reads quotes of our own.
fn sources(plan: &Plan) -> impl Iterator<Item = &ChannelSource> {
    plan.channels.from.iter().flatten()
}

/// A setting of the resource that its pods do not know; `None`: there is none, or the pods have not answered.
pub(crate) fn lacking(observation: &Observation<'_>, before: &TradingAlgoStatus) -> Option<Finding> {
    let account = observation.pods.report()?.account.as_ref().ok()?;
    if let Some(message) = unknown(observation.plan, &account.capabilities, Component::Runtime) {
        return Some(Finding::lacking(RUNTIME_TOO_OLD, message, Urgency::ActionRequired));
    }
    if !has_stream(observation) {
        return None;
    }
    let named = &account.bridge_capabilities;
    let message = unknown(observation.plan, named, Component::Bridge)?;
    // The two are asked at the same time, so that a bridge that connects between the answers looks like one of v0.1.0: two
    // looks in a row have to agree.
    let is_confirmed = before.conditions.iter().any(|known| {
        known.type_ == condition_type::CONFIGURED
            && (known.reason == CAPABILITIES_UNKNOWN || known.reason == RUNTIME_TOO_OLD && known.message == message)
    });
    if named.is_empty() && !is_confirmed {
        let message = "the bridge has connected and has not named its capabilities yet";
        return Some(Finding::unknown(CAPABILITIES_UNKNOWN, message));
    }
    Some(Finding::lacking(RUNTIME_TOO_OLD, message, Urgency::ActionRequired))
}

/// Why a component with these capabilities cannot carry out the plan.
fn unknown(plan: &Plan, capabilities: &[String], component: Component) -> Option<String> {
    let is_unknown = |setting: &&Setting| {
        let is_needed = setting.components.contains(&component) && (setting.is_used)(plan);
        is_needed && !capabilities.iter().any(|known| known == setting.capability)
    };
    let paths: Vec<_> = SETTINGS.iter().filter(is_unknown).map(|setting| setting.path).collect();
    (!paths.is_empty()).then(|| {
        format!(
            "{}: the image of {} is of an earlier release, which does not know this setting: upgrade the image \
             (algos.imageTag of the chart), or remove the setting",
            paths.join(", "),
            component.container()
        )
    })
}

/// Whether the bridge has a stream to the runtime.
fn has_stream(observation: &Observation<'_>) -> bool {
    matches!(&observation.pods.bridge.1, Some(Ok(page)) if page.missing.iter().all(|missing| missing.part != "runtime"))
}
