//! Quotes that an account would decide twice: once from an indicator's joined topic, which has the quotes too, and once from
//! another topic. Pure.

use intuition_api::topic::{IndicatorTopics, overlap};
use intuition_resources::{ChannelSource, Channels, Indicator, Input, SourceName};
use kube::ResourceExt as _;

use crate::{
    account::sources::{KnownSources, SourceProblem, of_feed, usual_topic},
    kubernetes::object::PartialObject,
    reconcile::reason::QUOTES_TWICE,
};

/// The indicators that a resource names by their joined topics.
pub(crate) fn by_topic(channels: &Channels, prefix: &str) -> Vec<ChannelSource> {
    by_filter(channels).filter_map(|filter| indicator_of(filter, prefix)).collect()
}

fn by_filter(channels: &Channels) -> impl Iterator<Item = &str> {
    let inputs = channels.inputs.iter().flatten().map(|input| &input.topic);
    channels.subscribe.iter().flatten().chain(inputs).map(String::as_str)
}

/// The indicator with this joined topic.
fn indicator_of(topic: &str, prefix: &str) -> Option<ChannelSource> {
    let (namespace, rest) = topic.strip_prefix(prefix)?.strip_prefix('/')?.split_once('/')?;
    let name = rest.strip_suffix("/joined")?.strip_prefix("indicator.")?;
    let is_plain = !name.is_empty() && !format!("{namespace}{name}").contains(['/', '+', '#']);
    is_plain.then(|| ChannelSource::of_indicator(name.to_owned(), Some(namespace.to_owned())))
}

/// An indicator without bars among the channels of an account.
struct Joined {
    /// `<namespace>/<name>`.
    name: String,
    /// The joined topic.
    topic: String,
    /// The filter that selects its quotes.
    raw: String,
}

/// A problem for each indicator with quotes that come by another channel too. `sources`: the inputs of `spec.channels.from`.
pub(crate) fn problems(
    (own, channels): (&str, &Channels),
    sources: &[Input],
    known: KnownSources<'_>,
    prefix: &str,
) -> Vec<SourceProblem> {
    let mut named = channels.from.clone().unwrap_or_default();
    named.extend(by_topic(channels, prefix));
    let found = named.iter().filter_map(|source| match source.named() {
        SourceName::Indicator(name) => known.indicator(source.namespace(own), name),
        SourceName::Feed(_) => None,
    });
    let joined: Vec<_> = found.filter_map(|found| joined(found, known, prefix)).collect();
    let filters: Vec<_> = sources.iter().map(|source| source.topic.as_str()).chain(by_filter(channels)).collect();
    let mut problems = Vec::new();
    for (place, one) in joined.iter().enumerate() {
        let raw = filters.iter().find(|filter| **filter != one.topic && overlap(filter, &one.raw));
        let remedy = raw.map(|raw| {
            format!(
                "{raw} and the joined topic {} of Indicator {} both have the quotes of {}, so that each quote is decided \
                 twice: leave {raw} out, because the joined topic has the quotes too",
                one.topic, one.name, one.raw
            )
        });
        let other = joined.iter().take(place).find(|other| other.topic != one.topic && overlap(&other.raw, &one.raw));
        let remedy = remedy.or_else(|| {
            let other = other?;
            Some(format!(
                "the joined topics {} and {} both have the quotes of {}, so that each quote is decided twice: compute all \
                 values in one Indicator",
                other.topic, one.topic, one.raw
            ))
        });
        problems.extend(remedy.map(|message| SourceProblem {
            reason: QUOTES_TWICE,
            path: "spec.channels".to_owned(),
            message,
            is_fault: true,
        }));
    }
    problems
}

