//! MQTT 5 topic names and filters (specification section 4.7), and the topics that are an algorithm's own.

mod confinement;
mod feed;
mod indicator;

pub use self::{
    confinement::Confinement,
    feed::{FeedTopicError, FeedTopics},
    indicator::{IndicatorTopics, indicator_account, is_indicator_account},
};

/// First level of the topics of every account, unless another prefix is set.
pub const PREFIX: &str = "intuition";

/// Characters of a symbol that mean something else in a topic or in the encoding of [`symbol_level`].
const ESCAPED: [(char, &str); 4] = [('/', "%2F"), ('+', "%2B"), ('#', "%23"), ('%', "%25")];

/// Longest prefix, in bytes.
const PREFIX_BYTES: usize = 256;

/// Why text is no usable prefix of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Empty, or too long.
    #[error("must be 1 to {PREFIX_BYTES} bytes")]
    Length,
    /// A slash at the beginning or the end, or two in a row.
    #[error("must have no empty level: no slash at the beginning or the end, and no two in a row")]
    EmptyLevel,
    /// `+`, `#` or NUL, which no topic may have.
    #[error("must have neither wildcards nor NUL")]
    Wildcard,
    /// Topics that begin with `$` are the broker's own (MQTT-4.7.2-1).
    #[error("must not begin with $")]
    OfBroker,
}

/// Checks a prefix of topics: one level or more, as `intuition` or `trading/staging`.
pub fn check_prefix(prefix: &str) -> Result<(), PrefixError> {
    if prefix.is_empty() || prefix.len() > PREFIX_BYTES {
        return Err(PrefixError::Length);
    }
    if prefix.contains(['+', '#', '\0']) {
        return Err(PrefixError::Wildcard);
    }
    if prefix.starts_with('$') {
        return Err(PrefixError::OfBroker);
    }
    if prefix.split('/').any(str::is_empty) { Err(PrefixError::EmptyLevel) } else { Ok(()) }
}

/// Why text is no usable topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Empty, longer than 65,535 bytes, or with a NUL in it (MQTT-4.7.3-1 to -3).
    #[error("must be 1 to 65535 bytes without NUL")]
    Length,
    /// `#` not alone in the last level, or `+` not alone in its level (MQTT-4.7.1-1, -2).
    #[error("has a wildcard in the wrong place: `#` stands alone in the last level, `+` alone in its level")]
    Wildcard,
    /// `$share/...`: members of a shared subscription see no order.
    #[error("is a shared subscription, which loses the order of quotes")]
    Shared,
}

/// Checks a topic filter.
pub fn check_filter(filter: &str) -> Result<(), FilterError> {
    if filter.is_empty() || filter.len() > 65_535 || filter.contains('\0') {
        return Err(FilterError::Length);
    }
    if filter.starts_with("$share/") {
        return Err(FilterError::Shared);
    }
    let last = filter.split('/').count() - 1;
    let misplaced = filter.split('/').enumerate().any(|(place, level)| {
        (level.contains('#') && (level != "#" || place != last)) || (level.contains('+') && level != "+")
    });
    if misplaced { Err(FilterError::Wildcard) } else { Ok(()) }
}

/// A symbol as one level of a topic, which differs from that of every other symbol.
fn symbol_level(sid: &str) -> String {
    let mut level = String::with_capacity(sid.len());
    for character in sid.chars() {
        match ESCAPED.iter().find(|(known, _)| *known == character) {
            Some((_, code)) => level.push_str(code),
            None => level.push(character),
        }
    }
    level
}

/// Whether `filter` selects `topic`. A wildcard in the first level does not select topics that begin with `$`
/// (MQTT-4.7.2-1).
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['#', '+']) {
        return false;
    }
    // An account may have 64 filters, and each quote is compared with all of them. Where they differ in plain characters,
    // they differ.
    let is_wildcard = |byte: &u8| matches!(byte, b'+' | b'#');
    let pairs = filter.bytes().zip(topic.bytes());
    let same = pairs.take_while(|(wanted, given)| wanted == given && !is_wildcard(wanted)).count();
    match (filter.as_bytes().get(same), topic.as_bytes().get(same)) {
        (None, None) => true,
        (Some(b'/'), None) => matches_by_level(filter, topic),
        (Some(wanted), _) if is_wildcard(wanted) => matches_by_level(filter, topic),
        _ => false,
    }
}

fn matches_by_level(filter: &str, topic: &str) -> bool {
    let mut wanted = filter.split('/');
    let mut levels = topic.split('/');
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(filter), Some(level)) if filter == level => {}
            // `a/#` selects `a` too.
            _ => return false,
        }
    }
}

/// Whether some topic exists that both filters select.
pub fn overlap(one: &str, other: &str) -> bool {
    let (mut left, mut right) = (one.split('/'), other.split('/'));
    loop {
        match (left.next(), right.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            _ => return false,
        }
    }
}

/// Whether `wide` selects every topic that `narrow` selects. Right for every `true`; `false` for a few equivalent spellings
/// such as `+/#` of `#`.
pub fn covers(wide: &str, narrow: &str) -> bool {
    if narrow.starts_with('$') && wide.starts_with(['#', '+']) {
        return false;
    }
    let (mut wide, mut narrow) = (wide.split('/'), narrow.split('/'));
    loop {
        match (wide.next(), narrow.next()) {
            (Some("#"), _) | (None, None) => return true,
            (_, Some("#") | None) | (None, _) => return false,
            (Some(wide), Some(narrow)) if wide == "+" || wide == narrow => {}
            _ => return false,
        }
    }
}

