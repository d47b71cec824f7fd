//! Which topics the resources of each namespace may use.

use intuition_api::topic::{Confinement, PREFIX, check_filter, check_prefix};
use serde::Deserialize;

/// Namespace of a grant to every namespace.
const EVERY: &str = "*";

/// Which topics resources may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopicSettings {
    /// First levels of the topics of every account, one or more. Two clusters on one broker need different prefixes.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// The consequence of a topic that is not allowed.
    #[serde(default)]
    pub confine: Confine,
    /// Topics that may be published on, besides those below `<prefix>/<namespace>/`.
    #[serde(default)]
    pub publish: Vec<TopicGrant>,
    /// Topics below the prefix that may be subscribed to, besides those of the namespace.
    #[serde(default)]
    pub subscribe: Vec<TopicGrant>,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { prefix: prefix(), confine: Confine::default(), publish: Vec::new(), subscribe: Vec::new() }
    }
}

fn prefix() -> String {
    PREFIX.to_owned()
}

/// The consequence of a topic that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Confine {
    /// Topics are not checked.
    Off,
    /// The resource goes on, and its status names the topic. The default, so that the settings file of v0.1.0 stops no
    /// account.
    #[default]
    Warn,
    /// The resource is refused, and the runtime does not subscribe.
    Enforce,
}

impl Confine {
    /// Its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Warn => "Warn",
            Self::Enforce => "Enforce",
        }
    }
}

/// Topics that the resources of a namespace may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopicGrant {
    /// The namespace; `*` for every one.
    pub namespace: String,
    /// MQTT topic filters.
    pub topics: Vec<String>,
}

impl TopicSettings {
    /// The rule of a namespace; `None`: topics are not checked.
    pub fn confinement(&self, namespace: &str) -> Option<Confinement> {
        (self.confine != Confine::Off).then(|| {
            let publish = granted(&self.publish, namespace);
            Confinement::new(self.prefix.as_str(), namespace, publish, self.subscribe_of(namespace))
        })
    }

    /// The filters that a namespace may subscribe to besides its own topics.
    pub fn subscribe_of(&self, namespace: &str) -> Vec<String> {
        granted(&self.subscribe, namespace)
    }

    /// Why the settings cannot be used: the path of the field, and the reason.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if let Err(error) = check_prefix(&self.prefix) {
            return Some(("topics.prefix", format!("{:?} {error}", self.prefix)));
        }
        for (field, grants) in [("topics.publish", &self.publish), ("topics.subscribe", &self.subscribe)] {
            for TopicGrant { namespace, topics } in grants {
                if namespace.is_empty() {
                    return Some((field, "must name a namespace, or * for every one".to_owned()));
                }
                if let Some((topic, error)) = topics.iter().find_map(|topic| Some((topic, check_filter(topic).err()?)))
                {
                    return Some((field, format!("{topic:?} of namespace {namespace} {error}")));
                }
            }
        }
        None
    }
}

fn granted(grants: &[TopicGrant], namespace: &str) -> Vec<String> {
    let for_namespace = |grant: &&TopicGrant| grant.namespace == namespace || grant.namespace == EVERY;
    grants.iter().filter(for_namespace).flat_map(|grant| grant.topics.iter().cloned()).collect()
}
