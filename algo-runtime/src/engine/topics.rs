//! Channels that the algorithm asks for and the account may not use.

use super::Engine;

/// Reason in `/readyz`: a channel of the algorithm was left out.
const TOPIC_NOT_ALLOWED: &str = "TopicNotAllowed";

impl Engine {
    /// The channels to subscribe to where an algorithm asks for these.
    pub(super) fn allowed(&self, mut asked: Vec<String>) -> Vec<String> {
        if self.topics.are_enforced() {
            let not_allowed = self.topics.not_allowed(&asked);
            asked.retain(|channel| !not_allowed.contains(channel));
        }
        asked
    }

    /// The algorithm that decides asks for these channels: those to subscribe to.
    pub(super) fn take_channels(&mut self, asked: Vec<String>) -> Vec<String> {
        let not_allowed = self.topics.not_allowed(&asked);
        if not_allowed != self.not_allowed && !not_allowed.is_empty() {
            tracing::warn!(
                account = self.account.name,
                channels = ?not_allowed,
                subscribed = !self.topics.are_enforced(),
                "the algorithm asks for channels that the namespace may not use"
            );
        }
        self.not_allowed = not_allowed;
        self.allowed(asked)
    }

    /// A channel of the algorithm that is not subscribed to, as a code and for a person.
    pub fn topic_trouble(&self) -> Option<(&'static str, String)> {
        if self.not_allowed.is_empty() || !self.topics.are_enforced() {
            return None;
        }
        let (namespace, _) = self.account.name.split_once('/').unwrap_or((&self.account.name, ""));
        let message = format!(
            "the algorithm asks for {}, which selects topics of other namespaces than {namespace} and is not subscribed to: \
             name the channels in spec.channels, or have them allowed by topics.subscribe of the operator's chart",
            self.not_allowed.join(", ")
        );
        Some((TOPIC_NOT_ALLOWED, message))
    }
}
