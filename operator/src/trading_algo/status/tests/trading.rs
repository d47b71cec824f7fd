//! The trading state in the status: an alert on `Trading` alone has to be right.

use std::collections::BTreeMap;

use intuition_api::v1::{Trading, TradingCause, TradingState};
use intuition_resources::{TradingCauseStatus, TradingStatus, validate::FieldError};
use serde_json::{Value, json};

use super::*;
use crate::{
    account::{ask::trading::Suspension, plan::Plan, trading_state::RequestedState},
    names::annotation,
    reconcile::{derived::Derived, rollout::Rollout},
    trading_algo::status::outcome::Outcome,
    workload::pod_call::AskError,
};

fn cause(code: &str, state: TradingState, message: &str) -> TradingCause {
    TradingCause { cause: code.to_owned(), state: state.into(), message: message.to_owned(), since_micros: 5 }
}

fn user(state: TradingState) -> TradingCause {
    cause("User", state, "spec.tradingState")
}

/// What a resource with this `spec.tradingState`, and perhaps a halt, asks for.
fn wants(trading_state: &Value, halt: Option<&str>) -> RequestedState {
    let annotations: BTreeMap<_, _> =
        halt.map(|text| (annotation::HALT.to_owned(), text.to_owned())).into_iter().collect();
    RequestedState::read(Some(trading_state), None, Some(&annotations))
}

/// The state of an account with these causes.
fn state(causes: Vec<TradingCause>) -> Trading {
    let state = TradingState::strictest(&causes).into();
    Trading { state, number: 3, generation: GENERATION, causes, closing: Vec::new() }
}

/// A runtime that serves, with this state and this answer.
fn report(shown: Option<Trading>, trading: TradingReport) -> RuntimeReport {
    let account = AccountResponse { trading: shown, ..account(GENERATION) };
    RuntimeReport { account: Ok(account), trading, ..serving(GENERATION) }
}

fn of(wanted: &RequestedState, runtime: RuntimeReport) -> Derived {
    let plan = Plan { trading: wanted.clone(), ..plan() };
    let mut observation = trading(&plan);
    observation.pods.runtime.1 = Some(runtime);
    seen(&observation, None)
}

fn condition(derived: &Derived) -> (String, &str) {
    let condition = find(derived, kinds::TRADING);
    (format!("{} {}", condition.status, condition.reason), &condition.message)
}

#[test]
fn a_confirmed_stop_is_shown_with_its_causes_and_the_resource_stays_ready() {
    let wanted = wants(&json!("Reducing"), Some("jo: wrong feed"));
    let derived = of(&wanted, report(Some(state(wanted.causes().to_vec())), TradingReport::InForce));
    let expected = "Halted by the annotation intuition.dev/halt: jo: wrong feed; Reducing by spec.tradingState";
    assert_eq!(condition(&derived), ("False Halted".to_owned(), expected));
    let told = [("Halt", "Halted", "jo: wrong feed"), ("User", "Reducing", "spec.tradingState")];
    let causes = told.map(|(cause, state, message)| TradingCauseStatus {
        cause: cause.to_owned(),
        state: state.to_owned(),
        message: message.to_owned(),
    });
    assert_eq!(derived.status.trading, Some(TradingStatus { state: "Halted".to_owned(), causes: causes.into() }));
    assert_eq!((find(&derived, kinds::READY).status.as_str(), derived.rollout), ("True", Rollout::Settled));
    assert_eq!(find(&derived, kinds::READY).reason, "Halted");
    assert_eq!(
        derived.events.iter().map(|told| (told.is_warning, told.reason.as_str())).collect::<Vec<_>>(),
        [(true, "Halted")]
    );

    let reducing = wants(&json!("Reducing"), None);
    let derived = of(&reducing, report(Some(state(vec![user(TradingState::Reducing)])), TradingReport::InForce));
    assert_eq!(condition(&derived).0, "False Reducing");
    assert!(find(&derived, kinds::READY).message.ends_with("Every buy is denied; quotes are being decided"));
}