/// The topics of an indicator. `None`: it publishes bars in place of quotes, or its spec cannot be read.
fn joined(found: &PartialObject<Indicator>, known: KnownSources<'_>, prefix: &str) -> Option<Joined> {
    let spec = &found.parsed.as_ref().ok()?.spec;
    if spec.bars.is_some() {
        return None;
    }
    let own = found.namespace().unwrap_or_default();
    let name = format!("{own}/{}", found.name_any());
    let raw = match (&spec.from.feed, &spec.from.topic) {
        (Some(feed), _) => {
            let namespace = spec.from.namespace.as_deref().unwrap_or(&own);
            match known.feed(namespace, feed) {
                Some(feed) => of_feed(feed, prefix).0,
                None => usual_topic(prefix, namespace, feed),
            }
        }
        (None, topic) => topic.clone()?,
    };
    Some(Joined { topic: IndicatorTopics::new(prefix, &name).joined(), name, raw })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, from_value, json};

    use super::*;

    fn indicator(name: &str, from: &Value, bars: Option<&str>) -> Arc<PartialObject<Indicator>> {
        let mut spec = json!({ "from": from, "compute": [{ "name": "vwap", "type": "VWAP" }] });
        if let Some(interval) = bars {
            spec["bars"] = json!({ "interval": interval });
        }
        Arc::new(
            from_value(json!({
                "apiVersion": "intuition.dev/v1alpha1", "kind": "Indicator",
                "metadata": { "name": name, "namespace": "n" }, "spec": spec,
            }))
            .unwrap(),
        )
    }

    fn of(channels: Value) -> Vec<String> {
        let indicators = [
            indicator("trend", &json!({ "feed": "btc" }), None),
            indicator("other", &json!({ "feed": "btc" }), None),
            indicator("bars", &json!({ "feed": "btc" }), Some("1m")),
            indicator("filter", &json!({ "topic": "quotes/+" }), None),
        ];
        let known = KnownSources { indicators: &indicators, ..KnownSources::default() };
        let channels: Channels = from_value(channels).unwrap();
        let topic = |source: &ChannelSource| match source.named() {
            SourceName::Feed(name) => usual_topic("intuition", "n", name),
            SourceName::Indicator(name) => IndicatorTopics::new("intuition", &format!("n/{name}")).joined(),
        };
        let sources = channels.from.iter().flatten().map(|source| source.input(topic(source)));
        let sources: Vec<_> = sources.collect();
        problems(("n", &channels), &sources, known, "intuition").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_topic_of_an_indicators_input_beside_the_joined_one_is_a_problem() {
        let joined = "intuition/n/indicator.trend/joined";
        for channels in [
            json!({ "from": [{ "indicator": "trend" }, { "feed": "btc" }] }),
            json!({ "from": [{ "indicator": "trend" }], "subscribe": ["intuition/n/#"] }),
            json!({ "from": [{ "feed": "btc" }], "inputs": [{ "topic": joined }] }),
            json!({ "subscribe": [joined, "intuition/n/feed.btc/quotes"] }),
        ] {
            let found = of(channels.clone());
            assert_eq!(found.len(), 1, "{channels}: {found:?}");
            assert!(found[0].contains(joined) && found[0].contains("intuition/n/feed.btc/quotes"), "{found:?}");
            assert!(found[0].contains("decided twice: leave "), "{found:?}");
        }
        let of_filter = of(json!({ "from": [{ "indicator": "filter" }], "subscribe": ["quotes/goog"] }));
        assert!(of_filter[0].starts_with("spec.channels: quotes/goog and the joined topic"), "{of_filter:?}");
    }

    #[test]
    fn two_indicators_of_one_input_are_a_problem() {
        let found = of(json!({ "from": [{ "indicator": "trend" }, { "indicator": "other" }] }));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("indicator.trend/joined and intuition/n/indicator.other/joined"), "{found:?}");
    }

    #[test]
    fn other_channels_beside_an_indicator_are_none() {
        for channels in [
            json!({ "from": [{ "indicator": "trend" }, { "feed": "eth" }], "subscribe": ["quotes"] }),
            json!({ "from": [{ "indicator": "trend" }, { "indicator": "filter" }] }),
            json!({ "from": [{ "indicator": "bars" }, { "feed": "btc" }] }),
            json!({ "from": [{ "indicator": "unknown" }, { "feed": "btc" }] }),
        ] {
            assert_eq!(of(channels.clone()), Vec::<String>::new(), "{channels}");
        }
    }
}
