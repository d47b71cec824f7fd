//! Resources whose pods are of an earlier release.

use serde_json::json;

use super::*;
use crate::{
    account::{plan::Plan, status::observation::Observation},
    reconcile::{derived::Derived, rollout::Rollout},
    workload::pod_state::PodState,
};

const INPUTS: &str = "inputs";

/// A plan that uses `spec.channels.inputs`.
fn with_inputs() -> Plan {
    let mut spec = random();
    spec["channels"] = json!({ "inputs": [{ "topic": "quotes", "symbols": ["GOOG"] }] });
    crate::trading_algo::plan::plan(&algo(&spec), crate::trading_algo::plan::Inputs::new(&settings())).unwrap()
}

/// A trading account, its pods with these capabilities.
fn with<'a>(plan: &'a Plan, runtime: &[&str], bridge: &[&str]) -> Observation<'a> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let account =
        AccountResponse { capabilities: owned(runtime), bridge_capabilities: owned(bridge), ..account(GENERATION) };
    let mut observation = trading(plan);
    observation.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), ..serving(GENERATION) });
    observation
}

fn configured(derived: &Derived) -> (&str, &str, &str) {
    let condition = find(derived, kinds::CONFIGURED);
    (&condition.status, &condition.reason, &condition.message)
}

#[test]
fn runtime_without_the_capability_is_too_old() {
    let plan = with_inputs();
    let derived = seen(&with(&plan, &[], &[INPUTS]), None);
    let expected = [
        "Accepted=True Accepted",
        "Configured=False RuntimeTooOld",
        "RuntimeReady=True Serving",
        "BridgeConnected=True Connected",
        "InputsHealthy=Unknown RuntimeTooOld",
        "OutputsHealthy=True Healthy",
        "LedgerHealthy=True Healthy",
        "Trading=True Active",
        "Ready=False RuntimeTooOld",
        "Stalled=True RuntimeTooOld",
    ];
    assert_eq!(shown(&derived), expected);
    let (_, _, message) = configured(&derived);
    assert!(
        message.starts_with("spec.channels.inputs: the image of algo-runtime is of an earlier release"),
        "{message}"
    );
    assert!(message.contains("algos.imageTag"), "{message}");
    assert_eq!(reasons(&derived), ["RuntimeTooOld"], "one Event");

    let again = seen(&with(&plan, &[], &[INPUTS]), Some(&derived.status));
    assert_eq!((&again.status, again.events.len()), (&derived.status, 0));
}

#[test]
fn retention_has_to_be_known_by_the_runtime_alone() {
    let mut spec = random();
    spec["storage"] = json!({ "retain": { "for": "90d" } });
    let plan =
        crate::trading_algo::plan::plan(&algo(&spec), crate::trading_algo::plan::Inputs::new(&settings())).unwrap();
    let derived = seen(&with(&plan, &[INPUTS], &["retention"]), None);
    let (status, reason, message) = configured(&derived);
    assert_eq!((status, reason), ("False", "RuntimeTooOld"));
    assert!(message.starts_with("spec.storage.retain: the image of algo-runtime is of an earlier"), "{message}");
    assert_eq!(shown(&seen(&with(&plan, &["retention"], &[]), None))[1], "Configured=True InForce");
}

#[test]
fn resource_without_such_a_setting_runs_with_any_release() {
    let plan = plan();
    assert_eq!(shown(&seen(&with(&plan, &[], &[]), None))[1], "Configured=True InForce");
}

#[test]
fn pods_with_the_capability_are_configured() {
    let plan = with_inputs();
    let derived = seen(&with(&plan, &["other", INPUTS], &["other", INPUTS]), None);
    assert_eq!((shown(&derived)[1].as_str(), derived.rollout), ("Configured=True InForce", Rollout::Settled));
}

#[test]
fn bridge_counts_once_it_has_a_stream() {
    let plan = with_inputs();
    let mut observation = with(&plan, &[INPUTS], &[]);
    for report in [None, Some(Ok(lacks(vec![missing("broker", "Unreachable"), missing("runtime", "NoRuntime")])))] {
        observation.pods.bridge.1 = report;
        assert_eq!(shown(&seen(&observation, None))[1], "Configured=True InForce");
    }
    // Another capability shows that the bridge has named all of its own.
    let derived = seen(&with(&plan, &[INPUTS], &["other"]), None);
    let (status, reason, message) = configured(&derived);
    assert_eq!((status, reason), ("False", "RuntimeTooOld"));
    assert!(message.starts_with("spec.channels.inputs: the image of bridge is of an earlier release"), "{message}");
}

#[test]
fn bridge_without_any_capability_is_too_old_at_the_second_look() {
    let plan = with_inputs();
    let without = with(&plan, &[INPUTS], &[]);
    let first = seen(&without, None);
    assert_eq!((shown(&first)[1].as_str(), reasons(&first).len()), ("Configured=Unknown CapabilitiesUnknown", 0));
    assert_eq!(first.rollout, Rollout::Progressing, "the next look comes soon");
    let second = seen(&without, Some(&first.status));
    assert_eq!(
        (shown(&second)[1].as_str(), reasons(&second)),
        ("Configured=False RuntimeTooOld", vec!["RuntimeTooOld"])
    );
    let third = seen(&without, Some(&second.status));
    assert_eq!((&third.status, third.events.len()), (&second.status, 0));
    // One that had only just connected.
    assert_eq!(shown(&seen(&with(&plan, &[INPUTS], &[INPUTS]), Some(&first.status)))[1], "Configured=True InForce");
    // A finding about the runtime confirms nothing about the bridge.
    let runtime = seen(&with(&plan, &[], &[]), None);
    assert_eq!(shown(&seen(&without, Some(&runtime.status)))[1], "Configured=Unknown CapabilitiesUnknown");
}

