//! The check that no other session of an account is online at the broker. Two of them publish under the same topics, and
//! with the same client ids they take each other's quotes.

#![expect(
    clippy::disallowed_methods,
    reason = "an edge: it waits by the monotonic clock, and draws a client identifier"
)]

use std::{collections::BTreeMap, time::Duration};

use bridge::MqttConfig;
use intuition_api::topic::OwnTopics;
use intuition_common::exit::with_causes;
use intuition_mqtt::{Address, Capabilities, Event, Link, LinkError, Options};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::watchdog::{self, MissingPart};

/// Time for retained messages after the last SUBACK. Brokers send them with it or right behind it, and nothing marks the
/// last of them.
const QUIET_PERIOD: Duration = Duration::from_secs(1);

/// Another session of an account that is to be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{account}: another session is online at {broker}: {topic} names the session {session}, online since {since}. Stop that \
     one, or run this one beside it by --force: then both publish decisions on the same topics. A session that was cut off \
     stays online until the broker misses it, 45 seconds as a rule"
)]
pub(crate) struct Online {
    account: String,
    broker: String,
    topic: String,
    session: String,
    since: String,
}

/// Errors of the check.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PresenceError {
    /// Another session is online.
    #[error(transparent)]
    Online(Box<Online>),
    /// The credentials cannot be used.
    #[error("cannot connect to the broker")]
    Connect(#[source] LinkError),
    /// The broker refuses the credentials.
    #[error("{}: {}", .0.part, .0.message)]
    Refused(MissingPart),
    /// There is no connection.
    #[error("{}: missing for 60 seconds: {} ({})", .0.part, .0.message, .0.reason)]
    Gone(MissingPart),
}

/// The members of a state topic's message that the check needs.
#[derive(Deserialize)]
struct Shown {
    state: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    since: String,
}

/// The state topics without an answer. Pure.
struct PendingStates {
    broker: String,
    /// Account by topic.
    pending: BTreeMap<String, String>,
}