#[test]
fn a_change_of_the_state_is_told_once_and_a_look_at_rest_is_not() {
    let (active, halted) = (RequestedState::default(), wants(&json!("Halted"), None));
    let [active, halted] = [active, halted].map(|wanted| Plan { trading: wanted, ..plan() });
    let look = |plan: &Plan, before: Option<&TradingAlgoStatus>| {
        let mut observation = trading(plan);
        observation.pods.runtime.1 = Some(report(Some(state(plan.trading.causes().to_vec())), TradingReport::InForce));
        seen(&observation, before)
    };
    let first = look(&active, None);
    let stopped = look(&halted, Some(&first.status));
    assert_eq!((reasons(&first), reasons(&stopped)), (vec!["Ready"], vec!["Halted"]));
    let again = look(&halted, Some(&stopped.status));
    assert_eq!((&again.status, again.events.len()), (&stopped.status, 0));
    let resumed = look(&active, Some(&stopped.status));
    assert_eq!(reasons(&resumed), ["Ready"]);
    assert_eq!(resumed.status.trading.as_ref().unwrap().state, "Active");
    assert!(!resumed.events[0].is_warning);
}

#[test]
fn own_cause_of_the_runtime_is_the_reason_if_it_is_the_strictest() {
    let own = cause("MaxDrawdown", TradingState::Halted, "12 % of 10 %");
    let active = of(&RequestedState::default(), report(Some(state(vec![own.clone()])), TradingReport::InForce));
    assert_eq!(condition(&active), ("False MaxDrawdown".to_owned(), "Halted by MaxDrawdown: 12 % of 10 %"));
    assert_eq!(active.rollout, Rollout::Settled);
    let wanted = wants(&json!("Reducing"), None);
    let both = state(vec![own.clone(), user(TradingState::Reducing)]);
    assert_eq!(condition(&of(&wanted, report(Some(both), TradingReport::InForce))).0, "False MaxDrawdown");
    let wanted = wants(&json!("Halted"), None);
    let both = state(vec![own, user(TradingState::Halted)]);
    assert_eq!(condition(&of(&wanted, report(Some(both), TradingReport::InForce))).0, "False Halted");
    // Of a later release.
    let unknown = Trading { state: 9, ..state(Vec::new()) };
    assert_eq!(
        condition(&of(&RequestedState::default(), report(Some(unknown), TradingReport::InForce))).0,
        "False Halted"
    );
}

#[test]
fn a_stop_that_is_not_confirmed_is_unknown_whatever_the_account_does() {
    let halted = wants(&json!("Halted"), None);
    let failed = || TradingReport::Failed(AskError::Call(Box::new(tonic::Status::internal("the disk is full"))));
    let answered = |trading, refusal| TradingReport::Answered { trading, refusal };
    let active = || state(Vec::new());
    let reducing = || state(vec![user(TradingState::Reducing)]);
    let unread =
        RuntimeReport { account: Err(AskError::ParseAddress(String::new())), trading: failed(), ..serving(GENERATION) };
    for (runtime, expected) in [
        (report(Some(active()), failed()), "Unknown NotConfirmed"),
        (report(Some(reducing()), failed()), "Unknown NotConfirmed"),
        (report(Some(active()), answered(active(), Some(refusal("OtherUid", "")))), "Unknown OtherUid"),
        (report(Some(active()), answered(active(), Some(refusal("OtherNumber", "")))), "Unknown OtherNumber"),
        (report(Some(active()), TradingReport::InForce), "Unknown NotConfirmed"),
        (unread, "Unknown NotConfirmed"),
        (report(None, TradingReport::Unasked), "Unknown AccountUnread"),
        (report(None, TradingReport::BySuspend(Suspension::NoSettings)), "Unknown RuntimeTooOld"),
        (report(None, TradingReport::BySuspend(Suspension::Refused("x".to_owned()))), "Unknown RuntimeTooOld"),
    ] {
        let derived = of(&halted, runtime);
        assert_eq!(condition(&derived).0, expected);
        assert!(condition(&derived).1.contains("Halted by spec.tradingState"), "{}", condition(&derived).1);
        assert_eq!(derived.status.trading.as_ref().unwrap().state, "Unknown");
        if expected != "Unknown AccountUnread" {
            assert_eq!(find(&derived, kinds::READY).status, "False", "{expected}");
            assert_eq!(derived.rollout, Rollout::Progressing, "{expected}: the next look comes soon");
        }
    }
}

