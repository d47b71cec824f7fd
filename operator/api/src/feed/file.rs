//! A file as the origin of quotes.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A file of quotes: CSV, plain or compressed by gzip or zstd. Delimiter, header and the layouts of common sources are
/// recognised. The place is exactly one of `claim`, `configMap` and `url`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("[has(self.claim), has(self.configMap), has(self.url)].filter(x, x).size() == 1")
        .message("must have exactly one of claim, configMap and url")
)]
pub struct File {
    /// A file in the volume of a `PersistentVolumeClaim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimFile>,
    /// A file in a `ConfigMap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapFile>,
    /// URL of the file, `http://` or `https://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 2048), regex(pattern = r"^https?://[^\s/@]+(/\S*)?$"))]
    pub url: Option<String>,
    /// Name of the source in the quotes; without it, the name of the file. Another name is another source: all of its rows
    /// are new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 240))]
    pub source_name: Option<String>,
    /// Column with the times: its name, or its number from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub time_column: Option<String>,
    /// Column with the symbols: its name, or its number from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub sid_column: Option<String>,
    /// Column with the prices: its name, or its number from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub price_column: Option<String>,
    /// Symbol of all rows, where no column has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub sid: Option<String>,
    /// Form of the times: `seconds`, `milliseconds`, `microseconds`, `nanoseconds`, or a pattern such as `%d/%m/%Y %H:%M`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_format: Option<String>,
    /// Zone of times that have none, such as `America/New_York`; without it, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Character between two cells, or `tab`; without it, it is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3), regex(pattern = r"^(tab|[!#-/:-@\[-\x60{-~ ])$"))]
    pub delimiter: Option<String>,
    /// Whether the file is newest first: it is read from its end.
    #[serde(default)]
    pub reverse: bool,
    /// Whether rows that cannot be used are passed over. Without it, such a row ends the feed.
    #[serde(default)]
    pub allow_bad_lines: bool,
    /// `Max`: as fast as the broker takes the rows; `1x`: at the distances of their times; `60x`: an hour takes a minute.
    #[serde(default)]
    pub speed: Speed,
}

/// A file in the volume of a `PersistentVolumeClaim` in the resource's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimFile {
    /// Name of the claim.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Path of the file in the volume, without a slash at its beginning.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^/\x00][^\x00]*$"))]
    pub path: String,
}

/// A file in a `ConfigMap` in the resource's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapFile {
    /// Name of the `ConfigMap`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its key with the text of the file, or with a compressed file in `binaryData`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Pattern of a speed as text.
const SPEED: &str = r"^(Max|[1-9]\d{0,5}x)$";

/// The speed of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Speed {
    /// As fast as the broker takes the rows.
    #[default]
    Max,
    /// So many times as fast as the times of the rows go on, at least 1.
    Times(u32),
}

impl Speed {
    fn from_text(text: &str) -> Option<Self> {
        if text == "Max" {
            return Some(Self::Max);
        }
        let digits = text.strip_suffix('x').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let times = digits.parse().ok().filter(|_| !digits.starts_with('0') && digits.len() <= 6)?;
        Some(Self::Times(times))
    }
}

impl Serialize for Speed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Max => serializer.serialize_str("Max"),
            Self::Times(times) => serializer.collect_str(&format_args!("{times}x")),
        }
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| D::Error::custom(format!("must match {SPEED}, is {text:?}")))
    }
}

impl JsonSchema for Speed {
    fn schema_name() -> Cow<'static, str> {
        "Speed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 7, "pattern": SPEED })
    }
}
