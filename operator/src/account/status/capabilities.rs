//! Settings that a runtime or a bridge of an earlier release does not know (ADR 0019).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    account::{
        plan::{LaterSetting, Plan},
        status::observation::Observation,
    },
    names::Component,
    reconcile::{
        condition_type,
        finding::Finding,
        reason::{CAPABILITIES_UNKNOWN, RUNTIME_TOO_OLD, Urgency},
    },
};

/// A setting of the resource that its pods do not know; `None`: there is none, or the pods have not answered.
pub(crate) fn lacking(observation: &Observation<'_>, before: &[Condition]) -> Option<Finding> {
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
    let is_confirmed = before.iter().any(|known| {
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
    let is_unknown = |setting: &&LaterSetting| {
        setting.components.contains(&component) && !capabilities.iter().any(|known| known == setting.capability)
    };
    let paths: Vec<_> = plan.later_settings.iter().filter(is_unknown).map(|setting| setting.path).collect();
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
