//! `Indicator`, `intuition.dev/v1alpha1`: values computed from quotes, published with the quotes.

#![expect(unreachable_pub, reason = "the derive for CEL rules repeats each type inside a function")]

mod bars;
mod compute;
mod source;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, to_value};

pub use self::{
    bars::{BarLength, Bars},
    compute::{Compute, IndicatorType},
    source::IndicatorSource,
    status::IndicatorStatus,
};
use crate::{Broker, Storage};

/// Value of `kind` in a manifest.
pub const INDICATOR_KIND: &str = "Indicator";

/// The quotes to compute from, the values to compute, and the volume of their state.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "intuition.dev",
    version = "v1alpha1",
    kind = "Indicator",
    namespaced,
    status = "IndicatorStatus",
    shortname = "ind",
    category = "trading",
    doc = "Computes values such as moving averages from quotes, and publishes them on MQTT together with the quotes.",
    derive = "PartialEq",
    printcolumn(
        name = "From",
        type_ = "string",
        json_path = ".status.from",
        description = "The feed, as `<namespace>/<name>`, or the topic filter."
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether values are published."
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Reason of the Ready condition."
    ),
    printcolumn(
        name = "Published",
        type_ = "integer",
        json_path = ".status.published",
        description = "Messages that the broker has on the joined topic."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Topic",
        type_ = "string",
        json_path = ".status.topic",
        description = "The joined topic.",
        priority = 1
    ),
    validation = Rule::new("self.metadata.name.size() <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be at most 50 characters of a-z, 0-9 and -, begin with a letter and not end with -")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IndicatorSpec {
    /// Where the quotes come from.
    pub from: IndicatorSource,
    /// The symbols to compute for, upper and lower case apart; without them, all. Quotes of other symbols are left out of
    /// the joined topic, and its messages have the mark `numbering: sparse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 64)))]
    pub symbols: Option<Vec<String>>,
    /// The bars that quotes are collected into. Values are then computed once for each closed bar, and the joined topic
    /// has bars in place of quotes. Without them, values are computed for each quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bars: Option<Bars>,
    /// The values to compute, each under a name of its own.
    #[schemars(length(min = 1, max = 32))]
    pub compute: Vec<Compute>,
    /// The start of the trading session, at which VWAP begins anew; without it, 00:00 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The MQTT broker; without it, the one the chart was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<Broker>,
    /// The volume that holds the state.
    #[serde(default)]
    pub storage: Storage,
}

impl IndicatorSpec {
    /// The parameters of the algorithm `indicators`: the members `compute`, `bars` and `session` of the spec, as they are.
    pub fn parameters(&self) -> serde_json::Result<Map<String, Value>> {
        let mut parameters = Map::new();
        parameters.insert("compute".to_owned(), to_value(&self.compute)?);
        for (name, value) in
            [("bars", self.bars.as_ref().map(to_value)), ("session", self.session.as_ref().map(to_value))]
        {
            if let Some(value) = value {
                parameters.insert(name.to_owned(), value?);
            }
        }
        Ok(parameters)
    }
}

/// The start of the trading session of each day.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Session {
    /// Time zone of the IANA database, such as `America/New_York`.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// Time of day in this zone, `HH:MM`.
    #[schemars(length(min = 5, max = 5), regex(pattern = r"^([01]\d|2[0-3]):[0-5]\d$"))]
    pub start: String,
}
