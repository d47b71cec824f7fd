//! The resources that an account takes quotes from: from the names of feeds and indicators to inputs on their topics. Pure.
//!
//! A feed that does not exist has its usual topic, so that neither its creation nor its deletion replaces the runtime's pod,
//! and an account of feeds alone always has a channel. The topic of an indicator follows from its name.

use std::{fmt, sync::Arc};

use intuition_api::topic::{FeedTopics, IndicatorTopics, overlap};
use intuition_resources::{ChannelSource, Feed, Indicator, Input, SourceName, validate::FieldError};
use kube::{Resource, ResourceExt as _};

use crate::{
    kubernetes::object::PartialObject,
    reconcile::reason::{SOURCE_MISSING, TOPIC_NOT_ALLOWED},
    settings::{Confine, TopicSettings},
};

/// The feeds and indicators that the operator has found.
#[derive(Debug, Clone, Copy, Default)]
pub struct KnownSources<'a> {
    /// The feeds that a resource or one of its indicators names, as far as they exist.
    pub feeds: &'a [Arc<PartialObject<Feed>>],
    /// The indicators that a resource names, as far as they exist.
    pub indicators: &'a [Arc<PartialObject<Indicator>>],
    /// The only namespace that the operator watches; `None`: it watches all of them.
    pub scope: Option<&'a str>,
}

/// A problem of a source: it is missing, its topic is not allowed, or its quotes come by another topic too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProblem {
    /// Reason for the condition.
    pub reason: &'static str,
    /// Path of the source in the spec.
    pub path: String,
    /// The cause, and the remedy.
    pub message: String,
    /// Whether it is a fault; otherwise the quotes are taken, and the condition stays true.
    pub is_fault: bool,
}

/// The sources of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// The inputs on the topics to subscribe to, in the order of the spec.
    pub inputs: Vec<Input>,
    /// In the order of the spec.
    pub problems: Vec<SourceProblem>,
}

/// The resource that names sources.
#[derive(Clone, Copy)]
pub(crate) struct Taker<'a> {
    /// Its namespace.
    pub(crate) namespace: &'a str,
    /// Filters over its own topics, which it must not subscribe to.
    pub(crate) own: &'a [String],
    /// Path of a source in its spec, by the place of the source.
    pub(crate) path: fn(usize) -> String,
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Sources {
    /// The sources that a resource names.
    pub(crate) fn of(
        named: &[ChannelSource],
        taker: Taker<'_>,
        known: KnownSources<'_>,
        topics: &TopicSettings,
    ) -> Self {
        let mut sources = Self::default();
        for (place, source) in named.iter().enumerate() {
            let subject = subject(source.named(), source.namespace(taker.namespace));
            let (topic, missing) = topic_of(source, source.namespace(taker.namespace), known, &topics.prefix);
            let not_allowed = not_allowed(&topic, &subject, taker, topics);
            let is_subscribed = not_allowed.as_ref().is_none_or(|(_, is_fault)| !is_fault);
            let problem = match (not_allowed, missing) {
                (Some((message, is_fault)), _) => Some((TOPIC_NOT_ALLOWED, message, is_fault)),
                (None, Some(message)) => Some((SOURCE_MISSING, message, true)),
                (None, None) => None,
            };
            let problem = problem.map(|(reason, message, is_fault)| SourceProblem {
                reason,
                path: (taker.path)(place),
                message,
                is_fault,
            });
            sources.problems.extend(problem);
            if is_subscribed {
                sources.inputs.push(source.input(topic));
            }
        }
        sources
    }

    /// The violations of a resource that has no other channels than these, if none of them may be used: without a channel
    /// its runtime would ask for those of the algorithm.
    pub(crate) fn without_channel(&self) -> Vec<FieldError> {
        if !self.inputs.is_empty() {
            return Vec::new();
        }
        let problem = |problem: &SourceProblem| FieldError::of(problem.reason, &problem.path, &problem.message);
        self.problems.iter().map(problem).collect()
    }
}

