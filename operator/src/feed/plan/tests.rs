use intuition_resources::API_VERSION;
use serde_json::from_value;

use super::*;
use crate::{settings::TopicGrant, workload::broker::Login};

/// Settings with an image for feeds, a default broker, and network policies.
pub(crate) fn settings() -> Settings {
    let text = "{runtimeImage: r, bridgeImage: b, feedImage: f, broker: {url: 'mqtt://b'}, topics: {confine: Off}, networkPolicy: \
                {operatorNamespace: system, operatorPodLabels: {app: operator}}}";
    Settings::parse(text).unwrap()
}

/// A feed of a generator, with further fields of the spec.
pub(crate) fn feed(more: &Value) -> Feed {
    let mut spec = json!({
        "source": { "generator": {
            "model": "Sine", "startPrice": 100, "volatility": "0.2", "interval": "1s", "symbols": ["ACME"],
        } },
    });
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    from_value(json!({
        "apiVersion": API_VERSION, "kind": FEED_KIND,
        "metadata": { "name": "market", "namespace": "desk", "uid": "u-1", "generation": 4 },
        "spec": spec,
    }))
    .unwrap()
}

fn paths(planned: Result<Plan, Vec<FieldError>>) -> Vec<String> {
    planned.unwrap_err().into_iter().map(|problem| problem.path).collect()
}

#[test]
fn plan_has_every_default() {
    let plan = plan(&feed(&json!({})), &settings(), None).unwrap();
    assert_eq!(plan.topic, "intuition/desk/feed.market/quotes");
    assert_eq!((plan.has_stale_after, plan.is_suspended, plan.generation), (false, false, 4));
    assert_eq!((plan.broker.login, plan.source.kind()), (Login::Anonymous, "Sine"));
}

#[test]
fn fields_that_the_operator_alone_reads_do_not_reach_the_process() {
    let spec = |more: Value| plan(&feed(&more), &settings(), None).unwrap().spec;
    let usual = spec(json!({}));
    let broker = json!({ "url": "mqtt://elsewhere" });
    assert_eq!(spec(json!({ "suspend": true, "broker": broker })), usual, "the pod is not replaced for them");
    assert_ne!(spec(json!({ "staleAfter": "5m" })), usual);
}

#[test]
fn all_problems_are_found_at_once() {
    let mut given = feed(&json!({ "publish": { "topic": "market/+" } }));
    given.spec.source.generator = None;
    let without_broker = Settings { broker: None, ..settings() };
    assert_eq!(paths(plan(&given, &without_broker, None)), ["spec.broker", "spec.publish.topic", "spec.source"]);
}

#[test]
fn topic_of_another_namespace_is_refused_or_shown_and_a_grant_allows_it() {
    let given = feed(&json!({ "publish": { "topic": "intuition/other/{sid}" } }));
    let confined = |confine| {
        let mut settings = settings();
        settings.topics.confine = confine;
        settings
    };
    assert_eq!(paths(plan(&given, &confined(Confine::Enforce), None)), ["spec.publish.topic"]);
    let warned = plan(&given, &confined(Confine::Warn), None).unwrap();
    assert_eq!((warned.warnings.len(), warned.topic.as_str()), (1, "intuition/other/{sid}"));
    assert_eq!(plan(&given, &confined(Confine::Off), None).unwrap().warnings, []);
    let mut granted = confined(Confine::Enforce);
    granted.topics.publish =
        vec![TopicGrant { namespace: "desk".to_owned(), topics: vec!["intuition/other/+".to_owned()] }];
    assert_eq!(plan(&given, &granted, None).unwrap().warnings, []);
}

#[test]
fn feeds_are_refused_where_the_settings_have_no_image_for_them() {
    let settings = Settings { feed_image: None, ..settings() };
    let problems = plan(&feed(&json!({})), &settings, None).unwrap_err();
    assert!(problems[0].message.contains("feedImage"), "{problems:?}");
}
