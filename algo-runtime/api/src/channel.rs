//! The rules of a channel: a topic filter that an algorithm asks for, and the topic of a publication.

use crate::{
    limits::MAX_CHANNEL_BYTES,
    topic::{FilterError, check_filter},
};

/// A rule that a channel breaks. The caller has the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// It has more than [`MAX_CHANNEL_BYTES`].
    Size,
    /// It is no topic filter.
    Filter(FilterError),
}

/// Checks a channel of an answer to `Initialize` or `Reconfigure`.
pub fn check(channel: &str) -> Result<(), Violation> {
    if channel.len() > MAX_CHANNEL_BYTES {
        return Err(Violation::Size);
    }
    check_filter(channel).map_err(Violation::Filter)
}

/// Whether a publication can go to the channel: a topic without wildcards.
pub fn is_topic(channel: &str) -> bool {
    !channel.contains(['+', '#']) && check(channel).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_is_a_filter_of_bounded_size() {
        let longest = "é".repeat(MAX_CHANNEL_BYTES / 2);
        for channel in ["quotes", "prices/+/eu", "#", &longest] {
            assert_eq!(check(channel), Ok(()), "{channel}");
        }
        assert_eq!(check(&format!("{longest}a")), Err(Violation::Size));
        for (channel, error) in
            [("", FilterError::Length), ("a/#/b", FilterError::Wildcard), ("$share/g/quotes", FilterError::Shared)]
        {
            assert_eq!(check(channel), Err(Violation::Filter(error)), "{channel:?}");
        }
    }

    #[test]
    fn publication_needs_a_topic_without_wildcards() {
        assert!(is_topic("averages/GOOG"));
        for channel in ["", "a/+", "a/#", "$share/g/a", "a\0b", &"a".repeat(MAX_CHANNEL_BYTES + 1)] {
            assert!(!is_topic(channel), "{channel:?}");
        }
    }
}
