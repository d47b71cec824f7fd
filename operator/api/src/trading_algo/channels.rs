//! `spec.channels`: where quotes come from and decisions go, and the subscriptions that follow from it.

use intuition_api::topic::covers;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Format;
use crate::Duration;

/// Where quotes come from and decisions go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!(has(self.subscribe) && has(self.inputs))")
        .message("must have at most one of subscribe and inputs")
)]
pub struct Channels {
    /// MQTT topic filters with the quotes, the short form of `inputs`. Without these two and `from`, the algorithm's own
    /// channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))]
    pub subscribe: Option<Vec<String>>,
    /// MQTT topic filters with the quotes, each with a description of its messages; at most 2,000 symbols in all, those of
    /// `from` included. Where several match a topic, the first one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub inputs: Option<Vec<Input>>,
    /// Feeds and indicators to take quotes from, beside `subscribe` or `inputs`, or alone. Messages on their topics are read
    /// as quotes of our own before any input is asked. A source that does not exist yet is the reason `SourceMissing` of the
    /// condition `InputsHealthy`; the other channels go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub from: Option<Vec<ChannelSource>>,
    /// MQTT topic for the decisions; without it, `intuition/<namespace>/<name>/decisions`, or the same below
    /// `topics.prefix` of the operator's chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub publish: Option<String>,
}

/// A topic filter, and the description of its messages.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// MQTT topic filter; each filter once.
    #[schemars(length(min = 1, max = 256))]
    pub topic: String,
    /// The symbols to take, upper and lower case apart; without them, all. Quotes of other symbols reach no algorithm and
    /// are counted `notListed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 64)))]
    pub symbols: Option<Vec<String>>,
    /// The form of messages that are no quotes of our own; `intuition validate --sample` shows the quotes that it reads. A
    /// message that does not fit is dead-lettered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Age from which on quotes are not traded: a whole number with `s`, `m`, `h` or `d`, such as `30s`. Older quotes reach the
    /// algorithm, and signals about them are denied `StaleQuote`. The age is the time from the quote's own time until the
    /// algorithm is asked. Messages with the user property `replay` are not judged. Without it, quotes may have any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_quote_age: Option<Duration>,
    /// Time without a quote after which the condition `InputsHealthy` gets the reason `Stale`, such as `5m`. Without it,
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Duration>,
}

/// A resource to take quotes from: exactly one of `feed` and `indicator`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.feed) != has(self.indicator)").message("must have exactly one of feed and indicator"))]
pub struct ChannelSource {
    /// Name of a `Feed`; each feed once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub feed: Option<String>,
    /// Name of an `Indicator`; each indicator once. Its topic has the quotes too: its feed beside it would decide each
    /// quote twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub indicator: Option<String>,
    /// Namespace of the feed or indicator; without it, that of this resource. Topics of another namespace have to be
    /// allowed by `topics.subscribe` of the operator's chart, or the reason is `TopicNotAllowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// The symbols to take, as for inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 64)))]
    pub symbols: Option<Vec<String>>,
    /// Age from which on quotes are not traded, as for inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_quote_age: Option<Duration>,
    /// Time without a quote after which `InputsHealthy` gets the reason `Stale`, as for inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Duration>,
}

/// The kind and name of a resource to take quotes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceName<'a> {
    /// A `Feed`.
    Feed(&'a str),
    /// An `Indicator`.
    Indicator(&'a str),
}

impl ChannelSource {
    /// A feed alone: all of its symbols, of any age.
    pub fn of_feed(feed: String, namespace: Option<String>) -> Self {
        Self { feed: Some(feed), ..Self::none(namespace) }
    }

    /// An indicator alone.
    pub fn of_indicator(indicator: String, namespace: Option<String>) -> Self {
        Self { indicator: Some(indicator), ..Self::none(namespace) }
    }

    const fn none(namespace: Option<String>) -> Self {
        Self { feed: None, indicator: None, namespace, symbols: None, max_quote_age: None, stale_after: None }
    }

    /// The kind and name of the resource; the name is empty in a source that is not valid.
    pub fn named(&self) -> SourceName<'_> {
        match (&self.feed, &self.indicator) {
            (_, Some(name)) => SourceName::Indicator(name),
            (feed, None) => SourceName::Feed(feed.as_deref().unwrap_or_default()),
        }
    }

    /// Namespace of the feed or indicator, for a resource of namespace `own`.
    pub fn namespace<'a>(&'a self, own: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(own)
    }

    /// The source as an input on this topic filter: its messages are quotes of our own.
    pub fn input(&self, topic: String) -> Input {
        let Self { symbols, max_quote_age, stale_after, .. } = self.clone();
        Input { topic, symbols, format: None, max_quote_age, stale_after }
    }
}

/// The subscriptions of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelPlan {
    /// Topic filters; `None`: those of the algorithm.
    pub filters: Option<Vec<String>>,
    /// The inputs, the first match of a topic first. Empty: every message is a quote of our own, of any symbol and age.
    pub inputs: Vec<Input>,
}

impl Channels {
    /// Whether the resource names its channels; otherwise the algorithm does.
    pub const fn are_named(&self) -> bool {
        self.subscribe.is_some() || self.inputs.is_some() || self.from.is_some()
    }

