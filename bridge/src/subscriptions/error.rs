//! Errors that keep the subscriptions from settling.

use intuition_api::topic::FilterError;
use intuition_mqtt::Code;

/// An error that keeps a wanted filter from being subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// The algorithm would receive its own decisions.
    #[error("`{filter}` would match `{own}`, a topic of the algorithm's own")]
    MatchOwnTopic {
        /// The wanted filter.
        filter: String,
        /// The topic or filter that it must not match.
        own: String,
    },
    /// The filter breaks the syntax of MQTT.
    #[error("`{filter}` {problem}")]
    InvalidFilter {
        /// The wanted filter.
        filter: String,
        /// The rule that it breaks.
        problem: FilterError,
    },
    /// The broker refused the filter.
    #[error("the broker refused `{filter}`: {} (0x{:02x})", code.name, code.value)]
    Refused {
        /// The wanted filter.
        filter: String,
        /// The broker's answer.
        code: Code,
    },
}

impl SubscriptionError {
    /// CamelCase code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MatchOwnTopic { .. } => "OwnTopic",
            Self::InvalidFilter { .. } => "InvalidFilter",
            Self::Refused { .. } => "SubscriptionRefused",
        }
    }

    /// Whether the broker may accept it later.
    pub const fn is_worth_retrying(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}
