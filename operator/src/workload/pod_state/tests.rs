use serde_json::{Value, from_value, json};

use super::*;

fn deployment(status: &Value) -> Deployment {
    from_value(json!({ "metadata": { "generation": 3 }, "spec": null, "status": status })).unwrap()
}

fn rolled_out() -> Deployment {
    deployment(&json!({ "observedGeneration": 3, "replicas": 1, "updatedReplicas": 1 }))
}

fn pod(status: &Value) -> Pod {
    from_value(json!({
        "metadata": { "name": "a-runtime-x", "creationTimestamp": "2026-01-02T03:04:05Z" },
        "spec": { "nodeName": "worker", "containers": [] },
        "status": status,
    }))
    .unwrap()
}

fn container(state: &Value, last: &Value, ready: bool) -> Value {
    json!({ "name": "c", "image": "img:1", "imageID": "", "ready": ready, "restartCount": 2, "state": state, "lastState": last })
}

fn of(status: &Value) -> PodState {
    state(Some(&rolled_out()), Some(3), [&pod(status)])
}

#[test]
fn an_older_version_of_the_deployment_says_nothing() {
    let ready = pod(&json!({
        "podIP": "10.0.0.1",
        "conditions": [{ "type": "Ready", "status": "True" }],
        "containerStatuses": [container(&json!({ "running": {} }), &json!({}), true)],
    }));
    assert_eq!(state(None, None, [&ready]), PodState::RollingOut);
    assert_eq!(state(Some(&rolled_out()), Some(4), [&ready]), PodState::RollingOut, "the cache is behind");
    for status in [
        json!({ "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1 }),
        json!({ "observedGeneration": 3, "replicas": 1 }),
        json!({ "observedGeneration": 3, "replicas": 2, "updatedReplicas": 1 }),
    ] {
        assert_eq!(state(Some(&deployment(&status)), Some(3), [&ready]), PodState::RollingOut, "{status}");
    }
    let running = PodState::Running(Running { ip: "10.0.0.1".to_owned(), ready: true, crashed: None });
    assert_eq!(state(Some(&rolled_out()), Some(3), [&ready]), running);
}

#[test]
fn a_pod_that_goes_away_is_not_the_workload() {
    let mut going = pod(&json!({ "containerStatuses": [container(&json!({ "running": {} }), &json!({}), true)] }));
    going.metadata.deletion_timestamp = going.metadata.creation_timestamp.clone();
    assert_eq!(state(Some(&rolled_out()), Some(3), [&going]), PodState::RollingOut);
}

#[test]
fn what_keeps_a_pod_from_running_is_told_with_its_reason() {
    let scheduled = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/3 nodes" }] });
    assert_eq!(of(&scheduled), PodState::Unschedulable("0/3 nodes".to_owned()));
    assert_eq!(of(&json!({})), PodState::Starting);
    let waiting = |reason: &str| {
        let state = json!({ "waiting": { "reason": reason, "message": "why" } });
        of(&json!({ "containerStatuses": [container(&state, &json!({}), false)] }))
    };
    assert_eq!(waiting("ContainerCreating"), PodState::Starting);
    assert_eq!(waiting("ImagePullBackOff"), PodState::ImagePullFailed("img:1: why".to_owned()));
    let failed =
        PodState::ContainerFailed { reason: "CreateContainerConfigError".to_owned(), message: "why".to_owned() };
    assert_eq!(waiting("CreateContainerConfigError"), failed);
    let quota = json!({ "conditions": [{ "type": "ReplicaFailure", "status": "True", "message": "exceeded quota" }] });
    assert_eq!(state(Some(&deployment(&quota)), Some(3), []), PodState::Refused("exceeded quota".to_owned()));
}

#[test]
fn a_crash_is_told_in_the_last_words_of_the_process() {
    let crashed = |message: &str, code: i32, reason: &str| {
        let ended = json!({ "terminated": { "exitCode": code, "reason": reason, "message": message } });
        let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        match of(&json!({ "containerStatuses": [container(&waiting, &ended, false)] })) {
            PodState::CrashLooping(Crash { message, restarts: 2 }) => message,
            other => panic!("{other:?}"),
        }
    };
    let log = "2026 INFO opening\nerror: cannot open the ledger: it is damaged\n";
    assert_eq!(crashed(log, 1, "Error"), "cannot open the ledger: it is damaged (exit code 1)");
    assert_eq!(crashed("", 137, "OOMKilled"), "it ended without a word (OOMKilled, exit code 137)");
    assert_eq!(crashed("thread panicked\n\n", 101, "Error"), "thread panicked (exit code 101)");
}

#[test]
fn a_node_that_does_not_answer_leaves_its_containers_ready() {
    let running = json!({ "running": {} });
    let status = |container_ready: bool| {
        json!({
            "podIP": "10.0.0.1",
            "conditions": [{ "type": "Ready", "status": "False", "lastTransitionTime": "2026-01-02T03:04:05Z" }],
            "containerStatuses": [container(&running, &json!({}), container_ready)],
        })
    };
    let since = Some("2026-01-02T03:04:05Z".parse().unwrap());
    assert_eq!(of(&status(true)), PodState::NodeLost { node: "worker".to_owned(), since });
    assert_eq!(
        of(&status(false)),
        PodState::Running(Running { ip: "10.0.0.1".to_owned(), ready: false, crashed: None })
    );
}

#[test]
fn a_pod_that_waits_for_one_on_a_lost_node_is_lost_too() {
    let mut evicted = pod(&json!({
        "conditions": [{ "type": "Ready", "status": "False" }],
        "containerStatuses": [container(&json!({ "running": {} }), &json!({}), true)],
    }));
    evicted.metadata.deletion_timestamp = evicted.metadata.creation_timestamp.clone();
    let waiting = pod(&json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "in use" }] }));
    let lost = PodState::NodeLost { node: "worker".to_owned(), since: None };
    assert_eq!(state(Some(&rolled_out()), Some(3), [&evicted, &waiting]), lost);
    let rolling = deployment(&json!({ "observedGeneration": 3, "replicas": 0 }));
    assert_eq!(state(Some(&rolling), Some(3), [&evicted]), lost, "Recreate waits for it to end");
    let running = pod(&json!({
        "podIP": "10.0.0.1",
        "conditions": [{ "type": "Ready", "status": "True" }],
        "containerStatuses": [container(&json!({ "running": {} }), &json!({}), true)],
    }));
    let found = state(Some(&rolled_out()), Some(3), [&evicted, &running]);
    assert_eq!(found, PodState::Running(Running { ip: "10.0.0.1".to_owned(), ready: true, crashed: None }));
}

