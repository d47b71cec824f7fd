//! Rules that neither the schema nor CEL can express. They read the unparsed manifest, so that a mistake elsewhere
//! hides nothing.

use std::collections::BTreeSet;

use intuition_api::{
    format::{Format, Violation},
    topic::{self, OwnTopics},
};
use intuition_common::civil;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{FieldError, schema::shown};
use crate::{ALGORITHM_KIND, API_VERSION, GROUP, TRADING_ALGO_KIND, address::Address};

/// The namespace of a manifest that names none.
pub(super) const DEFAULT_NAMESPACE: &str = "default";
/// Most symbols of all inputs together: with the longest names they fit into a `ConfigMap` of 1 MiB.
const MAX_SYMBOLS: usize = 2_000;
/// Longest name of a namespace (RFC 1123 label).
const MAX_LABEL_CHARS: usize = 63;
/// Fields of `metadata` in Kubernetes.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Problems of `kind` and `apiVersion`, in this order.
pub(super) fn type_meta(manifest: &Map<String, Value>, kind: &str) -> Vec<FieldError> {
    let wanted = [("kind", kind), ("apiVersion", API_VERSION)];
    let is_one_of_two = [TRADING_ALGO_KIND, ALGORITHM_KIND].contains(&kind);
    let problems = wanted.into_iter().filter_map(|(name, wanted)| match manifest.get(name) {
        Some(Value::String(found)) if found == wanted => None,
        Some(other) if name == "kind" && is_one_of_two && !is_about_a_kind(other) => {
            Some(FieldError::new(name, format!("must be {TRADING_ALGO_KIND} or {ALGORITHM_KIND}, is {}", shown(other))))
        }
        Some(other) => Some(FieldError::new(name, format!("must be {wanted}, is {}", shown(other)))),
        None => Some(FieldError::new(name, format!("is required, and must be {wanted}"))),
    });
    problems.collect()
}

/// Whether a kind is one of the two but for its spelling.
fn is_about_a_kind(kind: &Value) -> bool {
    let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
    kind.starts_with("tradingalgo") || ["algorithm", "algorithms", "algo"].contains(&kind.as_str())
}

/// Whether a manifest is meant to be a `TradingAlgo`, whatever is wrong with its kind or its version: it has about that
/// kind, or our group, or a member of `spec` that no other kind has, or nothing that says what else it is.
pub(super) fn is_meant(manifest: &Map<String, Value>) -> bool {
    let text = |name: &str| manifest.get(name).and_then(Value::as_str);
    let (kind, version) = (text("kind"), text("apiVersion"));
    if kind == Some(ALGORITHM_KIND) {
        return false;
    }
    let spec = manifest.get("spec");
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("tradingalgo"))
        || version.is_some_and(|version| version.split('/').next() == Some(GROUP))
        || ["/algorithm/builtin", "/startingCash"].iter().any(|own| spec.and_then(|spec| spec.pointer(own)).is_some())
        || (kind.is_none() && version.is_none())
}

/// Whether a manifest is meant to be an `Algorithm`: by its kind, or, if the kind is unknown, by fields that only an
/// `Algorithm` has. Any other manifest counts as a `TradingAlgo`.
pub(super) fn is_meant_as_algorithm(manifest: &Map<String, Value>) -> bool {
    let text = |name: &str| manifest.get(name).and_then(Value::as_str);
    let kind = text("kind").map(str::to_ascii_lowercase);
    if kind.as_deref().is_some_and(|kind| ["algorithm", "algorithms", "algo"].contains(&kind)) {
        return true;
    }
    let is_ours = text("apiVersion").is_none_or(|version| version.split('/').next() == Some(GROUP));
    let has = |name: &str| manifest.get("spec").and_then(|spec| spec.get(name)).is_some();
    is_ours && !kind.is_some_and(|kind| kind.starts_with("tradingalgo")) && (has("image") || has("address"))
}

