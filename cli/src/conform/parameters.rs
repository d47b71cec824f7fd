//! Parameters for the checks, from the schema: some that fit, and some that do not.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value, json};

/// The algorithm's parameters, without the threshold.
pub(crate) type Parameters = Map<String, Value>;

const MAX_SCHEMA: usize = 256 << 10;
/// How many sets of wrong parameters are tried.
const MAX_WRONG: usize = 16;

/// What the server says about its parameters; without a schema anything fits.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    value: Value,
    validator: Option<Validator>,
}

impl Schema {
    /// Compiles it as draft 2020-12, without fetching anything.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > MAX_SCHEMA {
            return Err(format!("it has {} bytes", text.len()));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            // A pattern from outside must not take for ever.
            .with_pattern_options(PatternOptions::regex())
            .build(&value)
            .map_err(|error| error.to_string())?;
        Ok(Self { value, validator: Some(validator) })
    }

    /// Everything that does not fit.
    pub(crate) fn problems(&self, parameters: &Parameters) -> Vec<String> {
        let instance = Value::Object(parameters.clone());
        let Some(validator) = &self.validator else { return Vec::new() };
        let told = |error: jsonschema::ValidationError<'_>| {
            let path = error.instance_path().as_str().replace('/', ".");
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

    /// What is required and not there, filled in where the schema says what it might be.
    pub(crate) fn filled(&self, mut parameters: Parameters) -> Parameters {
        let required = self.value.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if let Some(value) = self.properties().find(|(known, _)| *known == name).and_then(|(_, said)| example(said))
            {
                parameters.entry(name).or_insert(value);
            }
        }
        parameters
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

fn example(said: &Value) -> Option<Value> {
    let first = |key: &str| said.get(key).and_then(Value::as_array).and_then(|list| list.first()).cloned();
    let own = |key: &str| said.get(key).cloned();
    own("default")
        .or_else(|| own("const"))
        .or_else(|| first("examples"))
        .or_else(|| first("enum"))
        .or_else(|| own("minimum"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","properties":{"fast":{"type":"integer","minimum":1,"maximum":9},
        "mode":{"enum":["a","b"]}},"required":["fast","mode"],"additionalProperties":false}"#;

    #[test]
    fn a_schema_of_another_kind_is_refused_and_nothing_is_fetched() {
        assert!(Schema::compile("").is_ok());
        for text in ["{", r#"{"type":"strnig"}"#, r#"{"$ref":"https://example.com/schema.json"}"#] {
            assert!(Schema::compile(text).is_err(), "{text}");
        }
        let large = format!(r#"{{"description":"{}"}}"#, "x".repeat(MAX_SCHEMA));
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
