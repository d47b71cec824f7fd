//! Reads an algorithm's parameters: typed, bounded, and none that the algorithm does not know. Everything that is wrong
//! is told at once.

use std::{fmt, ops::RangeInclusive};

use intuition_api::decimal::Value as Decimal;
use serde_json::{Map, Value};

/// A field of the settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path from the settings, for example `parameters.fast`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl FieldError {
    /// An error about the field at that path.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Every field that cannot be used: at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// `Ok` where there is none.
    pub fn none(errors: Vec<FieldError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }
}

impl From<Vec<FieldError>> for FieldErrors {
    fn from(errors: Vec<FieldError>) -> Self {
        Self(errors)
    }
}

impl From<FieldError> for FieldErrors {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl IntoIterator for FieldErrors {
    type Item = FieldError;
    type IntoIter = std::vec::IntoIter<FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// 2 to the 64th: from there on, a whole number is read as a binary one.
const BEYOND_U64: f64 = 18_446_744_073_709_551_616.0;

/// The parameters, which of them the algorithm asked for, and what was wrong with those.
#[derive(Debug)]
pub struct Parameters<'a> {
    values: &'a Map<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Parameters<'a> {
    /// Begins to read.
    pub const fn new(values: &'a Map<String, Value>) -> Self {
        Self { values, known: Vec::new(), errors: Vec::new() }
    }

    /// A whole number within bounds; `None` where it is not given, or wrong, which [`Self::finish`] tells.
    pub fn integer(&mut self, name: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        self.known.push(name);
        let value = self.values.get(name)?;
        let number = value.as_u64().filter(|number| bounds.contains(number));
        if number.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            let found = match value.as_f64() {
                // Larger than every whole number that is read as one.
                Some(number) if value.is_f64() && number.abs() >= BEYOND_U64 => "is out of this range".to_owned(),
                // It was read as a binary number, and what was written is gone.
                Some(number) if value.is_f64() && number.fract() == 0.0 => {
                    "is written with a leading zero, a point or an exponent".to_owned()
                }
                _ => format!("is {value}"),
            };
            self.refuse(name, format!("must be a whole number from {low} to {high}, {found}"));
        }
        number
    }

    /// A decimal within bounds, with the digits as they are written. `None` where the parameter is absent, or refused.
    pub fn decimal(&mut self, name: &'static str, bounds: RangeInclusive<Decimal>) -> Option<Decimal> {
        self.known.push(name);
        let value = self.values.get(name)?;
        // The shortest text of a binary number is the text that was written, up to 15 digits.
        let number = value.is_number().then(|| value.to_string().parse().ok()).flatten();
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            let message = format!("must be a number from {low} to {high} with at most 10 decimal places, is {value}");
            self.refuse(name, message);
        }
        number
    }

    /// A text that `parse` reads, such as "the name of an indicator"; `None` where it is not given, or wrong.
    pub fn text<T>(&mut self, name: &'static str, kind: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.known.push(name);
        let value = self.values.get(name)?;
        let parsed = value.as_str().and_then(parse);
        if parsed.is_none() {
            self.refuse(name, format!("must be {kind}, is {value}"));
        }
        parsed
    }

    /// The random seed, which every algorithm takes: the policy's randomness derives from it.
    pub fn seed(&mut self) -> Option<u64> {
        self.integer("seed", 0..=u64::MAX)
    }

    /// A rule between parameters: where `holds` is false, `name` is wrong. What cannot be read says nothing about it, so
    /// that the rule is left out where one of those read before is wrong already.
    pub fn rule(&mut self, name: &str, holds: bool, message: impl FnOnce() -> String) {
        if !holds && self.errors.is_empty() {
            self.refuse(name, message());
        }
    }

    /// Ends the reading with everything that is wrong; a parameter that nobody asked for is too.
    pub fn finish(mut self) -> Result<(), FieldErrors> {
        for name in self.values.keys().filter(|name| !self.known.contains(&name.as_str())) {
            let message = match name.as_str() {
                "threshold" => "belongs beside the parameters, not among them".to_owned(),
                _ => format!("is unknown; this algorithm takes {}", self.known.join(", ")),
            };
            self.errors.push(error(name, message));
        }
        FieldErrors::none(self.errors)
    }

    fn refuse(&mut self, name: &str, message: String) {
        self.errors.push(error(name, message));
    }
}

fn error(name: &str, message: String) -> FieldError {
    FieldError::new(format!("parameters.{name}"), message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decimal(text: &str) -> Result<Option<Decimal>, String> {
        let values: Map<String, Value> = serde_json::from_str(&format!(r#"{{"low":{text}}}"#)).unwrap();
        let mut parameters = Parameters::new(&values);
        let bound = |text: &str| text.parse().unwrap();
        let read = parameters.decimal("low", bound("-1.5")..=bound("100"));
        parameters.finish().map(|()| read).map_err(|errors| errors.to_string())
    }

    #[test]
    fn decimals_are_read_as_they_are_written() {
        for (text, expected) in [
            ("30", "30"),
            ("29.9", "29.9"),
            ("0.1", "0.1"),
            ("0.3000000001", "0.3000000001"),
            ("99.9999999999", "99.9999999999"),
            ("1e2", "100"),
            ("1E-10", "0.0000000001"),
            ("-1.5", "-1.5"),
            ("-0.0", "0"),
        ] {
            assert_eq!(decimal(text), Ok(Some(expected.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_within_bounds_is_refused() {
        let message = |found: &str| {
            format!("parameters.low: must be a number from -1.5 to 100 with at most 10 decimal places, is {found}")
        };
        for (text, found) in [
            ("100.0000000001", "100.0000000001"),
            ("-1.6", "-1.6"),
            ("0.00000000001", "1e-11"),
            ("1e300", "1e+300"),
            (r#""30""#, r#""30""#),
            ("null", "null"),
        ] {
            assert_eq!(decimal(text), Err(message(found)), "{text}");
        }
    }

    #[test]
    fn texts_are_parsed_or_refused_with_what_they_should_be() {
        let values = json!({"name": "a", "other": 1});
        let mut parameters = Parameters::new(values.as_object().unwrap());
        assert_eq!(parameters.text("name", "a letter", |text| text.chars().next()), Some('a'));
        assert_eq!(parameters.text("absent", "a letter", |text| text.chars().next()), None);
        assert_eq!(parameters.text("other", "a letter", |text| text.chars().next()), None);
        assert_eq!(parameters.finish().unwrap_err().to_string(), "parameters.other: must be a letter, is 1");
    }
}
