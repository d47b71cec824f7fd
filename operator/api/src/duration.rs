//! Durations in a manifest.

use std::borrow::Cow;

use intuition_common::duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Pattern of a duration as text. Its largest value is far below the bounds of a time.
const PATTERN: &str = r"^[1-9]\d{0,5}[smhd]$";

/// A duration such as `30s`, `5m`, `24h` or `90d`: at least a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duration {
    /// As written.
    text: String,
    seconds: u64,
}

impl Duration {
    /// Its length in seconds.
    pub const fn seconds(&self) -> u64 {
        self.seconds
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let seconds = duration::parse(&text).map_err(D::Error::custom)?.as_secs();
        Ok(Self { text, seconds })
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 7, "pattern": PATTERN })
    }
}
