//! What the operator may do and what it did, from its roles and from the API server's audit log.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader},
};

use anyhow::Context as _;
use serde_json::Value;

use super::{
    environment,
    installation::{NAMESPACE, OPERATOR},
    object::{number, text},
    shell,
};

/// As `apps/deployments patch`.
pub type Right = String;

/// What was asked of the API server.
#[derive(Debug, Default)]
pub struct AuditedCalls {
    /// And done, or failed for another reason.
    pub granted: BTreeSet<Right>,
    /// And refused.
    pub refused: BTreeSet<Right>,
}

/// What the operator has asked for since `E2E_STARTED` (RFC 3339, UTC), or since the cluster was made; `None` where there is
/// no audit log.
pub fn asked() -> anyhow::Result<Option<AuditedCalls>> {
    let Some(log) = environment::variable("CLUSTER_AUDIT_LOG") else { return Ok(None) };
    let operator = format!("system:serviceaccount:{NAMESPACE}:{OPERATOR}");
    let mut asked = AuditedCalls::default();
    let start = environment::variable("E2E_STARTED").unwrap_or_default();
    for line in BufReader::new(File::open(&log).context(log)?).lines() {
        let line = line?;
        if !line.contains(&operator) {
            continue;
        }
        // The last line may still be being written.
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        if text(&event, "/requestReceivedTimestamp") < start.as_str() {
            continue;
        }
        // Pages such as /version, and what others asked about the operator's account.
        if event.get("objectRef").is_none() || text(&event, "/user/username") != operator {
            continue;
        }
        let mut resource = text(&event, "/objectRef/resource").to_owned();
        if let Some(part) = event.pointer("/objectRef/subresource").and_then(Value::as_str) {
            resource = format!("{resource}/{part}");
        }
        let right = |verb: &str| right(text(&event, "/objectRef/apiGroup"), &resource, verb);
        // Who applies what is not there yet needs the right to create it too.
        if number(&event, "/responseStatus/code") == 201 {
            asked.granted.insert(right("create"));
        }
        let right = right(text(&event, "/verb"));
        // Not the status code: what goes into a namespace that is being deleted is forbidden too.
        let refused = text(&event, "/annotations/authorization.k8s.io~1decision") == "forbid";
        if refused {
            asked.refused.insert(right)
        } else {
            asked.granted.insert(right)
        };
    }
    Ok(Some(asked))
}

/// What the chart's roles let the operator do.
pub async fn granted() -> anyhow::Result<BTreeSet<Right>> {
    let labels = "--selector=app.kubernetes.io/instance=intuition,app.kubernetes.io/component=operator";
    let get = ["--namespace", NAMESPACE, "get", "clusterroles,roles", labels, "--output=json"];
    let roles: Value = serde_json::from_str(&shell::run("kubectl", &get).await?)?;
    let mut rights = BTreeSet::new();
    for rule in each(&roles, "/items").flat_map(|role| each(role, "/rules")) {
        for group in words(rule, "/apiGroups") {
            for resource in words(rule, "/resources") {
                rights.extend(words(rule, "/verbs").map(|verb| right(group, resource, verb)));
            }
        }
    }
    Ok(rights)
}

fn right(group: &str, resource: &str, verb: &str) -> Right {
    if group.is_empty() { format!("{resource} {verb}") } else { format!("{group}/{resource} {verb}") }
}

fn each<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn words<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    each(object, pointer).filter_map(Value::as_str)
}
