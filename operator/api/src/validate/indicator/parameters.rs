//! Names and bounds of the parameters of each type.

use serde_json::{Map, Value};

use crate::validate::{FieldError, schema::shown};

/// Longest period.
const MAX_PERIOD: u64 = 10_000;

/// A parameter: its name, its least value, and the value that it has without an entry; `None`: it is required.
type Parameter = (&'static str, u64, Option<u64>);

/// The whole-numbered parameters of a type; `None`: no type of that name, which is a problem of the schema.
const fn periods(kind: &str) -> Option<&'static [Parameter]> {
    Some(match kind.as_bytes() {
        b"SMA" | b"EMA" | b"WMA" | b"RSI" | b"ATR" | b"ROC" | b"Donchian" => &[("period", 1, None)],
        b"StandardDeviation" => &[("period", 2, None)],
        b"MACD" => &[("fast", 1, Some(12)), ("slow", 2, Some(26)), ("signal", 1, Some(9))],
        b"Bollinger" => &[("period", 2, Some(20))],
        b"Stochastic" => &[("period", 1, Some(14)), ("smoothK", 1, Some(3)), ("smoothD", 1, Some(3))],
        b"VWAP" => &[],
        _ => return None,
    })
}

/// Adds the problems of the parameters of a type, which stand at `path`.
pub(super) fn check(kind: &str, given: &Map<String, Value>, path: &str, problems: &mut Vec<FieldError>) {
    let Some(known) = periods(kind) else { return };
    let deviations = if kind == "Bollinger" { given.get("deviations") } else { None };
    let names = || known.iter().map(|(name, _, _)| *name).chain((kind == "Bollinger").then_some("deviations"));
    for name in given.keys().filter(|name| !names().any(|known| known == *name)) {
        let known = names().collect::<Vec<_>>().join(", ");
        let message = if known.is_empty() {
            format!("is not known; {kind} has no parameters")
        } else {
            format!("is not known; {kind} has {known}")
        };
        problems.push(FieldError::new(format!("{path}.{name}"), message));
    }
    let found = problems.len();
    for (name, least, usual) in known {
        match given.get(*name) {
            None if usual.is_none() => problems.push(FieldError::new(format!("{path}.{name}"), "is required")),
            None => {}
            Some(value) if value.as_u64().is_some_and(|period| (*least..=MAX_PERIOD).contains(&period)) => {}
            Some(value) => {
                let message = format!("must be a whole number from {least} to {MAX_PERIOD}, is {}", shown(value));
                problems.push(FieldError::new(format!("{path}.{name}"), message));
            }
        }
    }
    if let Some(value) = deviations.filter(|value| !is_factor(value)) {
        let message = format!("must be more than 0 and at most 100, is {}", shown(value));
        problems.push(FieldError::new(format!("{path}.deviations"), message));
    }
    if kind == "MACD" && problems.len() == found {
        let period = |name: &str, usual| given.get(name).and_then(Value::as_u64).unwrap_or(usual);
        let (fast, slow) = (period("fast", 12), period("slow", 26));
        if fast >= slow {
            problems.push(FieldError::new(
                format!("{path}.fast"),
                format!("must be less than slow, which is {slow}, is {fast}"),
            ));
        }
    }
}

fn is_factor(value: &Value) -> bool {
    let factor = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    factor.is_some_and(|factor: f64| factor > 0.0 && factor <= 100.0)
}