#[test]
fn upgraded_pod_is_not_told_by_the_one_before() {
    let plan = with_inputs();
    let before = seen(&with(&plan, &[], &[INPUTS]), None).status;
    let mut upgrading = with(&plan, &[], &[]);
    upgrading.pods.runtime = (PodState::RollingOut, None);
    assert_eq!(shown(&seen(&upgrading, Some(&before)))[1], "Configured=Unknown Waiting");
    let after = seen(&with(&plan, &[INPUTS], &[INPUTS]), Some(&before));
    assert_eq!((shown(&after)[1].as_str(), reasons(&after)), ("Configured=True InForce", vec!["InForce", "Ready"]));
}

#[test]
fn format_of_an_input_is_a_setting_of_its_own() {
    let mut spec = random();
    let format = json!({ "sid": { "topicLevel": 2 }, "price": { "pointer": "" } });
    spec["channels"] = json!({ "inputs": [{ "topic": "quotes/+", "format": format }] });
    let plan =
        crate::trading_algo::plan::plan(&algo(&spec), crate::trading_algo::plan::Inputs::new(&settings())).unwrap();
    assert_eq!(plan.second_settings_file().unwrap()["channels"]["inputs"][0]["format"], format);
    let both = [INPUTS, "input-formats"];
    assert_eq!(shown(&seen(&with(&plan, &both, &both), None))[1], "Configured=True InForce");
    for (runtime, bridge, image) in [(&[INPUTS][..], &both[..], "algo-runtime"), (&both, &[INPUTS], "bridge")] {
        let derived = seen(&with(&plan, runtime, bridge), None);
        let (status, reason, message) = configured(&derived);
        assert_eq!((status, reason), ("False", "RuntimeTooOld"));
        assert!(message.starts_with(&format!("spec.channels.inputs[].format: the image of {image} is")), "{message}");
    }
}

#[test]
fn feeds_need_a_capability_for_their_settings_alone() {
    let planned = |source: serde_json::Value| {
        let mut spec = random();
        spec["channels"] = json!({ "subscribe": ["quotes"], "from": [source] });
        crate::trading_algo::plan::plan(&algo(&spec), crate::trading_algo::plan::Inputs::new(&settings())).unwrap()
    };
    let bare = planned(json!({ "feed": "btc" }));
    assert_eq!(bare.subscribe.as_deref().unwrap(), ["quotes", "intuition/n/feed.btc/quotes"]);
    assert_eq!(bare.second_settings_file(), None, "v0.1.0 carries it out");
    assert_eq!(shown(&seen(&with(&bare, &[], &[]), None))[1], "Configured=True InForce");
    for (setting, value, capability) in [
        ("symbols", json!(["A"]), INPUTS),
        ("maxQuoteAge", json!("5s"), "quote-age"),
        ("staleAfter", json!("5m"), "quote-age"),
    ] {
        let mut source = json!({ "feed": "btc" });
        source[setting] = value.clone();
        let plan = planned(source);
        let input = &plan.second_settings_file().unwrap()["channels"]["inputs"][0];
        assert_eq!((&input["topic"], &input[setting]), (&json!("intuition/n/feed.btc/quotes"), &value));
        let derived = seen(&with(&plan, &[], &[]), None);
        let (_, reason, message) = configured(&derived);
        assert_eq!(reason, "RuntimeTooOld");
        assert!(
            message.starts_with(&format!("spec.channels.from[].{setting}: the image of algo-runtime is")),
            "{message}"
        );
        assert_eq!(shown(&seen(&with(&plan, &[capability], &[]), None))[1], "Configured=True InForce");
    }
}

#[test]
fn indicators_as_channels_need_a_runtime_and_a_bridge_that_know_them() {
    let mut spec = random();
    spec["channels"] = json!({ "from": [{ "indicator": "trend" }] });
    let plan =
        crate::trading_algo::plan::plan(&algo(&spec), crate::trading_algo::plan::Inputs::new(&settings())).unwrap();
    assert_eq!(plan.subscribe.as_deref().unwrap(), ["intuition/n/indicator.trend/joined"]);
    for (runtime, bridge, image) in
        [(&[][..], &["joined"][..], "algo-runtime"), (&["indicators"], &["inputs"], "bridge")]
    {
        let derived = seen(&with(&plan, runtime, bridge), None);
        let (status, reason, message) = configured(&derived);
        assert_eq!((status, reason), ("False", "RuntimeTooOld"));
        assert!(message.starts_with(&format!("spec.channels.from[].indicator: the image of {image} is")), "{message}");
    }
    assert_eq!(shown(&seen(&with(&plan, &["indicators"], &["joined"]), None))[1], "Configured=True InForce");
}
