//! Sums of money in a manifest.

use std::{borrow::Cow, fmt};

use intuition_api::decimal::Money;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::number;

/// Accepted forms of an [`Amount`], for messages.
pub(crate) const EXPECTED: &str = "a whole number, or a decimal in quotes such as \"10000.50\", with at most 13 digits before \
                            the point and 2 after it";
/// Pattern of a sum as text.
pub(crate) const PATTERN: &str = r"^\d{1,13}(\.\d{1,2})?$";
/// Largest whole number of 13 digits.
const MAX_WHOLE: u64 = 9_999_999_999_999;
/// Digits before the point.
const MAX_WHOLE_DIGITS: usize = 13;
/// Digits after the point.
const MAX_PLACES: usize = 2;

/// A sum of money, never negative: an integer, or a decimal as text. A YAML number with a point is refused, because it is
/// a binary fraction before anyone can round it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(Money);

impl Amount {
    /// A whole number of units.
    pub const fn whole(units: u32) -> Self {
        // A u32 times 100 is far inside an i128, and `From` is not const.
        Self(Money::from_cents(units as i128 * 100))
    }

    /// The sum.
    pub const fn money(self) -> Money {
        self.0
    }

    fn from_text(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str, longest: usize| {
            (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, MAX_WHOLE_DIGITS) || !digits(part, 2) {
            return None;
        }
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cents = self.0.cents();
        match u64::try_from(cents / 100) {
            Ok(units) if cents % 100 == 0 => serializer.serialize_u64(units),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number::deserialize(deserializer, EXPECTED, Self::from_text)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
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
    fn an_amount_is_an_integer_or_a_decimal_in_quotes() {
        for (written, cents) in [
            (json!(10_000), 1_000_000),
            (json!(0), 0),
            (json!("10000.5"), 1_000_050),
            (json!("0.01"), 1),
            (json!(MAX_WHOLE), i128::from(MAX_WHOLE) * 100),
        ] {
            assert_eq!(from_value::<Amount>(written.clone()).unwrap().money().cents(), cents, "{written}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for written in [
            json!(-1),
            json!(10_000.5),
            json!(MAX_WHOLE + 1),
            json!("10000.555"),
            json!("-1"),
            json!("1e3"),
            json!("1."),
            json!(""),
            json!("12345678901234"),
            Value::Null,
        ] {
            assert!(from_value::<Amount>(written.clone()).is_err(), "{written}");
        }
    }

    #[test]
    fn an_amount_is_written_so_that_it_reads_back_the_same() {
        for written in [json!(10_000), json!("10000.50")] {
            assert_eq!(json!(from_value::<Amount>(written.clone()).unwrap()), written);
        }
    }
}
