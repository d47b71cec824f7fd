use intuition_resources::Ledger;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodSpec};
use serde_json::{Value, from_value, json};

use super::*;
use crate::{
    account::plan::AlgorithmRef,
    trading_algo::plan::tests_support::{algo, plan, random, settings},
};

fn planned(change: impl FnOnce(&mut Value)) -> Plan {
    let mut spec = random();
    change(&mut spec);
    crate::trading_algo::plan::plan(&algo(&spec), crate::trading_algo::plan::Inputs::new(&settings())).unwrap()
}

fn pods(desired: &Desired) -> [PodSpec; 2] {
    [&desired.runtime, &desired.bridge].map(|child| child.spec.clone().unwrap().template.spec.unwrap())
}

#[test]
fn what_configure_carries_is_in_no_pod() {
    let before = desired(&plan(), &settings(), None);
    let after = planned(|spec| {
        spec["threshold"] = json!(0.9);
        spec["startingCash"] = json!(77_777);
        spec["suspend"] = json!(true);
        spec["tradingState"] = json!("Reducing");
        spec["algorithm"] = json!({ "builtin": "sma-crossover", "parameters": { "slow": 9 } });
    });
    let after = desired(&after, &settings(), None);
    assert_eq!((&after.runtime, &after.bridge), (&before.runtime, &before.bridge));
    assert_ne!(after.settings, before.settings);
}

#[test]
fn what_a_runtime_reads_at_its_start_alone_rolls_its_pod() {
    let before = desired(&plan(), &settings(), None);
    for change in [
        json!({ "portfolio": { "policy": "fixed-fraction", "fraction": 0.5 } }),
        json!({ "channels": { "subscribe": ["other"] } }),
        json!({ "channels": { "inputs": [{ "topic": "other" }] } }),
    ] {
        let changed = planned(|spec| spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone()));
        let after = desired(&changed, &settings(), None);
        assert_ne!(after.runtime, before.runtime, "{change}");
        assert_eq!(after.bridge, before.bridge, "{change}");
    }
}

#[test]
fn prefix_of_topics_goes_to_the_bridge_where_it_is_not_the_usual_one() {
    let before = desired(&plan(), &settings(), None);
    let mut staging = settings();
    staging.topics.prefix = "trading/staging".to_owned();
    let after = desired(&plan(), &staging, None);
    let args = |desired: &Desired| pods(desired)[1].containers[0].args.clone().unwrap().join(" ");
    assert!(!args(&before).contains("topic-prefix"), "bridges of earlier releases do not know the flag");
    assert!(args(&after).contains("--topic-prefix=trading/staging"), "{}", args(&after));
    assert_eq!(after.runtime, before.runtime);
}

#[test]
fn tuning_reaches_the_bridge_as_variables_that_an_earlier_release_ignores() {
    let before = desired(&plan(), &settings(), None);
    let mut tuned = settings();
    tuned.bridge_tuning = serde_json::from_value(json!({
        "receiveMaximum": 100, "publishWindow": 20, "unacknowledgedTicks": 20_000, "unacknowledgedBytes": 1_048_576,
        "outboxBytes": 2_097_152, "keepAlive": "60s", "connectTimeout": "1m", "answerTimeout": "45s", "sessionExpiry": "7d",
    }))
    .unwrap();
    let after = desired(&plan(), &tuned, None);
    let [_, bridge] = pods(&after);
    let env = bridge.containers[0].env.iter().flatten();
    let env: Vec<_> = env.map(|var| format!("{}={}", var.name, var.value.as_deref().unwrap())).collect();
    let expected = [
        "INTUITION_RECEIVE_MAXIMUM=100",
        "INTUITION_PUBLISH_WINDOW=20",
        "INTUITION_UNACKNOWLEDGED_TICKS=20000",
        "INTUITION_UNACKNOWLEDGED_BYTES=1048576",
        "INTUITION_OUTBOX_BYTES=2097152",
        "INTUITION_KEEP_ALIVE=60s",
        "INTUITION_CONNECT_TIMEOUT=1m",
        "INTUITION_ANSWER_TIMEOUT=45s",
        "INTUITION_SESSION_EXPIRY=7d",
    ];
    assert_eq!(env, expected);
    assert_eq!(pods(&before)[1].containers[0].env, None);
    assert_eq!(
        (after.runtime, pods(&before)[1].containers[0].args.clone()),
        (before.runtime, bridge.containers[0].args.clone())
    );
}

