use std::sync::Arc;

use intuition_resources::{API_VERSION, Feed, INDICATOR_KIND};
use serde_json::{Value, from_value};

use super::*;
use crate::kubernetes::object::PartialObject;

fn indicator(spec: &Value) -> Indicator {
    from_value(json!({
        "apiVersion": API_VERSION, "kind": INDICATOR_KIND,
        "metadata": { "name": "trend", "namespace": "n", "uid": "0f1e2d3c-0000", "generation": 7 },
        "spec": spec,
    }))
    .unwrap()
}

fn spec(from: &Value) -> Value {
    json!({ "from": from, "compute": [{ "name": "sma-20", "type": "SMA", "parameters": { "period": 20 } }] })
}

fn planned(spec: &Value, confine: &str, feeds: &[Arc<PartialObject<Feed>>]) -> Result<Plan, Vec<String>> {
    let settings = Settings::parse(&format!(
        "{{runtimeImage: r, bridgeImage: b, networkPolicy: {{enabled: false}}, topics: {{confine: {confine}}}, \
         broker: {{url: 'mqtt://b'}}}}"
    ))
    .unwrap();
    let sources = KnownSources { feeds, ..KnownSources::default() };
    let inputs = Inputs { settings: &settings, credentials: None, sources, previous: None, stored: Stored::new() };
    plan(&indicator(spec), inputs).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn the_account_computes_what_the_spec_names_and_has_no_cash() {
    let mut given = spec(&json!({ "topic": "quotes" }));
    given["bars"] = json!({ "interval": "5m" });
    given["session"] = json!({ "timeZone": "UTC", "start": "09:30" });
    let plan = planned(&given, "Enforce", &[]).unwrap();
    assert_eq!((plan.account().as_str(), plan.children().as_str()), ("n/indicator.trend", "trend-indicator"));
    let file = plan.settings_file().unwrap();
    assert_eq!((&file["algorithm"], &file["startingCash"]), (&json!("indicators"), &json!("0.00")));
    let expected = json!({ "compute": given["compute"], "bars": given["bars"], "session": given["session"] });
    assert_eq!(file["parameters"], expected);
    assert_eq!((plan.subscribe, plan.inputs), (Some(vec!["quotes".to_owned()]), Vec::new()));
}

#[test]
fn listed_symbols_are_those_of_an_input() {
    let mut given = spec(&json!({ "topic": "quotes/+" }));
    given["symbols"] = json!(["GOOG"]);
    let plan = planned(&given, "Enforce", &[]).unwrap();
    let input = &plan.inputs[0];
    assert_eq!((input.topic.as_str(), &input.symbols), ("quotes/+", &Some(vec!["GOOG".to_owned()])));
    let paths: Vec<_> = plan.later_settings.iter().map(|setting| (setting.path, setting.capability)).collect();
    assert_eq!(paths, [("spec.compute", "indicators"), ("spec.compute", "joined"), ("spec.symbols", "inputs")]);
}

#[test]
fn a_feed_stands_for_its_topic_whether_it_exists_or_not() {
    let plan = planned(&spec(&json!({ "feed": "btc" })), "Enforce", &[]).unwrap();
    assert_eq!(plan.subscribe.as_deref().unwrap(), ["intuition/n/feed.btc/quotes"]);
    assert_eq!(plan.source_problems.len(), 1);
    let told = plan.source_problems[0].to_string();
    assert!(told.starts_with("spec.from.feed: there is no Feed n/btc: create it"), "{told}");
    let feed = json!({
        "apiVersion": API_VERSION, "kind": "Feed", "metadata": { "name": "btc", "namespace": "n" },
        "spec": { "source": { "exchange": { "name": "Binance", "symbols": ["A"] } }, "publish": { "topic": "m/{sid}" } },
    });
    let plan = planned(&spec(&json!({ "feed": "btc" })), "Enforce", &[Arc::new(from_value(feed).unwrap())]).unwrap();
    assert_eq!((plan.subscribe.as_deref().unwrap(), plan.source_problems.len()), (&["m/+".to_owned()][..], 0));
}

#[test]
fn topics_of_other_namespaces_refuse_the_resource_or_warn() {
    let topic = spec(&json!({ "topic": "intuition/other/feed.x/quotes" }));
    let refused = planned(&topic, "Enforce", &[]).unwrap_err();
    assert!(refused.len() == 1 && refused[0].starts_with("spec.from.topic: \"intuition/other"), "{refused:?}");
    let warned = planned(&topic, "Warn", &[]).unwrap();
    assert_eq!((warned.warnings.len(), warned.subscribe.unwrap().len()), (1, 1));
    let feed = spec(&json!({ "feed": "x", "namespace": "other" }));
    let refused = planned(&feed, "Enforce", &[]).unwrap_err();
    assert!(refused.len() == 1 && refused[0].starts_with("spec.from.feed: the topic intuition/other"), "{refused:?}");
    assert!(planned(&feed, "Off", &[]).unwrap().warnings.is_empty());
}

#[test]
fn violations_of_the_spec_and_of_the_broker_are_found_at_once() {
    let mut given = spec(&json!({ "topic": "quotes" }));
    given["compute"][0]["parameters"]["period"] = json!(0);
    given["broker"] = json!({ "url": "mqtt://me@host" });
    let refused = planned(&given, "Enforce", &[]).unwrap_err();
    assert_eq!(refused.len(), 2, "{refused:?}");
}
