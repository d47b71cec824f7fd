//! The topics of feeds.

use super::symbol_level;

/// Stands for the symbol of a quote in a topic.
const SYMBOL: &str = "{sid}";
/// The topics of one feed: `<prefix>/<namespace>/feed.<name>/...`. No account has a name with a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedTopics {
    position: String,
    quotes: String,
}

/// Why text is no usable topic of a feed's quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeedTopicError {
    /// No topic name of MQTT, or one of the broker's own.
    #[error("must be a topic without wildcards that does not begin with $")]
    NoTopic,
    /// A brace beside those of `{{sid}}`.
    #[error("must have no other braces than those of {{sid}}")]
    Braces,
    /// `{sid}` beside other text of its level: an MQTT filter selects whole levels, so that it would select other topics too.
    #[error("must have {{sid}} alone in its level, so that a filter selects the topics of the feed and no others")]
    SymbolInLevel,
    /// The topic of the feed's position.
    #[error("is the topic of the feed's own position")]
    Position,
}

impl FeedTopics {
    /// Those of a feed, `<namespace>/<name>`, below a prefix that [`check_prefix`](super::check_prefix) takes; its quotes go
    /// to another topic where one is given.
    pub fn new(prefix: &str, feed: &str, quotes: Option<&str>) -> Result<Self, FeedTopicError> {
        let (namespace, name) = feed.split_once('/').unwrap_or(("default", feed));
        let base = format!("{prefix}/{namespace}/feed.{name}");
        let quotes = quotes.map_or_else(|| format!("{base}/quotes"), str::to_owned);
        let topics = Self { position: format!("{base}/position"), quotes };
        let plain = topics.quotes.replace(SYMBOL, "");
        if plain.contains(['{', '}']) {
            return Err(FeedTopicError::Braces);
        }
        if topics.quotes.split('/').any(|level| level.contains(SYMBOL) && level != SYMBOL) {
            return Err(FeedTopicError::SymbolInLevel);
        }
        let is_topic = !plain.contains(['+', '#']) && !plain.starts_with('$');
        if !is_topic || super::check_filter(&topics.quotes).is_err() {
            return Err(FeedTopicError::NoTopic);
        }
        if topics.quotes == topics.position {
            return Err(FeedTopicError::Position);
        }
        Ok(topics)
    }

    /// The topic of the retained position.
    pub fn position(&self) -> &str {
        &self.position
    }

    /// The topic of the quotes; `{sid}` stands for the symbol.
    pub fn quotes(&self) -> &str {
        &self.quotes
    }

    /// The topic of a symbol's quotes.
    pub fn quotes_of(&self, sid: &str) -> String {
        if !self.quotes.contains(SYMBOL) {
            return self.quotes.clone();
        }
        self.quotes.replace(SYMBOL, &symbol_level(sid))
    }

    /// The filter that selects the quotes of all symbols: `+` in each level that is the symbol.
    pub fn filter(&self) -> String {
        self.quotes.replace(SYMBOL, "+")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(quotes: &str) -> Result<FeedTopics, FeedTopicError> {
        FeedTopics::new("intuition", "desk/btc", Some(quotes))
    }

    #[test]
    fn topics_of_a_feed_lie_below_its_namespace() {
        let topics = FeedTopics::new("trading/staging", "desk/btc", None).unwrap();
        assert_eq!(topics.position(), "trading/staging/desk/feed.btc/position");
        assert_eq!(topics.quotes_of("BTC/USD"), "trading/staging/desk/feed.btc/quotes");
        assert_eq!(topics.filter(), "trading/staging/desk/feed.btc/quotes");
    }

    #[test]
    fn a_symbol_in_a_topic_is_one_level_and_differs_from_every_other() {
        let topics = topics("market/{sid}/trades").unwrap();
        assert_eq!(topics.quotes_of("BTCUSDT"), "market/BTCUSDT/trades");
        assert_eq!(topics.quotes_of("A/B+C#D%2F"), "market/A%2FB%2BC%23D%252F/trades");
        assert_eq!(topics.filter(), "market/+/trades");
    }

    #[test]
    fn topics_that_cannot_be_published_to_are_refused() {
        for (topic, error) in [
            ("a/+", FeedTopicError::NoTopic),
            ("a/#", FeedTopicError::NoTopic),
            ("$SYS/{sid}", FeedTopicError::NoTopic),
            ("a\0", FeedTopicError::NoTopic),
            ("a/{symbol}", FeedTopicError::Braces),
            ("a/{sid", FeedTopicError::Braces),
            ("a/q-{sid}", FeedTopicError::SymbolInLevel),
            ("{sid}{sid}/a", FeedTopicError::SymbolInLevel),
            ("intuition/desk/feed.btc/position", FeedTopicError::Position),
        ] {
            assert_eq!(topics(topic), Err(error), "{topic:?}");
        }
    }
}
