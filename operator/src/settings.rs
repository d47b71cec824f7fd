//! The operator's settings file: how children are made. Pure.

pub mod credentials;
mod topics;
mod tuning;

use std::collections::BTreeMap;

use intuition_resources::address::Address;
use k8s_openapi::api::{
    core::v1::{ResourceRequirements, Toleration},
    networking::v1::NetworkPolicyPeer,
};
use serde::Deserialize;

pub use self::{
    topics::{Confine, TopicGrant, TopicSettings},
    tuning::BridgeTuning,
};

/// The settings of all children. Unknown fields are refused, so that a typing error is not silently ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Image of `algo-runtime`.
    pub runtime_image: String,
    /// Image of `bridge`.
    pub bridge_image: String,
    /// Image of `feed`. Without it `Feed`s are refused: a settings file of v0.1.0 has none.
    #[serde(default)]
    pub feed_image: Option<String>,
    /// `IfNotPresent`, `Always` or `Never`.
    #[serde(default = "if_not_present")]
    pub image_pull_policy: String,
    /// Secrets with registry credentials, in each resource's namespace.
    #[serde(default)]
    pub image_pull_secrets: Vec<String>,
    /// The broker of resources that name none.
    #[serde(default)]
    pub broker: Option<DefaultBroker>,
    /// Prefix of MQTT client ids: two clusters on one broker need different ones.
    #[serde(default = "client_id_prefix")]
    pub client_id_prefix: String,
    /// DNS domain of the cluster.
    #[serde(default = "cluster_domain")]
    pub cluster_domain: String,
    /// `text` or `json`.
    #[serde(default = "json")]
    pub log_format: String,
    /// Log level or directives of runtimes, bridges and feeds.
    #[serde(default = "info")]
    pub log: String,
    /// Of each runtime's container.
    #[serde(default)]
    pub runtime_resources: ResourceRequirements,
    /// Of each bridge's container.
    #[serde(default)]
    pub bridge_resources: ResourceRequirements,
    /// Of each feed's container.
    #[serde(default)]
    pub feed_resources: ResourceRequirements,
    /// Windows, memory and timeouts of each bridge.
    #[serde(default)]
    pub bridge_tuning: BridgeTuning,
    /// Nodes that runtimes, bridges and feeds may run on.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that they tolerate.
    #[serde(default)]
    pub tolerations: Vec<Toleration>,
    /// Their priority class; empty for the cluster's default.
    #[serde(default)]
    pub priority_class_name: String,
    /// Network policies of runtimes and bridges.
    #[serde(default)]
    pub network_policy: NetworkPolicySettings,
    /// Which topics resources may use.
    #[serde(default)]
    pub topics: TopicSettings,
    /// Id of the installation, written on every child: a child with the id of another installation is left alone. Absent:
    /// no id is written and none is checked.
    #[serde(default)]
    pub installation: Option<String>,
}

/// The broker of resources that name none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefaultBroker {
    /// `mqtt://host[:port]` or `mqtts://host[:port]`.
    pub url: String,
    /// Namespaces whose resources get the broker's login.
    #[serde(default)]
    pub login_namespaces: LoginNamespaces,
}

/// Namespaces whose resources get the default broker's login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum LoginNamespaces {
    /// All of them. The default, as in v0.1.0.
    #[default]
    All,
    /// Those with the label `intuition.dev/broker: default`.
    Labelled,
}

impl LoginNamespaces {
    /// Whether some namespaces do not get the login.
    pub const fn is_limited(self) -> bool {
        matches!(self, Self::Labelled)
    }
}

/// Network policies of runtimes and bridges.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicySettings {
    /// Whether policies are created.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Namespace of the operator's pods.
    #[serde(default)]
    pub operator_namespace: String,
    /// Labels of the operator's pods.
    #[serde(default)]
    pub operator_pod_labels: BTreeMap<String, String>,
    /// Further peers that may read the health and metrics pages.
    #[serde(default)]
    pub metrics_from: Vec<NetworkPolicyPeer>,
}

impl Default for NetworkPolicySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            operator_namespace: String::new(),
            operator_pod_labels: BTreeMap::new(),
            metrics_from: Vec::new(),
        }
    }
}

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The text is not YAML with known fields.
    #[error("the settings are not YAML with known fields")]
    Parse(#[source] Box<serde_saphyr::Error>),
    /// A field's value cannot be used.
    #[error("{field}: {message}")]
    UseField {
        /// Path of the field.
        field: &'static str,
        /// The requirement, and the value.
        message: String,
    },
}

