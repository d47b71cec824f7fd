use std::collections::BTreeSet;

use serde_json::{from_value, json};

use super::*;
use crate::{
    algorithm::plan::plan, kubernetes::apply_error::Outlook, reconcile::rollout::Rollout,
    trading_algo::plan::tests_support::settings, workload::pod_state::Crash,
};

fn planned(spec: &serde_json::Value) -> Plan {
    let algorithm = from_value(json!({
        "apiVersion": "intuition.dev/v1alpha1", "kind": "Algorithm",
        "metadata": { "name": "mine", "namespace": "n", "uid": "u-1", "generation": 2 },
        "spec": spec,
    }));
    plan(&algorithm.unwrap(), &settings()).unwrap()
}

fn image() -> Plan {
    planned(&json!({ "image": "registry/a:1", "replicas": 2 }))
}

fn described() -> Described {
    Described {
        name: "mean-reversion".to_owned(),
        version: "1.4.0".to_owned(),
        schema: json!({ "type": "object" }).as_object().cloned(),
        channels: vec!["quotes".to_owned()],
    }
}

fn answering(plan: &Plan) -> Observation<'_> {
    Observation {
        plan,
        failure: None,
        fleet: plan.image.as_ref().map(|_| Fleet { ready: 2, lacking: None }),
        answer: Some(Ok(described())),
        images: Vec::new(),
    }
}

fn seen(observation: &Observation<'_>, previous: Option<&AlgorithmStatus>) -> Derived<AlgorithmStatus> {
    derive(previous, 2, &Users::default(), &Outcome::Observed(observation), Timestamp::from_second(1_000).unwrap())
}

fn shown(derived: &Derived<AlgorithmStatus>) -> Vec<String> {
    let conditions = derived.status.conditions.iter();
    conditions.map(|known| format!("{}={} {}", known.type_, known.status, known.reason)).collect()
}

fn told(derived: &Derived<AlgorithmStatus>) -> Vec<&str> {
    derived.events.iter().map(|notice| notice.reason.as_str()).collect()
}

#[test]
fn one_that_answers_is_ready_with_all_that_it_says_and_is_told_of_once() {
    let plan = planned(&json!({ "address": "http://elsewhere:7/" }));
    let users = Users::of("n", "mine", []);
    assert_eq!(users.referring, BTreeSet::new());
    let first = seen(&answering(&plan), None);
    assert_eq!(shown(&first), ["Accepted=True Accepted", "Ready=True Answering"]);
    assert_eq!((told(&first), first.rollout), (vec!["Answering"], Rollout::Settled));
    let status = &first.status;
    assert_eq!(status.address.as_deref(), Some("http://elsewhere:7"));
    assert_eq!((status.algorithm.as_deref(), status.version.as_deref()), (Some("mean-reversion"), Some("1.4.0")));
    assert_eq!((status.contract.as_deref(), status.healthy), (Some("intuition.v1"), true));
    assert_eq!((&status.parameters_schema, &status.channels), (&described().schema, &described().channels));
    let read_back = serde_json::from_value(json!(status)).unwrap();
    assert_eq!(status, &read_back, "what is read back is what was written, or it would be written at every look");
    let again = seen(&answering(&plan), Some(status));
    assert_eq!((&again.status, again.events.len()), (status, 0));
}

#[test]
fn one_that_is_gone_is_shown_as_gone_and_keeps_what_was_known() {
    let plan = planned(&json!({ "address": "http://elsewhere:7" }));
    let before = seen(&answering(&plan), None).status;
    for (error, reason, progress) in [
        (DescribeError::Connect("refused".to_owned()), "BackendUnreachable", Rollout::Degraded),
        (DescribeError::TimeOut, "BackendTimeout", Rollout::Degraded),
        (DescribeError::Call("why".to_owned()), "BackendError", Rollout::Degraded),
        (DescribeError::Speak("why".to_owned()), "ContractUnsupported", Rollout::Stalled),
        (DescribeError::Break("why".to_owned()), "ContractBroken", Rollout::Stalled),
    ] {
        let mut gone = answering(&plan);
        gone.answer = Some(Err(error));
        let derived = seen(&gone, Some(&before));
        let abnormal = if progress == Rollout::Stalled { "Stalled" } else { "Reconciling" };
        let expected =
            ["Accepted=True Accepted".to_owned(), format!("Ready=False {reason}"), format!("{abnormal}=True {reason}")];
        assert_eq!(shown(&derived), expected);
        assert_eq!((told(&derived), derived.rollout), (vec![reason], progress));
        let status = &derived.status;
        assert_eq!((status.healthy, &status.algorithm, &status.address), (false, &before.algorithm, &before.address));
        assert!(status.conditions[1].message.starts_with("http://elsewhere:7: "), "{}", status.conditions[1].message);
    }
}

