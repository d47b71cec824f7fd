//! Parameters for the checks, from the schema: some that fit, and some that do not.

use algo_runtime::backend::schema;
use intuition_api::limits::MAX_SCHEMA_BYTES;
use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::{Map, Value, json};

/// The algorithm's parameters, without the threshold.
pub(crate) type Parameters = Map<String, Value>;

/// How many sets of wrong parameters are tried.
const MAX_WRONG: usize = 16;
/// Levels of a schema that are followed to make a value.
const MAX_LEVELS: usize = 8;
/// Items of an array that are made.
const MAX_ITEMS: u64 = 64;

/// What the server says about its parameters; without a schema anything fits.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    value: Value,
    validator: Option<Validator>,
}

impl Schema {
    /// Compiles it as the runtime does: draft 2020-12, within the limits of the contract, without fetching anything.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(format!("it has {} bytes", text.len()));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let validator = schema::compile(text)?;
        Ok(Self { value, validator: Some(validator) })
    }

    /// Everything that does not fit.
    pub(crate) fn problems(&self, parameters: &Parameters) -> Vec<String> {
        let instance = Value::Object(parameters.clone());
        let Some(validator) = &self.validator else { return Vec::new() };
        let told = |error: jsonschema::ValidationError<'_>| {
            let path = error.instance_path().as_str().replace('/', ".");
            if let ValidationErrorKind::Required { property } = error.kind() {
                let name = property.as_str().unwrap_or_default();
                let pattern = self.properties().find(|(known, _)| path.is_empty() && *known == name);
                let pattern = pattern.and_then(|(_, said)| said.get("pattern")?.as_str());
                let hint =
                    pattern.map_or_else(String::new, |text| format!(", for example a text of the pattern {text}"));
                let name = format!("{path}.{name}");
                return format!("`{}` is required{hint}", name.trim_start_matches('.'));
            }
            format!("parameters{path}: {error}")
        };
        validator.iter_errors(&instance).map(told).collect()
    }

    fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.value.get("properties").and_then(Value::as_object).into_iter().flatten()
    }

    /// Whether there is a parameter of that name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.properties().any(|(known, _)| known == name)
    }

    /// Adds a value that the schema takes for each required parameter that is missing. Where none is found, it stays missing.
    pub(crate) fn filled(&self, mut parameters: Parameters) -> Parameters {
        let required = self.value.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if parameters.contains_key(name) {
                continue;
            }
            let said = self.properties().find(|(known, _)| *known == name).map_or(&Value::Null, |(_, said)| said);
            let fits = |value: &Value| {
                let mut with = parameters.clone();
                with.insert(name.to_owned(), value.clone());
                !self.is_refused_at(&with, name)
            };
            if let Some(value) = self.examples(said, MAX_LEVELS).into_iter().find(fits) {
                parameters.insert(name.to_owned(), value);
            }
        }
        parameters
    }

    /// Whether the schema refuses the value of this parameter.
    fn is_refused_at(&self, parameters: &Parameters, name: &str) -> bool {
        let Some(validator) = &self.validator else { return false };
        let instance = Value::Object(parameters.clone());
        let name = name.replace('~', "~0").replace('/', "~1");
        validator.iter_errors(&instance).any(|error| error.instance_path().as_str().split('/').nth(1) == Some(&name))
    }

    /// Values that a part of the schema may accept, the likeliest first.
    fn examples(&self, said: &Value, levels: usize) -> Vec<Value> {
        let Some(levels) = levels.checked_sub(1) else { return Vec::new() };
        let own = |key: &str| said.get(key).cloned();
        let list = |key: &str| said.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut examples: Vec<Value> = own("default").into_iter().chain(own("const")).collect();
        examples.extend(list("examples").into_iter().chain(list("enum")));
        if let Some(target) = said.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#')) {
            examples.extend(self.value.pointer(target).into_iter().flat_map(|target| self.examples(target, levels)));
        }
        for branches in ["allOf", "anyOf", "oneOf"] {
            examples.extend(list(branches).iter().flat_map(|branch| self.examples(branch, levels)));
        }
        match said.get("type") {
            Some(Value::String(kind)) => examples.extend(self.of_kind(kind, said, levels)),
            Some(Value::Array(kinds)) => {
                let kinds = kinds.iter().filter_map(Value::as_str);
                examples.extend(kinds.flat_map(|kind| self.of_kind(kind, said, levels)));
            }
            _ => {
                let kinds = ["integer", "string", "boolean", "array", "object"];
                examples.extend(kinds.iter().flat_map(|kind| self.of_kind(kind, said, levels)));
            }
        }
        examples
    }

    fn of_kind(&self, kind: &str, said: &Value, levels: usize) -> Vec<Value> {
        match kind {
            "string" => strings(said),
            "integer" | "number" => numbers(said),
            "boolean" => vec![json!(false), json!(true)],
            "array" => {
                let count = said.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(MAX_ITEMS);
                let count = usize::try_from(count).unwrap_or(0);
                let items = self.examples(said.get("items").unwrap_or(&Value::Null), levels);
                let same = items.first().map(|item| json!(vec![item; count.max(1)]));
                let different = json!(items.iter().take(count.max(1)).collect::<Vec<_>>());
                same.into_iter().chain([different, json!([])]).collect()
            }
            "object" => {
                let mut members = Map::new();
                let required = said.get("required").and_then(Value::as_array).into_iter().flatten();
                for name in required.filter_map(Value::as_str) {
                    let property = said.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
                    if let Some(value) = self.examples(property, levels).into_iter().next() {
                        members.insert(name.to_owned(), value);
                    }
                }
                vec![Value::Object(members)]
            }
            "null" => vec![Value::Null],
            _ => Vec::new(),
        }
    }

    /// Parameters close to these that the schema refuses.
    pub(crate) fn wrong(&self, good: &Parameters) -> Vec<Parameters> {
        let with = |name: &str, value: Value| {
            let mut parameters = good.clone();
            parameters.insert(name.to_owned(), value);
            parameters
        };
        let mut candidates = vec![with("noSuchParameter", json!(1))];
        for (name, said) in self.properties() {
            let odd = [json!({"odd": []}), json!("odd"), json!(-1), json!(1.5), Value::Null];
            candidates.extend(odd.into_iter().map(|value| with(name, value)));
            let number = |key: &str| said.get(key).and_then(Value::as_i64);
            candidates
                .extend(number("minimum").and_then(|low| low.checked_sub(1)).map(|value| with(name, json!(value))));
            candidates
                .extend(number("maximum").and_then(|high| high.checked_add(1)).map(|value| with(name, json!(value))));
        }
        for name in self.value.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            let mut without = good.clone();
            without.remove(name);
            candidates.push(without);
        }
        candidates.retain(|candidate| !self.problems(candidate).is_empty());
        candidates.truncate(MAX_WRONG);
        candidates
    }
}

