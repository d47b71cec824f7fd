//! `TradingAlgo`, `intuition.dev/v1alpha1`: one trading algorithm with its own account.

#![expect(unreachable_pub, reason = "the derive for CEL rules repeats each type inside a function")]

mod channels;
mod format;
mod status;
mod trading_state;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    channels::{ChannelPlan, ChannelSource, Channels, Input, SourceName},
    format::{Format, Location, Preset, TimeLocation, TimeUnit},
    status::{Account, Backend, Ledger, TradingAlgoStatus, TradingCauseStatus, TradingStatus},
    trading_state::TradingState,
};
use crate::{Amount, Duration, SecretRef};

/// Value of `kind` in a manifest.
pub const TRADING_ALGO_KIND: &str = "TradingAlgo";

/// Net deposits of an account whose resource names none, at its first start.
pub const DEFAULT_STARTING_CASH: Amount = Amount::whole(10_000);

/// A trading algorithm, the money it starts with and the channels it trades on.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "intuition.dev",
    version = "v1alpha1",
    kind = "TradingAlgo",
    namespaced,
    status = "TradingAlgoStatus",
    shortname = "ta",
    category = "trading",
    doc = "One trading algorithm with its own cash: quotes come in on MQTT, decisions go out on MQTT.",
    derive = "PartialEq",
    printcolumn(
        name = "Algorithm",
        type_ = "string",
        json_path = ".status.backend.algorithm",
        description = "The active algorithm."
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether quotes are being decided."
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.trading.state",
        description = "What the account may trade: Active, Reducing, Halted; Unknown while the runtime has not confirmed it."
    ),
    printcolumn(
        name = "Cash",
        type_ = "string",
        json_path = ".status.account.cash",
        description = "Cash of the account."
    ),
    printcolumn(
        name = "Decisions",
        type_ = "integer",
        json_path = ".status.account.decisions",
        description = "Number of decisions."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Reason of the Ready condition.",
        priority = 1
    ),
    validation = Rule::new("self.metadata.name.size() <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be at most 50 characters of a-z, 0-9 and -, begin with a letter and not end with -")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TradingAlgoSpec {
    /// The algorithm and its parameters.
    pub algorithm: AlgorithmChoice,
    /// The algorithm's threshold, 0 to 1. What it means is the algorithm's: `random` buys when its random number is above
    /// it.
    #[serde(default = "default_threshold")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f64,
    /// Net deposits of the account: an integer, or a decimal in quotes. The first start deposits it; raising or lowering
    /// it deposits or withdraws the difference. Without it, the first start deposits 10000, and later nothing is
    /// deposited or withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_cash: Option<Amount>,
    /// How much of the cash a buy invests.
    #[serde(default)]
    pub portfolio: Portfolio,
    /// Where quotes come from and decisions go; without it, what the algorithm asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
    /// The MQTT broker; without it, the one the chart was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<Broker>,
    /// The volume that holds the ledger.
    #[serde(default)]
    pub storage: Storage,
    /// What the account may trade: `Active` buys and sells, `Reducing` only sells, `Halted` nothing. Quotes reach the
    /// algorithm in each of them. The annotations `intuition.dev/halt` and `intuition.dev/reduce` can make it stricter.
    /// Without it, Active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trading_state: Option<TradingState>,
    /// Replaced by `tradingState`: `true` is read as Halted, `false` changes nothing. The stricter of the two holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// The algorithm: exactly one of `builtin`, `name` and `address`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("[has(self.builtin), has(self.name), has(self.address)].filter(given, given).size() == 1")
        .message("must have exactly one of builtin, name and address")
)]
pub struct AlgorithmChoice {
    /// A built-in algorithm of the runtime, for example `random` or `sma-crossover`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub builtin: Option<String>,
    /// Name of an `Algorithm` resource in the same namespace. A change of its image or address takes effect here
    /// without a change of this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: Option<String>,
    /// A server of the gRPC service `intuition.v1.Algorithm`, `http://host:port`. TLS is not supported yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s/?#@]+:\d{1,5}/?$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('https://')").message("must be http://host:port: TLS is not supported yet"))]
    pub address: Option<String>,
    /// The algorithm's own parameters, without the threshold, which is `spec.threshold`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "any_object")]
    pub parameters: Map<String, Value>,
}

