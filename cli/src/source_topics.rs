//! The topics of the feeds and indicators that accounts take quotes from. Pure.

use std::collections::{BTreeMap, BTreeSet};

use intuition_api::topic::{FeedTopics, IndicatorTopics, PREFIX};
use intuition_resources::{
    ChannelPlan, ChannelSource, Channels, FEED_KIND, INDICATOR_KIND, IndicatorSpec, Input, SourceName,
};

/// The feeds and indicators in the manifests, by `<namespace>/<name>`.
#[derive(Debug, Default)]
pub(crate) struct KnownSources {
    prefix: String,
    /// The topic filter of each feed.
    feeds: BTreeMap<String, String>,
    indicators: BTreeSet<String>,
}

/// The channels of an account.
#[derive(Debug, PartialEq)]
pub(crate) struct AccountChannels {
    pub(crate) plan: ChannelPlan,
    /// The sources that are in none of the manifests. They count with their usual topics in a cluster.
    pub(crate) absent: Vec<Absent>,
}

/// A source that is in none of the manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Absent {
    /// The field that names it.
    pub(crate) field: &'static str,
    /// Kind and name, such as `Feed desk/btc`.
    pub(crate) source: String,
}

impl KnownSources {
    /// The sources of manifests by `<namespace>/<name>`, a feed with the topic in its spec; other topics are below a prefix. A
    /// feed without a usable topic is left out; its own manifest is refused.
    pub(crate) fn below(
        prefix: &str,
        feeds: impl IntoIterator<Item = (String, Option<String>)>,
        indicators: impl IntoIterator<Item = String>,
    ) -> Self {
        let filter = |(name, topic): (String, Option<String>)| {
            let topics = FeedTopics::new(prefix, &name, topic.as_deref()).ok()?;
            Some((name, topics.filter()))
        };
        let (feeds, indicators) = (feeds.into_iter().filter_map(filter).collect(), indicators.into_iter().collect());
        Self { prefix: prefix.to_owned(), feeds, indicators }
    }

    /// The channels of an account in namespace `own`, by `spec.channels`.
    pub(crate) fn channels_of(&self, own: &str, channels: Option<&Channels>) -> AccountChannels {
        let Some(channels) = channels else {
            return AccountChannels { plan: ChannelPlan::default(), absent: Vec::new() };
        };
        let (mut inputs, mut absent) = (Vec::new(), Vec::new());
        for source in channels.from.iter().flatten() {
            let (kind, name, topic) = self.source(own, source);
            inputs.extend(topic.filter.map(|filter| source.input(filter)));
            if !topic.is_known {
                absent.push(Absent { field: "spec.channels.from", source: format!("{kind} {name}") });
            }
        }
        AccountChannels { plan: channels.plan(inputs), absent }
    }

    /// The channels of an indicator in namespace `own`. The topic that its spec names is `localised` in a run.
    pub(crate) fn channels_of_indicator(
        &self,
        own: &str,
        spec: &IndicatorSpec,
        localise: impl FnOnce(&str) -> String,
    ) -> AccountChannels {
        let (filter, absent) = match (&spec.from.feed, &spec.from.topic) {
            (Some(feed), _) => {
                let name = format!("{}/{feed}", spec.from.namespace.as_deref().unwrap_or(own));
                let topic = self.feed(&name);
                let absent = Absent { field: "spec.from.feed", source: format!("{FEED_KIND} {name}") };
                (topic.filter, (!topic.is_known).then_some(absent))
            }
            (None, topic) => (topic.as_deref().map(localise), None),
        };
        let filters: Vec<_> = filter.into_iter().collect();
        let input = |topic: &String| {
            let symbols = spec.symbols.clone()?;
            let (topic, symbols) = (topic.clone(), Some(symbols));
            Some(Input { topic, symbols, format: None, max_quote_age: None, stale_after: None })
        };
        let inputs = filters.iter().filter_map(input).collect();
        AccountChannels { plan: ChannelPlan { filters: Some(filters), inputs }, absent: absent.into_iter().collect() }
    }

