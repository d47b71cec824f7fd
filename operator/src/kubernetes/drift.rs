//! Drift: manual additions to lists and maps that the operator owns. Server-side apply leaves unknown elements alone,
//! so that an added environment variable, container or selector label would stay.

use json_patch::{PatchOperation, RemoveOperation, ReplaceOperation, TestOperation, jsonptr::PointerBuf};
use serde_json::{Map, Value};

/// Fields that change the behaviour or the placement of a pod, and that the operator leaves unset: they must be absent.
const ABSENT: [&str; 21] = [
    "add",
    "affinity",
    "command",
    "dnsConfig",
    "env",
    "envFrom",
    "externalIPs",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "initContainers",
    "lifecycle",
    "nodeName",
    "nodeSelector",
    "resources",
    "runtimeClassName",
    "startupProbe",
    "topologySpreadConstraints",
    "volumeDevices",
    "workingDir",
];
/// Maps that the operator owns as a whole.
const MAPS: [&str; 7] = ["data", "limits", "matchLabels", "nodeSelector", "requests", "resources", "selector"];
/// Fields by which list elements are identified.
const KEYS: [&str; 4] = ["name", "mountPath", "port", "key"];

/// The patch that removes additions to the lists and maps of `wanted` from `live`; empty without drift.
pub(crate) fn drift(wanted: &Value, live: &Value) -> Vec<PatchOperation> {
    let mut operations = Vec::new();
    for part in ["spec", "data"] {
        if let (Some(wanted), Some(live)) = (wanted.get(part), live.get(part)) {
            compare(wanted, live, &below(&PointerBuf::root(), part), &mut operations);
        }
    }
    if let (false, Some(uid)) = (operations.is_empty(), live.pointer("/metadata/uid")) {
        // Patch the object that was compared, and no other one of the same name.
        operations.insert(0, is_uid(uid));
    }
    operations
}

fn is_uid(uid: &Value) -> PatchOperation {
    let path = PointerBuf::from_tokens(["metadata", "uid"]);
    PatchOperation::Test(TestOperation { path, value: uid.clone() })
}

/// The patch that replaces the spec of the object that `wanted` names by its uid; `None` if it names none or has no
/// spec.
pub(crate) fn replace_spec(wanted: &Value) -> Option<Vec<PatchOperation>> {
    let uid = wanted.pointer("/metadata/uid").filter(|uid| uid.is_string())?;
    let spec = wanted.get("spec")?.clone();
    let path = PointerBuf::from_tokens(["spec"]);
    Some(vec![is_uid(uid), PatchOperation::Replace(ReplaceOperation { path, value: spec })])
}

fn compare(wanted: &Value, live: &Value, path: &PointerBuf, operations: &mut Vec<PatchOperation>) {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => members(wanted, live, path, operations),
        (Value::Array(wanted_items), Value::Array(items)) => {
            if !same_elements(wanted_items, items) {
                operations
                    .push(PatchOperation::Replace(ReplaceOperation { path: path.clone(), value: wanted.clone() }));
                return;
            }
            for (index, (wanted, item)) in wanted_items.iter().zip(items).enumerate() {
                compare(wanted, item, &below(path, &index.to_string()), operations);
            }
        }
        _ => {}
    }
}

