use intuition_api::v1::{Channels, Trading};
use intuition_resources::{API_VERSION, INDICATOR_KIND, Indicator, Ledger};
use serde_json::{Value, from_value, json};

use super::*;
use crate::{
    account::{
        ask::{RuntimeReport, trading::TradingReport},
        plan::{Plan, Stored},
        sources::KnownSources,
        status::observation::LedgerState,
    },
    indicator::plan::{Inputs, plan},
    reconcile::rollout::Rollout,
    trading_algo::plan::tests_support::settings,
    workload::{
        pages::Readiness,
        pod_state::{PodState, Running},
    },
};

const GENERATION: i64 = 7;
const JOINED_TOPIC: &str = "intuition/n/indicator.trend/joined";

fn planned() -> Plan {
    planned_with(&json!({}))
}

/// A plan of a resource with these further members of the spec.
fn planned_with(further: &Value) -> Plan {
    let mut spec = json!({ "from": { "feed": "btc" }, "compute": [{ "name": "vwap", "type": "VWAP" }] });
    spec.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    let indicator: Indicator = from_value(json!({
        "apiVersion": API_VERSION, "kind": INDICATOR_KIND,
        "metadata": { "name": "trend", "namespace": "n", "uid": "u", "generation": GENERATION },
        "spec": spec,
    }))
    .unwrap();
    let settings = settings();
    let inputs = Inputs {
        settings: &settings,
        credentials: None,
        sources: KnownSources::default(),
        previous: None,
        stored: Stored::new(),
    };
    plan(&indicator, inputs).unwrap()
}

fn account(capabilities: &[&str]) -> AccountResponse {
    let counter = |name: &str, value| Counter { name: name.to_owned(), value, ..Counter::default() };
    let of_channel = Counter { reason: "quotes".to_owned(), ..counter("gaps", 1) };
    AccountResponse {
        account: "n/indicator.trend".to_owned(),
        ledger_id: "01234567".to_owned(),
        algorithm: "indicators".to_owned(),
        channels: Some(Channels { version: 1, filters: vec!["quotes".to_owned()], ..Channels::default() }),
        effective_generation: GENERATION,
        deposits: "0.00".to_owned(),
        capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
        bridge_capabilities: vec!["joined".to_owned()],
        trading: Some(Trading { generation: GENERATION, ..Trading::default() }),
        counters: vec![of_channel, counter("gaps", 2), counter("joined", 42)],
        unpublished: 2,
        ..AccountResponse::default()
    }
}

fn pods(capabilities: &[&str]) -> Pods {
    let running = || PodState::Running(Running { ip: "10.0.0.1".to_owned(), ready: true, crashed: None });
    let report = RuntimeReport {
        missing: Ok(Vec::new()),
        warnings: Vec::new(),
        account: Ok(account(capabilities)),
        resets: Vec::new(),
        configured: None,
        trading: TradingReport::InForce,
    };
    Pods { runtime: (running(), Some(report)), bridge: (running(), Some(Ok(Readiness::default()))) }
}

fn derived(outcome: &Outcome<'_>, previous: Option<&IndicatorStatus>) -> Derived<IndicatorStatus> {
    derive(previous, (GENERATION, JOINED_TOPIC), outcome, Timestamp::from_second(9).unwrap())
}

fn shown(derived: &Derived<IndicatorStatus>) -> Vec<String> {
    let conditions = derived.status.conditions.iter();
    conditions.map(|condition| format!("{}={} {}", condition.type_, condition.status, condition.reason)).collect()
}

fn observation<'a>(plan: &'a Plan, capabilities: &[&str]) -> Observation<'a> {
    let ledger = Ledger { claim_name: "trend-indicator-ledger".to_owned(), claim_uid: "c".to_owned() };
    Observation { plan, failure: None, ledger: LedgerState::There(ledger), pods: pods(capabilities) }
}

#[test]
fn an_indicator_that_publishes_is_ready_and_has_no_trading_state() {
    let plan = planned();
    let seen = observation(&plan, &["sources", "indicators"]);
    let derived = derived(&Outcome::Observed(&seen, "n/btc"), None);
    let expected = [
        "Accepted=True Accepted",
        "Configured=True InForce",
        "RuntimeReady=True Serving",
        "BridgeConnected=True Connected",
        "InputsHealthy=False SourceMissing",
        "OutputsHealthy=True Healthy",
        "LedgerHealthy=True Healthy",
        "Ready=True Publishing",
    ];
    assert_eq!(shown(&derived), expected);
    let status = &derived.status;
    assert_eq!((status.from.as_deref(), status.topic.as_deref()), (Some("n/btc"), Some(JOINED_TOPIC)));
    assert_eq!((status.published, status.missing, status.effective_generation), (Some(40), Some(2), Some(GENERATION)));
    assert_eq!(status.ledger.as_ref().unwrap().claim_name, "trend-indicator-ledger");
    assert!(derived.rollout == Rollout::Settled);
}

#[test]
fn images_without_indicators_stall_the_resource() {
    let plan = planned();
    let seen = observation(&plan, &["sources"]);
    let derived = derived(&Outcome::Observed(&seen, "n/btc"), None);
    let lines = shown(&derived);
    assert_eq!((lines[1].as_str(), lines[7].as_str()), ("Configured=False RuntimeTooOld", "Ready=False RuntimeTooOld"));
    assert!(lines.contains(&"Stalled=True RuntimeTooOld".to_owned()), "{lines:?}");
}

#[test]
fn a_lost_ledger_is_named_with_the_command_for_this_kind() {
    let plan = planned();
    let lost = Ledger { claim_name: "trend-indicator-ledger".to_owned(), claim_uid: "c".to_owned() };
    let seen = Observation { ledger: LedgerState::Lost(lost), ..observation(&plan, &["indicators"]) };
    let derived = derived(&Outcome::Observed(&seen, "n/btc"), None);
    let message = &derived.status.conditions.iter().find(|found| found.type_ == "RuntimeReady").unwrap().message;
    assert!(message.contains("objects of Indicator trend;") && message.contains("-n n ind/trend "), "{message}");
}

#[test]
fn a_refused_spec_keeps_the_account_of_the_running_pods() {
    let problems = [FieldError::new("spec.compute", "must not")];
    let plan = planned();
    let before = derived(&Outcome::Observed(&observation(&plan, &["sources", "indicators"]), "n/btc"), None).status;
    let running = pods(&["sources", "indicators"]);
    let refused = derived(&Outcome::Refused(&problems, Some(&running)), Some(&before));
    let lines = shown(&refused);
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("Accepted=False InvalidSpec", "RuntimeReady=True Serving"));
    assert_eq!(lines[7], "Ready=False InvalidSpec");
    assert_eq!((&refused.status.ledger, refused.status.published), (&before.ledger, Some(40)));
    let unreadable = derived(&Outcome::Unreadable("later", None), Some(&before));
    assert_eq!(unreadable.status.ledger, before.ledger, "nothing of it is lost");
}
