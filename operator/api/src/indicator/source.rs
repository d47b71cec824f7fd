//! The quotes that an indicator computes from.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The quotes to compute from: exactly one of `topic` and `feed`. An indicator of an indicator is not supported: `topic` must
/// not match the topics of indicators.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.topic) != has(self.feed)").message("must have exactly one of topic and feed"),
    validation = Rule::new("!has(self.__namespace__) || has(self.feed)").message("must have namespace with feed alone")
)]
pub struct IndicatorSource {
    /// MQTT topic filter with the quotes. With a wildcard in it, quotes are numbered for each topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub topic: Option<String>,
    /// Name of a `Feed`. A feed that does not exist yet is the reason `SourceMissing` of the condition `InputsHealthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub feed: Option<String>,
    /// Namespace of the feed; without it, that of this resource. Topics of another namespace have to be allowed by
    /// `topics.subscribe` of the operator's chart, or the reason is `TopicNotAllowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

impl IndicatorSource {
    /// The feed as `<namespace>/<name>`, or the topic filter; `own`: the namespace of the resource.
    pub fn shown(&self, own: &str) -> String {
        match (&self.feed, &self.topic) {
            (Some(feed), _) => format!("{}/{feed}", self.namespace.as_deref().unwrap_or(own)),
            (None, topic) => topic.clone().unwrap_or_default(),
        }
    }
}
