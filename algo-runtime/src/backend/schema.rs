//! Checks schemas of backends before they are compiled: a schema that refers to itself, nests without end or multiplies itself
//! through its references would end the process or keep it busy for ever.

use std::collections::HashMap;

use intuition_api::limits::{MAX_SCHEMA_LEVELS, MAX_SCHEMA_PARTS, MAX_SCHEMA_PATTERNS};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// Size of a compiled pattern, bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Compiles a schema of at most [`intuition_api::limits::MAX_SCHEMA_BYTES`]; the error is its fault.
pub fn compile(text: &str) -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    Survey { root: &schema, known: HashMap::new(), patterns: 0 }.part(&schema, 1)?;
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        // Bound the time that a pattern can take.
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
        .build(&schema)
        .map_err(|error| format!("is no JSON Schema: {error}"))
}

/// Size and depth of a part, with everything behind its references.
#[derive(Debug, Clone, Copy)]
struct Size {
    parts: usize,
    depth: usize,
}

struct Survey<'a> {
    root: &'a Value,
    /// By address; `None`: being measured, so that a second visit shows a circle.
    known: HashMap<*const Value, Option<Size>>,
    patterns: usize,
}

impl<'a> Survey<'a> {
    fn part(&mut self, part: &'a Value, level: usize) -> Result<Size, String> {
        if !part.is_object() && !part.is_array() {
            return Ok(Size { parts: 0, depth: 0 });
        }
        let size = match self.known.get(&std::ptr::from_ref(part)) {
            Some(Some(size)) => *size,
            Some(None) => return Err("refers to itself".to_owned()),
            None => self.measure(part, level)?,
        };
        if level + size.depth > MAX_SCHEMA_LEVELS + 1 {
            return Err(format!("at most {MAX_SCHEMA_LEVELS} levels, followed through its references"));
        }
        Ok(size)
    }

    fn measure(&mut self, part: &'a Value, level: usize) -> Result<Size, String> {
        // Before descending: this recursion must not overflow the stack.
        if level > MAX_SCHEMA_LEVELS {
            return Err(format!("at most {MAX_SCHEMA_LEVELS} levels, followed through its references"));
        }
        self.known.insert(part, None);
        let mut size = Size { parts: 1, depth: 0 };
        for below in self.below(part)? {
            let found = self.part(below, level + 1)?;
            size = Size { parts: size.parts + found.parts, depth: size.depth.max(found.depth) };
            if size.parts > MAX_SCHEMA_PARTS {
                return Err(format!("at most {MAX_SCHEMA_PARTS} objects and arrays, followed through its references"));
            }
        }
        size.depth += 1;
        self.known.insert(part, Some(size));
        Ok(size)
    }

    fn below(&mut self, part: &'a Value) -> Result<Vec<&'a Value>, String> {
        let members = match part {
            Value::Array(items) => return Ok(items.iter().collect()),
            Value::Object(members) => members,
            _ => return Ok(Vec::new()),
        };
        let mut below: Vec<&Value> = members.values().collect();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    below.push(self.target(reference)?);
                }
                ("$id" | "id", Value::String(_)) if !std::ptr::eq(part, self.root) => {
                    return Err("has an $id below its root".to_owned());
                }
                ("pattern", Value::String(_)) => self.patterns += 1,
                ("patternProperties", Value::Object(patterns)) => self.patterns += patterns.len(),
                _ => {}
            }
        }
        if self.patterns > MAX_SCHEMA_PATTERNS {
            return Err(format!("at most {MAX_SCHEMA_PATTERNS} patterns"));
        }
        Ok(below)
    }

    /// The target of a reference: a pointer or an anchor in this schema.
    fn target(&self, reference: &str) -> Result<&'a Value, String> {
        let shown: String = reference.chars().take(64).collect();
        let Some(inside) = reference.strip_prefix('#') else {
            return Err(format!("is no JSON Schema that stands by itself: it refers to {shown:?}"));
        };
        let target = if inside.is_empty() || inside.starts_with('/') {
            self.root.pointer(&decoded(inside))
        } else {
            anchored(self.root, inside)
        };
        target.ok_or_else(|| format!("is no JSON Schema: it refers to {shown:?}, which it does not have"))
    }
}