    fn source(&self, own: &str, source: &ChannelSource) -> (&'static str, String, SourceTopic) {
        let namespace = source.namespace(own);
        match source.named() {
            SourceName::Feed(name) => {
                let name = format!("{namespace}/{name}");
                let topic = self.feed(&name);
                (FEED_KIND, name, topic)
            }
            SourceName::Indicator(name) => {
                let name = format!("{namespace}/{name}");
                let is_known = self.indicators.contains(&name);
                let prefix = if is_known { &self.prefix } else { PREFIX };
                let filter = Some(IndicatorTopics::new(prefix, &name).joined());
                (INDICATOR_KIND, name, SourceTopic { filter, is_known })
            }
        }
    }

    fn feed(&self, name: &str) -> SourceTopic {
        let known = self.feeds.get(name).cloned();
        let is_known = known.is_some();
        let usual = || FeedTopics::new(PREFIX, name, None).map(|topics| topics.filter()).ok();
        SourceTopic { filter: known.or_else(usual), is_known }
    }
}

/// The topic of a source.
struct SourceTopic {
    filter: Option<String>,
    /// The source is in the manifests.
    is_known: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn channels_of(known: &KnownSources, channels: Value) -> AccountChannels {
        known.channels_of("desk", Some(&from_value(channels).unwrap()))
    }

    fn sources(absent: &[Absent]) -> Vec<&str> {
        absent.iter().map(|absent| absent.source.as_str()).collect()
    }

    #[test]
    fn feeds_are_found_by_namespace_and_name() {
        let feeds = [("desk/btc".to_owned(), Some("market/{sid}".to_owned())), ("default/btc".to_owned(), None)];
        let known = KnownSources::below(PREFIX, feeds, []);
        let from = json!([
            { "feed": "btc", "symbols": ["A"] },
            { "feed": "btc", "namespace": "default" },
            { "feed": "other" },
        ]);
        let AccountChannels { plan, absent } = channels_of(&known, json!({ "subscribe": ["quotes"], "from": from }));
        let expected = ["quotes", "market/+", "intuition/default/feed.btc/quotes", "intuition/desk/feed.other/quotes"];
        assert_eq!(plan.filters.unwrap(), expected);
        assert_eq!(
            (plan.inputs[0].symbols.clone(), sources(&absent)),
            (Some(vec!["A".to_owned()]), vec!["Feed desk/other"])
        );
    }

    #[test]
    fn sources_of_a_run_have_its_topics() {
        let known = KnownSources::below("intuition-local", [("desk/btc".to_owned(), None)], ["desk/trend".to_owned()]);
        let from =
            json!({ "from": [{ "feed": "btc" }, { "indicator": "trend" }, { "indicator": "far", "namespace": "x" }] });
        let AccountChannels { plan, absent } = channels_of(&known, from);
        let expected = [
            "intuition-local/desk/feed.btc/quotes",
            "intuition-local/desk/indicator.trend/joined",
            "intuition/x/indicator.far/joined",
        ];
        assert_eq!(
            (plan.filters.unwrap(), sources(&absent)),
            (expected.map(str::to_owned).to_vec(), vec!["Indicator x/far"])
        );
        let own = AccountChannels { plan: ChannelPlan::default(), absent: Vec::new() };
        assert_eq!(known.channels_of("desk", None), own);
    }

    #[test]
    fn an_indicator_takes_a_feed_or_a_topic_and_lists_its_symbols() {
        let known = KnownSources::below(PREFIX, [("desk/btc".to_owned(), Some("market/{sid}".to_owned()))], []);
        let of = |from: Value| {
            let compute = json!([{ "name": "sma-2", "type": "SMA", "parameters": { "period": 2 } }]);
            let spec = from_value(json!({ "from": from, "symbols": ["A"], "compute": compute })).unwrap();
            known.channels_of_indicator("desk", &spec, |topic| format!("local/{topic}"))
        };
        for (from, filter, absent) in [
            (json!({ "feed": "btc" }), "market/+", vec![]),
            (json!({ "feed": "btc", "namespace": "x" }), "intuition/x/feed.btc/quotes", vec!["Feed x/btc"]),
            (json!({ "topic": "quotes/#" }), "local/quotes/#", vec![]),
        ] {
            let channels = of(from);
            assert_eq!((channels.plan.filters.unwrap(), sources(&channels.absent)), (vec![filter.to_owned()], absent));
            let [input] = channels.plan.inputs.try_into().unwrap();
            assert_eq!((input.topic.as_str(), input.symbols.unwrap()), (filter, vec!["A".to_owned()]));
        }
    }
}