impl Settings {
    /// Reads and checks the text of a settings file.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let settings: Self = serde_saphyr::from_str(text).map_err(|error| SettingsError::Parse(Box::new(error)))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let refuse = |field, message| Err(SettingsError::UseField { field, message });
        let mut images = vec![("runtimeImage", &self.runtime_image), ("bridgeImage", &self.bridge_image)];
        images.extend(self.feed_image.as_ref().map(|image| ("feedImage", image)));
        for (field, image) in images {
            if image.is_empty() || image.contains(char::is_whitespace) {
                return refuse(field, format!("must be an image, is {image:?}"));
            }
        }
        one_of("imagePullPolicy", &self.image_pull_policy, &["IfNotPresent", "Always", "Never"])?;
        one_of("logFormat", &self.log_format, &["text", "json"])?;
        if let Some(broker) = &self.broker
            && Address::of_broker(&broker.url).is_none()
        {
            return refuse(
                "broker.url",
                "must be mqtt://host[:port] or mqtts://host[:port] without user info".to_owned(),
            );
        }
        if let Some((field, message)) = self.topics.problem() {
            return refuse(field, message);
        }
        if let Some((field, message)) = self.bridge_tuning.problem() {
            return refuse(field, message);
        }
        if self.installation.as_ref().is_some_and(String::is_empty) {
            return refuse("installation", "must not be empty".to_owned());
        }
        let network = &self.network_policy;
        if network.enabled && (network.operator_namespace.is_empty() || network.operator_pod_labels.is_empty()) {
            return refuse(
                "networkPolicy",
                "needs operatorNamespace and operatorPodLabels, or the operator could not reach what it runs"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

fn one_of(field: &'static str, value: &str, allowed: &[&str]) -> Result<(), SettingsError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(SettingsError::UseField { field, message: format!("must be one of {}, is {value:?}", allowed.join(", ")) })
}

fn if_not_present() -> String {
    "IfNotPresent".to_owned()
}

fn client_id_prefix() -> String {
    "intuition".to_owned()
}

fn cluster_domain() -> String {
    "cluster.local".to_owned()
}

fn json() -> String {
    "json".to_owned()
}

fn info() -> String {
    "info".to_owned()
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "{runtimeImage: r:1, bridgeImage: b:1, networkPolicy: {enabled: false}}";

    #[test]
    fn everything_but_the_images_has_a_default() {
        let settings = Settings::parse(LEAST).unwrap();
        assert_eq!((settings.client_id_prefix.as_str(), settings.log_format.as_str()), ("intuition", "json"));
        assert_eq!(settings.broker, None);
    }

    #[test]
    fn settings_of_v0_1_0_warn_and_give_the_login_to_every_namespace() {
        let settings =
            Settings::parse(&LEAST.replace("networkPolicy", "broker: {url: 'mqtt://b'}, networkPolicy")).unwrap();
        assert_eq!((settings.topics, settings.installation), (TopicSettings::default(), None));
        assert_eq!(settings.broker.unwrap().login_namespaces, LoginNamespaces::All);
        assert_eq!(Confine::default(), Confine::Warn);
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_by_their_field() {
        for (addition, expected) in [
            ("colour: red", "known fields"),
            ("imagePullPolicy: Sometimes", "imagePullPolicy: must be one of IfNotPresent, Always, Never"),
            ("logFormat: xml", "logFormat: must be one of text, json"),
            ("broker: {url: 'mqtt://user:secret@host'}", "broker.url: must be mqtt://"),
            ("broker: {url: 'http://host'}", "broker.url: must be mqtt://"),
            ("broker: {url: 'mqtt://host', loginNamespaces: Some}", "known fields"),
            ("topics: {confine: Maybe}", "known fields"),
            ("topics: {publish: [{namespace: '', topics: [a]}]}", "topics.publish: must name a namespace"),
            ("topics: {subscribe: [{namespace: n, topics: ['a#']}]}", "topics.subscribe: \"a#\" of namespace n has a"),
            ("topics: {prefix: a/}", "topics.prefix: \"a/\" must have no empty level"),
            ("bridgeTuning: {keepAlive: '60'}", "bridgeTuning.keepAlive: must be a whole number with d, h, m or s"),
            ("bridgeTuning: {keepAlive: 4s}", "bridgeTuning.keepAlive: must be from 5s to 65535s, is \"4s\""),
            ("bridgeTuning: {sessionExpiry: 31d}", "bridgeTuning.sessionExpiry: must be from 60s to 2592000s"),
            ("bridgeTuning: {publishWindow: 0}", "bridgeTuning.publishWindow: must be from 1 to 65535, is 0"),
            (
                "bridgeTuning: {unacknowledgedTicks: 9999}",
                "bridgeTuning.unacknowledgedTicks: must be from 10000 to 65536",
            ),
            ("bridgeTuning: {outboxBytes: 1}", "bridgeTuning.outboxBytes: must be from 1048576 to 17179869184"),
            ("bridgeTuning: {receiveMaximum: 65536}", "known fields"),
            ("bridgeTuning: {colour: 1}", "known fields"),
            ("installation: ''", "installation: must not be empty"),
        ] {
            let text = LEAST.replace("runtimeImage", &format!("{addition}, runtimeImage"));
            let error = Settings::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{addition}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let policies = LEAST.replace("enabled: false", "enabled: true");
        assert!(
            Settings::parse(&policies).unwrap_err().to_string().starts_with("networkPolicy: needs operatorNamespace")
        );
        let image = LEAST.replace("r:1", "''");
        assert!(Settings::parse(&image).unwrap_err().to_string().starts_with("runtimeImage: must be an image"));
    }
}
