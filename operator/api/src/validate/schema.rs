//! Validates a value against a structural schema, as the API server does, with messages for people.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::{Map, Value};

use super::FieldError;
use crate::{amount, decimal};

/// Longest value in a message.
const MAX_VALUE_CHARS: usize = 80;

/// Adds the violations of `schema` in `value`.
pub(super) fn check(schema: &JSONSchemaProps, value: &Value, path: &str, problems: &mut Vec<FieldError>) {
    let found = problems.len();
    if value.is_null() && schema.nullable == Some(true) {
        return;
    }
    if schema.x_kubernetes_int_or_string == Some(true) {
        if !is_int_or_string(schema, value) {
            let found = match value.as_f64() {
                // The number was parsed to a binary one; its text is lost.
                Some(number) if value.is_f64() && number.fract() == 0.0 && schema.maximum.is_some() => {
                    "is written with a leading zero, a point or an exponent".to_owned()
                }
                _ => format!("is {}", shown(value)),
            };
            problems.push(FieldError::new(path, format!("must be {}, {found}", expected(schema))));
        }
        return;
    }
    match (schema.type_.as_deref(), value) {
        (Some("object"), Value::Object(members)) => check_members(schema, members, path, problems),
        (Some("array"), Value::Array(items)) => check_items(schema, items, path, problems),
        (Some("string"), Value::String(text)) => check_text(schema, text, path, problems),
        (Some("number"), Value::Number(_)) => check_range(schema, value, path, problems),
        (Some("integer"), Value::Number(number)) if number.is_i64() || number.is_u64() => {
            check_range(schema, value, path, problems);
        }
        (Some("boolean"), Value::Bool(_)) | (None, _) => {}
        (Some(kind), _) => {
            let article = if matches!(kind, "object" | "array" | "integer") { "an" } else { "a" };
            problems.push(FieldError::new(path, format!("must be {article} {kind}, is {}", shown(value))));
        }
    }
    if let Some(allowed) = schema.enum_.as_ref().filter(|_| problems.len() == found)
        && !allowed.iter().any(|allowed| allowed.0 == *value)
    {
        let names: Vec<_> = allowed.iter().filter_map(|allowed| allowed.0.as_str()).collect();
        problems.push(FieldError::new(path, format!("must be one of {}, is {}", names.join(", "), shown(value))));
    }
}

/// The value as a message shows it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        // A password must not appear in a message.
        Value::String(text) if text.contains("://") && text.contains('@') => "a URL with user info".to_owned(),
        scalar => {
            let mut text = scalar.to_string();
            if let Some((end, _)) = text.char_indices().nth(MAX_VALUE_CHARS) {
                text.truncate(end);
                text.push('…');
            }
            text
        }
    }
}

fn check_members(schema: &JSONSchemaProps, members: &Map<String, Value>, path: &str, problems: &mut Vec<FieldError>) {
    let open = schema.x_kubernetes_preserve_unknown_fields == Some(true);
    for (name, value) in members {
        let path = format!("{path}.{name}");
        match schema.properties.as_ref().and_then(|properties| properties.get(name)) {
            Some(member) => check(member, value, &path, problems),
            None if open => {}
            None if let Some(JSONSchemaPropsOrBool::Schema(member)) = &schema.additional_properties => {
                check(member, value, &path, problems);
            }
            None => problems.push(FieldError::new(path, unknown(schema))),
        }
    }
    for name in schema.required.iter().flatten() {
        if !members.contains_key(name) {
            problems.push(FieldError::new(format!("{path}.{name}"), "is required"));
        }
    }
    check_count(members.len(), "members", (schema.min_properties, schema.max_properties), path, problems);
}

fn unknown(schema: &JSONSchemaProps) -> String {
    let names = schema.properties.iter().flatten().map(|(name, _)| name.as_str());
    format!("is not known; known are {}", names.collect::<Vec<_>>().join(", "))
}

fn check_items(schema: &JSONSchemaProps, items: &[Value], path: &str, problems: &mut Vec<FieldError>) {
    if let Some(JSONSchemaPropsOrArray::Schema(wanted)) = &schema.items {
        for (index, item) in items.iter().enumerate() {
            check(wanted, item, &format!("{path}[{index}]"), problems);
        }
    }
    check_count(items.len(), "items", (schema.min_items, schema.max_items), path, problems);
}

fn check_text(schema: &JSONSchemaProps, text: &str, path: &str, problems: &mut Vec<FieldError>) {
    let found = problems.len();
    check_count(text.chars().count(), "characters", (schema.min_length, schema.max_length), path, problems);
    if problems.len() == found
        && let Some(pattern) = &schema.pattern
        && !fits(pattern, text)
    {
        let value = Value::String(text.to_owned());
        problems.push(FieldError::new(path, format!("must match {pattern}, is {}", shown(&value))));
    }
}

fn check_count(
    count: usize,
    what: &str,
    (least, most): (Option<i64>, Option<i64>),
    path: &str,
    problems: &mut Vec<FieldError>,
) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    if least.is_some_and(|least| count < least) || most.is_some_and(|most| count > most) {
        let bounds = match (least, most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, most) => format!("at most {}", most.unwrap_or(i64::MAX)),
        };
        problems.push(FieldError::new(path, format!("must have {bounds} {what}, has {count}")));
    }
}

fn check_range(schema: &JSONSchemaProps, value: &Value, path: &str, problems: &mut Vec<FieldError>) {
    if !in_range(schema, value) {
        let bounds = match (schema.minimum, schema.maximum) {
            (Some(least), Some(most)) => format!("between {least} and {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, most) => format!("at most {}", most.unwrap_or(f64::MAX)),
        };
        problems.push(FieldError::new(path, format!("must be {bounds}, is {}", shown(value))));
    }
}

fn in_range(schema: &JSONSchemaProps, value: &Value) -> bool {
    value.as_f64().is_some_and(|number| {
        schema.minimum.is_none_or(|least| number >= least) && schema.maximum.is_none_or(|most| number <= most)
    })
}

/// The accepted forms of an integer or text, which its pattern names.
fn expected(schema: &JSONSchemaProps) -> &'static str {
    match schema.pattern.as_deref() {
        Some(amount::PATTERN) => amount::EXPECTED,
        Some(decimal::PATTERN) => decimal::EXPECTED,
        _ => "an integer, or a quantity in quotes such as \"500m\" or \"64Mi\"",
    }
}

fn is_int_or_string(schema: &JSONSchemaProps, value: &Value) -> bool {
    match value {
        Value::Number(number) => (number.is_u64() || number.is_i64()) && in_range(schema, value),
        Value::String(text) => {
            let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
            schema.max_length.is_none_or(|most| length <= most)
                && schema.pattern.as_ref().is_none_or(|pattern| fits(pattern, text))
        }
        _ => false,
    }
}

/// The patterns are part of the schema, and a test compiles all of them. A pattern that does not compile matches
/// nothing. Each is compiled once.
fn fits(pattern: &str, text: &str) -> bool {
    static COMPILED: Mutex<BTreeMap<String, Option<Regex>>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if !compiled.contains_key(pattern) {
        compiled.insert(pattern.to_owned(), Regex::new(pattern).ok());
    }
    compiled.get(pattern).and_then(Option::as_ref).is_some_and(|pattern| pattern.is_match(text))
}
