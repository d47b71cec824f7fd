//! Whether a pod is as the Pod Security Standard "restricted" wants it, and as we do beyond that.

use serde_json::Value;

use super::rendered::PodTemplate;

/// The user that our images are made for.
const USER: u64 = 65532;

/// Volumes that the standard allows.
const VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// Everything about the pod that is not as it should be.
pub fn problems(pod: &PodTemplate<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for key in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
        expect(&mut found, pod.spec[key].as_bool() != Some(true), key);
    }
    for volume in pod.spec["volumes"].as_array().into_iter().flatten() {
        let kinds: Vec<_> =
            volume.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "name").collect();
        expect(&mut found, kinds.iter().all(|kind| VOLUMES.contains(&kind.as_str())), &format!("volume {kinds:?}"));
    }
    expect(&mut found, pod.spec["enableServiceLinks"] == false, "enableServiceLinks");
    for container in pod.containers() {
        let name = container["name"].as_str().unwrap_or("?");
        found.extend(
            container_problems(container, &pod.spec["securityContext"])
                .into_iter()
                .map(|problem| format!("{name}: {problem}")),
        );
    }
    found.into_iter().map(|problem| format!("{}: {problem}", pod.owner)).collect()
}

fn container_problems(container: &Value, of_pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let security = &container["securityContext"];
    // What a container does not say for itself its pod says for it.
    let effective = |key: &str| if security[key].is_null() { &of_pod[key] } else { &security[key] };
    expect(&mut found, security["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation");
    expect(&mut found, security["privileged"].as_bool() != Some(true), "privileged");
    expect(&mut found, security["readOnlyRootFilesystem"] == true, "readOnlyRootFilesystem");
    expect(&mut found, effective("runAsNonRoot") == true, "runAsNonRoot");
    expect(&mut found, effective("runAsUser") == USER && effective("runAsGroup") == USER, "runAsUser, runAsGroup");
    expect(&mut found, effective("seccompProfile")["type"] == "RuntimeDefault", "seccompProfile");
    expect(&mut found, security["capabilities"] == serde_json::json!({"drop": ["ALL"]}), "capabilities");
    for port in container["ports"].as_array().into_iter().flatten() {
        expect(&mut found, port["hostPort"].is_null(), "hostPort");
    }
    let resources = &container["resources"];
    for (bound, what) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")] {
        expect(&mut found, !resources[bound][what].is_null(), &format!("resources.{bound}.{what}"));
    }
    found
}

fn expect(found: &mut Vec<String>, fine: bool, what: &str) {
    if !fine {
        found.push(what.to_owned());
    }
}
