//! Short times in a manifest.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Pattern of an interval as text.
const PATTERN: &str = r"^[1-9]\d{0,5}(ms|s|m|h|d)$";

/// A time from `1ms` on: a whole number with `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// As written.
    text: String,
    micros: i64,
}

impl Interval {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its length in microseconds, at most that of 999,999 days.
    pub const fn micros(&self) -> i64 {
        self.micros
    }

    fn from_text(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
        let unit = match text.get(digits.len()..)? {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000_i64,
            _ => return None,
        };
        let is_number = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let count: i64 = digits.parse().ok().filter(|_| is_number && !digits.starts_with('0'))?;
        Some(Self { text: text.to_owned(), micros: count * unit })
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| D::Error::custom(format!("must match {PATTERN}, is {text:?}")))
    }
}

impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 8, "pattern": PATTERN })
    }
}
