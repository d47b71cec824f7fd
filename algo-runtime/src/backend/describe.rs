//! The description of a backend: its name, its contract, and the schema of its parameters.

use std::fmt;

use intuition_api::{
    describe::{self, CONTRACT, Violation},
    limits::{MAX_NAME_CHARS, MAX_SCHEMA_BYTES},
    v1::DescribeResponse,
};
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::{BackendError, ConditionReason, schema};
use crate::algorithm::{AlgorithmSettings, FieldError, FieldErrors};

/// Errors of parameters that are reported, at most.
const MAX_ERRORS: usize = 16;

/// A backend that speaks our contract. Displayed as name and version.
#[derive(Debug, Clone)]
pub struct Described {
    /// Its state is kept under it.
    pub name: String,
    /// Empty without one.
    pub version: String,
    /// The schema of its parameters as the server sent it; empty: any object will do.
    pub parameters_schema_json: String,
    /// That schema compiled; `None`: any object will do.
    schema: Option<Validator>,
}

impl Described {
    /// Checks the answer to Describe and compiles its schema, which may take most of a second: not for the writer's thread.
    pub fn read(response: &DescribeResponse) -> Result<Self, BackendError> {
        describe::check(response).map_err(|violation| broken(&violation, response))?;
        let schema = match response.parameters_schema_json.as_str() {
            "" => None,
            text => Some(schema::compile(text).map_err(|error| broken_schema(&error))?),
        };
        let DescribeResponse { name, version, parameters_schema_json, .. } = response.clone();
        Ok(Self { name, version, parameters_schema_json, schema })
    }

    /// Checks parameters against the schema. The error has the path of each parameter that does not fit.
    pub fn check(&self, settings: &AlgorithmSettings) -> Result<(), FieldErrors> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let parameters = Value::Object(settings.parameters.clone());
        let errors = schema.iter_errors(&parameters).flat_map(|error| field_errors(&error)).take(MAX_ERRORS);
        FieldErrors::none(errors.collect())
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.version.is_empty() { Ok(()) } else { write!(f, " {}", self.version) }
    }
}

fn broken(violation: &Violation, response: &DescribeResponse) -> BackendError {
    let (reason, message) = match violation {
        Violation::Contract => {
            let contract = &response.contract;
            let message = format!("DescribeResponse.contract: this release speaks {CONTRACT}, the server {contract:?}");
            (ConditionReason::ContractUnsupported, message)
        }
        Violation::Name => {
            let name: String = response.name.chars().take(2 * MAX_NAME_CHARS).collect();
            let rule = format!("1 to {MAX_NAME_CHARS} letters, digits, '.', '_' and '-'");
            (ConditionReason::ContractBroken, format!("DescribeResponse.name: {rule}, is {name:?}"))
        }
        Violation::Version => {
            let rule = format!("at most {MAX_NAME_CHARS} characters, none of them control");
            (ConditionReason::ContractBroken, format!("DescribeResponse.version: {rule}"))
        }
        Violation::SchemaSize => {
            let size = response.parameters_schema_json.len();
            return broken_schema(&format!("at most {MAX_SCHEMA_BYTES} bytes, has {size}"));
        }
    };
    BackendError::new(reason, message)
}

fn broken_schema(fault: &str) -> BackendError {
    let message = format!("DescribeResponse.parameters_schema_json: {fault}");
    BackendError::new(ConditionReason::ContractBroken, message)
}

/// The errors with their paths. Each missing and each unknown member has a path of its own.
fn field_errors(error: &ValidationError<'_>) -> Vec<FieldError> {
    let path: String = error.instance_path().as_str().split('/').skip(1).map(segment).collect();
    let path = format!("parameters{path}");
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let unknown = |name: &String| FieldError::new(format!("{path}.{name}"), "is unknown to the algorithm");
            unexpected.iter().map(unknown).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![FieldError::new(format!("{path}.{name}"), "is required by the algorithm")]
        }
        _ => vec![FieldError::new(path, error.to_string())],
    }
}

/// A segment of a JSON pointer, in the form of our paths.
fn segment(text: &str) -> String {
    let text = text.replace("~1", "/").replace("~0", "~");
    if text.bytes().all(|byte| byte.is_ascii_digit()) { format!("[{text}]") } else { format!(".{text}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response(schema: &str) -> DescribeResponse {
        DescribeResponse {
            name: "momentum".to_owned(),
            version: "1.2.0".to_owned(),
            contract: CONTRACT.to_owned(),
            parameters_schema_json: schema.to_owned(),
        }
    }

    #[test]
    fn parameters_that_do_not_fit_are_told_by_their_path() {
        let schema = r#"{"type":"object","properties":{"fast":{"type":"integer","minimum":1},"legs":{"type":"array","items":{"type":"string"}}},
            "required":["fast"],"additionalProperties":false}"#;
        let described = Described::read(&response(schema)).unwrap();
        let fields = |parameters: Value| {
            let Value::Object(parameters) = parameters else { panic!("an object") };
            let errors = described.check(&AlgorithmSettings { threshold: 0.5, parameters }).err();
            errors.into_iter().flatten().map(|error| error.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(json!({"fast": 3, "legs": ["a"]})), Vec::<String>::new());
        assert_eq!(fields(json!({"fast": 0})), ["parameters.fast"]);
        assert_eq!(fields(json!({"fast": 1, "legs": ["a", 2]})), ["parameters.legs[1]"]);
        assert_eq!(fields(json!({})), ["parameters.fast"]);
        assert_eq!(fields(json!({"fast": 1, "slow": 1, "b": 2})), ["parameters.b", "parameters.slow"]);
    }

    #[test]
    fn a_description_that_cannot_be_used_is_told() {
        for (change, fault, expected) in [
            (
                DescribeResponse { contract: "intuition.v2".to_owned(), ..response("") },
                ConditionReason::ContractUnsupported,
                "intuition.v2",
            ),
            (
                DescribeResponse { contract: String::new(), ..response("") },
                ConditionReason::ContractUnsupported,
                "contract",
            ),
            (DescribeResponse { name: String::new(), ..response("") }, ConditionReason::ContractBroken, "name"),
            (DescribeResponse { name: "a/b".to_owned(), ..response("") }, ConditionReason::ContractBroken, "a/b"),
            (
                response(&format!(r#"{{"pattern":"{}"}}"#, "x".repeat(MAX_SCHEMA_BYTES))),
                ConditionReason::ContractBroken,
                "DescribeResponse.parameters_schema_json: at most 262144 bytes",
            ),
            (response("{"), ConditionReason::ContractBroken, "no JSON"),
            (response(r#"{"type":"objekt"}"#), ConditionReason::ContractBroken, "no JSON Schema"),
            (response(r#"{"properties":{"a":{"pattern":"("}}}"#), ConditionReason::ContractBroken, "no JSON Schema"),
            (
                response(r#"{"$ref":"https://example.com/schema.json"}"#),
                ConditionReason::ContractBroken,
                "no JSON Schema",
            ),
            (response(r#"{"$ref":"file:///etc/passwd"}"#), ConditionReason::ContractBroken, "no JSON Schema"),
        ] {
            let failure = Described::read(&change).unwrap_err();
            assert_eq!(failure.reason, fault, "{failure:?}");
            assert!(failure.message.contains(expected), "{failure:?}");
        }
    }
}