/// The topics that belong to one algorithm: `<prefix>/<namespace>/<name>/...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTopics {
    base: String,
    decisions: String,
    indicator: Option<IndicatorTopics>,
}

impl OwnTopics {
    /// Those of an account, `<namespace>/<name>`, below a prefix that [`check_prefix`] takes, mostly [`PREFIX`]; its
    /// decisions go to another topic where one is given.
    pub fn new(prefix: &str, account: &str, decisions: Option<&str>) -> Self {
        let base = format!("{prefix}/{account}");
        let decisions = decisions.map_or_else(|| format!("{base}/decisions"), str::to_owned);
        Self { base, decisions, indicator: IndicatorTopics::of_account(prefix, account) }
    }

    /// Those of the account's indicator; `None`: the account is no indicator's.
    pub const fn indicator(&self) -> Option<&IndicatorTopics> {
        self.indicator.as_ref()
    }

    /// Where decisions go.
    pub fn decisions(&self) -> &str {
        &self.decisions
    }

    /// Where it is said whether the algorithm is there.
    pub fn state(&self) -> String {
        format!("{}/state", self.base)
    }

    /// Where messages go that could not be used.
    pub fn dead_letter(&self) -> String {
        format!("{}/dead-letter", self.base)
    }

    /// Where the algorithm's own messages go; `#` for all of them.
    pub fn data(&self, channel: &str) -> String {
        format!("{}/data/{channel}", self.base)
    }

    /// Filters over all of them. An algorithm must not subscribe to its own output.
    pub fn filters(&self) -> Vec<String> {
        let mut filters = vec![self.state(), self.dead_letter(), self.data("#"), self.decisions.clone()];
        filters.extend(self.indicator.as_ref().map(IndicatorTopics::filter));
        filters
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comparison_of_characters_finds_the_filters_that_levels_find(filter in "[ab/+#]{0,6}", topic in "[ab/+]{0,6}") {
            prop_assert_eq!(matches(&filter, &topic), matches_by_level(&filter, &topic));
        }
    }

    #[test]
    fn filters_select_as_the_specification_says() {
        for (filter, topic, expected) in [
            ("quotes", "quotes", true),
            ("quotes", "quotes/goog", false),
            ("quotes/#", "quotes", true),
            ("quotes/#", "quotes/goog/l2", true),
            ("quotes/+", "quotes/goog", true),
            ("quotes/+", "quotes", false),
            ("+/goog", "quotes/goog", true),
            ("#", "quotes/goog", true),
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} on {topic}");
        }
    }

    #[test]
    fn a_filter_that_no_broker_would_take_is_refused() {
        for (filter, error) in [
            ("", FilterError::Length),
            ("a\0b", FilterError::Length),
            ("quotes/#/goog", FilterError::Wildcard),
            ("quotes#", FilterError::Wildcard),
            ("quotes/g+", FilterError::Wildcard),
            ("$share/group/quotes", FilterError::Shared),
        ] {
            assert_eq!(check_filter(filter), Err(error), "{filter:?}");
        }
        assert_eq!(check_filter("quotes/+/l2/#"), Ok(()));
    }

    #[test]
    fn decisions_may_go_elsewhere_and_are_its_own_all_the_same() {
        let topics = OwnTopics::new(PREFIX, "desk/a", Some("trades"));
        assert_eq!(topics.dead_letter(), "intuition/desk/a/dead-letter");
        assert!(topics.filters().iter().any(|own| overlap(own, "trades")));
        assert!(!topics.filters().iter().any(|own| overlap(own, "intuition/desk/a/decisions")));
        assert_eq!(OwnTopics::new(PREFIX, "desk/a", None).decisions(), "intuition/desk/a/decisions");
    }

    #[test]
    fn every_own_topic_is_below_the_prefix() {
        let topics = OwnTopics::new("trading/staging", "desk/a", None);
        assert_eq!(topics.state(), "trading/staging/desk/a/state");
        assert!(topics.filters().iter().all(|own| own.starts_with("trading/staging/desk/a/")));
        assert!(!topics.filters().iter().any(|own| overlap(own, "intuition/desk/a/#")));
    }

    #[test]
    fn prefix_that_no_topic_can_begin_with_is_refused() {
        for prefix in ["intuition", "intuition-local", "trading/staging", "a b/$c"] {
            assert_eq!(check_prefix(prefix), Ok(()), "{prefix}");
        }
        let long = "a".repeat(257);
        for (prefix, error) in [
            ("", PrefixError::Length),
            (long.as_str(), PrefixError::Length),
            ("/a", PrefixError::EmptyLevel),
            ("a/", PrefixError::EmptyLevel),
            ("a//b", PrefixError::EmptyLevel),
            ("a/+", PrefixError::Wildcard),
            ("a#", PrefixError::Wildcard),
            ("$SYS/a", PrefixError::OfBroker),
        ] {
            assert_eq!(check_prefix(prefix), Err(error), "{prefix:?}");
        }
    }

    #[test]
    fn filters_overlap_when_one_topic_fits_both() {
        assert!(overlap("quotes/#", "quotes/+"));
        assert!(overlap("+/goog", "quotes/#"));
        assert!(overlap("quotes/#", "quotes"));
        assert!(!overlap("quotes/goog", "quotes/aapl"));
        assert!(!overlap("quotes/+", "quotes"));
    }
}