#[test]
fn another_text_of_a_cause_in_force_leaves_the_resource_settled() {
    let shown = state(vec![cause("Halt", TradingState::Halted, "ann")]);
    let answer = TradingReport::Answered { trading: shown.clone(), refusal: None };
    let derived = of(&wants(&Value::Null, Some("bob")), report(Some(shown), answer));
    let (shown, message) = condition(&derived);
    assert_eq!((shown.as_str(), derived.rollout), ("False Halted", Rollout::Settled));
    assert_eq!(message, "Halted by the annotation intuition.dev/halt: ann", "the text that is in force");
}

#[test]
fn restored_resource_leaves_a_stricter_stop_and_shows_why() {
    let newer = Trading { generation: 40, ..state(vec![user(TradingState::Halted)]) };
    let answer = TradingReport::Answered { trading: newer.clone(), refusal: Some(refusal("OlderGeneration", "")) };
    let derived = of(&RequestedState::default(), report(Some(newer), answer));
    let (shown, message) = condition(&derived);
    assert_eq!(shown, "False Halted");
    assert!(
        message.starts_with("Halted by spec.tradingState, although the resource asks for Active: OlderGeneration: "),
        "{message}"
    );
    assert!(message.contains("taken generation 40, and the resource is at 7"), "{message}");
}

#[test]
fn a_stop_shows_whatever_is_wrong_with_the_rest_of_the_resource() {
    let wanted = wants(&json!("Halted"), None);
    let mut pods = healthy();
    pods.runtime.1 = Some(report(Some(state(wanted.causes().to_vec())), TradingReport::InForce));
    let problems = [FieldError::new("spec.a", "must be b")];
    for outcome in [
        Outcome::Refused(&problems, lasting(&wanted, Some(&pods))),
        Outcome::Unreadable("no such variant", lasting(&wanted, Some(&pods))),
    ] {
        let derived = derive(None, GENERATION + 1, &outcome, at(1_000));
        assert_eq!(condition(&derived).0, "False Halted");
        assert_eq!(find(&derived, kinds::READY).status, "False");
        assert_eq!(derived.rollout, Rollout::Stalled);
    }
    // The account trades on: the alert must not be silent, and the next look comes soon.
    pods.runtime.1 =
        Some(report(Some(state(Vec::new())), TradingReport::Failed(AskError::ParseAddress(String::new()))));
    let derived = derive(None, GENERATION + 1, &Outcome::Refused(&problems, lasting(&wanted, Some(&pods))), at(1_000));
    assert_eq!((condition(&derived).0.as_str(), derived.rollout), ("Unknown NotConfirmed", Rollout::Progressing));
    assert_eq!(shown(&derived).last().unwrap(), "Stalled=True InvalidSpec");

    // The Algorithm is missing, a parameter is refused, another algorithm is taking over.
    let missing = crate::account::plan::AlgorithmRef::Missing("there is no Algorithm mine".to_owned());
    let mut plan = Plan { trading: wanted.clone(), ..plan() };
    for (algorithm, configured, reason) in [
        (Some(missing), None, "AlgorithmNotFound"),
        (None, Some("InvalidSettings"), "InvalidSettings"),
        (None, Some("Swapping"), "Swapping"),
    ] {
        if let Some(algorithm) = algorithm {
            plan.live_settings.algorithm = algorithm;
        }
        let mut observation = trading(&plan);
        let configured = configured.map(|reason| {
            Ok(ConfigureResponse { refusals: vec![refusal(reason, "")], ..ConfigureResponse::default() })
        });
        observation.pods.runtime.1 =
            Some(RuntimeReport { configured, ..report(Some(state(wanted.causes().to_vec())), TradingReport::InForce) });
        let derived = seen(&observation, None);
        assert_eq!(find(&derived, kinds::CONFIGURED).reason, reason);
        assert_eq!(condition(&derived).0, "False Halted", "{reason}");
        plan.live_settings.algorithm = crate::account::plan::AlgorithmRef::Builtin("random".to_owned());
    }
}

