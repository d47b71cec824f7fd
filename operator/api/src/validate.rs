//! Validates a manifest and returns all violations at once: the schema's bounds and unknown fields as the API server checks
//! them (`kubectl apply --validate=strict`), its CEL rules, and rules that neither can express. Pure.

mod feed;
mod indicator;
mod rules;
mod schema;

use std::{fmt, sync::LazyLock};

use intuition_api::topic::PREFIX;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use kube::{CustomResourceExt as _, Resource, core::cel::Validator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{ALGORITHM_KIND, Algorithm, FEED_KIND, Feed, INDICATOR_KIND, Indicator, TRADING_ALGO_KIND, TradingAlgo};

/// One violation in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldError {
    /// Path of the field, for example `spec.channels.subscribe[0]`.
    pub path: String,
    /// The requirement, and the value.
    pub message: String,
    /// Reason for conditions; [`INVALID_SPEC`] for an invalid spec.
    pub reason: &'static str,
}

/// Reason of an invalid spec.
pub const INVALID_SPEC: &str = "InvalidSpec";

impl FieldError {
    /// A problem of the field at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(INVALID_SPEC, path, message)
    }

    /// A problem with a reason of its own: the spec may be valid, and still not be accepted.
    pub fn of(reason: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), reason }
    }
}

/// The reason of a resource with these problems: that of all of them, and [`INVALID_SPEC`] where they differ.
pub fn reason_of(problems: &[FieldError]) -> &'static str {
    let first = problems.first().map_or(INVALID_SPEC, |problem| problem.reason);
    if problems.iter().all(|problem| problem.reason == first) { first } else { INVALID_SPEC }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A document that is not an object has no path.
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Whether a manifest is meant to be an `Algorithm`: by its kind, or, if the kind is unknown, by fields that only an
/// `Algorithm` has. Any other manifest counts as a `TradingAlgo`.
pub fn is_algorithm(manifest: &Value) -> bool {
    manifest.as_object().is_some_and(rules::is_meant_as_algorithm)
}

/// Whether a manifest is meant to be a [`Feed`], by its kind.
pub fn is_feed(manifest: &Value) -> bool {
    manifest.as_object().is_some_and(feed::is_meant)
}

/// Whether a manifest is meant to be an [`Indicator`], by its kind.
pub fn is_indicator(manifest: &Value) -> bool {
    manifest.as_object().is_some_and(indicator::is_meant)
}

/// Parses the manifest of a `TradingAlgo`, or returns all violations in the order of their paths. The namespace
/// defaults to `default`.
pub fn parse(manifest: &Value) -> Result<TradingAlgo, Vec<FieldError>> {
    read(manifest, check(manifest))
}

/// Parses the manifest of an [`Algorithm`], like [`parse`].
pub fn parse_algorithm(manifest: &Value) -> Result<Algorithm, Vec<FieldError>> {
    read(manifest, check_algorithm(manifest))
}

/// Parses the manifest of a [`Feed`], like [`parse`].
pub fn parse_feed(manifest: &Value) -> Result<Feed, Vec<FieldError>> {
    read(manifest, check_feed(manifest, PREFIX))
}

/// Parses the manifest of an [`Indicator`], like [`parse`].
pub fn parse_indicator(manifest: &Value) -> Result<Indicator, Vec<FieldError>> {
    read(manifest, check_indicator(manifest, PREFIX))
}

/// All violations in the manifest of a `TradingAlgo`, in the order of their paths.
pub fn check(manifest: &Value) -> Vec<FieldError> {
    check_below(manifest, PREFIX)
}

/// All violations if the topics of accounts have this prefix.
pub fn check_below(manifest: &Value, prefix: &str) -> Vec<FieldError> {
    let spec = |manifest: &Map<String, Value>| rules::spec(manifest, prefix);
    let rules = KindRules { kind: TRADING_ALGO_KIND, schema: &TRADING_ALGO, is_meant: rules::is_meant, spec: &spec };
    check_as(manifest, &rules)
}

/// All violations in the manifest of an [`Algorithm`], in the order of their paths.
pub fn check_algorithm(manifest: &Value) -> Vec<FieldError> {
    let rules = KindRules {
        kind: ALGORITHM_KIND,
        schema: &ALGORITHM,
        is_meant: rules::is_meant_as_algorithm,
        spec: &rules::algorithm_spec,
    };
    check_as(manifest, &rules)
}

/// All violations in the manifest of a [`Feed`] whose topics have this prefix, in the order of their paths.
pub fn check_feed(manifest: &Value, prefix: &str) -> Vec<FieldError> {
    let spec = |manifest: &Map<String, Value>| feed::spec(manifest, prefix);
    check_as(manifest, &KindRules { kind: FEED_KIND, schema: &FEED, is_meant: feed::is_meant, spec: &spec })
}

