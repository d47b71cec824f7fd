//! The topics that the accounts of one namespace may use. Topics below the prefix, `intuition/` if no other is set, belong
//! to namespaces: `<prefix>/<namespace>/` is the namespace's own. Topics outside of the prefix belong to no namespace, and
//! every account may subscribe to them.

use super::{covers, matches};

/// First levels by which brokers serve the filter behind them in another way: MQTT 5 knows `$share/<group>/<filter>`, EMQX
/// has `$queue/<filter>` and `$exclusive/<filter>` too. The number is that of the levels before the filter.
const ENVELOPES: [(&str, usize); 3] = [("$share", 2), ("$queue", 1), ("$exclusive", 1)];

/// The topics that the accounts of one namespace may use: its own, and granted ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    prefix: String,
    namespace: String,
    publish: Vec<String>,
    subscribe: Vec<String>,
}

impl Confinement {
    /// The rule of a namespace, where the topics of accounts begin with `prefix`. `publish` and `subscribe` are topic
    /// filters that are granted besides its own topics.
    pub fn new(
        prefix: impl Into<String>,
        namespace: impl Into<String>,
        publish: Vec<String>,
        subscribe: Vec<String>,
    ) -> Self {
        Self { prefix: prefix.into(), namespace: namespace.into(), publish, subscribe }
    }

    /// Whether an account of the namespace may publish on `topic`: it lies below `<prefix>/<namespace>/`, or a granted
    /// filter selects it.
    pub fn may_publish(&self, topic: &str) -> bool {
        let own = topic
            .strip_prefix(&self.prefix)
            .and_then(|rest| rest.strip_prefix('/')?.strip_prefix(&self.namespace)?.strip_prefix('/'));
        own.is_some_and(|rest| !rest.is_empty()) || self.publish.iter().any(|granted| matches(granted, topic))
    }

    /// Whether an account of the namespace may subscribe to `filter`: the filter selects no topic below the prefix but
    /// those of the namespace, or one granted filter selects every topic below the prefix that this one selects.
    pub fn may_subscribe(&self, filter: &str) -> bool {
        let filter = inner(filter);
        let Some(foreign) = self.foreign_part(filter) else { return true };
        self.subscribe.iter().any(|granted| covers(granted, &foreign))
    }

    /// A filter that selects the topics below the prefix that `filter` selects; `None` where all of them are the
    /// namespace's own. The topic `<prefix>/<namespace>` itself counts as its own, so that `<prefix>/<namespace>/#` does.
    fn foreign_part(&self, filter: &str) -> Option<String> {
        let rest = below(filter, &self.prefix)?;
        let first = rest.split('/').next().unwrap_or_default();
        (first != self.namespace).then(|| format!("{}/{rest}", self.prefix))
    }
}

/// The levels of a filter by which it selects topics below a prefix; `None`: it selects none of them.
fn below<'a>(filter: &'a str, prefix: &str) -> Option<&'a str> {
    let mut rest = filter;
    for wanted in prefix.split('/') {
        // A filter with no more levels than the prefix selects nothing below it, unless it ends in `#`.
        match rest.split_once('/') {
            Some((level, more)) if level == "+" || level == wanted => rest = more,
            None if rest == "#" => return Some(rest),
            _ => return None,
        }
    }
    Some(rest)
}