/// Texts for a parameter: a symbol, then some that a pattern may ask for.
fn strings(said: &Value) -> Vec<Value> {
    let shortest = said.get("minLength").and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
    let longest = said.get("maxLength").and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
    let filled = "x".repeat(shortest.unwrap_or(1).clamp(1, 4_096));
    let texts = ["GOOG", "goog", "a", "A", "1", "0.5", "2026-01-02", "2026-01-02T14:30:00Z", "14:30", "14:30:00", "1h"];
    let fits = |text: &&str| longest.is_none_or(|longest| text.len() <= longest);
    texts.into_iter().filter(fits).map(Value::from).chain([json!(filled), json!("")]).collect()
}

/// Numbers for a parameter: at its bounds, then small ones.
fn numbers(said: &Value) -> Vec<Value> {
    let bound = |key: &str| said.get(key).cloned();
    let beside = |key: &str, step: i64| said.get(key).and_then(Value::as_i64).and_then(|at| at.checked_add(step));
    let mut numbers: Vec<Value> = bound("minimum").into_iter().collect();
    numbers.extend(beside("exclusiveMinimum", 1).map(Value::from));
    numbers.extend(bound("multipleOf"));
    numbers.extend([json!(1), json!(2), json!(10), json!(0), json!(0.5)]);
    numbers.extend(bound("maximum"));
    numbers.extend(beside("exclusiveMaximum", -1).map(Value::from));
    let (low, high) = (said.get("exclusiveMinimum"), said.get("exclusiveMaximum"));
    if let (Some(low), Some(high)) = (low.and_then(Value::as_f64), high.and_then(Value::as_f64)) {
        numbers.push(json!(f64::midpoint(low, high)));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use intuition_api::limits::MAX_SCHEMA_PATTERNS;

    use super::*;

    const SCHEMA: &str = r#"{"type":"object","properties":{"fast":{"type":"integer","minimum":1,"maximum":9},
        "mode":{"enum":["a","b"]}},"required":["fast","mode"],"additionalProperties":false}"#;

    #[test]
    fn a_schema_of_another_kind_is_refused_and_nothing_is_fetched() {
        assert!(Schema::compile("").is_ok());
        for text in ["{", r#"{"type":"strnig"}"#, r#"{"$ref":"https://example.com/schema.json"}"#] {
            assert!(Schema::compile(text).is_err(), "{text}");
        }
        let patterns: Parameters =
            (0..=MAX_SCHEMA_PATTERNS).map(|number| (format!("^{number}$"), json!(true))).collect();
        let many = json!({ "patternProperties": patterns }).to_string();
        assert_eq!(Schema::compile(&many).unwrap_err(), "at most 64 patterns", "the runtime refuses it");
        let large = format!(r#"{{"description":"{}"}}"#, "x".repeat(MAX_SCHEMA_BYTES));
        assert!(Schema::compile(&large).is_err());
    }

    #[test]
    fn what_is_required_is_filled_in_so_that_it_fits() {
        let schema = Schema::compile(SCHEMA).unwrap();
        let filled = schema.filled(Parameters::new());
        assert_eq!(Value::Object(filled.clone()), json!({"fast": 1, "mode": "a"}));
        assert_eq!(schema.problems(&filled), Vec::<String>::new());
        assert!(schema.knows("mode") && !schema.knows("seed"));
    }

    #[test]
    fn required_parameters_of_every_type_are_filled_in() {
        let schema = Schema::compile(
            r##"{"$defs":{"leg":{"type":"object","properties":{"sid":{"type":"string","pattern":"^[A-Z]{1,5}$"}},"required":["sid"]}},
            "properties":{"symbol":{"type":"string","minLength":2},"day":{"type":"string","pattern":"^\\d{4}-\\d{2}-\\d{2}$"},
            "live":{"type":"boolean"},"size":{"type":"number"},"count":{"type":"integer","exclusiveMinimum":5},
            "share":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1},
            "legs":{"type":"array","minItems":2,"items":{"$ref":"#/$defs/leg"}},
            "tags":{"type":"array","minItems":3,"uniqueItems":true,"items":{"type":"string"}},
            "either":{"anyOf":[{"type":"integer","minimum":7},{"type":"string"}]},"nothing":{"type":["null"]}},
            "required":["symbol","day","live","size","count","share","legs","tags","either","nothing"]}"##,
        )
        .unwrap();
        let filled = schema.filled(Parameters::new());
        assert_eq!(schema.problems(&filled), Vec::<String>::new(), "{filled:?}");
    }

    #[test]
    fn a_required_parameter_for_which_no_value_is_found_is_told() {
        let schema =
            Schema::compile(r#"{"properties":{"key":{"type":"string","pattern":"^k-[0-9]{9}$"}},"required":["key"]}"#)
                .unwrap();
        let problems = schema.problems(&schema.filled(Parameters::new()));
        assert_eq!(problems, ["`key` is required, for example a text of the pattern ^k-[0-9]{9}$"]);
    }

    #[test]
    fn wrong_parameters_are_wrong_by_the_schema_alone() {
        let schema = Schema::compile(SCHEMA).unwrap();
        let wrong = schema.wrong(&schema.filled(Parameters::new()));
        assert!(wrong.iter().all(|parameters| !schema.problems(parameters).is_empty()));
        for expected in [json!({"fast": 1, "mode": "a", "noSuchParameter": 1}), json!({"fast": 0, "mode": "a"})] {
            assert!(wrong.contains(expected.as_object().unwrap()), "{expected} in {wrong:?}");
        }
        assert!(wrong.iter().any(|parameters| parameters.get("mode") == Some(&json!("odd"))));
        assert_eq!(Schema::default().wrong(&Parameters::new()), Vec::<Parameters>::new());
    }
}
