//! Rules of an `Indicator` that neither the schema nor CEL can express.

use indicators::Settings;
use intuition_api::topic::{self, OwnTopics};
use serde_json::{Map, Value};

use super::{
    FieldError,
    rules::{DEFAULT_NAMESPACE, filter_problem, listed},
};
use crate::INDICATOR_KIND;

/// Whether a manifest is meant to be an `Indicator`, by its kind.
pub(super) fn is_meant(manifest: &Map<String, Value>) -> bool {
    let kind = manifest.get("kind").and_then(Value::as_str).map(str::to_ascii_lowercase);
    kind.is_some_and(|kind| kind.trim_end_matches('s') == INDICATOR_KIND.to_ascii_lowercase())
}

/// Problems of `spec`, where the topics of accounts begin with `prefix`.
pub(super) fn spec(manifest: &Map<String, Value>, prefix: &str) -> Vec<FieldError> {
    let Some(spec) = manifest.get("spec") else { return Vec::new() };
    let mut problems = Vec::new();
    problems.extend(source(manifest, spec, prefix));
    listed(spec, "spec", &mut problems);
    problems.extend(settings(spec));
    problems
}

fn source(manifest: &Map<String, Value>, spec: &Value, prefix: &str) -> Option<FieldError> {
    let path = "spec.from.topic";
    let filter = spec.pointer("/from/topic")?;
    let text = |name: &str| manifest.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Value::as_str);
    let namespace = text("namespace").unwrap_or(DEFAULT_NAMESPACE);
    let account = format!("{namespace}/indicator.{}", text("name").unwrap_or_default());
    let own = OwnTopics::new(prefix, &account, None);
    if filter.as_str().is_some_and(|filter| topic::check_filter(filter).is_ok() && selects_indicators(filter, prefix)) {
        let message = "must not match the topics of indicators: an indicator of an indicator is not supported";
        return Some(FieldError::new(path, message));
    }
    filter_problem(filter, path.to_owned(), &own.filters())
}

/// Whether a filter selects the joined topic or the values of any indicator.
fn selects_indicators(filter: &str, prefix: &str) -> bool {
    // A filter has no wildcard for a part of a level. An own level that begins as those of indicators stands for all.
    let place = prefix.split('/').count() + 1;
    let name = filter.split('/').nth(place).filter(|level| level.starts_with("indicator."));
    let base = format!("{prefix}/+/{}", name.unwrap_or("indicator.any"));
    ["joined", "values/#"].iter().any(|end| topic::overlap(filter, &format!("{base}/{end}")))
}

/// Problems of the members that the runtime reads, by the rules of the runtime.
fn settings(spec: &Value) -> Vec<FieldError> {
    let member = |name: &str| Some((name.to_owned(), spec.get(name).filter(|value| !value.is_null())?.clone()));
    let members: Map<_, _> = ["compute", "bars", "session"].into_iter().filter_map(member).collect();
    let violations = Settings::parse(&members).err().unwrap_or_default().into_iter();
    violations.map(|violation| FieldError::new(format!("spec.{}", violation.path), violation.message)).collect()
}
