//! The status of a `TradingAlgo`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The status as of the operator's last pass.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TradingAlgoStatus {
    /// `Ready` is true while quotes are being decided; `Reconciling` and `Stalled` are present while they apply.
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
    /// The MQTT topic filters subscribed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub channels: Vec<String>,
    /// The active algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// The account as of its last commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// What the account may trade, as the runtime has confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trading: Option<TradingStatus>,
    /// The claim that holds the ledger. A lost claim is not replaced without the annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
}

/// The active algorithm.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Address it is reached at; absent for a built-in algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Name of the algorithm.
    pub algorithm: String,
    /// Its version.
    pub version: String,
}

/// The account as of its last commit.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Cash there is to invest, two places.
    pub cash: String,
    /// Cost of what is held, two places.
    pub invested: String,
    /// Net deposits, two places: the starting cash that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposits: Option<String>,
    /// Id of the ledger. It changes where the ledger goes back to an older copy of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ledger_id: Option<String>,
    /// Decisions so far.
    #[schemars(range(min = 0))]
    pub decisions: i64,
    /// When the last commit was.
    pub updated: Time,
}

/// What the account may trade.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TradingStatus {
    /// `Active`, `Reducing` or `Halted`; `Unknown` while the runtime has not confirmed what the resource asks for.
    pub state: String,
    /// Why it is not Active: those of the resource, and the runtime's own. Absent while the state is Active or Unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub causes: Vec<TradingCauseStatus>,
}

/// A cause of a trading state.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TradingCauseStatus {
    /// `User` the spec, `Halt` and `Reduce` the annotations; any other one is the runtime's own.
    pub cause: String,
    /// The state that it asks for, `Reducing` or `Halted`.
    pub state: String,
    /// The field, or who set it and why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The claim that holds the ledger.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Name of the `PersistentVolumeClaim`.
    pub claim_name: String,
    /// Its uid. A lost claim is replaced by an empty one if the annotation `intuition.dev/new-ledger` has this value.
    pub claim_uid: String,
}