/// Key and text of the second settings file, and the key under which the pod mounts it.
fn second_file(symbols: &[&str]) -> (String, String, String) {
    let plan = planned(|spec| {
        spec["channels"] = json!({ "inputs": [{ "topic": "quotes", "symbols": symbols }, { "topic": "more" }] });
    });
    let desired = desired(&plan, &settings(), None);
    let [runtime, _] = pods(&desired);
    let volume = runtime.volumes.unwrap().into_iter().find(|volume| volume.name == "settings").unwrap();
    let mounted = volume.config_map.unwrap().items.unwrap().into_iter().find(|item| item.path == "settings-2.json");
    let (key, text) =
        desired.settings.unwrap().data.unwrap().into_iter().find(|(key, _)| key.starts_with("settings-2")).unwrap();
    (key, text, mounted.unwrap().key)
}

#[test]
fn inputs_are_in_a_second_file_and_other_symbols_replace_the_pod() {
    let (key, text, mounted) = second_file(&["GOOG"]);
    let expected = r#"{"channels":{"inputs":[{"symbols":["GOOG"],"topic":"quotes"},{"topic":"more"}]}}"#;
    assert_eq!((text.trim_end(), &mounted), (expected, &key));
    assert_ne!(second_file(&["GOOG", "AAPL"]).2, mounted, "the pod's template is another");
    let without = desired(&plan(), &settings(), None);
    assert_eq!(
        without.settings.unwrap().data.unwrap().into_keys().collect::<Vec<_>>(),
        ["cash.json", "settings.json", "trading-state.json"]
    );
}

#[test]
fn topics_of_inputs_are_channels_that_every_release_of_the_runtime_takes() {
    let by_inputs = planned(|spec| spec["channels"] = json!({ "inputs": [{ "topic": "a/+" }, { "topic": "-b" }] }));
    let by_filters = planned(|spec| spec["channels"] = json!({ "subscribe": ["a/+", "-b"] }));
    let args = |plan: &Plan| {
        let [runtime, _] = pods(&desired(plan, &settings(), None));
        runtime.containers.into_iter().next().unwrap().args.unwrap()
    };
    assert_eq!(args(&by_inputs), args(&by_filters));
}

#[test]
fn another_algorithm_rolls_no_pod_wherever_it_is_served() {
    let before = desired(&plan(), &settings(), None);
    let after = planned(|spec| spec["algorithm"] = json!({ "address": "http://elsewhere:7" }));
    let after = desired(&after, &settings(), None);
    assert_eq!((&after.runtime, &after.bridge), (&before.runtime, &before.bridge));
    assert!(
        after.settings.unwrap().data.unwrap()["settings.json"].contains("\"algorithmAddress\": \"http://elsewhere:7\"")
    );
    let mut missing = plan();
    missing.live_settings.algorithm = AlgorithmRef::Missing("it is not there".to_owned());
    let missing = desired(&missing, &settings(), None);
    assert_eq!(missing.settings, None, "what is there is the best that a start can have");
    assert_eq!((&missing.runtime, &missing.bridge), (&before.runtime, &before.bridge));
}

/// Where the runtime may go besides DNS, as `to port`.
fn ways(plan: &Plan) -> Vec<String> {
    let mut settings = settings();
    settings.network_policy.enabled = true;
    let policy = json!(desired(plan, &settings, None).policies[0]);
    let rules = policy["spec"]["egress"].as_array().unwrap().iter().skip(1);
    let ways = rules.map(|rule| {
        let to = &rule["to"][0];
        let instance = &to["podSelector"]["matchLabels"]["app.kubernetes.io/instance"];
        let to =
            [instance, &to["ipBlock"]["cidr"]].iter().find_map(|name| name.as_str()).unwrap_or("anywhere").to_owned();
        format!("{to} {}", rule["ports"][0]["port"])
    });
    ways.collect()
}

#[test]
fn a_runtime_reaches_the_algorithm_that_decides_and_the_one_that_shall() {
    assert_eq!(ways(&plan()), Vec::<String>::new());
    let mut swapping = planned(|spec| spec["algorithm"] = json!({ "address": "http://192.0.2.9:7000" }));
    assert_eq!(ways(&swapping), ["192.0.2.9/32 7000"]);
    swapping.active_backend_url = Some("http://mine-algorithm-0123abcd.n.svc.cluster.local:50051".to_owned());
    assert_eq!(ways(&swapping), ["192.0.2.9/32 7000", "mine 50051"]);
    swapping.active_backend_url = Some("http://mine-algorithm-0123abcd.other.svc.cluster.local:50051".to_owned());
    assert_eq!(ways(&swapping), ["192.0.2.9/32 7000", "anywhere 50051"], "no pod of this namespace");
    swapping.active_backend_url = Some("http://192.0.2.9:7000".to_owned());
    assert_eq!(ways(&swapping), ["192.0.2.9/32 7000"], "once");
}

