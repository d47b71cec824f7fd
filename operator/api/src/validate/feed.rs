//! Rules of a `Feed` that neither the schema nor CEL can express.

use std::collections::BTreeSet;

use intuition_api::topic::FeedTopics;
use intuition_common::civil;
use serde_json::{Map, Value};

use super::{
    FieldError,
    rules::{DEFAULT_NAMESPACE, twice},
};
use crate::FEED_KIND;

/// Whether a manifest is meant to be a `Feed`, by its kind.
pub(super) fn is_meant(manifest: &Map<String, Value>) -> bool {
    let kind = manifest.get("kind").and_then(Value::as_str).map(str::to_ascii_lowercase);
    kind.is_some_and(|kind| kind.trim_end_matches('s') == FEED_KIND.to_ascii_lowercase())
}

/// Problems of `spec`, where the topics of feeds begin with `prefix`.
pub(super) fn spec(manifest: &Map<String, Value>, prefix: &str) -> Vec<FieldError> {
    let Some(spec) = manifest.get("spec") else { return Vec::new() };
    let mut problems = Vec::new();
    for origin in ["exchange", "generator"] {
        let mut known = BTreeSet::new();
        let symbols = spec.pointer(&format!("/source/{origin}/symbols")).and_then(Value::as_array);
        for (index, symbol) in symbols.into_iter().flatten().enumerate() {
            problems.extend(twice(symbol, format!("spec.source.{origin}.symbols[{index}]"), &mut known));
        }
    }
    generator(spec, &mut problems);
    file(spec, &mut problems);
    problems.extend(topic(manifest, spec, prefix));
    problems
}

fn generator(spec: &Value, problems: &mut Vec<FieldError>) {
    let Some(generator) = spec.pointer("/source/generator") else { return };
    let number = |name: &str| match generator.get(name) {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    if number("startPrice").is_some_and(|price: f64| price <= 0.0) {
        problems.push(FieldError::new("spec.source.generator.startPrice", "must be more than 0"));
    }
    let is_sine = generator.get("model").and_then(Value::as_str) == Some("Sine");
    if is_sine && number("volatility").is_some_and(|share: f64| share >= 1.0) {
        let message = "must be less than 1 with the model Sine, whose prices would not be positive";
        problems.push(FieldError::new("spec.source.generator.volatility", message));
    }
}

fn file(spec: &Value, problems: &mut Vec<FieldError>) {
    let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str);
    if text("/source/file/claim/path").is_some_and(|path| path.split('/').any(|part| part == "..")) {
        problems.push(FieldError::new("spec.source.file.claim.path", "must not lead out of the volume by `..`"));
    }
    if let Some(zone) = text("/source/file/timeZone").filter(|zone| !zone.is_empty() && civil::zone(zone).is_none()) {
        let message = format!("must be a time zone such as America/New_York, is {zone:?}");
        problems.push(FieldError::new("spec.source.file.timeZone", message));
    }
}

fn topic(manifest: &Map<String, Value>, spec: &Value, prefix: &str) -> Option<FieldError> {
    let topic = spec.pointer("/publish/topic").and_then(Value::as_str).filter(|topic| !topic.is_empty())?;
    let text = |name: &str| manifest.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Value::as_str);
    let feed = format!("{}/{}", text("namespace").unwrap_or(DEFAULT_NAMESPACE), text("name").unwrap_or_default());
    let refused = FeedTopics::new(prefix, &feed, Some(topic)).err()?;
    Some(FieldError::new("spec.publish.topic", refused.to_string()))
}
