//! The topics of the feeds that accounts name in `spec.channels.from`. Pure.

use std::collections::BTreeMap;

use intuition_api::topic::{FeedTopics, PREFIX};
use intuition_resources::{ChannelPlan, ChannelSource, Feed, Input, TradingAlgo};

use crate::validate;

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
    /// The feeds of manifests, with their topics in a cluster.
    pub(crate) fn in_cluster<'a>(feeds: impl IntoIterator<Item = &'a Feed>) -> Self {
        Self::below(PREFIX, feeds.into_iter().map(|feed| (feed, feed.spec.publish.topic.clone())))
    }

    /// The feeds of manifests below a prefix, each with the topic that it names. A feed without a usable topic is left out;
    /// its own manifest is refused.
    pub(crate) fn below<'a>(prefix: &str, feeds: impl IntoIterator<Item = (&'a Feed, Option<String>)>) -> Self {
        let filter = |(feed, topic): (&Feed, Option<String>)| {
            let name = validate::feed_name(feed);
            let topics = FeedTopics::new(prefix, &name, topic.as_deref()).ok()?;
            Some((name, topics.filter()))
        };
        Self(feeds.into_iter().filter_map(filter).collect())
    }

    /// The channels of an account.
    pub(crate) fn channels_of(&self, algo: &TradingAlgo) -> AccountChannels {
        let Some(channels) = &algo.spec.channels else {
            return AccountChannels { plan: ChannelPlan::default(), absent: Vec::new() };
        };
        let own = validate::namespace(algo);
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
    use intuition_resources::{API_VERSION, validate::parse};
    use serde_json::{Value, from_value, json};

    use super::*;

    fn algo(channels: &Value) -> TradingAlgo {
        let manifest = json!({
            "apiVersion": API_VERSION, "kind": "TradingAlgo", "metadata": { "name": "a", "namespace": "desk" },
            "spec": { "algorithm": { "builtin": "random" }, "channels": channels },
        });
        parse(&manifest).unwrap()
    }

    fn feed(namespace: Option<&str>, publish: &Value) -> Feed {
        from_value(json!({
            "apiVersion": API_VERSION, "kind": "Feed", "metadata": { "name": "btc", "namespace": namespace },
            "spec": { "source": {}, "publish": publish },
        }))
        .unwrap()
    }

    #[test]
    fn feeds_are_found_by_namespace_and_name() {
        let feeds = [feed(Some("desk"), &json!({ "topic": "market/{sid}" })), feed(None, &json!({}))];
        let known = KnownFeeds::in_cluster(&feeds);
        let from = json!([{ "feed": "btc", "symbols": ["A"] }, { "feed": "btc", "namespace": "default" }, { "feed": "other" }]);
        let AccountChannels { plan, absent } =
            known.channels_of(&algo(&json!({ "subscribe": ["quotes"], "from": from })));
        let expected = ["quotes", "market/+", "intuition/default/feed.btc/quotes", "intuition/desk/feed.other/quotes"];
        assert_eq!(
            (plan.filters.unwrap(), absent),
            (expected.map(str::to_owned).into(), vec!["desk/other".to_owned()])
        );
        assert_eq!(plan.inputs[0].symbols, Some(vec!["A".to_owned()]));
    }

    #[test]
    fn feeds_of_a_run_have_its_topics() {
        let feed = feed(Some("desk"), &json!({}));
        let known = KnownFeeds::below("intuition-local", [(&feed, None)]);
        let AccountChannels { plan, absent } = known.channels_of(&algo(&json!({ "from": [{ "feed": "btc" }] })));
        assert_eq!((plan.filters.unwrap(), absent.len()), (vec!["intuition-local/desk/feed.btc/quotes".to_owned()], 0));
        let own = AccountChannels { plan: ChannelPlan::default(), absent: Vec::new() };
        assert_eq!(known.channels_of(&algo(&json!({}))), own);
    }
}
