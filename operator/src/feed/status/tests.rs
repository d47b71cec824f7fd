use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    feed::plan::{
        plan,
        tests::{feed, settings},
    },
    kubernetes::apply_error::Outlook,
    reconcile::rollout::Rollout,
    workload::{pages::Missing, pod_state::Running},
};

const NOW: i64 = 1_796_650_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn part(part: &str, reason: &str) -> Missing {
    let (part, reason) = (part.to_owned(), reason.to_owned());
    Missing { message: format!("about the {part}"), part, reason, since: String::new() }
}

fn planned(more: &serde_json::Value) -> Plan {
    plan(&feed(more), &settings(), None).unwrap()
}

/// A feed whose process runs and answers with this page.
fn running(plan: &Plan, missing: Vec<Missing>, warnings: Vec<Missing>) -> Observation<'_> {
    let ready = missing.is_empty();
    let numbers = Numbers {
        published: 70,
        gaps: 2,
        missing: 9,
        reconnects: 3,
        last_quote_time: Some(NOW - 2),
        lag_seconds: Some(0.0042),
        ..Numbers::default()
    };
    Observation {
        plan,
        failure: None,
        pod: PodState::Running(Running { ip: "10.0.0.1".to_owned(), ready, crashed: None }),
        answers: Some(Answers { readiness: Ok(Readiness { missing, warnings }), numbers: Some(numbers) }),
    }
}

fn derived(observation: &Observation<'_>) -> Derived<FeedStatus> {
    derive(None, 4, &Outcome::Observed(observation), now())
}

/// Type, status and reason of each condition.
fn lines(derived: &Derived<FeedStatus>) -> BTreeMap<String, String> {
    let conditions = derived.status.conditions.iter();
    conditions.map(|found| (found.type_.clone(), format!("{} {}", found.status, found.reason))).collect()
}

fn expect(observation: &Observation<'_>, expected: &[(&str, &str)]) -> Derived<FeedStatus> {
    let derived = derived(observation);
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(kind, line)| ((*kind).to_owned(), (*line).to_owned())).collect();
    assert_eq!(lines(&derived), expected);
    derived
}

#[test]
fn feed_that_publishes_is_ready_and_shows_its_numbers() {
    let plan = planned(&json!({ "staleAfter": "5m" }));
    let derived = expect(
        &running(&plan, Vec::new(), Vec::new()),
        &[
            ("Accepted", "True Accepted"),
            ("Connected", "True Connected"),
            ("Fresh", "True Fresh"),
            ("Ready", "True Publishing"),
        ],
    );
    let status = &derived.status;
    assert_eq!((status.source.as_deref(), status.published, status.gaps), (Some("Sine"), Some(70), Some(2)));
    assert_eq!((status.missing, status.reconnects, status.late_rows), (Some(9), Some(3), Some(0)));
    assert_eq!(status.topic.as_deref(), Some("intuition/desk/feed.market/quotes"));
    assert_eq!(status.last_quote_time, Some(Time(Timestamp::from_second(NOW - 2).unwrap())));
    assert_eq!((status.lag.as_deref(), derived.rollout), (Some("0.004s"), Rollout::Settled));
    assert_eq!(status.observed_generation, Some(4));
}

#[test]
fn first_missing_part_is_the_cause() {
    let plan = planned(&json!({}));
    let missing =
        vec![part("publishing", "Starting"), part("source", "ExchangeUnreachable"), part("broker", "Unreachable")];
    let derived = expect(
        &running(&plan, missing, Vec::new()),
        &[
            ("Accepted", "True Accepted"),
            ("Connected", "False BrokerUnreachable"),
            ("Fresh", "True Fresh"),
            ("Ready", "False BrokerUnreachable"),
            ("Reconciling", "True BrokerUnreachable"),
        ],
    );
    assert_eq!(derived.events.len(), 1, "{:?}", derived.events);
    let missing = vec![part("source", "ExchangeUnreachable")];
    assert_eq!(lines(&self::derived(&running(&plan, missing, Vec::new())))["Connected"], "False ExchangeUnreachable");
}

#[test]
fn source_that_a_person_has_to_correct_stalls_the_feed() {
    let plan = planned(&json!({}));
    for reason in ["FileUnusable", "SourceChanged", "SymbolRefused", "ExchangeUnusable"] {
        let derived = derived(&running(&plan, vec![part("source", reason)], Vec::new()));
        assert_eq!(lines(&derived)["Stalled"], format!("True {reason}"));
        assert_eq!(derived.rollout, Rollout::Stalled);
    }
}

