//! A manifest against everything that is asked of it. Pure, and every problem is found at once: the schema's bounds and
//! unknown fields as the API server checks them (`kubectl apply --validate=strict`), its CEL rules, and what neither can
//! say.

mod rules;
mod schema;

use std::fmt;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use kube::{CustomResourceExt as _, core::cel::Validator};
use serde_json::{Map, Value};

use crate::resource::{API_VERSION, KIND, TradingAlgo};

/// One thing that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path of the field, for example `spec.channels.subscribe[0]`.
    pub path: String,
    /// What it must be, and what it is.
    pub message: String,
}

impl Problem {
    /// A problem of the field at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Reads a manifest, or says everything that is wrong with it, in the order of the paths. Without a namespace it is taken
/// for one of the namespace `default`.
pub fn parse(manifest: &Value) -> Result<TradingAlgo, Vec<Problem>> {
    let problems = check(manifest);
    if !problems.is_empty() {
        return Err(problems);
    }
    // The status is the operator's, and may be that of another version.
    let mut manifest = manifest.clone();
    if let Some(members) = manifest.as_object_mut() {
        members.remove("status");
    }
    let mut algo = serde_json::from_value::<TradingAlgo>(manifest)
        .map_err(|error| vec![Problem::new("spec", error.to_string())])?;
    algo.metadata.namespace.get_or_insert_with(|| rules::DEFAULT_NAMESPACE.to_owned());
    Ok(algo)
}

/// Everything that is wrong with a manifest, in the order of the paths.
pub fn check(manifest: &Value) -> Vec<Problem> {
    let Some(members) = manifest.as_object() else {
        return vec![Problem::new("", format!("must be an object, is {}", schema::shown(manifest)))];
    };
    if let Some(problem) = foreign(members) {
        return vec![problem];
    }
    let mut problems = rules::metadata(members);
    for name in members.keys() {
        if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&name.as_str()) {
            problems.push(Problem::new(name, "is not known"));
        }
    }
    let root = schema();
    match (members.get("spec"), root.properties.as_ref().and_then(|properties| properties.get("spec"))) {
        (Some(spec), Some(wanted)) => schema::check(wanted, spec, "spec", &mut problems),
        _ => problems.push(Problem::new("spec", "is required")),
    }
    problems.extend(rules::spec(members));
    let broken = cel(&root, members, &problems);
    problems.extend(broken);
    problems.sort();
    problems
}

/// A document of another kind, about which nothing more can be said.
fn foreign(members: &Map<String, Value>) -> Option<Problem> {
    for (name, wanted) in [("kind", KIND), ("apiVersion", API_VERSION)] {
        match members.get(name) {
            Some(Value::String(found)) if found == wanted => {}
            Some(other) => {
                return Some(Problem::new(name, format!("must be {wanted}, is {}", schema::shown(other))));
            }
            None => return Some(Problem::new(name, format!("is required, and must be {wanted}"))),
        }
    }
    None
}

fn schema() -> JSONSchemaProps {
    let version = TradingAlgo::crd().spec.versions.into_iter().next();
    version.and_then(|version| version.schema).and_then(|schema| schema.open_api_v3_schema).unwrap_or_default()
}

/// The CEL rules that are broken. A rule about fields that are wrong already would only repeat that, or fail over it.
fn cel(root: &JSONSchemaProps, members: &Map<String, Value>, known: &[Problem]) -> Vec<Problem> {
    let Ok(root) = serde_json::to_value(root) else { return Vec::new() };
    let mut object = members.clone();
    object.remove("status");
    let Err(errors) = Validator::new().validate(&root, &Value::Object(object), None) else { return Vec::new() };
    let problems = errors.into_vec().into_iter().map(|error| {
        // The API server lets a rule of the root look at the name alone, so that it can be about nothing else.
        let path = if error.field_path.is_empty() { "metadata.name".to_owned() } else { error.field_path };
        Problem { path, message: error.message }
    });
    problems.filter(|found| !known.iter().any(|problem| problem.path.starts_with(&found.path))).collect()
}
