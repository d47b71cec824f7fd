//! `Feed`, `intuition.dev/v1alpha1`: quotes of a source, published on MQTT.

#![expect(unreachable_pub, reason = "the derive for CEL rules repeats each type inside a function")]

mod exchange;
mod file;
mod generator;
mod interval;
mod postgres;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    exchange::{BarInterval, Data, Exchange, ExchangeName, Place},
    file::{ClaimFile, ConfigMapFile, File, Speed},
    generator::{Generator, Model},
    interval::Interval,
    postgres::{Columns, Cursor, Postgres},
    status::FeedStatus,
};
use crate::{Broker, Duration, address::Address};

/// Value of `kind` in a manifest.
pub const FEED_KIND: &str = "Feed";

/// A source of quotes, and the topic that its quotes are published on.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "intuition.dev",
    version = "v1alpha1",
    kind = "Feed",
    namespaced,
    status = "FeedStatus",
    shortname = "feed",
    category = "trading",
    doc = "Publishes the quotes of an exchange, a database, a file or a generator on MQTT.",
    derive = "PartialEq",
    printcolumn(name = "Source", type_ = "string", json_path = ".status.source", description = "The kind of source."),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether quotes are published."
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
        description = "Quotes that the broker has, since the process started."
    ),
    printcolumn(
        name = "Last Quote",
        type_ = "date",
        json_path = ".status.lastQuoteTime",
        description = "Time since the broker had the last quote."
    ),
    printcolumn(
        name = "Gaps",
        type_ = "integer",
        json_path = ".status.gaps",
        description = "Gaps in the numbers of the source, since the process started."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Topic", type_ = "string", json_path = ".status.topic", description = "Topic of the quotes.", priority = 1),
    printcolumn(
        name = "Reconnects",
        type_ = "integer",
        json_path = ".status.reconnects",
        description = "Connections to source and broker that ended or were not made.",
        priority = 1
    ),
    printcolumn(name = "Lag", type_ = "string", json_path = ".status.lag", description = "Age of the last quote when the broker had it.", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be at most 50 characters of a-z, 0-9 and -, begin with a letter and not end with -")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeedSpec {
    /// The origin of the quotes. Another origin is another source of numbers; accounts that know the numbers of the first
    /// one keep them.
    pub source: FeedSource,
    /// The topic of the quotes, and their marks.
    #[serde(default)]
    pub publish: Publish,
    /// The feed is not fresh when no quote came for so long: a whole number with `d`, `h`, `m` or `s`, such as `5m`.
    /// Without it, a quiet source is as good as any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Duration>,
    /// Whether the feed publishes nothing. Its position stays, and it goes on from there.
    #[serde(default)]
    pub suspend: bool,
    /// The MQTT broker; without it, the one the chart was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<Broker>,
}

/// The origin of quotes: exactly one of `exchange`, `postgres`, `file` and `generator`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("[has(self.exchange), has(self.postgres), has(self.file), has(self.generator)].filter(x, x).size() == 1")
        .message("must have exactly one of exchange, postgres, file and generator")
)]
pub struct FeedSource {
    /// Trades or bars of an exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// Rows of a table that grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
    /// Rows of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// Quotes of a model, which follow from a seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
}

impl FeedSource {
    /// The kind of source, with its exchange or model: `Binance`, `Postgres`, `File`, `Sine`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self { exchange: Some(exchange), .. } => exchange.name.name(),
            Self { generator: Some(generator), .. } => generator.model.name(),
            Self { file: Some(_), .. } => "File",
            Self { .. } => "Postgres",
        }
    }

    /// The places of the servers that the source connects to. The host of a database is in a Secret.
    pub fn places(&self) -> Vec<Place> {
        match self {
            Self { exchange: Some(exchange), .. } => exchange.places(),
            Self { file: Some(file), .. } => {
                file.url.iter().filter_map(|url| Address::of_web(url)).map(Place::Address).collect()
            }
            Self { postgres: Some(postgres), .. } => vec![Place::Port(postgres.port)],
            Self { .. } => Vec::new(),
        }
    }
}

/// The topic of quotes, and their marks.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publish {
    /// MQTT topic of the quotes; without it, `intuition/<namespace>/feed.<name>/quotes`, or the same below `topics.prefix` of
    /// the operator's chart. `{sid}`, alone in its level, stands for the symbol of the quote, in which `/`, `+`, `#` and `%` are written `%2F`,
    /// `%2B`, `%23` and `%25`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub topic: Option<String>,
    /// Whether every quote is marked as one of the past: it reaches algorithms and indicators, and trades nothing.
    #[serde(default)]
    pub backfill: bool,
}
