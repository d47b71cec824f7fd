//! From a `Feed` to a plan. Later steps decide nothing. Pure.

use intuition_api::topic::FeedTopics;
use intuition_resources::{
    FEED_KIND, Feed, FeedSource, FeedSpec,
    validate::{FieldError, check_feed},
};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{
    kubernetes::owner::Owner,
    names::FEED_APP,
    settings::{Confine, Settings, TopicSettings, credentials::Credentials},
    workload::broker::{self, BrokerPlan},
};

/// The request of one `Feed`, validated, with all defaults applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The owner of the children.
    pub owner: Owner,
    /// The generation of the spec.
    pub generation: i64,
    /// The image of the process.
    pub image: String,
    /// The origin of the quotes.
    pub source: FeedSource,
    /// The spec as the process takes it: without the fields that the operator alone reads.
    pub spec: Value,
    /// Topic of the quotes; `{sid}` stands for the symbol.
    pub topic: String,
    /// Whether there is a largest age of the last quote.
    pub has_stale_after: bool,
    /// Whether nothing is published.
    pub is_suspended: bool,
    /// Topics that the namespace may not use, where that does not refuse the resource.
    pub warnings: Vec<FieldError>,
    /// The broker.
    pub broker: BrokerPlan,
}

/// The plan of a resource, or all violations of its spec.
pub fn plan(feed: &Feed, settings: &Settings, credentials: Option<&Credentials>) -> Result<Plan, Vec<FieldError>> {
    let mut problems = check_feed(&json!(feed), &settings.topics.prefix);
    let (name, uid) = (feed.name_any(), feed.uid().unwrap_or_default());
    let namespace = feed.namespace().unwrap_or_default();
    let broker = match broker::plan(feed.spec.broker.as_ref(), settings, credentials, (&name, &uid)) {
        Ok(broker) => Some(broker),
        Err(problem) => {
            // A URL that violates the schema is reported once.
            if !problems.iter().any(|known| known.path.starts_with("spec.broker")) {
                problems.push(problem);
            }
            None
        }
    };
    if settings.feed_image.is_none() {
        let message = "no feed runs here: the settings of the operator have no feedImage";
        problems.push(FieldError::new("spec", message));
    }
    let mut warnings: Vec<_> = topic_problem(&namespace, &feed.spec, &settings.topics).into_iter().collect();
    if settings.topics.confine == Confine::Enforce {
        problems.append(&mut warnings);
    }
    let topics =
        FeedTopics::new(&settings.topics.prefix, &format!("{namespace}/{name}"), feed.spec.publish.topic.as_deref());
    let (Some(broker), Ok(topics), Some(image), true) = (broker, topics, &settings.feed_image, problems.is_empty())
    else {
        problems.sort();
        return Err(problems);
    };
    Ok(Plan {
        owner: Owner {
            namespace,
            name,
            uid,
            kind: FEED_KIND,
            app: FEED_APP,
            keeps: None,
            installation: settings.installation.clone(),
        },
        generation: feed.metadata.generation.unwrap_or_default(),
        image: image.clone(),
        source: feed.spec.source.clone(),
        spec: of_process(&feed.spec),
        topic: topics.quotes().to_owned(),
        has_stale_after: feed.spec.stale_after.is_some(),
        is_suspended: feed.spec.suspend,
        warnings,
        broker,
    })
}

/// The fields on which the process depends: a change of any other field does not replace its pod.
fn of_process(spec: &FeedSpec) -> Value {
    json!(FeedSpec { suspend: false, broker: None, ..spec.clone() })
}

/// The topic of the quotes, if the namespace may not publish on it.
fn topic_problem(namespace: &str, spec: &FeedSpec, topics: &TopicSettings) -> Option<FieldError> {
    let (topic, rule) = (spec.publish.topic.as_ref()?, topics.confinement(namespace)?);
    // No symbol adds a level to the topic, so that the topic is allowed for every symbol or for none.
    (!rule.may_publish(topic)).then(|| {
        let prefix = &topics.prefix;
        let message = format!(
            "{topic:?} is not a topic of namespace {namespace}: publish below {prefix}/{namespace}/, or have it allowed by \
             topics.publish of the operator's chart"
        );
        FieldError::new("spec.publish.topic", message)
    })
}

#[cfg(test)]
pub(crate) mod tests;
