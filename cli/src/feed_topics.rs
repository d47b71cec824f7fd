//! The topics of the feeds that accounts name in `spec.channels.from`. Pure.

use std::collections::BTreeMap;

use intuition_api::topic::{FeedTopics, PREFIX};
use intuition_resources::{ChannelPlan, ChannelSource, Channels, Input};

/// The topic filters of the feeds in the manifests, by `<namespace>/<name>`.
#[derive(Debug, Default)]
pub(crate) struct KnownFeeds(BTreeMap<String, String>);

/// The channels of an account.
#[derive(Debug, PartialEq)]
pub(crate) struct AccountChannels {
    pub(crate) plan: ChannelPlan,
    /// The feeds that are in none of the manifests, `<namespace>/<name>`. They count with their usual topics in a cluster.
    pub(crate) absent: Vec<String>,
}

impl KnownFeeds {
    /// The feeds of manifests by `<namespace>/<name>`, each with the topic in its spec; other topics are below a prefix. A feed
    /// without a usable topic is left out; its own manifest is refused.
    pub(crate) fn below(prefix: &str, feeds: impl IntoIterator<Item = (String, Option<String>)>) -> Self {
        let filter = |(name, topic): (String, Option<String>)| {
            let topics = FeedTopics::new(prefix, &name, topic.as_deref()).ok()?;
            Some((name, topics.filter()))
        };
        Self(feeds.into_iter().filter_map(filter).collect())
    }

    /// The channels of an account in namespace `own`, by `spec.channels`.
    pub(crate) fn channels_of(&self, own: &str, channels: Option<&Channels>) -> AccountChannels {
        let Some(channels) = channels else {
            return AccountChannels { plan: ChannelPlan::default(), absent: Vec::new() };
        };
        let name = |source: &ChannelSource| format!("{}/{}", source.namespace(own), source.feed());
        let named: Vec<_> = channels.from.iter().flatten().map(|source| (source, name(source))).collect();
        let input = |(source, name): &(&ChannelSource, String)| -> Option<Input> {
            let usual = || FeedTopics::new(PREFIX, name, None).map(|topics| topics.filter()).ok();
            Some(source.input(self.0.get(name).cloned().or_else(usual)?))
        };
        let plan = channels.plan(named.iter().filter_map(input).collect());
        let absent = named.into_iter().map(|(_, name)| name).filter(|name| !self.0.contains_key(name)).collect();
        AccountChannels { plan, absent }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn channels_of(known: &KnownFeeds, channels: Value) -> AccountChannels {
        known.channels_of("desk", Some(&from_value(channels).unwrap()))
    }

    #[test]
    fn feeds_are_found_by_namespace_and_name() {
        let feeds = [("desk/btc".to_owned(), Some("market/{sid}".to_owned())), ("default/btc".to_owned(), None)];
        let known = KnownFeeds::below(PREFIX, feeds);
        let from = json!([
            { "feed": "btc", "symbols": ["A"] },
            { "feed": "btc", "namespace": "default" },
            { "feed": "other" },
        ]);
        let AccountChannels { plan, absent } = channels_of(&known, json!({ "subscribe": ["quotes"], "from": from }));
        let expected = ["quotes", "market/+", "intuition/default/feed.btc/quotes", "intuition/desk/feed.other/quotes"];
        assert_eq!(plan.filters.unwrap(), expected);
        assert_eq!(
            (plan.inputs[0].symbols.clone(), absent),
            (Some(vec!["A".to_owned()]), vec!["desk/other".to_owned()])
        );
    }

    #[test]
    fn feeds_of_a_run_have_its_topics() {
        let known = KnownFeeds::below("intuition-local", [("desk/btc".to_owned(), None)]);
        let AccountChannels { plan, absent } = channels_of(&known, json!({ "from": [{ "feed": "btc" }] }));
        assert_eq!((plan.filters.unwrap(), absent.len()), (vec!["intuition-local/desk/feed.btc/quotes".to_owned()], 0));
        let own = AccountChannels { plan: ChannelPlan::default(), absent: Vec::new() };
        assert_eq!(known.channels_of("desk", None), own);
    }
}