impl PendingStates {
    fn new<'a>(broker: &Address, topic_prefix: &str, accounts: impl IntoIterator<Item = &'a str>) -> Self {
        let state = |account: &str| (OwnTopics::new(topic_prefix, account, None).state(), account.to_owned());
        Self { broker: broker.to_string(), pending: accounts.into_iter().map(state).collect() }
    }

    /// The retained message of a topic. One without a readable state is no session.
    fn take(&mut self, topic: &str, payload: &[u8]) -> Result<(), Box<Online>> {
        let Some(account) = self.pending.remove(topic) else { return Ok(()) };
        match serde_json::from_slice::<Shown>(payload) {
            Ok(Shown { state, session, since }) if state == "online" => {
                let (broker, topic) = (self.broker.clone(), topic.to_owned());
                Err(Box::new(Online { account, broker, topic, session, since }))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the retained state of each account. Returns early when `signal` comes.
pub(super) async fn check(
    accounts: &[String],
    mqtt: &MqttConfig,
    broker: &Address,
    tasks: &TaskTracker,
    signal: &CancellationToken,
) -> Result<(), PresenceError> {
    let states = PendingStates::new(broker, &mqtt.topic_prefix, accounts.iter().map(String::as_str));
    let client_id = format!("{}.check.{:08x}", mqtt.client_id_prefix, rand::random::<u32>());
    let options = Options { credentials: mqtt.credentials.clone(), ..Options::new(broker.clone(), client_id) };
    let (link, events) = Link::start(options, tasks).map_err(PresenceError::Connect)?;
    let outcome = Check { link: link.clone(), states, topics: Vec::new(), unanswered: 0, quiet: None, missing: None };
    let outcome = outcome.run(events, signal).await;
    link.disconnect();
    outcome
}

struct Check {
    link: Link,
    states: PendingStates,
    /// The topics of the present connection, by token.
    topics: Vec<String>,
    /// SUBACKs to come.
    unanswered: usize,
    /// The end of the wait for retained messages.
    quiet: Option<Instant>,
    /// The missing connection.
    missing: Option<MissingPart>,
}

impl Check {
    async fn run(
        mut self,
        mut events: intuition_mqtt::Events,
        signal: &CancellationToken,
    ) -> Result<(), PresenceError> {
        let deadline = Instant::now() + watchdog::MISSING_TIMEOUT;
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => if self.take(event)? { return Ok(()) },
                    None => return Ok(()),
                },
                () = sleep_until(self.quiet.unwrap_or(deadline)) => {
                    return match self.missing.filter(|_| self.quiet.is_none()) {
                        Some(missing) => Err(PresenceError::Gone(missing)),
                        None => Ok(()),
                    };
                }
                () = signal.cancelled() => return Ok(()),
            }
        }
    }

    /// Whether the check is over.
    fn take(&mut self, event: Event) -> Result<bool, PresenceError> {
        match event {
            Event::Connected { epoch, capabilities, .. } => return Ok(self.connected(epoch, capabilities)),
            Event::Disconnected(error) => {
                self.quiet = None;
                let missing = MissingPart {
                    part: format!("broker {}", self.states.broker),
                    reason: error.reason().to_owned(),
                    message: with_causes(&error),
                    is_connection: true,
                };
                if error.is_refused_identity() {
                    return Err(PresenceError::Refused(missing));
                }
                self.missing = Some(missing);
            }
            Event::Subscribed { token, code } => {
                self.unanswered = self.unanswered.saturating_sub(1);
                let topic = usize::try_from(token).ok().and_then(|token| self.topics.get(token));
                if let (false, Some(topic)) = (code.is_success(), topic) {
                    tracing::warn!(
                        topic,
                        code = code.name,
                        "the broker does not let this run read the topic, so another session of the account would not be seen"
                    );
                    self.states.pending.remove(topic);
                }
                if self.unanswered == 0 {
                    self.quiet = Some(Instant::now() + QUIET_PERIOD);
                }
            }
            Event::Message(message) => {
                self.states.take(&message.topic, &message.payload).map_err(PresenceError::Online)?;
            }
            Event::Published { .. }
            | Event::Unsubscribed { .. }
            | Event::AcksWritten { .. }
            | Event::AcksConfirmed { .. } => {}
        }
        Ok(self.states.pending.is_empty())
    }

    fn connected(&mut self, epoch: u64, capabilities: Capabilities) -> bool {
        if !capabilities.retain {
            return true;
        }
        self.topics = self.states.pending.keys().cloned().collect();
        self.unanswered = self.topics.len();
        for (token, topic) in (0..).zip(&self.topics) {
            self.link.look_up(epoch, token, topic.clone());
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_that_is_online_is_one() {
        let broker: Address = "mqtt://broker".parse().unwrap();
        let states = || PendingStates::new(&broker, "intuition-local", ["default/a", "default/b"]);
        let topic = "intuition-local/default/a/state";
        for payload in [
            r#"{"state":"offline","algo":"default/a","session":"0f","started":"2026-01-02T03:04:05.000Z"}"#,
            r#"{"state":"of a later release"}"#,
            "online",
            "",
        ] {
            let mut states = states();
            assert_eq!(states.take(topic, payload.as_bytes()), Ok(()), "{payload}");
            assert_eq!(states.pending.len(), 1, "{payload}");
        }
        let online = br#"{"state":"online","algo":"default/a","session":"0f","since":"2026-01-02T03:04:05.000Z"}"#;
        assert_eq!(states().take("intuition/default/a/state", online), Ok(()), "another prefix");
        let told = states().take(topic, online).unwrap_err().to_string();
        let expected = "default/a: another session is online at mqtt://broker:1883: intuition-local/default/a/state names \
                        the session 0f, online since 2026-01-02T03:04:05.000Z. ";
        assert!(told.starts_with(expected) && told.contains("--force"), "{told}");
    }
}
