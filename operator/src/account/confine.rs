//! The rights of a namespace: the topics of its accounts. Pure.

use intuition_resources::{Channels, validate::FieldError};

use crate::settings::{Confine, TopicSettings};

/// The rule by which a runtime judges the channels that an algorithm asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRule {
    /// The consequence of a channel that is not allowed; never `Off`.
    pub confine: Confine,
    /// Prefix of the topics of accounts.
    pub prefix: String,
    /// Filters that are allowed besides the namespace's own topics.
    pub subscribe: Vec<String>,
}

/// The rule for an algorithm's own channels; `None`: they are not checked, or the resource names the channels itself.
pub(crate) fn channel_rule(namespace: &str, names_channels: bool, topics: &TopicSettings) -> Option<ChannelRule> {
    (topics.confine != Confine::Off && !names_channels).then(|| ChannelRule {
        confine: topics.confine,
        prefix: topics.prefix.clone(),
        subscribe: topics.subscribe_of(namespace),
    })
}

/// The topics of a resource that its namespace may not use, in the order of the fields.
pub(crate) fn problems(namespace: &str, channels: &Channels, topics: &TopicSettings) -> Vec<FieldError> {
    let Some(rule) = topics.confinement(namespace) else { return Vec::new() };
    let prefix = &topics.prefix;
    let mut problems = Vec::new();
    if let Some(topic) = channels.publish.as_ref().filter(|topic| !rule.may_publish(topic)) {
        let message = format!(
            "{topic:?} is not a topic of namespace {namespace}: publish below {prefix}/{namespace}/, or have it allowed \
             by topics.publish of the operator's chart"
        );
        problems.push(FieldError::new("spec.channels.publish", message));
    }
    for (index, filter) in channels.subscribe.iter().flatten().enumerate() {
        problems.extend(subscription(namespace, filter, &format!("spec.channels.subscribe[{index}]"), topics));
    }
    for (index, input) in channels.inputs.iter().flatten().enumerate() {
        problems.extend(subscription(namespace, &input.topic, &format!("spec.channels.inputs[{index}].topic"), topics));
    }
    problems
}

/// The problem of a filter at `path` that the namespace may not subscribe to.
pub(crate) fn subscription(namespace: &str, filter: &str, path: &str, topics: &TopicSettings) -> Option<FieldError> {
    let prefix = &topics.prefix;
    topics.confinement(namespace).filter(|rule| !rule.may_subscribe(filter)).map(|_| {
        let message = format!(
            "{filter:?} selects topics of other namespaces than {namespace}: below {prefix}/ subscribe to \
             {prefix}/{namespace}/ alone, or have it allowed by topics.subscribe of the operator's chart"
        );
        FieldError::new(path, message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;
    use crate::settings::TopicGrant;

    fn topics(confine: Confine) -> TopicSettings {
        let grant = |namespace: &str, topic: &str| TopicGrant {
            namespace: namespace.to_owned(),
            topics: vec![topic.to_owned()],
        };
        TopicSettings {
            confine,
            publish: vec![grant("desk", "trades"), grant("other", "quotes")],
            subscribe: vec![grant("*", "intuition/market/#"), grant("other", "#")],
            ..TopicSettings::default()
        }
    }

    fn paths(namespace: &str, channels: serde_json::Value, confine: Confine) -> Vec<String> {
        let channels: Channels = from_value(channels).unwrap();
        problems(namespace, &channels, &topics(confine)).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn every_topic_of_another_namespace_is_a_problem_of_its_field() {
        let channels = || json!({ "publish": "quotes", "subscribe": ["quotes", "#", "intuition/desk/+/decisions"] });
        let expected = ["spec.channels.publish", "spec.channels.subscribe[1]"];
        assert_eq!(paths("desk", channels(), Confine::Enforce), expected);
        assert_eq!(paths("desk", channels(), Confine::Warn), expected);
        assert_eq!(paths("desk", channels(), Confine::Off), Vec::<String>::new());
        let inputs = json!({ "inputs": [{ "topic": "quotes" }, { "topic": "intuition/desk-b/a/decisions" }] });
        assert_eq!(paths("desk", inputs, Confine::Enforce), ["spec.channels.inputs[1].topic"]);
    }

    #[test]
    fn grants_hold_for_their_namespace_alone() {
        let none = Vec::<String>::new();
        assert_eq!(paths("desk", json!({ "publish": "trades" }), Confine::Enforce), none);
        assert_eq!(paths("other", json!({ "publish": "trades" }), Confine::Enforce), ["spec.channels.publish"]);
        assert_eq!(paths("other", json!({ "publish": "quotes", "subscribe": ["#"] }), Confine::Enforce), none);
        assert_eq!(paths("third", json!({ "subscribe": ["intuition/market/a"] }), Confine::Enforce), none);
    }

    #[test]
    fn topics_of_a_namespace_are_those_below_the_prefix_that_is_set() {
        let channels = json!({ "publish": "staging/desk/a", "subscribe": ["intuition/other/#", "staging/other/#"] });
        let channels: Channels = from_value(channels).unwrap();
        let topics = TopicSettings { prefix: "staging".to_owned(), confine: Confine::Enforce, ..topics(Confine::Off) };
        let problems = problems("desk", &channels, &topics);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains("below staging/ subscribe to staging/desk/"), "{}", problems[0]);
        assert_eq!(channel_rule("desk", false, &topics).unwrap().prefix, "staging");
    }

    #[test]
    fn message_names_topic_namespace_and_remedy() {
        let channels: Channels = from_value(json!({ "publish": "quotes", "subscribe": ["#"] })).unwrap();
        let problems = problems("desk", &channels, &topics(Confine::Enforce));
        for (problem, value) in problems.iter().zip(["topics.publish", "topics.subscribe"]) {
            let text = problem.to_string();
            assert!(text.contains("desk") && text.contains(value) && text.contains("intuition/desk/"), "{text}");
        }
        assert!(problems[0].message.contains("\"quotes\"") && problems[1].message.contains("\"#\""));
    }

    #[test]
    fn runtime_gets_a_rule_where_the_algorithm_names_the_channels() {
        let rule = channel_rule("desk", false, &topics(Confine::Enforce)).unwrap();
        assert_eq!((rule.confine, rule.subscribe), (Confine::Enforce, vec!["intuition/market/#".to_owned()]));
        assert_eq!(channel_rule("desk", true, &topics(Confine::Enforce)), None);
        assert_eq!(channel_rule("desk", false, &topics(Confine::Off)), None);
    }
}
