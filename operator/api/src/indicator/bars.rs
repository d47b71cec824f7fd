//! Bars that quotes are collected into.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Pattern of the length of a bar as text.
const PATTERN: &str = r"^[1-9]\d{0,3}[mhd]$";

/// Bars that quotes are collected into. A bar is closed by the first quote past its end, never by a clock.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bars {
    /// Length of a bar, from `1m` to `1d`: a whole number with `m`, `h` or `d`, such as `5m`.
    pub interval: BarLength,
}

/// The length of a bar such as `1m`, `5m`, `1h` or `1d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarLength {
    /// As written.
    text: String,
    minutes: u32,
}

impl BarLength {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The length in minutes.
    pub const fn minutes(&self) -> u32 {
        self.minutes
    }

    fn from_text(text: &str) -> Option<Self> {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 1_440,
            _ => return None,
        };
        let is_number = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let count: u32 = digits.parse().ok().filter(|_| is_number && !digits.starts_with('0'))?;
        Some(Self { text: text.to_owned(), minutes: count * unit })
    }
}

impl Serialize for BarLength {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for BarLength {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| D::Error::custom(format!("must match {PATTERN}, is {text:?}")))
    }
}

impl JsonSchema for BarLength {
    fn schema_name() -> Cow<'static, str> {
        "BarLength".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 5, "pattern": PATTERN })
    }
}
