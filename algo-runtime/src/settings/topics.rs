//! The rule for channels that an algorithm asks for: a channel that the account's namespace may not use is not subscribed to,
//! or logged as a warning.

use intuition_api::topic::{Confinement, PREFIX, check_prefix};
use serde::{Deserialize, Deserializer, de::Error as _};

/// Member `topics` of the second settings file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopicRule {
    confine: Confine,
    /// First levels of the topics of accounts.
    #[serde(default = "default_prefix", deserialize_with = "prefix")]
    prefix: String,
    /// Filters that are allowed besides the topics of the namespace.
    #[serde(default)]
    subscribe: Vec<String>,
}

fn default_prefix() -> String {
    PREFIX.to_owned()
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let prefix = String::deserialize(deserializer)?;
    check_prefix(&prefix).map_err(|error| D::Error::custom(format!("topics.prefix {prefix:?} {error}")))?;
    Ok(prefix)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Confine {
    Warn,
    Enforce,
}

/// The channels that an account may subscribe to. The default allows all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics(Option<(Confine, Confinement)>);

impl Topics {
    /// The rule of an account, `<namespace>/<name>`; `None`: every channel is allowed.
    pub fn new(account: &str, rule: Option<TopicRule>) -> Self {
        let namespace = account.split('/').next().unwrap_or_default();
        Self(rule.map(|rule| (rule.confine, Confinement::new(rule.prefix, namespace, Vec::new(), rule.subscribe))))
    }

    /// Whether channels that are not allowed are not subscribed to.
    pub(crate) const fn are_enforced(&self) -> bool {
        matches!(self.0, Some((Confine::Enforce, _)))
    }

    /// Those of these channels that are not allowed.
    pub(crate) fn not_allowed(&self, channels: &[String]) -> Vec<String> {
        let Some((_, rule)) = &self.0 else { return Vec::new() };
        channels.iter().filter(|channel| !rule.may_subscribe(channel)).cloned().collect()
    }
}