#[test]
fn what_was_said_at_another_address_is_not_said_of_this_one() {
    let (old, new) = (planned(&json!({ "address": "http://old:7" })), planned(&json!({ "address": "http://new:7" })));
    let before = seen(&answering(&old), None).status;
    let mut silent = answering(&new);
    silent.answer = Some(Err(DescribeError::TimeOut));
    let status = seen(&silent, Some(&before)).status;
    assert_eq!(
        (status.address.as_deref(), status.algorithm, status.parameters_schema),
        (Some("http://new:7"), None, None)
    );
}

#[test]
fn the_pods_come_before_their_answer() {
    let plan = image();
    let crash = PodState::CrashLooping(Crash { message: "no module".to_owned(), restarts: 4 });
    for (state, reason, progress, is_told) in [
        (PodState::RollingOut, "Starting", Rollout::Progressing, false),
        (PodState::ImagePullFailed("no such image".to_owned()), "ImagePullFailed", Rollout::Degraded, true),
        (PodState::Unschedulable("0/3".to_owned()), "Unschedulable", Rollout::Progressing, false),
        (crash, "CrashLooping", Rollout::Stalled, true),
    ] {
        let mut lacking = answering(&plan);
        lacking.fleet = Some(Fleet { ready: 1, lacking: Some(state) });
        let derived = seen(&lacking, None);
        assert_eq!(shown(&derived)[1], format!("Ready=False {reason}"));
        assert_eq!((derived.rollout, !told(&derived).is_empty()), (progress, is_told), "{reason}");
        assert!(derived.status.healthy, "one of them answers");
        lacking.answer = None;
        assert!(!seen(&lacking, None).status.healthy);
    }
}

#[test]
fn what_could_not_be_applied_comes_first() {
    let plan = image();
    let mut spoilt = answering(&plan);
    let message = "Service exists".to_owned();
    spoilt.failure = Some(ApplyFailure { reason: "NameTaken", message, outlook: Outlook::Stays });
    assert_eq!(shown(&seen(&spoilt, None))[1..], ["Ready=False NameTaken", "Stalled=True NameTaken"]);
}

#[test]
fn a_refused_spec_says_all_that_is_wrong_and_who_uses_it() {
    let problems = [FieldError::new("spec.a", "must be b"), FieldError::new("spec.c", "is required")];
    let names = (0..MAX_USERS + 20).map(|number| format!("u{number:03}"));
    let algos: Vec<crate::kubernetes::object::PartialObject> = names
        .map(|name| {
            from_value(json!({
                "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
                "metadata": { "name": name, "namespace": "n" },
                "spec": { "algorithm": { "name": "mine" } },
            }))
            .unwrap()
        })
        .collect();
    let users = Users::of("n", "mine", &algos);
    let derived = derive(None, 3, &users, &Outcome::Refused(&problems), Timestamp::from_second(1).unwrap());
    assert_eq!(shown(&derived), ["Accepted=False InvalidSpec", "Ready=False InvalidSpec", "Stalled=True InvalidSpec"]);
    assert_eq!(derived.status.conditions[0].message, "spec.a: must be b; spec.c: is required");
    assert_eq!((derived.status.used_by, derived.status.users.len()), (120, MAX_USERS));
    assert_eq!(told(&derived), ["InvalidSpec"]);
    let unreadable = derive(None, 3, &users, &Outcome::Unreadable("no such field"), Timestamp::from_second(1).unwrap());
    assert_eq!(shown(&unreadable)[0], "Accepted=False Unreadable");
}
