use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodSpec};
use serde_json::{Value, from_value, json};

use super::*;
use crate::{
    plan::tests_support::{algo, plan, random, settings},
    resource::Ledger,
};

fn planned(change: impl FnOnce(&mut Value)) -> Plan {
    let mut spec = random();
    change(&mut spec);
    crate::plan::plan(&algo(&spec), &settings(), None).unwrap()
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
        spec["algorithm"]["parameters"] = json!({ "seed": 2 });
    });
    let after = desired(&after, &settings(), None);
    assert_eq!((&after.runtime, &after.bridge), (&before.runtime, &before.bridge));
    assert_ne!(after.settings, before.settings);
}

#[test]
fn what_a_runtime_reads_at_its_start_alone_rolls_its_pod() {
    let before = desired(&plan(), &settings(), None);
    for change in [
        json!({ "algorithm": { "builtin": "sma-crossover" } }),
        json!({ "portfolio": { "policy": "fixed-fraction", "fraction": 0.5 } }),
        json!({ "channels": { "subscribe": ["other"] } }),
    ] {
        let changed = planned(|spec| spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone()));
        let after = desired(&changed, &settings(), None);
        assert_ne!(after.runtime, before.runtime, "{change}");
        assert_eq!(after.bridge, before.bridge, "{change}");
    }
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
