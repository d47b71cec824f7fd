//! The configuration of a bridge, checked before a socket opens.

use std::time::Duration;

use intuition_api::{
    bounds::{LARGEST_MESSAGE_BYTES, MESSAGE_BYTES},
    topic::{self, OwnTopics, PREFIX, PrefixError, check_prefix},
};
use intuition_mqtt::{
    ANSWER_TIMEOUT, Address, AddressError, CONNECT_TIMEOUT, Credentials, KEEP_ALIVE, Options, RECEIVE_MAXIMUM,
};

use crate::{
    inflight::Bounds,
    message::MAX_TICKS,
    outbox::{Deadlines, Sizes},
};

/// How long the broker keeps the session of a bridge that is away, by default.
const SESSION_EXPIRY: Duration = Duration::from_hours(24);

/// The configuration of a bridge.
#[derive(Debug, Clone)]
pub struct Config {
    /// The broker, and the credentials for it.
    pub mqtt: MqttConfig,
    /// Address of the runtime: `http://host:port`, or `unix:/path`.
    pub runtime_url: String,
    /// The account, `<namespace>/<name>`.
    pub account: String,
    /// Topic for decisions instead of `<prefix>/<namespace>/<name>/decisions`.
    pub decisions_topic: Option<String>,
    /// Bounds on the data in the bridge.
    pub limits: Limits,
}

/// The broker, and the credentials for it.
#[derive(Debug, Clone)]
pub struct MqttConfig {
    /// `mqtt://host[:port]` or `mqtts://host[:port]`.
    pub url: String,
    /// Credentials, and trusted authorities.
    pub credentials: Credentials,
    /// Prefix of client ids.
    pub client_id_prefix: String,
    /// First levels of the account's own topics, one or more. Two installations on one broker need different prefixes.
    pub topic_prefix: String,
    /// Whether the broker keeps the session while the bridge is away.
    pub session: Session,
    /// How long the broker keeps a persistent session without a connection, whole seconds.
    pub session_expiry: Duration,
    /// `QoS` 1 messages that the broker may send before the first of them is acknowledged, at least 1.
    pub receive_maximum: u16,
    /// How often a packet is sent to the broker at least, whole seconds.
    pub keep_alive: Duration,
    /// How long a connection may take, from the look-up of the host to the CONNACK.
    pub connect_timeout: Duration,
    /// How long the broker may leave a request without an answer.
    pub answer_timeout: Duration,
}

impl MqttConfig {
    /// A broker without login.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: Credentials::default(),
            client_id_prefix: "intuition".to_owned(),
            topic_prefix: PREFIX.to_owned(),
            session: Session::Persistent,
            session_expiry: SESSION_EXPIRY,
            receive_maximum: RECEIVE_MAXIMUM,
            keep_alive: KEEP_ALIVE,
            connect_timeout: CONNECT_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }
}

/// Whether the broker keeps the session while the bridge is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// The broker keeps it for [`MqttConfig::session_expiry`], under a fixed client id.
    Persistent,
    /// The broker drops it. Each run has another client id.
    Temporary,
}

/// Bounds on the data in the bridge. A bridge's pod has 256 MiB of memory, which the defaults share so:
///
/// | Share | MiB |
/// |---|---|
/// | received from the broker, not read (`waiting_bytes`) | 16 |
/// | the packet that is read, and the message that is parsed | 28 |
/// | in flight (`unacknowledged`), with one message more than the bound | 52 |
/// | on the way to the runtime: 16 batches of 1 MiB as structures, one delivery more, and encoded | 52 |
/// | outbox entries (`outbox_bytes`), and messages made of them (`publish_bytes`) | 24 |
/// | windows of HTTP/2, and the largest message from the runtime | 24 |
/// | program, threads, TLS | 24 |
/// | sum | 220 |
///
/// One share has no bound here: user properties take up to 50 MiB while a packet of 4 MiB with nothing else in it is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Ticks and memory of messages that are not acknowledged to the broker. The runtime recognises at most 65,536 of an
    /// account's last quotes by id.
    pub unacknowledged: Bounds,
    /// Batches at the runtime without an outcome: enough to keep it busy while one is on its way.
    pub batches: usize,
    /// Deliveries in a batch.
    pub batch_deliveries: usize,
    /// Bytes in a batch in its encoded form, or one larger delivery. Batches at the runtime have `batches` times as many, and
    /// one delivery more.
    pub batch_bytes: usize,
    /// Bytes of the largest delivery in its encoded form. A message with a larger delivery becomes a dead letter. The default is
    /// the bound of the runtime.
    pub delivery_bytes: usize,
    /// Messages at the broker without a PUBACK, where it does not take fewer.
    pub publishes: usize,
    /// Bytes of messages at the broker without a PUBACK, or one message.
    pub publish_bytes: usize,
    /// Memory of outbox entries that are not done, bytes. A runtime without the capability `outbox-queues` sends all of its
    /// entries at once.
    pub outbox_bytes: usize,
    /// How long dead letters and publications are tried.
    pub deadlines: Deadlines,
    /// Bounds on the reports and the memory of the outbox.
    pub outbox: Sizes,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unacknowledged: Bounds { ticks: 32_768, message_ticks: MAX_TICKS, bytes: 32 << 20 },
            batches: 16,
            batch_deliveries: 512,
            batch_bytes: MESSAGE_BYTES,
            delivery_bytes: LARGEST_MESSAGE_BYTES,
            publishes: 1024,
            publish_bytes: 8 << 20,
            outbox_bytes: 16 << 20,
            deadlines: Deadlines::default(),
            outbox: Sizes::default(),
        }
    }
}