#[test]
fn every_pod_is_restricted_and_without_a_token() {
    for pod in pods(&desired(&plan(), &settings(), None)) {
        assert_eq!(pod.automount_service_account_token, Some(false));
        let context = pod.security_context.unwrap();
        assert_eq!(
            (context.run_as_non_root, context.seccomp_profile.unwrap().type_.as_str()),
            (Some(true), "RuntimeDefault")
        );
        for container in pod.containers {
            let context = container.security_context.unwrap();
            assert_eq!(context.allow_privilege_escalation, Some(false));
            assert_eq!(context.read_only_root_filesystem, Some(true));
            assert_eq!(context.capabilities.unwrap().drop, Some(vec!["ALL".to_owned()]));
        }
    }
}

#[test]
fn a_lost_claim_is_made_anew_only_where_its_uid_is_named() {
    let recorded = Ledger { claim_name: "a-ledger".to_owned(), claim_uid: "claim-1".to_owned() };
    let mut plan = plan();
    plan.ledger = Some(recorded);
    assert_eq!(desired(&plan, &settings(), None).claim, None);
    plan.new_ledger = Some("claim-0".to_owned());
    assert_eq!(desired(&plan, &settings(), None).claim, None, "said of an earlier one");
    plan.new_ledger = Some("claim-1".to_owned());
    assert!(desired(&plan, &settings(), None).claim.is_some());
}

#[test]
fn a_claim_that_is_there_keeps_what_cannot_be_changed() {
    let seen: PersistentVolumeClaim = from_value(json!({
        "metadata": {},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "old", "resources": { "requests": { "storage": "2Gi" } },
        },
    }))
    .unwrap();
    let claim = |size: &str| {
        let plan = planned(|spec| spec["storage"] = json!({ "size": size, "className": "new" }));
        let claim = desired(&plan, &settings(), Some(&seen)).claim;
        let spec = claim.unwrap().spec.unwrap();
        let size = spec.resources.unwrap().requests.unwrap()["storage"].0.clone();
        (spec.access_modes.unwrap(), spec.storage_class_name.unwrap(), size)
    };
    let expected = |size: &str| (vec!["ReadWriteOnce".to_owned()], "old".to_owned(), size.to_owned());
    assert_eq!(claim("1Gi"), expected("2Gi"));
    assert_eq!(claim("3Gi"), expected("3Gi"));
}

#[test]
fn a_claim_outlives_its_resource_unless_it_is_told_not_to() {
    let owners = |on_delete: &str| {
        let plan = planned(|spec| spec["storage"] = json!({ "onDelete": on_delete }));
        desired(&plan, &settings(), None).claim.unwrap().metadata.owner_references
    };
    assert_eq!(owners("Retain"), None);
    assert_eq!(owners("Delete").unwrap()[0].uid, plan().uid);
}

#[test]
fn only_known_keys_of_a_secret_are_mounted_also_under_old_names() {
    let plan = planned(|spec| spec["broker"] = json!({ "url": "mqtt://b", "secretRef": { "name": "mine" } }));
    let [_, bridge] = pods(&desired(&plan, &settings(), None));
    let volume = bridge.volumes.unwrap().into_iter().find(|volume| volume.name == "broker").unwrap().secret.unwrap();
    assert_eq!(volume.optional, Some(true), "else a key that is not there would keep the pod from starting");
    // As the kubelet mounts a Secret: item after item, the later one of two with the same path.
    let mounted = |keys: &[&str]| {
        let items = volume.items.iter().flatten().filter(|item| keys.contains(&item.key.as_str()));
        items.map(|item| (item.path.clone(), item.key.clone())).collect::<std::collections::BTreeMap<_, _>>()
    };
    let all = ["username", "password", "mqtt-username", "mqtt-password", "tls.key", "token", ".dockerconfigjson"];
    let files = mounted(&all);
    let expected = [("username", "mqtt-username"), ("password", "mqtt-password"), ("mqtt-username", "mqtt-username")];
    assert!(expected.iter().all(|(path, key)| files[*path] == *key), "{files:?}");
    assert_eq!(files.len(), 4, "{files:?}");
    assert_eq!(mounted(&["username", "ca.crt"]).into_keys().collect::<Vec<_>>(), ["ca.crt", "username"]);
    assert_eq!(mounted(&["tls.crt", "tls.key", "token"]).len(), 0);
}