/// Decodes the percent signs of a URI's fragment.
fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        let digits = if byte == b'%' { rest.as_slice().get(..2) } else { None };
        let code = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest.by_ref().take(2).for_each(drop);
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Nesting is that of JSON here, which its parser bounds.
fn anchored<'a>(part: &'a Value, anchor: &str) -> Option<&'a Value> {
    match part {
        Value::Object(members) => {
            let is_it =
                ["$anchor", "$dynamicAnchor"].iter().any(|name| members.get(*name).is_some_and(|a| a == anchor));
            if is_it { Some(part) } else { members.values().find_map(|below| anchored(below, anchor)) }
        }
        Value::Array(items) => items.iter().find_map(|below| anchored(below, anchor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(schema: &Value) -> String {
        compile(&schema.to_string()).err().unwrap_or_else(|| panic!("taken: {schema}"))
    }

    /// Definitions `a0` to `an`, each made of the one before.
    fn chain(length: usize, next: impl Fn(&str) -> Value) -> Value {
        let mut definitions = serde_json::Map::new();
        definitions.insert("a0".to_owned(), json!({"type": "object"}));
        for step in 1..=length {
            definitions.insert(format!("a{step}"), next(&format!("#/$defs/a{}", step - 1)));
        }
        json!({"$defs": definitions, "$ref": format!("#/$defs/a{length}")})
    }

    #[test]
    fn a_schema_may_refer_to_its_own_parts_by_pointer_and_anchor() {
        for schema in [
            json!({"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}),
            json!({"$defs": {"n": {"$anchor": "number", "type": "integer"}}, "properties": {"a": {"$ref": "#number"}}}),
            json!({"$defs": {"a/b c": {"type": "integer"}}, "properties": {"a": {"$ref": "#/%24defs/a~1b%20c"}}}),
            json!({"$id": "http://example.com/parameters", "properties": {"a": {"type": "integer"}}}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"type": "integer"}}}),
            json!({"properties": {"a": {"type": "integer"}, "$ref": {}, "id": {}, "pattern": {"pattern": "^\\w{1,20}$"}}}),
            chain(30, |before| json!({"allOf": [{"$ref": before}, {"properties": {"a": {"type": "integer"}}}]})),
        ] {
            let schema = compile(&schema.to_string()).unwrap_or_else(|error| panic!("{error}: {schema}"));
            assert!(schema.is_valid(&json!({"a": 1})));
            assert!(!schema.is_valid(&json!({"a": "x"})));
        }
    }

    #[test]
    fn a_schema_that_goes_in_circles_is_refused() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"properties": {"a": {"$ref": "#"}}}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
            json!({"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]}),
        ] {
            assert_eq!(refused(&schema), "refers to itself", "{schema}");
        }
    }

    #[test]
    fn a_schema_that_multiplies_itself_or_is_too_deep_is_refused_at_once() {
        let doubled = chain(60, |before| json!({"allOf": [{"$ref": before}, {"$ref": before}]}));
        assert!(refused(&doubled).starts_with("at most 4096 objects and arrays"), "{}", refused(&doubled));
        // Enough to overflow the stack of a thread.
        let deep = chain(5_000, |before| json!({"$ref": before}));
        assert!(refused(&deep).starts_with("at most 128 levels"), "{}", refused(&deep));
        // What is referred to is measured already when it is met again from deeper down.
        let mut again = json!({"$ref": "#/$defs/a40"});
        for _ in 0..30 {
            again = json!({ "not": again });
        }
        let mut late = chain(40, |before| json!({"allOf": [{"$ref": before}]}));
        late["properties"] = json!({ "a": again });
        assert!(refused(&late).starts_with("at most 128 levels"), "{}", refused(&late));
        let nested = "{\"not\":".repeat(200) + "{}" + &"}".repeat(200);
        assert!(compile(&nested).err().unwrap().starts_with("is no JSON: recursion limit"));
    }

    #[test]
    fn a_schema_that_does_not_stand_by_itself_is_refused() {
        for reference in
            ["https://example.com/schema.json", "file:///etc/passwd", "other.json#/a", "#/$defs/none", "#none"]
        {
            let said = refused(&json!({ "$ref": reference }));
            assert!(said.starts_with("is no JSON Schema") && said.contains(reference), "{said}");
        }
        let embedded = json!({"$defs": {"a": {"$id": "http://example.com/a", "$ref": "#"}}});
        assert_eq!(refused(&embedded), "has an $id below its root");
    }

    #[test]
    fn patterns_are_bounded_in_number_and_size() {
        let many: serde_json::Map<String, Value> = (0..65).map(|n| (format!("^a{n}$"), json!(true))).collect();
        assert_eq!(refused(&json!({ "patternProperties": many })), "at most 64 patterns");
        let large = refused(&json!({"properties": {"a": {"pattern": "(\\w{1000}){1000}"}}}));
        assert!(large.starts_with("is no JSON Schema"), "{large}");
    }
}
