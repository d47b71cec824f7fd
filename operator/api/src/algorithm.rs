//! `Algorithm`, `intuition.dev/v1alpha1`: the directory of algorithms that are served out of process.

#![expect(unreachable_pub, reason = "the derive for CEL rules repeats each type inside a function")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Quantity, SecretRef};

/// Value of `kind` in a manifest.
pub const ALGORITHM_KIND: &str = "Algorithm";
/// Port that an image serves on, where the resource names none.
pub const DEFAULT_PORT: i32 = 50_051;
/// Most names in [`AlgorithmStatus::users`].
pub const MAX_USERS: usize = 100;
/// Most entries in [`AlgorithmStatus::images`].
pub const MAX_IMAGES: usize = 16;

/// An algorithm of your own, as an image that the operator runs, or at an address where it runs already.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "intuition.dev",
    version = "v1alpha1",
    kind = "Algorithm",
    namespaced,
    status = "AlgorithmStatus",
    shortname = "algo",
    category = "trading",
    doc = "An algorithm that is served out of process, for the TradingAlgos of its namespace: where it is, and how it is.",
    derive = "PartialEq",
    printcolumn(
        name = "Algorithm",
        type_ = "string",
        json_path = ".status.algorithm",
        description = "Name of the algorithm, from Describe."
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", description = "Its version, from Describe."),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address", description = "URL of the server."),
    printcolumn(name = "Healthy", type_ = "boolean", json_path = ".status.healthy", description = "Whether the server answers."),
    printcolumn(
        name = "Used By",
        type_ = "integer",
        json_path = ".status.usedBy",
        description = "TradingAlgos that refer to it."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Reason of the Ready condition.",
        priority = 1
    ),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image", description = "The image.", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be at most 40 characters of a-z, 0-9 and -, begin with a letter and not end with -")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.image) != has(self.address)").message("must have exactly one of image and address"),
    validation = Rule::new(
        "!has(self.address) || !(has(self.port) || has(self.replicas) || has(self.resources) || has(self.args) || has(self.env) || has(self.imagePullPolicy) || has(self.imagePullSecrets))"
    )
    .message("takes port, replicas, resources, args, env, imagePullPolicy and imagePullSecrets with image alone: a server at an address is not the operator's")
)]
pub struct AlgorithmSpec {
    /// Image of a server of the gRPC service `intuition.v1.Algorithm`. The operator runs it. Another image is rolled
    /// out beside the old one, which is removed once it is no account's active algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub image: Option<String>,
    /// URL of a server that runs elsewhere, `http://host:port`. TLS is not supported yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://[^\s/?#@]+:\d{1,5}/?$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('https://')").message("must be http://host:port: TLS is not supported yet"))]
    pub address: Option<String>,
    /// Port that the image listens on; without it, 50051. The operator does not pass it on: set another port in the
    /// image, or by `args` or `env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,
    /// Number of pods; without it, 1. One pod serves many accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub replicas: Option<i32>,
    /// CPU, memory and ephemeral storage of each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Arguments, instead of those of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 1024)))]
    pub args: Option<Vec<String>>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub env: Option<Vec<Variable>>,
    /// When the image is pulled; without it, the chart's setting for all images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,
    /// Secrets with registry credentials, in the resource's namespace; without them, those of the chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Option<Vec<SecretRef>>,
}

/// Resources of a container, by name: `cpu`, `memory`, `ephemeral-storage`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Amounts that the node must have free.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub requests: BTreeMap<String, Quantity>,
    /// Upper limits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub limits: BTreeMap<String, Quantity>,
}

/// An environment variable.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// When an image is pulled.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(description = "When an image is pulled.")]
pub enum PullPolicy {
    /// Where the node has none of this name.
    IfNotPresent,
    /// At each start.
    Always,
    /// The node has it.
    Never,
}

impl PullPolicy {
    /// As written in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IfNotPresent => "IfNotPresent",
            Self::Always => "Always",
            Self::Never => "Never",
        }
    }
}

/// The status as of the operator's last pass.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AlgorithmStatus {
    /// `Ready` is true while the algorithm answers; `Reconciling` and `Stalled` are present while they apply.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// URL of the server: of the Service of the image, or of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Name of the algorithm, from Describe. Its state is saved under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The contract version of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// JSON Schema of its parameters, without the threshold; without it, any object is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_schema")]
    pub parameters_schema: Option<Map<String, Value>>,
    /// The channels that it asks for with default parameters; none if it refuses them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub channels: Vec<String>,
    /// Whether the server answers.
    #[serde(default)]
    pub healthy: bool,
    /// Number of `TradingAlgo`s in its namespace that refer to it.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub used_by: i64,
    /// Names of the `TradingAlgo`s that refer to it, in order; at most the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub users: Vec<String>,
    /// The running images: the image of the spec, and older images with accounts on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub images: Vec<RunningImage>,
}

/// An image that runs.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RunningImage {
    /// The image.
    pub image: String,
    /// Name of its Deployment and of its Service.
    pub name: String,
    /// How many of its pods are ready.
    #[schemars(range(min = 0))]
    pub ready: i32,
    /// Number of accounts whose active algorithm it is.
    #[schemars(range(min = 0))]
    pub deciding: i64,
}

fn any_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