#[test]
fn a_confirmed_stop_is_kept_while_no_pod_is_looked_at_and_active_is_not() {
    let halted = wants(&json!("Halted"), None);
    let stopped = of(&halted, report(Some(state(halted.causes().to_vec())), TradingReport::InForce)).status;
    let active = of(&RequestedState::default(), report(Some(state(Vec::new())), TradingReport::InForce)).status;
    let other = wants(&Value::Null, Some("jo"));
    let problems = [FieldError::new("spec.a", "must be b")];
    for (before, wanted, expected) in [
        (&stopped, &halted, "False Halted"),
        (&stopped, &RequestedState::default(), "False Halted"),
        (&stopped, &other, "Unknown NotAccepted"),
        (&active, &RequestedState::default(), "Unknown NotAccepted"),
        (&active, &halted, "Unknown NotAccepted"),
    ] {
        let outcome = Outcome::Refused(&problems, lasting(wanted, None));
        let derived = derive(Some(before), GENERATION + 1, &outcome, at(2_000));
        assert_eq!(condition(&derived).0, expected);
        assert_eq!(derived.status.trading.is_some_and(|shown| shown.state == "Halted"), expected == "False Halted");
    }
}

#[test]
fn of_a_look_that_cannot_go_on_the_stop_is_shown_and_nothing_else_changes() {
    let plan = plan();
    let before = seen(&trading(&plan), None).status;
    let wanted = wants(&json!("Halted"), None);
    let mut pods = healthy();
    for (shown, answer, expected, event) in [
        (state(wanted.causes().to_vec()), TradingReport::InForce, "False Halted", vec!["Halted"]),
        (
            state(Vec::new()),
            TradingReport::Failed(AskError::ParseAddress(String::new())),
            "Unknown NotConfirmed",
            vec![],
        ),
    ] {
        pods.runtime.1 = Some(report(Some(shown), answer));
        let derived = derive_trading(Some(&before), &lasting(&wanted, Some(&pods)), at(2_000));
        assert_eq!((condition(&derived).0.as_str(), reasons(&derived)), (expected, event));
        let mut rest = derived.status.clone();
        rest.trading = before.trading.clone();
        let place = rest.conditions.iter().position(|known| known.type_ == kinds::TRADING).unwrap();
        rest.conditions[place] = before.conditions[place].clone();
        assert_eq!(rest, before);
    }
}

#[test]
fn a_runtime_without_trading_states_is_shown_by_its_answer_to_suspend() {
    let taken = |suspend| report(None, TradingReport::BySuspend(Suspension::Taken { suspend }));
    assert_eq!(
        condition(&of(&RequestedState::default(), taken(false))),
        ("True Active".to_owned(), "the account buys and sells")
    );
    let derived = of(&wants(&json!("Halted"), None), taken(true));
    assert_eq!(condition(&derived), ("False Halted".to_owned(), "Halted by spec.tradingState"));
    let derived = of(&wants(&json!("Reducing"), None), taken(true));
    let (shown, message) = condition(&derived);
    assert_eq!(shown, "False Halted");
    assert!(message.starts_with("Reducing by spec.tradingState. RuntimeTooOld: "), "{message}");
    assert_eq!(find(&derived, kinds::READY).status, "True");
    assert!(crate::trading_algo::plan::recorded(Some(&derived.status)).halts_to_reduce, "its next start is Halted too");

    // One that asks for no stop trades as it did: its settings are a matter of Configured.
    let refused = report(None, TradingReport::BySuspend(Suspension::Refused("InvalidSettings: no".to_owned())));
    let derived = of(&RequestedState::default(), refused);
    assert_eq!(condition(&derived).0, "Unknown RuntimeTooOld");
    assert_eq!((find(&derived, kinds::READY).status.as_str(), derived.rollout), ("True", Rollout::Settled));
}