/// How much of the cash a buy invests.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.fraction) == (self.policy == 'fixed-fraction')")
        .message("needs fraction with the policy fixed-fraction, and with no other"),
    validation = Rule::new("has(self.amount) == (self.policy == 'fixed-amount')")
        .message("needs amount with the policy fixed-amount, and with no other"),
)]
pub struct Portfolio {
    /// The sizing policy.
    #[serde(default)]
    pub policy: Policy,
    /// Share of the cash there is that each buy invests: more than 0, at most 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    #[x_kube(validation = Rule::new("self > 0.0").message("must be more than 0"))]
    pub fraction: Option<f64>,
    /// Amount of each buy, at least 0.01: an integer, or a decimal in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
}

/// A sizing policy.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
#[schemars(description = "The sizing policy: `random-fraction` invests a random fraction of the cash, \
                          `fixed-fraction` the given fraction of it, `fixed-amount` the given amount.")]
pub enum Policy {
    /// A random fraction of the cash there is.
    #[default]
    RandomFraction,
    /// The given fraction of the cash there is.
    FixedFraction,
    /// The given amount.
    FixedAmount,
}

impl Policy {
    /// As written in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RandomFraction => "random-fraction",
            Self::FixedFraction => "fixed-fraction",
            Self::FixedAmount => "fixed-amount",
        }
    }
}

/// An MQTT broker.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!self.url.contains('@')")
        .message("must not carry user info in url: username and password belong into the Secret that secretRef names")
)]
pub struct Broker {
    /// `mqtt://host[:1883]`, or `mqtts://host[:8883]` for TLS.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^mqtts?://[^\s/?#]+/?$"))]
    pub url: String,
    /// The Secret with the keys `mqtt-username`, `mqtt-password` and `mqtt-ca.crt`, each optional, in the resource's
    /// namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// The volume that holds the ledger.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0")
        .message("must not shrink: a volume can only grow"),
    validation = Rule::new("has(self.className) == has(oldSelf.className) && (!has(self.className) || self.className == oldSelf.className)")
        .message("must keep className: a volume stays in the storage class it was made in"),
    validation = Rule::new("self.accessMode == oldSelf.accessMode")
        .message("must keep accessMode: a volume stays as it was made")
)]
pub struct Storage {
    /// Size, as Kubernetes writes quantities. It can grow where the storage class allows, and never shrink.
    #[serde(default = "default_size")]
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[1-9]\d*([KMGTPE]i|[kMGTPE])?$"))]
    pub size: String,
    /// Storage class; without it, the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub class_name: Option<String>,
    /// Access mode. `ReadWriteOncePod` keeps a second writer out even when a node is lost.
    #[serde(default)]
    pub access_mode: AccessMode,
    /// Fate of the volume when the resource is deleted.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// When old entries of the journal are dropped; the limit that is reached first counts. The last two checkpoints and the
    /// entries behind them stay, up to 30,000 entries, and so does a decision that is not published. Without it, all entries are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Retain>,
}

/// When old entries of the journal are dropped. Cash, holdings and all sums stay exact.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.decisions) || has(self.__for__)")
        .message("must have at least one of decisions and for")
)]
pub struct Retain {
    /// So many decisions stay at least: 10,000 or more, the distance of two checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10_000, max = 1_000_000_000_000_i64))]
    pub decisions: Option<i64>,
    /// Entries that are younger stay: a whole number with `d`, `h`, `m` or `s`, such as `90d`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub age: Option<Duration>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: default_size(),
            class_name: None,
            access_mode: AccessMode::default(),
            on_delete: OnDelete::default(),
            retain: None,
        }
    }
}

/// Who may mount the volume.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[schemars(description = "Mounts of the volume: by one pod, or by all pods of one node.")]
pub enum AccessMode {
    /// One pod.
    #[default]
    ReadWriteOncePod,
    /// All pods of one node.
    ReadWriteOnce,
}

/// Fate of the volume when the resource is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[schemars(description = "Fate of the volume when the resource is deleted.")]
pub enum OnDelete {
    /// It stays, with the ledger; the same resource applied again takes it up.
    #[default]
    Retain,
    /// It goes too.
    Delete,
}

const fn default_threshold() -> f64 {
    0.5
}

fn default_size() -> String {
    "1Gi".to_owned()
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, "maxProperties": 64 })
}