/// Problems of `metadata`, but for the rule about the name, which is CEL.
pub(super) fn metadata(manifest: &Map<String, Value>) -> Vec<FieldError> {
    let Some(Value::Object(metadata)) = manifest.get("metadata") else {
        return vec![FieldError::new("metadata.name", "is required")];
    };
    let unknown = metadata.keys().filter(|name| !METADATA.contains(&name.as_str()));
    let mut problems: Vec<_> =
        unknown.map(|name| FieldError::new(format!("metadata.{name}"), "is not known")).collect();
    match metadata.get("name") {
        Some(Value::String(_)) => {}
        Some(Value::Number(_)) => {
            let message = "must be a string, is a number; in quotes it is a string";
            problems.push(FieldError::new("metadata.name", message));
        }
        Some(other) => {
            problems.push(FieldError::new("metadata.name", format!("must be a string, is {}", shown(other))));
        }
        None => problems.push(FieldError::new("metadata.name", "is required")),
    }
    match metadata.get("namespace") {
        None => {}
        Some(Value::String(namespace)) if is_label(namespace) => {}
        Some(other) => problems.push(FieldError::new(
            "metadata.namespace",
            format!("must be 1 to 63 characters of a-z, 0-9 and -, none of the last at an end, is {}", shown(other)),
        )),
    }
    for name in ["labels", "annotations"] {
        match metadata.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Object(pairs)) => {
                for (key, value) in pairs.iter().filter(|(_, value)| !value.is_string()) {
                    let path = format!("metadata.{name}.{key}");
                    problems.push(FieldError::new(path, format!("must be a string, is {}", shown(value))));
                }
            }
            Some(other) => {
                problems.push(FieldError::new(
                    format!("metadata.{name}"),
                    format!("must be an object, is {}", shown(other)),
                ));
            }
        }
    }
    problems
}

/// Problems of `spec`, where the topics of accounts begin with `prefix`.
pub(super) fn spec(manifest: &Map<String, Value>, prefix: &str) -> Vec<FieldError> {
    let Some(spec) = manifest.get("spec") else { return Vec::new() };
    let mut problems = Vec::new();
    problems.extend(address(spec.pointer("/algorithm/address"), "spec.algorithm.address"));
    if spec.pointer("/algorithm/parameters/threshold").is_some() {
        problems.push(FieldError::new("spec.algorithm.parameters.threshold", "is not a parameter: set spec.threshold"));
    }
    let nothing = match spec.pointer("/portfolio/amount") {
        Some(Value::Number(amount)) => amount.as_u64() == Some(0),
        Some(Value::String(amount)) => amount.chars().all(|digit| matches!(digit, '0' | '.')),
        _ => false,
    };
    if nothing {
        problems.push(FieldError::new("spec.portfolio.amount", "must be at least 0.01, is 0"));
    }
    channels(manifest, spec, prefix, &mut problems);
    problems
}

/// Problems of the `spec` of an `Algorithm`.
pub(super) fn algorithm_spec(manifest: &Map<String, Value>) -> Vec<FieldError> {
    let Some(spec) = manifest.get("spec") else { return Vec::new() };
    let mut problems: Vec<_> = address(spec.get("address"), "spec.address").into_iter().collect();
    let mut names = Vec::new();
    for (index, variable) in spec.get("env").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let Some(name) = variable.get("name").and_then(Value::as_str) else { continue };
        if names.contains(&name) {
            problems.push(FieldError::new(format!("spec.env[{index}].name"), format!("is there twice: {name:?}")));
        }
        names.push(name);
    }
    problems
}

/// Violations of an address that matches the pattern of the schema.
fn address(given: Option<&Value>, path: &str) -> Option<FieldError> {
    let url = given?.as_str().filter(|url| url.starts_with("http://"))?;
    let (_, port) = url.strip_suffix('/').unwrap_or(url).rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Address::of_algorithm(url).is_none().then(|| {
        FieldError::new(path, format!("must be http://host:port with a port of 1 to 65535, is {}", shown(&url.into())))
    })
}

