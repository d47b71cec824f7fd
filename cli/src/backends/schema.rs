//! A JSON Schema of parameters, a line for each parameter.

use serde_json::{Map, Value};

/// References followed from one parameter, at most.
const MAX_REFERENCES: usize = 16;

/// A line for each parameter; `Err`: what to say where there are no parameters to list.
pub(super) fn lines(schema: Option<&Value>) -> Result<Vec<String>, String> {
    let root = match schema {
        None | Some(Value::Bool(true)) => return Err("any".to_owned()),
        Some(Value::Bool(false)) => return Err("none".to_owned()),
        Some(Value::Object(root)) => root,
        Some(other) => return Err(other.to_string()),
    };
    let required: Vec<_> =
        root.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = root.get("properties").and_then(Value::as_object);
    let mut rows: Vec<(String, String)> = properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), parameter(root, schema, required.contains(&name.as_str()))))
        .collect();
    // Required, and nothing more is said about it.
    let is_listed = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
    rows.extend(
        required.iter().filter(|name| !is_listed(name)).map(|name| ((*name).to_owned(), "any, required".to_owned())),
    );
    let others = root.get("additionalProperties");
    if let Some(others) = others.filter(|others| **others != Value::Bool(false)) {
        rows.push(("(others)".to_owned(), parameter(root, others, false)));
    }
    let rest = rest(
        root,
        &["$schema", "$id", "title", "description", "type", "properties", "required", "additionalProperties"],
    );
    if let Some(rest) = rest {
        rows.push(("(also)".to_owned(), rest));
    }
    if rows.is_empty() {
        return Err(if others.is_some() { "none" } else { "any" }.to_owned());
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    Ok(rows.into_iter().map(|(name, text)| format!("{name:<width$}  {text}")).collect())
}

/// Type, whether it is required, default, bounds, description.
fn parameter(root: &Map<String, Value>, schema: &Value, required: bool) -> String {
    let schema = match resolve(root, schema) {
        Value::Object(schema) => schema,
        Value::Bool(false) => return "never".to_owned(),
        _ => &Map::new(),
    };
    let mut parts = vec![kind(schema)];
    if required {
        parts.push("required".to_owned());
    }
    parts.extend(schema.get("default").map(|default| format!("default {default}")));
    let example = schema.get("examples").and_then(Value::as_array).and_then(|examples| examples.first());
    parts.extend(example.map(|example| format!("for example {example}")));
    parts.extend(range(schema, "minimum", "maximum", ""));
    parts.extend(schema.get("exclusiveMinimum").map(|bound| format!("more than {bound}")));
    parts.extend(schema.get("exclusiveMaximum").map(|bound| format!("less than {bound}")));
    parts.extend(schema.get("multipleOf").map(|step| format!("a multiple of {step}")));
    parts.extend(range(schema, "minLength", "maxLength", " characters"));
    parts.extend(schema.get("pattern").and_then(Value::as_str).map(|pattern| format!("matching {pattern}")));
    parts.extend(rest(schema, KNOWN));
    let text = parts.join(", ");
    let about = ["description", "title"].iter().find_map(|member| schema.get(*member).and_then(Value::as_str));
    about.map_or_else(|| text.clone(), |about| format!("{text}: {about}"))
}

/// What [`parameter`] puts into words.
const KNOWN: &[&str] = &[
    "type",
    "enum",
    "const",
    "default",
    "examples",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "description",
    "title",
];

fn kind(schema: &Map<String, Value>) -> String {
    if let Some(value) = schema.get("const") {
        return format!("always {value}");
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return format!("one of {}", values.iter().map(Value::to_string).collect::<Vec<_>>().join(" "));
    }
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

fn range(schema: &Map<String, Value>, low: &str, high: &str, unit: &str) -> Option<String> {
    match (schema.get(low), schema.get(high)) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
        (Some(low), None) => Some(format!("at least {low}{unit}")),
        (None, Some(high)) => Some(format!("at most {high}{unit}")),
        (None, None) => None,
    }
}