#[test]
fn a_process_that_was_started_again_says_how_the_one_before_it_ended() {
    let ended = json!({ "terminated": { "exitCode": 2, "reason": "Error", "message": "error: no such algorithm" } });
    let status = json!({
        "podIP": "10.0.0.1",
        "containerStatuses": [container(&json!({ "running": {} }), &ended, false)],
    });
    let crashed = Some(Crash { message: "no such algorithm (exit code 2)".to_owned(), restarts: 2 });
    assert_eq!(of(&status), PodState::Running(Running { ip: "10.0.0.1".to_owned(), ready: false, crashed }));
}

#[test]
fn of_several_pods_those_that_lack_something_are_told_of() {
    let counted = |replicas: i32, updated: i32, ready: i32| {
        let mut deployment = deployment(&json!({
            "observedGeneration": 3, "replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready,
        }));
        deployment.spec = from_value(json!({ "replicas": 2, "selector": {}, "template": {} })).unwrap();
        deployment
    };
    let running = container(&json!({ "running": {} }), &json!({}), true);
    let ready = pod(&json!({
        "podIP": "10.0.0.1",
        "conditions": [{ "type": "Ready", "status": "True" }],
        "containerStatuses": [running],
    }));
    let waiting = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "why" } });
    let pulling = pod(&json!({ "containerStatuses": [container(&waiting, &json!({}), false)] }));
    let all = Fleet { ready: 2, lacking: None };
    assert_eq!(fleet(Some(&counted(2, 2, 2)), Some(3), [&ready, &ready]), all);
    let behind = Fleet { ready: 2, lacking: Some(PodState::RollingOut) };
    assert_eq!(fleet(Some(&counted(2, 2, 2)), Some(4), [&ready, &ready]), behind, "the cache is behind");
    assert_eq!(fleet(Some(&counted(3, 1, 2)), Some(3), [&ready, &ready]), behind, "one of the version before is left");
    let lacking = PodState::ImagePullFailed("img:1: why".to_owned());
    let found = fleet(Some(&counted(2, 2, 1)), Some(3), [&ready, &pulling, &ready]);
    assert_eq!(found, Fleet { ready: 1, lacking: Some(lacking) });
    assert_eq!(fleet(None, None, []), Fleet { ready: 0, lacking: Some(PodState::RollingOut) });
}