/// The data of the runtime's `ConfigMap`, each file as JSON.
fn files(settings: Option<ConfigMap>) -> Value {
    let data = settings.unwrap().data.unwrap();
    json!(
        data.into_iter()
            .map(|(key, text)| (key, serde_json::from_str::<Value>(&text).unwrap()))
            .collect::<std::collections::BTreeMap<_, _>>()
    )
}

fn stored(plan: &Plan) -> crate::account::plan::Stored {
    runtime::settings(plan).unwrap().data.unwrap()
}

#[test]
fn a_trading_state_is_a_file_of_its_own_and_only_halted_is_suspended() {
    for (state, suspend) in [("Active", false), ("Reducing", false), ("Halted", true)] {
        let plan = planned(|spec| spec["tradingState"] = json!(state));
        let files = files(desired(&plan, &settings(), None).settings);
        assert_eq!(files["settings.json"]["suspend"], suspend, "{state}");
        assert_eq!(files["trading-state.json"], plan.trading.file(&plan.uid, 7));
    }
    // A runtime that does not know Reducing, and that a call has halted instead.
    let mut plan = planned(|spec| spec["tradingState"] = json!("Reducing"));
    plan.recorded.halts_to_reduce = true;
    assert_eq!(files(desired(&plan, &settings(), None).settings)["settings.json"]["suspend"], true);
    plan.trading = crate::account::trading_state::RequestedState::default();
    assert_eq!(files(desired(&plan, &settings(), None).settings)["settings.json"]["suspend"], false);
}

#[test]
fn without_starting_cash_the_deposits_stay() {
    let open = |recorded| {
        let mut plan = planned(|spec| drop(spec.as_object_mut().unwrap().remove("startingCash")));
        plan.recorded = recorded;
        plan
    };
    let unchanged = json!({ "resourceUid": "0f1e2d3c-0000", "generation": 7, "startingCashUnchanged": true });
    let first = open(crate::account::plan::Recorded::default());
    let cash = |plan: &Plan| {
        let files = files(desired(plan, &settings(), None).settings);
        (files["settings.json"]["startingCash"].clone(), files["cash.json"].clone())
    };
    assert_eq!(cash(&first), (json!("10000.00"), unchanged.clone()), "of an account that was never there");
    let known =
        crate::account::plan::Recorded { deposits: Some("500.00".to_owned()), has_account: true, ..Default::default() };
    assert_eq!(cash(&open(known)), (json!("500.00"), unchanged));

    // An account whose deposits an earlier release did not record: its settings stay until it has answered.
    let mut before = planned(|spec| spec["startingCash"] = json!(500));
    before.generation = 6;
    let mut unknown = open(crate::account::plan::Recorded { has_account: true, ..Default::default() });
    unknown.stored = stored(&before);
    let kept = files(desired(&unknown, &settings(), None).settings);
    assert_eq!(
        (&kept["settings.json"]["startingCash"], &kept["settings.json"]["generation"]),
        (&json!("500.00"), &json!(6))
    );
    assert_eq!(kept["cash.json"]["startingCashUnchanged"], false, "of the settings beside it");
    assert_eq!(kept["trading-state.json"]["generation"], 7);
}

#[test]
fn stop_reaches_the_files_without_an_accepted_spec() {
    let before = planned(|spec| spec["channels"] = json!({ "inputs": [{ "topic": "quotes" }] }));
    let halted = planned(|spec| spec["tradingState"] = json!("Halted")).trading;
    let mut missing = Plan { generation: 8, trading: halted.clone(), stored: stored(&before), ..before.clone() };
    missing.live_settings.algorithm = AlgorithmRef::Missing("there is no Algorithm mine".to_owned());
    let was = files(runtime::settings(&before));
    for now in [
        desired(&missing, &settings(), None).settings,
        runtime::with_trading_state(&before.owner(), &missing.stored, &halted, 8),
    ] {
        let mut now = files(now);
        assert_eq!(now["trading-state.json"], halted.file(&before.uid, 8));
        now["trading-state.json"] = was["trading-state.json"].clone();
        assert_eq!(now, was, "nothing else changes");
    }
    // Of the operator of v0.1.0.
    let old =
        crate::account::plan::Stored::from([("settings.json".to_owned(), missing.stored["settings.json"].clone())]);
    let now = files(runtime::with_trading_state(&before.owner(), &old, &halted, 8));
    assert_eq!(now["cash.json"], json!({ "resourceUid": before.uid, "generation": 7, "startingCashUnchanged": false }));
    assert_eq!(runtime::with_trading_state(&before.owner(), &crate::account::plan::Stored::new(), &halted, 8), None);
}
