//! Reasons for which the subscriptions are not those that are wanted.

use intuition_api::topic::FilterError;

use crate::mqtt::Code;

/// Why not everything wanted is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// The algorithm would receive its own decisions.
    #[error("`{filter}` would match `{own}`, a topic of the algorithm's own")]
    MatchOwnTopic {
        /// As wanted.
        filter: String,
        /// The topic or filter that it must not match.
        own: String,
    },
    /// No filter at all.
    #[error("`{filter}` {problem}")]
    InvalidFilter {
        /// As wanted.
        filter: String,
        /// The rule that it breaks.
        problem: FilterError,
    },
    /// The broker refused the filter.
    #[error("the broker refused `{filter}`: {} (0x{:02x})", code.name, code.value)]
    Refused {
        /// As wanted.
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

    /// Whether the broker may think better of it.
    pub const fn is_worth_retrying(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}
