//! Reads the members of a JSON object: typed, bounded, and none that is unknown.

use intuition_api::decimal::Price;
use serde_json::{Map, Value};

use crate::{definition::MAX_PERIOD, settings::Violation};

/// The members of one object, and the names that were asked for.
pub(crate) struct Members<'v, 'p> {
    values: &'v Map<String, Value>,
    path: &'p str,
    known: Vec<&'static str>,
    /// Violations that were there before.
    before: usize,
    violations: &'p mut Vec<Violation>,
}

impl<'v, 'p> Members<'v, 'p> {
    /// Begins to read the object at `path`.
    pub(crate) fn new(values: &'v Map<String, Value>, path: &'p str, violations: &'p mut Vec<Violation>) -> Self {
        Self { values, path, known: Vec::new(), before: violations.len(), violations }
    }

    /// A member.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'v Value> {
        self.known.push(name);
        self.values.get(name)
    }

    /// A number of samples from `least` to [`MAX_PERIOD`]. `usual`: the number where the member is absent; `None`: it is required.
    pub(crate) fn period(&mut self, name: &'static str, least: u32, usual: Option<u32>) -> Option<u32> {
        let Some(value) = self.get(name) else {
            if usual.is_none() {
                self.refuse(name, format!("is required: a whole number from {least} to {MAX_PERIOD}"));
            }
            return usual;
        };
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let period = number.filter(|number| (least..=MAX_PERIOD).contains(number));
        if period.is_none() {
            self.refuse(name, format!("must be a whole number from {least} to {MAX_PERIOD}, is {}", shown(value)));
        }
        period
    }

    /// A decimal above 0 and up to `most`, with up to 10 places, as a number or as text. `usual`: its value where it is absent.
    pub(crate) fn decimal(&mut self, name: &'static str, most: u32, usual: u32) -> Option<Price> {
        const UNITS: u128 = 10_u128.pow(10);
        let Some(value) = self.get(name) else { return Price::from_units(u128::from(usual) * UNITS) };
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => String::new(),
        };
        let decimal = text.parse().ok().filter(|decimal: &Price| decimal.units() <= u128::from(most) * UNITS);
        if decimal.is_none() {
            let rule = format!("must be a number above 0, at most {most}, with at most 10 places");
            self.refuse(name, format!("{rule}, is {}", shown(value)));
        }
        decimal
    }

    /// Text.
    pub(crate) fn text(&mut self, name: &'static str, rule: &str) -> Option<&'v str> {
        let Some(value) = self.get(name) else {
            self.refuse(name, format!("is required: {rule}"));
            return None;
        };
        if value.as_str().is_none() {
            self.refuse(name, format!("must be {rule}, is {}", shown(value)));
        }
        value.as_str()
    }

    /// An object. `None`: it is absent, or something else.
    pub(crate) fn object(&mut self, name: &'static str) -> Option<&'v Map<String, Value>> {
        let value = self.get(name)?;
        if !value.is_object() {
            self.refuse(name, format!("must be an object, is {}", shown(value)));
        }
        value.as_object()
    }

    /// Adds a violation by the member of that name.
    pub(crate) fn refuse(&mut self, name: &str, message: String) {
        self.violations.push(Violation { path: join(self.path, name), message });
    }

    /// Ends the reading: a member that is not known violates a rule too. `owner` has the members. Returns whether there was no
    /// violation.
    pub(crate) fn finish(self, owner: &str) -> bool {
        for name in self.values.keys().filter(|name| !self.known.contains(&name.as_str())) {
            let message = match self.known.as_slice() {
                [] => format!("is unknown; {owner} takes none"),
                known => format!("is unknown; {owner} takes {}", known.join(", ")),
            };
            self.violations.push(Violation { path: join(self.path, name), message });
        }
        self.violations.len() == self.before
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A value as JSON, cut to a length that fits a message.
pub(crate) fn shown(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= MOST { text } else { format!("{}...", text.chars().take(MOST).collect::<String>()) }
}