fn members(
    wanted: &Map<String, Value>,
    live: &Map<String, Value>,
    path: &PointerBuf,
    operations: &mut Vec<PatchOperation>,
) {
    // Elsewhere a field that is not wanted may be a default of the API server.
    let is_ours_whole = path.last().is_some_and(|name| MAPS.contains(&name.decoded().as_ref()));
    for (name, value) in live {
        match wanted.get(name) {
            Some(wanted) => compare(wanted, value, &below(path, name), operations),
            None if is_ours_whole || (ABSENT.contains(&name.as_str()) && !is_empty(value)) => {
                operations.push(PatchOperation::Remove(RemoveOperation { path: below(path, name) }));
            }
            None => {}
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(is) => !is,
        Value::Number(_) => false,
    }
}

fn same_elements(wanted: &[Value], live: &[Value]) -> bool {
    let same = |(wanted, live): (&Value, &Value)| match wanted {
        Value::Object(wanted) => {
            KEYS.iter().all(|key| wanted.get(*key).is_none_or(|value| live.get(*key) == Some(value)))
        }
        // Lists of plain values are atomic, and the API server may normalise a value, for example a quantity.
        _ => true,
    };
    wanted.len() == live.len() && wanted.iter().zip(live).all(same)
}

fn below(path: &PointerBuf, name: &str) -> PointerBuf {
    let mut path = path.clone();
    path.push_back(name);
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Value {
        json!({ "spec": { "template": { "spec": {
            "containers": [{ "name": "a", "args": ["--x"], "volumeMounts": [{ "name": "d", "mountPath": "/d" }] }],
        } } } })
    }

    /// `live` after the operations, by the library that applies them.
    fn mended(mut live: Value) -> (usize, Value) {
        let operations = drift(&wanted(), &live);
        json_patch::patch(&mut live, &operations).unwrap();
        (operations.len(), live)
    }

    #[test]
    fn defaults_of_the_api_server_are_no_surplus() {
        let live = json!({ "spec": { "progressDeadlineSeconds": 600, "template": { "spec": {
            "containers": [{
                "name": "a", "args": ["--x"], "terminationMessagePath": "/dev/termination-log",
                "volumeMounts": [{ "name": "d", "mountPath": "/d", "readOnly": false }],
            }],
            "tolerations": [{ "key": "added/by-admission" }],
        } } } });
        assert_eq!(drift(&wanted(), &live), []);
    }

    #[test]
    fn what_was_added_to_a_map_goes() {
        let wanted = json!({
            "data": { "random.json": "{}" },
            "spec": { "selector": { "a": "b" }, "template": { "spec": {} } },
        });
        let mut live = wanted.clone();
        live["data"]["other.json"] = json!("{}");
        live["spec"]["selector"]["more"] = json!("yes");
        live["spec"]["clusterIP"] = json!("10.0.0.1");
        live["spec"]["template"]["spec"]["nodeSelector"] = json!({ "no": "such-node" });
        let operations = drift(&wanted, &live);
        assert_eq!(operations.len(), 3);
        json_patch::patch(&mut live, &operations).unwrap();
        live["spec"].as_object_mut().unwrap().remove("clusterIP");
        assert_eq!(live, wanted);
    }

    #[test]
    fn a_spec_is_put_back_whole_on_the_object_that_was_seen() {
        assert_eq!(replace_spec(&wanted()), None, "no object was seen");
        let mut seen = wanted();
        seen["metadata"] = json!({ "uid": "u-1" });
        let operations = replace_spec(&seen).unwrap();
        let mut live = json!({ "metadata": { "uid": "u-1" }, "spec": { "strategy": { "rollingUpdate": {} } } });
        json_patch::patch(&mut live, &operations).unwrap();
        assert_eq!(live, seen);
        let mut other = json!({ "metadata": { "uid": "u-2" }, "spec": {} });
        assert!(json_patch::patch(&mut other, &operations).is_err(), "another of the same name");
    }

    #[test]
    fn what_was_added_to_a_list_goes() {
        let mut live = wanted();
        let pod = &mut live["spec"]["template"]["spec"];
        pod["initContainers"] = json!([{ "name": "spy" }]);
        pod["containers"][0]["env"] = json!([{ "name": "INTUITION_LOG", "value": "trace" }]);
        pod["containers"][0]["volumeMounts"] =
            json!([{ "name": "x", "mountPath": "/x" }, { "name": "d", "mountPath": "/d" }]);
        assert_eq!(mended(live), (3, wanted()));
        let mut live = wanted();
        let containers = live["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
        containers.insert(0, json!({ "name": "sidecar" }));
        assert_eq!(mended(live), (1, wanted()));
    }
}
