//! Channels that an algorithm asks for and the account's namespace may not use.

use super::{
    far::{Wired, at},
    *,
};
use crate::settings::{Topics, from_second_file};

const A: &str = "http://a:1";
const B: &str = "http://b:2";

/// With the member `topics` of a second settings file.
fn confined(settings: Settings, topics: &str) -> Settings {
    let file = from_second_file(&format!("{{\"topics\":{topics}}}")).unwrap();
    Settings { topics: Topics::new(&settings.account, file.topics), ..settings }
}

fn reason(wired: &Wired) -> Option<&'static str> {
    wired.bench.engine.topics_condition().map(|(reason, _)| reason)
}

#[test]
fn channel_of_another_namespace_is_not_subscribed_to_and_shown() {
    let rule = r#"{"confine":"Enforce","subscribe":["intuition/market/#"]}"#;
    let mut wired = Wired::new(confined(at(A, 1), rule));
    wired.come_up(A, "algo", &["quotes", "intuition/other/#", "#", "intuition/market/goog"]);
    assert_eq!(wired.channels().1, ["quotes", "intuition/market/goog"]);
    let (reason, message) = wired.bench.engine.topics_condition().unwrap();
    assert_eq!(reason, "TopicNotAllowed");
    assert!(message.contains("intuition/other/#, #,"), "{message}");
    // Quotes of the other channels are decided, quotes of a refused channel are not.
    wired.send_on("quotes", 0..1);
    assert_eq!(wired.answer(A, ""), ["1"]);
    wired.send_on("intuition/other/a", 1..2);
    assert_eq!(kinds(&wired.told()), [Kind::Decided, Kind::NotSubscribed]);
}

#[test]
fn another_prefix_is_where_topics_belong_to_namespaces() {
    let mut wired = Wired::new(confined(at(A, 1), r#"{"confine":"Enforce","prefix":"trading/staging"}"#));
    wired.come_up(A, "algo", &["intuition/other/#", "trading/staging/other/#", "trading/live/#"]);
    assert_eq!(wired.channels().1, ["intuition/other/#", "trading/live/#"]);
    assert_eq!(reason(&wired), Some("TopicNotAllowed"));
    let error = from_second_file(r#"{"topics":{"confine":"Warn","prefix":"a/+"}}"#).unwrap_err().to_string();
    assert!(error.contains("topics.prefix \"a/+\" must have neither wildcards"), "{error}");
}

#[test]
fn algorithm_whose_channels_are_all_refused_gets_none() {
    let mut wired = Wired::new(confined(at(A, 1), r#"{"confine":"Enforce"}"#));
    wired.come_up(A, "algo", &["#"]);
    assert_eq!((wired.channels(), reason(&wired)), ((1, Vec::new()), Some("TopicNotAllowed")));
}

#[test]
fn algorithm_that_takes_over_is_judged_by_its_own_channels() {
    let mut wired = Wired::new(confined(at(A, 1), r#"{"confine":"Enforce"}"#));
    wired.come_up(A, "algo", &["quotes", "#"]);
    assert_eq!(reason(&wired), Some("TopicNotAllowed"));
    wired.move_to(B, 2);
    wired.come_up(B, "other", &["quotes"]);
    assert_eq!((wired.deciding().as_str(), reason(&wired)), ("other", None));
    wired.move_to(A, 3);
    wired.come_up(A, "algo", &["quotes", "#"]);
    assert_eq!((wired.deciding().as_str(), reason(&wired)), ("algo", Some("TopicNotAllowed")));
    assert_eq!(wired.channels().1, ["quotes"]);
}

#[test]
fn warning_leaves_every_channel_subscribed() {
    let mut wired = Wired::new(confined(at(A, 1), r#"{"confine":"Warn"}"#));
    wired.come_up(A, "algo", &["quotes", "#"]);
    assert_eq!((wired.channels().1, reason(&wired)), (vec!["quotes".to_owned(), "#".to_owned()], None));
}

#[test]
fn channels_that_the_resource_names_are_not_judged_again() {
    let settings = Settings { subscribe: Some(vec!["#".to_owned()]), ..at(A, 1) };
    let mut wired = Wired::new(confined(settings, r#"{"confine":"Enforce"}"#));
    wired.come_up(A, "algo", &["intuition/other/#"]);
    assert_eq!((wired.channels().1, reason(&wired)), (vec!["#".to_owned()], None));
}
