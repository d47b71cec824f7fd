//! Decimals in a manifest that are no sums of money.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::number;

/// Accepted forms of a [`Decimal`], for messages.
pub(crate) const EXPECTED: &str = "a whole number, or a decimal in quotes such as \"0.25\", with at most 12 digits before \
                            the point and 10 after it";
/// Pattern of a decimal as text.
pub(crate) const PATTERN: &str = r"^\d{1,12}(\.\d{1,10})?$";
/// Largest whole number of 12 digits.
const MAX_WHOLE: u64 = 999_999_999_999;
/// Digits before the point, those of a price.
const MAX_WHOLE_DIGITS: usize = 12;
/// Digits after the point, those of a price.
const MAX_PLACES: usize = 10;

/// A decimal from 0 on: an integer, or a decimal as text. A YAML number with a point is refused, because it is a binary
/// fraction before anyone can round it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// Digits, with or without a point.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the number is 0.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|byte| matches!(byte, b'0' | b'.'))
    }

    fn from_text(text: &str) -> Option<Self> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str, longest: usize| {
            (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        (digits(whole, MAX_WHOLE_DIGITS) && digits(places, MAX_PLACES)).then(|| Self(text.to_owned()))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number::deserialize(deserializer, EXPECTED, Self::from_text)
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        number::schema(MAX_WHOLE, (MAX_WHOLE_DIGITS, MAX_PLACES), PATTERN)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    #[test]
    fn decimal_is_an_integer_or_a_decimal_in_quotes() {
        for (written, text) in [
            (json!(100), "100"),
            (json!(0), "0"),
            (json!("0.2500"), "0.2500"),
            (json!("0.0000000001"), "0.0000000001"),
            (json!(MAX_WHOLE), "999999999999"),
        ] {
            let decimal = from_value::<Decimal>(written.clone()).unwrap();
            assert_eq!((decimal.as_str(), decimal.is_zero()), (text, text == "0"), "{written}");
            assert_eq!(from_value::<Decimal>(json!(decimal)).unwrap(), decimal, "written and read again");
        }
    }

    #[test]
    fn other_values_are_refused() {
        let others =
            [json!(-1), json!(0.25), json!(MAX_WHOLE + 1), json!("-1"), json!("1e3"), json!("1."), json!(".5")];
        let long = [json!("0.00000000001"), json!("1234567890123"), json!(""), json!("½"), Value::Null];
        for written in others.into_iter().chain(long) {
            assert!(from_value::<Decimal>(written.clone()).is_err(), "{written}");
        }
    }
}
