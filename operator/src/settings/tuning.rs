//! Values that tune bridges, as the operator's settings name them.

use std::time::Duration;

use intuition_common::duration;
use k8s_openapi::api::core::v1::EnvVar;
use serde::Deserialize;

/// Flags of `bridge` under the heading "Tuning"; absent: the default of the bridge. Passed as environment variables: a
/// bridge of v0.1.0 ignores them, and would end at an unknown flag.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BridgeTuning {
    /// Messages that the broker may send before the first of them is acknowledged.
    #[serde(default)]
    pub receive_maximum: Option<u16>,
    /// Messages published before the broker has acknowledged the first of them.
    #[serde(default)]
    pub publish_window: Option<u16>,
    /// Quotes that are not acknowledged.
    #[serde(default)]
    pub unacknowledged_ticks: Option<u32>,
    /// Memory for them, bytes.
    #[serde(default)]
    pub unacknowledged_bytes: Option<u64>,
    /// Memory for messages that wait for the broker, bytes.
    #[serde(default)]
    pub outbox_bytes: Option<u64>,
    /// How often a packet is sent to the broker at least.
    #[serde(default)]
    pub keep_alive: Option<String>,
    /// How long a connection may take.
    #[serde(default)]
    pub connect_timeout: Option<String>,
    /// How long the broker may leave a request without an answer.
    #[serde(default)]
    pub answer_timeout: Option<String>,
    /// How long the broker keeps the session of a bridge that is away.
    #[serde(default)]
    pub session_expiry: Option<String>,
}

impl BridgeTuning {
    /// The field that cannot be used, and why. A bridge has the same ranges and would end at its start, and with it the
    /// bridges of all resources.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_mins(1);
        let durations = [
            ("bridgeTuning.keepAlive", &self.keep_alive, 5 * SECOND, 65_535 * SECOND),
            ("bridgeTuning.connectTimeout", &self.connect_timeout, SECOND, 5 * MINUTE),
            ("bridgeTuning.answerTimeout", &self.answer_timeout, 5 * SECOND, 10 * MINUTE),
            ("bridgeTuning.sessionExpiry", &self.session_expiry, MINUTE, Duration::from_hours(30 * 24)),
        ];
        let duration = durations.into_iter().find_map(|(field, text, least, most)| {
            let text = text.as_ref()?;
            let error = duration::within(least, most)(text).err()?;
            Some((field, format!("{error}, is {text:?}")))
        });
        let (ticks, bytes) = (self.unacknowledged_ticks.map(u64::from), 1 << 20..=16 << 30);
        let numbers = [
            ("bridgeTuning.receiveMaximum", self.receive_maximum.map(u64::from), 1..=65_535),
            ("bridgeTuning.publishWindow", self.publish_window.map(u64::from), 1..=65_535),
            ("bridgeTuning.unacknowledgedTicks", ticks, 10_000..=65_536),
            ("bridgeTuning.unacknowledgedBytes", self.unacknowledged_bytes, bytes.clone()),
            ("bridgeTuning.outboxBytes", self.outbox_bytes, bytes),
        ];
        duration.or_else(|| {
            let (field, value, range) = numbers.into_iter().find_map(|(field, value, range)| {
                Some((field, value.filter(|value| !range.contains(value))?, range))
            })?;
            Some((field, format!("must be from {} to {}, is {value}", range.start(), range.end())))
        })
    }

    /// The variables of a bridge.
    pub(crate) fn env(&self) -> Vec<EnvVar> {
        fn shown(value: Option<impl ToString>) -> Option<String> {
            value.map(|value| value.to_string())
        }
        let values = [
            ("INTUITION_RECEIVE_MAXIMUM", shown(self.receive_maximum)),
            ("INTUITION_PUBLISH_WINDOW", shown(self.publish_window)),
            ("INTUITION_UNACKNOWLEDGED_TICKS", shown(self.unacknowledged_ticks)),
            ("INTUITION_UNACKNOWLEDGED_BYTES", shown(self.unacknowledged_bytes)),
            ("INTUITION_OUTBOX_BYTES", shown(self.outbox_bytes)),
            ("INTUITION_KEEP_ALIVE", self.keep_alive.clone()),
            ("INTUITION_CONNECT_TIMEOUT", self.connect_timeout.clone()),
            ("INTUITION_ANSWER_TIMEOUT", self.answer_timeout.clone()),
            ("INTUITION_SESSION_EXPIRY", self.session_expiry.clone()),
        ];
        let var = |(name, value): (&str, Option<String>)| {
            value.map(|value| EnvVar { name: name.to_owned(), value: Some(value), value_from: None })
        };
        values.into_iter().filter_map(var).collect()
    }
}