fn channels(manifest: &Map<String, Value>, spec: &Value, prefix: &str, problems: &mut Vec<FieldError>) {
    let text = |name: &str| manifest.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Value::as_str);
    let account = format!("{}/{}", text("namespace").unwrap_or(DEFAULT_NAMESPACE), text("name").unwrap_or("+"));
    let publish = spec.pointer("/channels/publish").and_then(Value::as_str);
    let topics = OwnTopics::new(prefix, &account, publish);
    let own = topics.filters();
    if let Some(publish) = publish {
        let path = "spec.channels.publish";
        if publish.starts_with('$') || publish.contains(['#', '+', '\0']) {
            problems.push(FieldError::new(path, "must be a topic without wildcards that does not begin with $"));
        } else if [topics.state(), topics.dead_letter(), topics.data("#")]
            .iter()
            .any(|own| topic::matches(own, publish))
        {
            problems.push(FieldError::new(path, "is another of the algorithm's own topics"));
        }
    }
    let items = |name: &str| spec.pointer(name).and_then(Value::as_array).into_iter().flatten().enumerate();
    for (index, filter) in items("/channels/subscribe") {
        problems.extend(filter_problem(filter, format!("spec.channels.subscribe[{index}]"), &own));
    }
    let mut topics = BTreeSet::new();
    let mut symbols = 0;
    for (index, input) in items("/channels/inputs") {
        let path = format!("spec.channels.inputs[{index}]");
        if let Some(topic) = input.get("topic") {
            let path = format!("{path}.topic");
            problems.extend(filter_problem(topic, path.clone(), &own).or_else(|| twice(topic, path, &mut topics)));
        }
        problems.extend(format_problems(input, &path));
        symbols += listed(input, &path, problems);
    }
    let of_sources = sources(items("/channels/from"), text("namespace").unwrap_or(DEFAULT_NAMESPACE), problems);
    let all = symbols + of_sources;
    if all > MAX_SYMBOLS {
        let path = if of_sources == 0 { "spec.channels.inputs" } else { "spec.channels" };
        problems.push(FieldError::new(path, format!("must have at most {MAX_SYMBOLS} symbols in all, has {all}")));
    }
}

/// Problems of `spec.channels.from` in a namespace. Returns the number of symbols.
fn sources<'a>(sources: impl Iterator<Item = (usize, &'a Value)>, own: &str, problems: &mut Vec<FieldError>) -> usize {
    let mut known = BTreeSet::new();
    let mut symbols = 0;
    for (index, source) in sources {
        let path = format!("spec.channels.from[{index}]");
        let text = |name: &str| source.get(name).and_then(Value::as_str);
        let namespace = text("namespace").unwrap_or(own);
        for kind in ["feed", "indicator"] {
            if let Some(name) = text(kind).filter(|name| !known.insert((kind, namespace, *name))) {
                problems.push(FieldError::new(format!("{path}.{kind}"), format!("is there twice: {namespace}/{name}")));
            }
        }
        symbols += listed(source, &path, problems);
    }
    symbols
}

/// Problems of the symbols that an input or a source at `path` lists. Returns their number.
pub(super) fn listed(input: &Value, path: &str, problems: &mut Vec<FieldError>) -> usize {
    let mut names = BTreeSet::new();
    let symbols = input.get("symbols").and_then(Value::as_array);
    for (index, name) in symbols.into_iter().flatten().enumerate() {
        problems.extend(twice(name, format!("{path}.symbols[{index}]"), &mut names));
    }
    symbols.map_or(0, Vec::len)
}

/// The problems of the format of an input at `path`. Those of its shape are problems of the schema.
fn format_problems(input: &Value, path: &str) -> Vec<FieldError> {
    let format = input.get("format").and_then(|format| Format::deserialize(format).ok());
    let Some(format) = format else { return Vec::new() };
    let filter = input.get("topic").and_then(Value::as_str).unwrap_or_default();
    let violations = format.check(filter, |zone| civil::zone(zone).is_some()).into_iter();
    let field = |path_in_format: &str| match path_in_format {
        "" => format!("{path}.format"),
        below => format!("{path}.format.{below}"),
    };
    violations.map(|Violation { path, message }| FieldError::new(field(&path), message)).collect()
}

/// The problem of a topic filter at `path`; `own`: the topics that it must not match. One that is no text, or empty, is a
/// problem of the schema.
pub(super) fn filter_problem(filter: &Value, path: String, own: &[String]) -> Option<FieldError> {
    let filter = filter.as_str().filter(|filter| !filter.is_empty())?;
    if let Err(error) = topic::check_filter(filter) {
        return Some(FieldError::new(path, error.to_string()));
    }
    let own = own.iter().find(|own| topic::overlap(filter, own))?;
    Some(FieldError::new(path, format!("must not match the algorithm's own topic {own}")))
}

/// The problem of a text at `path` that is one of `known`; it is one of them from then on.
pub(super) fn twice<'a>(text: &'a Value, path: String, known: &mut BTreeSet<&'a str>) -> Option<FieldError> {
    let text = text.as_str()?;
    (!known.insert(text)).then(|| FieldError::new(path, format!("is there twice: {text:?}")))
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}