#[test]
fn feed_that_waits_for_its_first_quote_is_connected() {
    let plan = planned(&json!({}));
    let derived = expect(
        &running(&plan, vec![part("publishing", "Starting")], Vec::new()),
        &[
            ("Accepted", "True Accepted"),
            ("Connected", "True Connected"),
            ("Fresh", "True Fresh"),
            ("Ready", "False Starting"),
            ("Reconciling", "True Starting"),
        ],
    );
    assert_eq!(derived.events, [], "it is no news");
}

#[test]
fn stale_feed_is_ready_and_not_fresh() {
    let plan = planned(&json!({ "staleAfter": "5m" }));
    let derived = expect(
        &running(&plan, Vec::new(), vec![part("source", "Stale")]),
        &[
            ("Accepted", "True Accepted"),
            ("Connected", "True Connected"),
            ("Fresh", "False Stale"),
            ("Ready", "True Publishing"),
        ],
    );
    let told: Vec<_> = derived.events.iter().map(|event| (event.reason.as_str(), event.hourly.is_some())).collect();
    assert!(told.contains(&("Stale", true)), "{told:?}");
}

#[test]
fn warnings_are_the_reason_of_their_condition_and_end_nothing() {
    let plan = planned(&json!({}));
    let warnings =
        vec![part("source", "SourceEnded"), part("position", "PositionRefused"), part("publishing", "PacketTooLarge")];
    let derived = expect(
        &running(&plan, Vec::new(), warnings),
        &[
            ("Accepted", "True Accepted"),
            ("Connected", "True SourceEnded"),
            ("Fresh", "True Fresh"),
            ("Ready", "True PacketTooLarge"),
        ],
    );
    let told: Vec<_> =
        derived.events.iter().filter(|event| event.hourly.is_some()).map(|event| &event.reason).collect();
    assert_eq!(told, ["PositionRefused", "PacketTooLarge"]);
    let connected = derived.status.conditions.iter().find(|found| found.type_ == "Connected").unwrap();
    assert!(connected.message.contains("PositionRefused: about the position"), "{}", connected.message);
}

#[test]
fn suspended_feed_is_settled_and_keeps_its_last_quote() {
    let plan = planned(&json!({ "suspend": true }));
    let before = self::derived(&running(&planned(&json!({})), Vec::new(), Vec::new())).status;
    let observation = Observation { plan: &plan, failure: None, pod: PodState::RollingOut, answers: None };
    let derived = derive(Some(&before), 5, &Outcome::Observed(&observation), now());
    let expected = [
        ("Accepted", "True Accepted"),
        ("Connected", "Unknown Suspended"),
        ("Fresh", "Unknown Suspended"),
        ("Ready", "False Suspended"),
    ];
    assert_eq!(lines(&derived), expected.map(|(kind, line)| (kind.to_owned(), line.to_owned())).into());
    assert_eq!((derived.rollout, derived.status.last_quote_time), (Rollout::Settled, before.last_quote_time));
}

#[test]
fn apply_error_comes_before_its_consequences() {
    let plan = planned(&json!({}));
    let failure = ApplyFailure { reason: "QuotaExceeded", message: "quota".to_owned(), outlook: Outlook::Uncertain };
    let observation = Observation { plan: &plan, failure: Some(failure), pod: PodState::RollingOut, answers: None };
    let lines = lines(&derived(&observation));
    assert_eq!((lines["Connected"].as_str(), lines["Ready"].as_str()), ("False QuotaExceeded", "False QuotaExceeded"));
}

#[test]
fn process_that_does_not_answer_shows_nothing_new() {
    let plan = planned(&json!({}));
    let mut observation = running(&plan, Vec::new(), Vec::new());
    let address = "10.0.0.1:8080".to_owned();
    observation.answers = Some(Answers { readiness: Err(AskError::TimeOut { address }), numbers: None });
    let derived = derived(&observation);
    let lines = lines(&derived);
    assert_eq!((lines["Connected"].as_str(), lines["Fresh"].as_str()), ("False Unreachable", "Unknown FeedUnread"));
    assert_eq!(derived.status.published, None);
}

#[test]
fn spec_that_is_not_accepted_stalls_the_feed() {
    let problems = [FieldError::new("spec.source", "is required")];
    for outcome in [Outcome::Unreadable("unknown field"), Outcome::Refused(&problems)] {
        let derived = derive(None, 4, &outcome, now());
        let lines = lines(&derived);
        assert!(lines["Ready"].starts_with("False") && lines["Stalled"].starts_with("True"), "{lines:?}");
        assert_eq!(lines["Connected"], "Unknown NotAccepted");
        assert_eq!(derived.rollout, Rollout::Stalled);
    }
}
