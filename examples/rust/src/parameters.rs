//! The parameters: what they may be, and who may not have them.

use intuition_api::indicator::is_name;
use serde_json::{Map, Value, json};

/// What a manifest says under `spec.algorithm.parameters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Quotes whose highest price has to be exceeded for a buy.
    pub entry: usize,
    /// Quotes whose lowest price has to be undercut for a sale; at most `entry`.
    pub exit: usize,
    /// Name of a published average, such as `sma-200`, that a price has to be above for a buy. `None`: any price will do.
    pub trend: Option<String>,
}

/// Parameters that are refused: everything that is wrong with them, in a sentence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// Most quotes that are looked back upon.
pub const MOST_QUOTES: usize = 200;

const ENTRY: usize = 20;
const EXIT: usize = 10;

impl Parameters {
    /// JSON Schema of the parameters, for `Describe`. That `exit` is at most `entry` it cannot say.
    pub fn schema() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "entry": {
                    "type": "integer", "minimum": 1, "maximum": MOST_QUOTES, "default": ENTRY,
                    "description": "quotes whose highest price has to be exceeded for a buy",
                },
                "exit": {
                    "type": "integer", "minimum": 1, "maximum": MOST_QUOTES, "default": EXIT,
                    "description": "quotes whose lowest price has to be undercut for a sale, at most entry",
                },
                "trend": {
                    "type": "string", "pattern": "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$",
                    "description": "name of a published average, such as sma-200, that a price has to be above for a buy",
                },
            },
            "additionalProperties": false,
        })
    }

    /// Reads `parameters_json`. The threshold comes with the parameters; this algorithm has no use for it.
    pub fn read(text: &str) -> Result<Self, Refused> {
        let given: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| Refused(format!("parameters_json is no JSON object: {error}")))?;
        let mut problems = Vec::new();
        let entry = integer(&given, "entry", ENTRY, &mut problems);
        let exit = integer(&given, "exit", EXIT.min(entry), &mut problems);
        let trend = indicator(&given, "trend", &mut problems);
        if problems.is_empty() && exit > entry {
            problems.push(format!("exit must be at most entry, which is {entry}, is {exit}"));
        }
        let unknown = given.keys().filter(|name| !["entry", "exit", "trend", "threshold"].contains(&name.as_str()));
        problems.extend(unknown.map(|name| format!("{name} is unknown, there are entry, exit and trend")));
        if problems.is_empty() { Ok(Self { entry, exit, trend }) } else { Err(Refused(problems.join("; "))) }
    }
}

fn integer(given: &Map<String, Value>, name: &str, default: usize, problems: &mut Vec<String>) -> usize {
    let Some(value) = given.get(name) else { return default };
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    if let Some(number) = number.filter(|number| (1..=MOST_QUOTES).contains(number)) {
        return number;
    }
    problems.push(format!("{name} must be an integer from 1 to {MOST_QUOTES}, is {value}"));
    default
}

fn indicator(given: &Map<String, Value>, name: &str, problems: &mut Vec<String>) -> Option<String> {
    let value = given.get(name)?;
    let text = value.as_str().filter(|text| is_name(text)).map(str::to_owned);
    if text.is_none() {
        problems.push(format!("{name} must be the name of an indicator, such as \"sma-200\", is {value}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_defaults_and_the_threshold_is_passed_over() {
        assert_eq!(Parameters::read(r#"{"threshold":0.5}"#), Ok(Parameters { entry: 20, exit: 10, trend: None }));
        assert_eq!(Parameters::read(r#"{"entry":3}"#), Ok(Parameters { entry: 3, exit: 3, trend: None }));
        assert_eq!(Parameters::read(r#"{"trend":"sma-200"}"#).unwrap().trend.as_deref(), Some("sma-200"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name_and_all_at_once() {
        for (text, reason) in [
            (r#"{"entry":0}"#, "entry must be an integer from 1 to 200, is 0"),
            (r#"{"exit":"10"}"#, r#"exit must be an integer from 1 to 200, is "10""#),
            (r#"{"entry":5,"exit":6}"#, "exit must be at most entry, which is 5, is 6"),
            (r#"{"trend":"SMA"}"#, r#"trend must be the name of an indicator, such as "sma-200", is "SMA""#),
            (r#"{"trend":null}"#, r#"trend must be the name of an indicator, such as "sma-200", is null"#),
            (
                r#"{"entry":1.5,"exit":null,"window":3}"#,
                "entry must be an integer from 1 to 200, is 1.5; exit must be an integer from 1 to 200, is null; \
                 window is unknown, there are entry, exit and trend",
            ),
        ] {
            assert_eq!(Parameters::read(text), Err(Refused(reason.to_owned())), "{text}");
        }
        for text in ["", "[]", "null", "{"] {
            let refused = Parameters::read(text).unwrap_err().to_string();
            assert!(refused.starts_with("parameters_json is no JSON object"), "{text:?}: {refused}");
        }
    }

    #[test]
    fn the_schema_names_what_is_read() {
        let schema = Parameters::schema();
        let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["entry", "exit", "trend"]);
        for name in ["entry", "exit"] {
            let default = &schema["properties"][name]["default"];
            assert!(Parameters::read(&format!(r#"{{"{name}":{default}}}"#)).is_ok(), "{name}");
        }
    }
}