/// All violations in the manifest of an [`Indicator`] where the topics of accounts have this prefix, in the order of their
/// paths.
pub fn check_indicator(manifest: &Value, prefix: &str) -> Vec<FieldError> {
    let spec = |manifest: &Map<String, Value>| indicator::spec(manifest, prefix);
    let rules = KindRules { kind: INDICATOR_KIND, schema: &INDICATOR, is_meant: indicator::is_meant, spec: &spec };
    check_as(manifest, &rules)
}

/// The rules of the manifests of one kind.
struct KindRules<'a> {
    kind: &'static str,
    schema: &'static LazyLock<(JSONSchemaProps, Value)>,
    /// Whether a manifest is meant to be of the kind, even with a wrong kind or version.
    is_meant: fn(&Map<String, Value>) -> bool,
    /// Rules of the spec that neither the schema nor CEL can express.
    spec: &'a dyn Fn(&Map<String, Value>) -> Vec<FieldError>,
}

fn read<K: Resource + DeserializeOwned>(manifest: &Value, problems: Vec<FieldError>) -> Result<K, Vec<FieldError>> {
    if !problems.is_empty() {
        return Err(problems);
    }
    // The status belongs to the operator, and may be of another release.
    let mut manifest = manifest.clone();
    if let Some(members) = manifest.as_object_mut() {
        members.remove("status");
    }
    let mut object =
        serde_json::from_value::<K>(manifest).map_err(|error| vec![FieldError::new("spec", error.to_string())])?;
    object.meta_mut().namespace.get_or_insert_with(|| rules::DEFAULT_NAMESPACE.to_owned());
    Ok(object)
}

fn check_as(manifest: &Value, rules: &KindRules<'_>) -> Vec<FieldError> {
    let Some(members) = manifest.as_object() else {
        return vec![FieldError::new("", format!("must be an object, is {}", schema::shown(manifest)))];
    };
    let mut problems = rules::type_meta(members, rules.kind);
    if !problems.is_empty() && !(rules.is_meant)(members) {
        // Further violations do not matter for a document of another kind.
        problems.truncate(1);
        return problems;
    }
    problems.extend(rules::metadata(members));
    for name in members.keys() {
        if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&name.as_str()) {
            problems.push(FieldError::new(name, "is not known"));
        }
    }
    let root = &rules.schema.0;
    match (members.get("spec"), root.properties.as_ref().and_then(|properties| properties.get("spec"))) {
        (Some(spec), Some(wanted)) => schema::check(wanted, spec, "spec", &mut problems),
        _ => problems.push(FieldError::new("spec", "is required")),
    }
    let of_schema = problems.len();
    for problem in (rules.spec)(members) {
        // A rule about a value that the schema refuses would only repeat it.
        let (known, _) = problems.split_at(of_schema);
        if !known.iter().any(|known| known.path == problem.path) {
            problems.push(problem);
        }
    }
    let broken = cel(&rules.schema.1, members, &problems);
    problems.extend(broken);
    problems.sort();
    problems
}

/// The schema of each kind, also as JSON. Made once, because the operator validates in every pass.
static TRADING_ALGO: LazyLock<(JSONSchemaProps, Value)> = LazyLock::new(|| schema_of(TradingAlgo::crd()));
static ALGORITHM: LazyLock<(JSONSchemaProps, Value)> = LazyLock::new(|| schema_of(Algorithm::crd()));
static FEED: LazyLock<(JSONSchemaProps, Value)> = LazyLock::new(|| schema_of(Feed::crd()));
static INDICATOR: LazyLock<(JSONSchemaProps, Value)> = LazyLock::new(|| schema_of(Indicator::crd()));

fn schema_of(crd: CustomResourceDefinition) -> (JSONSchemaProps, Value) {
    let version = crd.spec.versions.into_iter().next();
    let schema = version.and_then(|version| version.schema).and_then(|schema| schema.open_api_v3_schema);
    let schema = schema.unwrap_or_default();
    let json = serde_json::to_value(&schema).unwrap_or_default();
    (schema, json)
}

/// The violated CEL rules. A rule about a field with another violation would only repeat it, or fail because of it.
fn cel(schema: &Value, members: &Map<String, Value>, known: &[FieldError]) -> Vec<FieldError> {
    let mut object = members.clone();
    object.remove("status");
    let Err(errors) = Validator::new().validate(schema, &Value::Object(object), None) else { return Vec::new() };
    let broken = errors.into_vec().into_iter().filter_map(|error| {
        // A rule of the root can only read the name.
        let path = if error.field_path.is_empty() { "metadata.name".to_owned() } else { error.field_path };
        let is_told = |problem: &FieldError| match problem.path.strip_prefix(&path).map(|below| below.strip_prefix('.'))
        {
            Some(Some(below)) => {
                let member = below.split(['.', '[']).next().unwrap_or_default();
                error.rule.contains(&format!("self.{member}"))
            }
            Some(None) => problem.path == path,
            None => false,
        };
        (!known.iter().any(is_told)).then(|| FieldError::new(path, error.message))
    });
    broken.collect()
}
