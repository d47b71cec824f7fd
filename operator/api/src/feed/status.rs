//! The status of a `Feed`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The status as of the operator's last pass.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct FeedStatus {
    /// `Connected`: broker and source answer. `Fresh`: the last quote is not older than `staleAfter`. `Ready`: quotes are
    /// published. `Reconciling` and `Stalled` are present while they apply.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The kind of source, with its exchange or model: `Binance`, `Postgres`, `File`, `Sine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// MQTT topic of the quotes; `{sid}` stands for the symbol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Time at which the broker had the last quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_quote_time: Option<Time>,
    /// Quotes that the broker has, since the process started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub published: Option<i64>,
    /// Gaps in the numbers of the source, since the process started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub gaps: Option<i64>,
    /// Numbers in these gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub missing: Option<i64>,
    /// Rows of a table that came too late to be published, since the process started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub late_rows: Option<i64>,
    /// Connections to source and broker that ended or were not made, since the process started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub reconnects: Option<i64>,
    /// Age of the last quote when the broker had it, such as `0.004s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub lag: Option<String>,
}