/// The filter by which the broker selects messages.
fn inner(filter: &str) -> &str {
    let first = filter.split('/').next().unwrap_or_default();
    let Some((_, levels)) = ENVELOPES.iter().find(|(name, _)| *name == first) else { return filter };
    filter.splitn(levels + 1, '/').nth(*levels).unwrap_or(filter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::topic::{PREFIX, check_filter};

    fn confined(publish: &[&str], subscribe: &[&str]) -> Confinement {
        let owned = |filters: &[&str]| filters.iter().map(|filter| (*filter).to_owned()).collect();
        Confinement::new(PREFIX, "desk", owned(publish), owned(subscribe))
    }

    #[test]
    fn filters_that_reach_another_namespace_are_not_allowed() {
        let none = confined(&[], &[]);
        for (filter, expected) in [
            ("quotes", true),
            ("quotes/#", true),
            ("+", true),
            ("+/goog", false),
            ("+/desk/#", true),
            ("intuition", true),
            ("intuition/desk/#", true),
            ("intuition/desk/a/decisions", true),
            ("intuition/desk-b/#", false),
            ("intuition/+/a/decisions", false),
            ("intuition/#", false),
            ("#", false),
            ("+/#", false),
            ("+/+/a/state", false),
            ("$SYS/#", true),
            ("$share/group/#", false),
            ("$share/group/quotes", true),
            ("$share/group/intuition/other/#", false),
            ("$queue/#", false),
            ("$exclusive/intuition/desk/#", true),
        ] {
            assert_eq!(none.may_subscribe(filter), expected, "{filter}");
        }
    }

    #[test]
    fn grants_open_what_they_cover_and_no_more() {
        let some = confined(&["trades/+", "intuition/risk/in"], &["intuition/+/+/decisions", "intuition/risk/#"]);
        for (filter, expected) in [
            ("intuition/other/a/decisions", true),
            ("intuition/+/+/decisions", true),
            ("+/+/+/decisions", true),
            ("intuition/other/a/state", false),
            ("intuition/risk/#", true),
            ("intuition/#", false),
            ("#", false),
        ] {
            assert_eq!(some.may_subscribe(filter), expected, "{filter}");
        }
        assert!(confined(&[], &["#"]).may_subscribe("#") && confined(&[], &["intuition/#"]).may_subscribe("#"));
        for (topic, expected) in [
            ("intuition/desk/a/decisions", true),
            ("intuition/desk/", false),
            ("intuition/desk", false),
            ("intuition/desk-b/a/decisions", false),
            ("quotes", false),
            ("trades/a", true),
            ("trades/a/b", false),
            ("intuition/risk/in", true),
        ] {
            assert_eq!(some.may_publish(topic), expected, "{topic}");
        }
    }

    #[test]
    fn prefix_of_several_levels_confines_as_one_of_one_level() {
        let rule = Confinement::new("trading/staging", "desk", Vec::new(), vec!["trading/staging/risk/#".to_owned()]);
        for (filter, expected) in [
            ("intuition/other/#", true),
            ("trading/live/other/#", true),
            ("trading", true),
            ("trading/staging", true),
            ("trading/+", true),
            ("trading/staging/desk/#", true),
            ("trading/+/desk/a/state", true),
            ("trading/staging/risk/limits", true),
            ("trading/staging/other/#", false),
            ("trading/staging/+", false),
            ("trading/#", false),
            ("+/+/other/a/state", false),
            ("+/#", false),
            ("#", false),
        ] {
            assert_eq!(rule.may_subscribe(filter), expected, "{filter}");
        }
        for (topic, expected) in [
            ("trading/staging/desk/a/decisions", true),
            ("trading/desk/a/decisions", false),
            ("trading/staging/desk-b/a", false),
            ("intuition/desk/a/decisions", false),
        ] {
            assert_eq!(rule.may_publish(topic), expected, "{topic}");
        }
    }

    /// Every topic of up to four of these levels.
    fn topics() -> Vec<String> {
        let levels = ["intuition", "desk", "other", "", "a"];
        let mut all: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
        let mut longest = all.clone();
        for _ in 1..4 {
            longest =
                longest.iter().flat_map(|topic| levels.iter().map(move |level| format!("{topic}/{level}"))).collect();
            all.extend(longest.iter().cloned());
        }
        all.retain(|topic| !topic.is_empty());
        all
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop::sample::select(vec!["intuition", "intuition", "desk", "other", "", "a", "+", "+"]);
        (prop::collection::vec(level, 1..4), any::<bool>())
            .prop_map(|(levels, open)| {
                let filter = levels.join("/");
                if open { format!("{filter}/#") } else { filter }
            })
            .prop_filter("a broker takes it", |filter| check_filter(filter).is_ok())
    }

    fn is_foreign(topic: &str) -> bool {
        topic.starts_with("intuition/") && topic != "intuition/desk" && !topic.starts_with("intuition/desk/")
    }

    proptest! {
        #[test]
        fn rule_agrees_with_matching_every_topic(filter in prop_oneof![filter(), Just("#".to_owned())]) {
            let reaches = topics().iter().any(|topic| is_foreign(topic) && matches(&filter, topic));
            prop_assert_eq!(confined(&[], &[]).may_subscribe(&filter), !reaches);
        }

        #[test]
        fn granted_filter_opens_no_foreign_topic_beyond_itself(filter in filter(), granted in filter()) {
            if confined(&[], &[&granted]).may_subscribe(&filter) {
                for topic in topics().iter().filter(|topic| is_foreign(topic) && matches(&filter, topic)) {
                    prop_assert!(matches(&granted, topic), "{} by {} opens {}", filter, granted, topic);
                }
            }
        }

        #[test]
        fn own_topics_of_every_account_of_the_namespace_are_allowed(name in "[a-z]{1,9}") {
            let own = crate::topic::OwnTopics::new(PREFIX, &format!("desk/{name}"), None);
            prop_assert!(own.filters().iter().all(|filter| confined(&[], &[]).may_subscribe(filter)));
            prop_assert!(confined(&[], &[]).may_publish(own.decisions()));
        }
    }
}
