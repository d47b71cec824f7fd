//! The status of an `Indicator`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::Ledger;

/// The status as of the operator's last pass.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct IndicatorStatus {
    /// `Ready` is true while values are published; `Reconciling` and `Stalled` are present while they apply.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(length(max = 32))]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The generation whose settings are all in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_generation: Option<i64>,
    /// The feed that the quotes come from, as `<namespace>/<name>`, or the topic filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub from: Option<String>,
    /// The MQTT topic with the values and the quotes that they were computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub topic: Option<String>,
    /// Messages that the broker has on the joined topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub published: Option<i64>,
    /// Numbers that are missing in the sources of the quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub missing: Option<i64>,
    /// Id of the ledger. It changes where the ledger goes back to an older copy of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ledger_id: Option<String>,
    /// The claim that holds the state. A lost claim is not replaced without the annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
}