impl<'a> KnownSources<'a> {
    /// The feed with this name.
    pub(crate) fn feed(&self, namespace: &str, name: &str) -> Option<&'a Arc<PartialObject<Feed>>> {
        self.feeds.iter().find(|found| is_named(found.as_ref(), namespace, name))
    }

    /// The indicator with this name.
    pub(crate) fn indicator(&self, namespace: &str, name: &str) -> Option<&'a Arc<PartialObject<Indicator>>> {
        self.indicators.iter().find(|found| is_named(found.as_ref(), namespace, name))
    }
}

fn is_named(found: &impl Resource, namespace: &str, name: &str) -> bool {
    found.meta().name.as_deref() == Some(name) && found.namespace().as_deref() == Some(namespace)
}

/// Kind and name for messages: `Feed desk/btc`.
fn subject(named: SourceName<'_>, namespace: &str) -> String {
    match named {
        SourceName::Feed(name) => format!("Feed {namespace}/{name}"),
        SourceName::Indicator(name) => format!("Indicator {namespace}/{name}"),
    }
}

/// The topic filter of a source, and why it has no quotes on it.
fn topic_of(
    source: &ChannelSource,
    namespace: &str,
    known: KnownSources<'_>,
    prefix: &str,
) -> (String, Option<String>) {
    let subject = subject(source.named(), namespace);
    let absent = || match known.scope.filter(|scope| *scope != namespace) {
        Some(scope) => format!("{subject} is not known, because the operator watches namespace {scope} alone"),
        None => format!("there is no {subject}: create it, or correct the name"),
    };
    let (topic, cause) = match source.named() {
        SourceName::Feed(name) => match known.feed(namespace, name) {
            Some(found) => of_feed(found, prefix),
            None => (usual_topic(prefix, namespace, name), Some(absent())),
        },
        SourceName::Indicator(name) => {
            let topic = IndicatorTopics::new(prefix, &format!("{namespace}/{name}")).joined();
            (topic, known.indicator(namespace, name).is_none().then(absent))
        }
    };
    let missing = cause.map(|cause| format!("{cause}; its topic is taken to be {topic}"));
    (topic, missing)
}

/// The topic filter of a feed, and the cause if it is not the filter of its spec.
pub(crate) fn of_feed(found: &PartialObject<Feed>, prefix: &str) -> (String, Option<String>) {
    let (namespace, name) = (found.namespace().unwrap_or_default(), found.name_any());
    let feed = format!("{namespace}/{name}");
    let usual = || usual_topic(prefix, &namespace, &name);
    match &found.parsed {
        Err(_) => (usual(), Some(format!("this release of the operator cannot read Feed {feed}: see its conditions"))),
        Ok(parsed) => match FeedTopics::new(prefix, &feed, parsed.spec.publish.topic.as_deref()) {
            Ok(topics) => (topics.filter(), None),
            Err(error) => (usual(), Some(format!("the topic of Feed {feed} {error}: correct its spec.publish.topic"))),
        },
    }
}

/// The topic filter of a feed without `publish.topic`.
pub(crate) fn usual_topic(prefix: &str, namespace: &str, name: &str) -> String {
    let topics = FeedTopics::new(prefix, &format!("{namespace}/{name}"), None);
    topics.map(|topics| topics.filter()).unwrap_or_default()
}

/// Why the topic of a source may not be subscribed to, and whether it is not.
fn not_allowed(topic: &str, subject: &str, taker: Taker<'_>, topics: &TopicSettings) -> Option<(String, bool)> {
    if let Some(own) = taker.own.iter().find(|own| overlap(topic, own)) {
        let message =
            format!("the topic {topic} of {subject} is the account's own {own}: give the feed another publish.topic");
        return Some((message, true));
    }
    let rule = topics.confinement(taker.namespace)?;
    if rule.may_subscribe(topic) {
        return None;
    }
    let is_fault = topics.confine == Confine::Enforce;
    let consequence =
        if is_fault { "is not subscribed to" } else { "will not be subscribed to with topics.confine=Enforce" };
    let message = format!(
        "the topic {topic} of {subject} is of another namespace than {} and {consequence}: have it allowed by \
         topics.subscribe of the operator's chart",
        taker.namespace
    );
    Some((message, is_fault))
}