/// All that is in no words, as compact JSON.
fn rest(schema: &Map<String, Value>, known: &[&str]) -> Option<String> {
    let rest: Map<_, _> = schema
        .iter()
        .filter(|(member, _)| !known.contains(&member.as_str()))
        .map(|(member, value)| (member.clone(), value.clone()))
        .collect();
    (!rest.is_empty()).then(|| Value::Object(rest).to_string())
}

/// Follows references, where they are all that a schema says and lead to a place in the document.
fn resolve<'a>(root: &'a Map<String, Value>, schema: &'a Value) -> &'a Value {
    let mut found = schema;
    for _ in 0..MAX_REFERENCES {
        let Value::Object(members) = found else { break };
        let (1, Some(Value::String(reference))) = (members.len(), members.get("$ref")) else { break };
        let Some((first, path)) = reference.strip_prefix("#/").map(|path| path.split_once('/').unwrap_or((path, "")))
        else {
            break;
        };
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        let Some(next) = root.get(first).and_then(|value| value.pointer(&path)) else { break };
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(schema: &Value) -> String {
        let root = json!({"properties": {"a": schema}, "additionalProperties": false});
        lines(Some(&root)).unwrap().remove(0)
    }

    #[test]
    fn a_parameter_is_a_line_with_type_default_bounds_and_description() {
        for (schema, expected) in [
            (
                json!({"type": "integer", "minimum": 1, "maximum": 9, "default": 3, "description": "how many"}),
                "a  integer, default 3, 1 to 9: how many",
            ),
            (
                json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1.5}),
                "a  number, more than 0, less than 1.5",
            ),
            (json!({"type": "integer", "minimum": 0, "multipleOf": 5}), "a  integer, at least 0, a multiple of 5"),
            (json!({"type": ["number", "null"], "maximum": 2}), "a  number or null, at most 2"),
            (
                json!({"type": "string", "minLength": 1, "maxLength": 8, "pattern": "^[a-z]+$", "default": "x"}),
                r#"a  string, default "x", 1 to 8 characters, matching ^[a-z]+$"#,
            ),
            (json!({"type": "string", "enum": ["up", "down"]}), r#"a  one of "up" "down""#),
            (json!({"const": 7, "title": "Seven"}), "a  always 7: Seven"),
            (json!({}), "a  any"),
            (json!(true), "a  any"),
            (json!(false), "a  never"),
        ] {
            assert_eq!(one(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn what_is_nested_is_compact_json() {
        let legs = json!({"type": "array", "items": {"type": "string"}, "description": "symbols"});
        assert_eq!(one(&legs), r#"a  array, {"items":{"type":"string"}}: symbols"#);
        assert_eq!(one(&json!({"$ref": "#/$defs/gone"})), r##"a  any, {"$ref":"#/$defs/gone"}"##);
    }

    #[test]
    fn required_parameters_and_others_are_told_with_names_aligned() {
        let schema = json!({
            "type": "object",
            "properties": {"window": {"type": "integer"}, "x": {"$ref": "#/$defs/share"}},
            "required": ["window", "hidden"],
            "additionalProperties": {"type": "number"},
            "$defs": {"share": {"type": "number", "maximum": 1}},
        });
        let expected = [
            "window    integer, required",
            "x         number, at most 1",
            "hidden    any, required",
            "(others)  number",
            r#"(also)    {"$defs":{"share":{"maximum":1,"type":"number"}}}"#,
        ];
        assert_eq!(lines(Some(&schema)).unwrap(), expected);
    }

    #[test]
    fn references_in_a_circle_end() {
        let schema = json!({"properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}});
        assert_eq!(lines(Some(&schema)).unwrap().len(), 2);
    }

    #[test]
    fn schemas_without_parameters_say_what_they_take() {
        for (schema, expected) in [
            (None, "any"),
            (Some(json!({})), "any"),
            (Some(json!({"type": "object"})), "any"),
            (Some(json!(true)), "any"),
            (Some(json!(false)), "none"),
            (Some(json!({"type": "object", "additionalProperties": false})), "none"),
            (Some(json!("no JSON")), r#""no JSON""#),
        ] {
            assert_eq!(lines(schema.as_ref()), Err(expected.to_owned()), "{schema:?}");
        }
    }
}
