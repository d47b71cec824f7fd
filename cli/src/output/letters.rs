//! Dead letters on standard error: the choice of those with a line, and its text. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use intuition_api::v1::DeadLetter;
use intuition_common::text::shortened;

use crate::feed::quote::{Known, Sources};

/// Bound on the lines of the feed that are shown for each reason: a feed may be full of them.
const MAX_SHOWN_LETTERS: usize = 3;
/// Bound on the shown characters of a dead letter's text.
const MAX_MESSAGE_CHARS: usize = 300;
/// Bound on the shown characters of a symbol: one more than a symbol may have.
const MAX_SYMBOL_CHARS: usize = 65;

/// Dead letters that were shown.
pub(crate) struct Letters {
    feed: Option<Arc<Sources>>,
    /// Rows of the feed by reason. Several algorithms refuse the same row for the same reason.
    rows: BTreeMap<String, BTreeSet<(String, u64)>>,
    /// Topics and reasons of messages that are not of the feed.
    others: BTreeSet<(String, String)>,
}

impl Letters {
    /// Begins without shown letters. Dead letters about rows of `feed` name file and line.
    pub(crate) const fn new(feed: Option<Arc<Sources>>) -> Self {
        Self { feed, rows: BTreeMap::new(), others: BTreeSet::new() }
    }

    /// The line for a dead letter that was published on `topic`; `None`: it is only counted.
    pub(super) fn line(&mut self, topic: &str, letter: &DeadLetter) -> Option<String> {
        let DeadLetter { reason, message, topic: origin, payload, .. } = letter;
        let message = shortened(message, MAX_MESSAGE_CHARS);
        let known = self.feed.as_ref().and_then(|feed| feed.recognise(payload));
        let Some(Known { place, sid, identity }) = known else {
            return self.others.insert((topic.to_owned(), reason.clone())).then(|| {
                format!("{topic}: {reason} on {origin}: {message}; from here on, dead letters of this reason are only counted")
            });
        };
        let shown = self.rows.entry(reason.clone()).or_default();
        if shown.len() >= MAX_SHOWN_LETTERS || !shown.insert(identity) {
            return None;
        }
        let rest = if shown.len() < MAX_SHOWN_LETTERS { "" } else { "; further lines of this reason are only counted" };
        let sid = shortened(&sid, MAX_SYMBOL_CHARS);
        Some(format!("{place}: {sid}: {reason}: {message}{rest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(reason: &str, payload: &[u8]) -> DeadLetter {
        DeadLetter {
            topic: "quotes".to_owned(),
            reason: reason.to_owned(),
            message: "breakout: no price".to_owned(),
            payload: payload.to_vec().into(),
            ..DeadLetter::default()
        }
    }

    #[test]
    fn of_each_reason_and_topic_one_letter_of_another_publisher_is_shown() {
        let mut letters = Letters::new(None);
        let mut line = |topic: &str, reason: &str| letters.line(topic, &letter(reason, b"{}"));
        let first = line("a/dead-letter", "Rejected").unwrap();
        assert!(first.starts_with("a/dead-letter: Rejected on quotes: breakout: no price; "), "{first}");
        assert_eq!(line("a/dead-letter", "Rejected"), None);
        assert!(line("a/dead-letter", "BadPrice").is_some() && line("b/dead-letter", "Rejected").is_some());
    }

    #[test]
    fn lines_of_the_feed_are_named_the_first_three_of_each_reason() {
        let sources = Sources(vec![("q".to_owned(), "q.csv".to_owned())]);
        let mut letters = Letters::new(Some(Arc::new(sources)));
        let mut line = |topic: &str, reason: &str, row: u64| {
            let payload = format!(r#"{{"sid":"S{row}","source":"q","seq":{row},"line":{}}}"#, row + 1);
            letters.line(topic, &letter(reason, payload.as_bytes()))
        };
        assert_eq!(line("a", "BadPrice", 1).unwrap(), "q.csv: line 2: S1: BadPrice: breakout: no price");
        assert_eq!(line("b", "BadPrice", 1), None, "another algorithm");
        assert!(line("a", "BadPrice", 2).is_some());
        let third = line("a", "BadPrice", 4).unwrap();
        assert!(
            third.starts_with("q.csv: line 5: S4: ")
                && third.ends_with("; further lines of this reason are only counted")
        );
        assert_eq!(line("a", "BadPrice", 5), None);
        assert!(line("a", "BadTime", 5).is_some());
    }
}