#[cfg(test)]
mod tests {
    use intuition_api::topic::OwnTopics;
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::settings::TopicGrant;

    fn feed(namespace: &str, name: &str, publish: Value) -> Arc<PartialObject<Feed>> {
        let generator =
            json!({ "model": "Sine", "startPrice": 9, "volatility": "0.1", "interval": "1s", "symbols": ["A"] });
        let mut spec = json!({ "source": { "generator": generator }, "publish": {} });
        match publish {
            Value::Object(publish) => spec["publish"] = Value::Object(publish),
            other => spec["ofTheNextRelease"] = other,
        }
        let feed = json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "Feed",
            "metadata": { "name": name, "namespace": namespace }, "spec": spec,
        });
        Arc::new(from_value(feed).unwrap())
    }

    fn settings(confine: Confine) -> TopicSettings {
        let grant = TopicGrant { namespace: "n".to_owned(), topics: vec!["intuition/market/#".to_owned()] };
        TopicSettings { confine, subscribe: vec![grant], ..TopicSettings::default() }
    }

    fn of(named: Value, found: &[Arc<PartialObject<Feed>>], confine: Confine) -> Sources {
        let named: Vec<ChannelSource> = from_value(named).unwrap();
        Sources::of(&named, taker(&own()), KnownSources { feeds: found, ..KnownSources::default() }, &settings(confine))
    }

    fn own() -> Vec<String> {
        OwnTopics::new("intuition", "n/a", None).filters()
    }

    fn taker(own: &[String]) -> Taker<'_> {
        Taker { namespace: "n", own, path: |place| format!("spec.channels.from[{place}]") }
    }

    fn topics(sources: &Sources) -> Vec<&str> {
        sources.inputs.iter().map(|input| input.topic.as_str()).collect()
    }

    fn reasons(sources: &Sources) -> Vec<(&str, bool)> {
        sources.problems.iter().map(|problem| (problem.reason, problem.is_fault)).collect()
    }

    #[test]
    fn feeds_stand_for_their_topics() {
        let found = [
            feed("n", "x", json!({})),
            feed("market", "x", json!({ "topic": "market/{sid}/trades" })),
            feed("n", "y", json!({})),
        ];
        let named =
            json!([{ "feed": "x", "symbols": ["A"], "staleAfter": "5m" }, { "feed": "x", "namespace": "market" }]);
        let sources = of(named, &found, Confine::Enforce);
        assert_eq!(
            (topics(&sources), reasons(&sources)),
            (vec!["intuition/n/feed.x/quotes", "market/+/trades"], vec![])
        );
        let first = &sources.inputs[0];
        assert_eq!(
            (first.symbols.clone(), first.stale_after.as_ref().unwrap().seconds()),
            (Some(vec!["A".to_owned()]), 300)
        );
    }

    #[test]
    fn a_feed_that_does_not_exist_is_expected_on_its_usual_topic() {
        let named = || json!([{ "feed": "x" }, { "feed": "y" }, { "feed": "z" }]);
        let found = [feed("m", "x", json!({})), feed("n", "y", json!(true)), feed("n", "z", json!({ "topic": "a/#" }))];
        let sources = of(named(), &found, Confine::Enforce);
        let usual = ["x", "y", "z"].map(|name| format!("intuition/n/feed.{name}/quotes"));
        assert_eq!(
            (topics(&sources), reasons(&sources)),
            (usual.iter().map(String::as_str).collect(), vec![(SOURCE_MISSING, true); 3])
        );
        for (problem, text) in
            sources.problems.iter().zip(["there is no Feed n/x: create", "cannot read Feed n/y", "spec.publish.topic"])
        {
            assert!(problem.message.contains(text), "{problem:?}");
        }
        assert_eq!(sources.without_channel(), []);
    }

    #[test]
    fn a_feed_beyond_the_watched_namespace_is_not_known() {
        let named: Vec<ChannelSource> = from_value(json!([{ "feed": "x", "namespace": "market" }])).unwrap();
        let known = KnownSources { scope: Some("n"), ..KnownSources::default() };
        let sources = Sources::of(&named, taker(&own()), known, &settings(Confine::Enforce));
        assert!(sources.problems[0].message.contains("watches namespace n alone"), "{:?}", sources.problems);
        assert_eq!(sources.inputs[0].topic, "intuition/market/feed.x/quotes");
    }

    #[test]
    fn topics_of_other_namespaces_and_own_ones_are_left_out() {
        let found =
            [feed("other", "x", json!({})), feed("n", "loop", json!({ "topic": "intuition/n/{sid}/decisions" }))];
        let named = || json!([{ "feed": "x", "namespace": "other" }, { "feed": "gone", "namespace": "other" }, { "feed": "loop" }]);
        let enforced = of(named(), &found, Confine::Enforce);
        assert_eq!((topics(&enforced), reasons(&enforced)), (vec![], vec![(TOPIC_NOT_ALLOWED, true); 3]));
        let told: Vec<_> = enforced.without_channel().iter().map(ToString::to_string).collect();
        assert!(
            told[0].starts_with("spec.channels.from[0]: the topic intuition/other/feed.x/quotes of Feed other/x"),
            "{told:?}"
        );
        assert!(told[2].contains("is the account's own intuition/n/a/decisions"), "{told:?}");
        let warned = of(named(), &found, Confine::Warn);
        assert_eq!(topics(&warned), ["intuition/other/feed.x/quotes", "intuition/other/feed.gone/quotes"]);
        assert_eq!(
            reasons(&warned),
            [(TOPIC_NOT_ALLOWED, false), (TOPIC_NOT_ALLOWED, false), (TOPIC_NOT_ALLOWED, true)]
        );
        let off = of(named(), &found, Confine::Off);
        assert_eq!(reasons(&off), [(SOURCE_MISSING, true), (TOPIC_NOT_ALLOWED, true)]);
        assert_eq!(
            reasons(&of(json!([{ "feed": "x", "namespace": "market" }]), &[], Confine::Enforce)),
            [(SOURCE_MISSING, true)]
        );
    }

    #[test]
    fn an_indicator_has_its_topic_whether_it_exists_or_not() {
        let indicator = json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "Indicator",
            "metadata": { "name": "x", "namespace": "n" },
            "spec": { "from": { "feed": "x" }, "compute": [{ "name": "vwap", "type": "VWAP" }] },
        });
        let indicators = [Arc::new(from_value(indicator).unwrap())];
        let named: Vec<ChannelSource> =
            from_value(json!([{ "indicator": "x", "symbols": ["A"] }, { "indicator": "y" }])).unwrap();
        let known = KnownSources { indicators: &indicators, ..KnownSources::default() };
        let sources = Sources::of(&named, taker(&own()), known, &settings(Confine::Enforce));
        assert_eq!(topics(&sources), ["intuition/n/indicator.x/joined", "intuition/n/indicator.y/joined"]);
        assert_eq!(reasons(&sources), [(SOURCE_MISSING, true)]);
        assert_eq!(sources.inputs[0].symbols, Some(vec!["A".to_owned()]));
        let told = sources.problems[0].to_string();
        assert!(told.starts_with("spec.channels.from[1]: there is no Indicator n/y: create"), "{told}");
    }

    #[test]
    fn an_indicator_of_another_namespace_is_judged_as_a_feed_is() {
        let sources = of(json!([{ "indicator": "x", "namespace": "other" }]), &[], Confine::Enforce);
        assert_eq!((topics(&sources), reasons(&sources)), (vec![], vec![(TOPIC_NOT_ALLOWED, true)]));
        assert!(sources.problems[0].message.contains("of Indicator other/x is of another namespace than n"));
    }
}