    /// The subscriptions, with the topics of `from` in its order, as far as they are known. No topic of a source is
    /// subscribed to by two filters if one of the two selects all topics of the other.
    pub fn plan(&self, mut sources: Vec<Input>) -> ChannelPlan {
        if !self.are_named() {
            return ChannelPlan::default();
        }
        keep_first(&mut sources);
        let mut given = self.inputs.clone().unwrap_or_default();
        let by_inputs = given.iter().map(|input| &input.topic);
        let own: Vec<_> = self.subscribe.iter().flatten().chain(by_inputs).cloned().collect();
        let filters = once(own, &sources);
        // A message on the topic of a source reaches no input.
        given.retain(|input| !sources.iter().any(|source| covers(&source.topic, &input.topic)));
        let has_settings =
            |input: &Input| input.symbols.is_some() || input.max_quote_age.is_some() || input.stale_after.is_some();
        let are_needed = self.inputs.is_some() || sources.iter().any(has_settings);
        let inputs = if are_needed { sources.into_iter().chain(given).collect() } else { Vec::new() };
        ChannelPlan { filters: Some(filters), inputs }
    }
}

/// Removes a source if an earlier one takes all of its messages.
fn keep_first(sources: &mut Vec<Input>) {
    let mut kept: Vec<Input> = Vec::new();
    for source in sources.drain(..) {
        if !kept.iter().any(|earlier| covers(&earlier.topic, &source.topic)) {
            kept.push(source);
        }
    }
    *sources = kept;
}

/// The resource's own filters, then those of sources. A filter is left out if another one covers it and one of both is a
/// source's. Own filters among themselves stay as they are.
fn once(own: Vec<String>, sources: &[Input]) -> Vec<String> {
    let first_source = own.len();
    let all: Vec<_> = own.into_iter().chain(sources.iter().map(|source| source.topic.clone())).collect();
    let is_covered = |place: usize, filter: &str| {
        all.iter().enumerate().any(|(other, by)| {
            other != place
                && other.max(place) >= first_source
                && covers(by, filter)
                && (other < place || !covers(filter, by))
        })
    };
    let kept = all.iter().enumerate().filter(|(place, filter)| !is_covered(*place, filter));
    kept.map(|(_, filter)| filter.clone()).collect()
}

#[cfg(test)]
mod tests {
    use intuition_api::topic::matches;
    use proptest::prelude::*;
    use serde_json::{from_value, json};

    use super::*;

    fn input(topic: &str) -> Input {
        from_value(json!({ "topic": topic })).unwrap()
    }

    fn plan(channels: serde_json::Value, sources: &[&str]) -> ChannelPlan {
        let channels: Channels = from_value(channels).unwrap();
        channels.plan(sources.iter().map(|topic| input(topic)).collect())
    }

    fn topics(plan: &ChannelPlan) -> Vec<&str> {
        plan.inputs.iter().map(|input| input.topic.as_str()).collect()
    }

    #[test]
    fn without_any_channel_those_of_the_algorithm_count() {
        assert_eq!(plan(json!({ "publish": "a" }), &[]), ChannelPlan::default());
        let source = plan(json!({ "from": [{ "feed": "a" }] }), &["x"]);
        assert_eq!((source.filters, source.inputs), (Some(vec!["x".to_owned()]), Vec::new()));
        assert_eq!(plan(json!({ "from": [{ "feed": "a" }] }), &[]).filters, Some(Vec::new()));
    }

    fn filters(plan: &ChannelPlan) -> Vec<&str> {
        plan.filters.iter().flatten().map(String::as_str).collect()
    }

    #[test]
    fn sources_stand_before_inputs_and_nested_filters_are_left_out() {
        let channels = json!({ "inputs": [{ "topic": "x/#" }, { "topic": "y" }], "from": [{ "feed": "a" }] });
        for (source, inputs, expected) in [
            ("z", ["z", "x/#", "y"].as_slice(), ["x/#", "y", "z"].as_slice()),
            ("x/a", &["x/a", "x/#", "y"], &["x/#", "y"]),
            ("y", &["y", "x/#"], &["x/#", "y"]),
            ("+", &["+", "x/#"], &["x/#", "+"]),
        ] {
            let planned = plan(channels.clone(), &[source]);
            assert_eq!((topics(&planned).as_slice(), filters(&planned).as_slice()), (inputs, expected));
        }
    }

    #[test]
    fn inputs_are_planned_where_something_has_settings() {
        let channels: Channels = from_value(json!({ "subscribe": ["#"], "from": [{ "feed": "a" }] })).unwrap();
        assert_eq!(topics(&channels.plan(vec![input("x")])), Vec::<&str>::new());
        let listed = Input { symbols: Some(vec!["A".to_owned()]), ..input("x") };
        let planned = channels.plan(vec![input("w"), listed, input("x")]);
        assert_eq!((topics(&planned), filters(&planned)), (vec!["w", "x"], vec!["#"]));
    }

    fn filter() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "+"]), 1..4).prop_map(|levels| levels.join("/"))
    }

    proptest! {
        #[test]
        fn no_topic_is_lost_and_none_of_a_source_is_selected_by_nested_filters(
            own in prop::collection::btree_set(filter(), 0..4), given in prop::collection::vec(filter(), 1..4)
        ) {
            let sources: Vec<_> = given.iter().map(|topic| input(topic)).collect();
            let channels = Channels { subscribe: Some(own.iter().cloned().collect()), ..Channels::default() };
            let filters = channels.plan(sources).filters.unwrap();
            for topic in ["a", "b", "a/a", "a/b", "b/a", "b/b", "a/a/a", "a/b/a", "b/b/a", "b/a/b"] {
                let is_wanted = own.iter().chain(&given).any(|filter| matches(filter, topic));
                prop_assert_eq!(filters.iter().any(|filter| matches(filter, topic)), is_wanted, "{}", topic);
            }
            for (one, two) in filters.iter().flat_map(|one| filters.iter().map(move |two| (one, two))) {
                let are_own = own.contains(one) && own.contains(two);
                prop_assert!(one == two || are_own || !covers(one, two), "{:?}", filters);
            }
        }
    }
}
