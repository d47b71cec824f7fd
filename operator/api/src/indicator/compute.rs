//! The values that an indicator computes.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A value, or a group of values, that is computed for each symbol.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compute {
    /// The name under which it is published, such as `sma-20`; each name once.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The computation.
    #[serde(rename = "type")]
    pub kind: IndicatorType,
    /// Parameters of the type, whole numbers. `period`, 1 to 10,000: SMA, EMA, WMA, RSI, ATR, ROC, Donchian and
    /// `StandardDeviation` need it. MACD has `fast` (12), `slow` (26) and `signal` (9), Bollinger `period` (20) and `deviations`
    /// (2, also a decimal in quotes), Stochastic `period` (14), `smoothK` (3) and `smoothD` (3), VWAP none.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "parameters")]
    pub parameters: Map<String, Value>,
}

/// A computation, by the conventions of TA-Lib.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(description = "The computation, by the conventions of TA-Lib. MACD has the values `line`, `signal` and \
                          `histogram`, Bollinger and Donchian `upper`, `middle` and `lower`, Stochastic `k` and `d`, every \
                          other type one value.")]
pub enum IndicatorType {
    /// Simple moving average.
    #[serde(rename = "SMA")]
    Sma,
    /// Exponential moving average.
    #[serde(rename = "EMA")]
    Ema,
    /// Weighted moving average.
    #[serde(rename = "WMA")]
    Wma,
    /// Relative strength index.
    #[serde(rename = "RSI")]
    Rsi,
    /// Difference of two exponential moving averages, and its own average.
    #[serde(rename = "MACD")]
    Macd,
    /// Bollinger bands.
    Bollinger,
    /// Average true range.
    #[serde(rename = "ATR")]
    Atr,
    /// Average price weighted by volume, since the start of the session.
    #[serde(rename = "VWAP")]
    Vwap,
    /// Rate of change.
    #[serde(rename = "ROC")]
    Roc,
    /// Donchian channel.
    Donchian,
    /// Standard deviation.
    StandardDeviation,
    /// Stochastic oscillator.
    Stochastic,
}

impl IndicatorType {
    /// As written in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sma => "SMA",
            Self::Ema => "EMA",
            Self::Wma => "WMA",
            Self::Rsi => "RSI",
            Self::Macd => "MACD",
            Self::Bollinger => "Bollinger",
            Self::Atr => "ATR",
            Self::Vwap => "VWAP",
            Self::Roc => "ROC",
            Self::Donchian => "Donchian",
            Self::StandardDeviation => "StandardDeviation",
            Self::Stochastic => "Stochastic",
        }
    }
}

fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, "maxProperties": 8 })
}
