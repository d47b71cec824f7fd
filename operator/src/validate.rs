//! A manifest against everything that is asked of it. Pure, and every problem is found at once: the schema's bounds and
//! unknown fields as the API server checks them (`kubectl apply --validate=strict`), its CEL rules, and what neither can
//! say.

mod rules;
mod schema;

use std::{fmt, sync::LazyLock};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use kube::{CustomResourceExt as _, core::cel::Validator};
use serde_json::{Map, Value};

use crate::resource::TradingAlgo;

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
        // A document that is no object has no fields to name.
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
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
    let mut problems = rules::type_meta(members);
    if !problems.is_empty() && !rules::is_meant(members) {
        // The one thing that matters about a document of another kind.
        problems.truncate(1);
        return problems;
    }
    problems.extend(rules::metadata(members));
    for name in members.keys() {
        if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&name.as_str()) {
            problems.push(Problem::new(name, "is not known"));
        }
    }
    let root = &SCHEMA.0;
    match (members.get("spec"), root.properties.as_ref().and_then(|properties| properties.get("spec"))) {
        (Some(spec), Some(wanted)) => schema::check(wanted, spec, "spec", &mut problems),
        _ => problems.push(Problem::new("spec", "is required")),
    }
    problems.extend(rules::spec(members));
    let broken = cel(members, &problems);
    problems.extend(broken);
    problems.sort();
    problems
}

/// The schema of a resource, and the same as JSON: made once, because the operator checks at every look.
static SCHEMA: LazyLock<(JSONSchemaProps, Value)> = LazyLock::new(|| {
    let version = TradingAlgo::crd().spec.versions.into_iter().next();
    let schema = version.and_then(|version| version.schema).and_then(|schema| schema.open_api_v3_schema);
    let schema = schema.unwrap_or_default();
    let json = serde_json::to_value(&schema).unwrap_or_default();
    (schema, json)
});

/// The CEL rules that are broken. A rule about a field that is wrong already would only repeat that, or fail over it.
fn cel(members: &Map<String, Value>, known: &[Problem]) -> Vec<Problem> {
    let mut object = members.clone();
    object.remove("status");
    let Err(errors) = Validator::new().validate(&SCHEMA.1, &Value::Object(object), None) else { return Vec::new() };
    let broken = errors.into_vec().into_iter().filter_map(|error| {
        // The API server lets a rule of the root look at the name alone, so that it can be about nothing else.
        let path = if error.field_path.is_empty() { "metadata.name".to_owned() } else { error.field_path };
        let is_told = |problem: &Problem| match problem.path.strip_prefix(&path).map(|below| below.strip_prefix('.')) {
            Some(Some(below)) => {
                let member = below.split(['.', '[']).next().unwrap_or_default();
                error.rule.contains(&format!("self.{member}"))
            }
            Some(None) => problem.path == path,
            None => false,
        };
        (!known.iter().any(is_told)).then_some(Problem { path, message: error.message })
    });
    broken.collect()
}