/// Errors in a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The broker's address cannot be read.
    #[error(transparent)]
    ParseBrokerUrl(#[from] AddressError),
    /// The account's name cannot be read.
    #[error("an account is `<namespace>/<name>` without wildcards, not {0:?}")]
    ParseAccount(String),
    /// The topic for decisions is no topic name.
    #[error("{0:?} is no topic to publish decisions to")]
    ParseDecisionsTopic(String),
    /// The topic prefix breaks a rule for topics.
    #[error("the topic prefix {prefix:?} {source}")]
    ParseTopicPrefix {
        /// The value as given.
        prefix: String,
        /// The cause.
        source: PrefixError,
    },
    /// A bound below the ticks of one message would stop the bridge for good.
    #[error("the bound on unacknowledged ticks must be at least {least}, not {ticks}")]
    BoundTooTightly {
        /// Ticks that one message may hold.
        least: usize,
        /// The value as given.
        ticks: usize,
    },
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) account: String,
    pub(crate) topics: OwnTopics,
    pub(crate) limits: Limits,
    /// Broker URL without user info.
    pub(crate) broker_url: String,
    pub(crate) subscribing: Options,
    /// Without the last will.
    pub(crate) publishing: Options,
}

impl Config {
    /// Checks all parts. `client`: part of the client id of a temporary session.
    pub(crate) fn check(&self, client: u32) -> Result<Checked, ConfigError> {
        let address: Address = self.mqtt.url.parse()?;
        let publishable = |text: &str| !text.contains(['+', '#', '\0']) && topic::check_filter(text).is_ok();
        let Some((namespace, name)) = self.account.split_once('/').filter(|(namespace, name)| {
            !namespace.is_empty() && !name.is_empty() && !name.contains('/') && publishable(&self.account)
        }) else {
            return Err(ConfigError::ParseAccount(self.account.clone()));
        };
        let prefix = &self.mqtt.topic_prefix;
        check_prefix(prefix).map_err(|source| ConfigError::ParseTopicPrefix { prefix: prefix.clone(), source })?;
        if let Some(decisions) = self.decisions_topic.as_ref().filter(|decisions| !publishable(decisions)) {
            return Err(ConfigError::ParseDecisionsTopic(decisions.clone()));
        }
        let Bounds { ticks, message_ticks: least, .. } = self.limits.unacknowledged;
        if ticks < least {
            return Err(ConfigError::BoundTooTightly { least, ticks });
        }
        let mut client_id = format!("{}.{namespace}.{name}", self.mqtt.client_id_prefix);
        if self.mqtt.session == Session::Temporary {
            client_id = format!("{client_id}.{client:08x}");
        }
        let options = |client_id: String| Options {
            credentials: self.mqtt.credentials.clone(),
            receive_maximum: self.mqtt.receive_maximum,
            keep_alive: self.mqtt.keep_alive,
            connect_timeout: self.mqtt.connect_timeout,
            answer_timeout: self.mqtt.answer_timeout,
            ..Options::new(address.clone(), client_id)
        };
        let publishing = options(format!("{client_id}.pub"));
        let mut subscribing = options(client_id);
        if self.mqtt.session == Session::Persistent {
            subscribing.clean_start = false;
            subscribing.session_expiry = self.mqtt.session_expiry;
        }
        Ok(Checked {
            account: self.account.clone(),
            topics: OwnTopics::new(prefix, &self.account, self.decisions_topic.as_deref()),
            limits: self.limits,
            broker_url: address.to_string(),
            subscribing,
            publishing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(ticks: usize, message_ticks: usize) -> Config {
        let unacknowledged = Bounds { ticks, message_ticks, bytes: 1 << 20 };
        Config {
            mqtt: MqttConfig::new("mqtt://broker"),
            runtime_url: "http://runtime:50051".to_owned(),
            account: "default/test".to_owned(),
            decisions_topic: None,
            limits: Limits { unacknowledged, ..Limits::default() },
        }
    }

    #[test]
    fn bound_on_ticks_leaves_room_for_one_message() {
        assert!(with(8, 8).check(0).is_ok() && with(MAX_TICKS, MAX_TICKS).check(0).is_ok());
        let refused = with(MAX_TICKS - 1, MAX_TICKS).check(0).unwrap_err().to_string();
        assert_eq!(refused, "the bound on unacknowledged ticks must be at least 10000, not 9999");
    }

    #[test]
    fn temporary_session_has_a_client_id_of_its_own() {
        let mut config = with(8, 8);
        config.mqtt.session = Session::Temporary;
        let checked = config.check(0xf).unwrap();
        assert_eq!(checked.subscribing.client_id, "intuition.default.test.0000000f");
        assert_eq!(checked.publishing.client_id, "intuition.default.test.0000000f.pub");
    }
}
