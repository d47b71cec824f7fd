mod capabilities;
mod health;
mod inputs;
mod reasons;
mod trading;
mod warnings;

use intuition_api::{
    capability,
    v1::{self, AccountResponse, Backend, Channels, ConfigureResponse, Refusal},
};
use intuition_resources::{Ledger, validate::FieldError};

use super::*;
use crate::{
    account::{
        ask::{RuntimeReport, trading::TradingReport},
        plan::Plan,
        status::observation::{LedgerState, Observation, Pods},
        trading_state::RequestedState,
    },
    kubernetes::apply_error::{ApplyFailure, Outlook},
    reconcile::{condition_type as kinds, derived::Derived, rollout::Rollout},
    trading_algo::plan::tests_support::{algo, plan, random, settings},
    workload::{
        pages::{Missing, Readiness},
        pod_call::AskError,
        pod_state::{Crash, PodState, Running},
    },
};

const GENERATION: i64 = 7;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn running() -> PodState {
    PodState::Running(Running { ip: "10.0.0.1".to_owned(), ready: true, crashed: None })
}

fn account(effective_generation: i64) -> AccountResponse {
    AccountResponse {
        cash: "8765.44".to_owned(),
        invested: "1234.56".to_owned(),
        decisions: 17,
        updated_micros: 1_767_323_045_678_000,
        algorithm: "random".to_owned(),
        algorithm_version: "1".to_owned(),
        channels: Some(Channels { version: 1, filters: vec!["quotes".to_owned()], ..Channels::default() }),
        effective_generation,
        deposits: "10000.00".to_owned(),
        capabilities: vec![capability::SOURCES.to_owned(), capability::TRADING_STATE.to_owned()],
        trading: Some(v1::Trading {
            state: v1::TradingState::Active.into(),
            number: 0,
            generation: effective_generation,
            ..v1::Trading::default()
        }),
        ..AccountResponse::default()
    }
}

fn serving(effective_generation: i64) -> RuntimeReport {
    RuntimeReport {
        missing: Ok(Vec::new()),
        warnings: Vec::new(),
        account: Ok(account(effective_generation)),
        resets: Vec::new(),
        configured: None,
        trading: TradingReport::InForce,
    }
}

fn refused(refusals: Vec<Refusal>) -> RuntimeReport {
    let answer = ConfigureResponse { effective_generation: 6, refusals, ..ConfigureResponse::default() };
    RuntimeReport { configured: Some(Ok(answer)), ..serving(6) }
}

fn refusal(reason: &str, field: &str) -> Refusal {
    Refusal { reason: reason.to_owned(), field: field.to_owned(), message: "must not".to_owned() }
}

fn missing(part: &str, reason: &str) -> Missing {
    Missing { part: part.to_owned(), reason: reason.to_owned(), message: "why".to_owned(), since: String::new() }
}

/// The page of a process that lacks these parts.
fn lacks(missing: Vec<Missing>) -> Readiness {
    Readiness { missing, warnings: Vec::new() }
}

fn ledger() -> Ledger {
    Ledger { claim_name: "a-ledger".to_owned(), claim_uid: "claim-1".to_owned() }
}

/// A resource that trades, to be spoilt.
fn trading(plan: &Plan) -> Observation<'_> {
    Observation { plan, failure: None, ledger: LedgerState::There(ledger()), pods: healthy() }
}

fn healthy() -> Pods {
    Pods { runtime: (running(), Some(serving(GENERATION))), bridge: (running(), Some(Ok(Readiness::default()))) }
}

/// A resource that is not accepted and asks for no stop.
fn lasting<'a>(wanted: &'a RequestedState, pods: Option<&'a Pods>) -> Lasting<'a> {
    Lasting { generation: GENERATION + 1, trading: wanted, pods }
}

fn seen(observation: &Observation<'_>, previous: Option<&TradingAlgoStatus>) -> Derived {
    derive(previous, GENERATION, &Outcome::Observed(observation), at(1_000))
}

/// Type, status and reason of each condition.
fn shown(derived: &Derived) -> Vec<String> {
    let conditions = derived.status.conditions.iter();
    conditions.map(|known| format!("{}={} {}", known.type_, known.status, known.reason)).collect()
}

fn reasons(derived: &Derived) -> Vec<&str> {
    derived.events.iter().map(|notice| notice.reason.as_str()).collect()
}

fn find<'a>(derived: &'a Derived, kind: &str) -> &'a k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
    derived.status.conditions.iter().find(|known| known.type_ == kind).unwrap()
}

#[test]
fn what_trades_is_ready_shows_its_account_and_is_told_of_once() {
    let plan = plan();
    let first = seen(&trading(&plan), None);
    let expected = [
        "Accepted=True Accepted",
        "Configured=True InForce",
        "RuntimeReady=True Serving",
        "BridgeConnected=True Connected",
        "InputsHealthy=True Healthy",
        "OutputsHealthy=True Healthy",
        "LedgerHealthy=True Healthy",
        "Trading=True Active",
        "Ready=True Trading",
    ];
    assert_eq!(shown(&first), expected);
    assert_eq!((reasons(&first), first.rollout), (vec!["Ready"], Rollout::Settled));
    let status = &first.status;
    assert_eq!((status.observed_generation, status.effective_generation), (Some(GENERATION), Some(GENERATION)));
    assert_eq!(status.channels, ["quotes"]);
    assert_eq!(status.ledger, Some(ledger()));
    let shown = status.account.as_ref().unwrap();
    assert_eq!((shown.cash.as_str(), shown.invested.as_str(), shown.decisions), ("8765.44", "1234.56", 17));
    assert_eq!(shown.updated.0.to_string(), "2026-01-02T03:04:05Z");

    let read_back = serde_json::from_value(serde_json::json!(status)).unwrap();
    assert_eq!(status, &read_back, "a status that changed on its way would be written at every look");
    let again = derive(Some(status), GENERATION, &Outcome::Observed(&trading(&plan)), at(2_000));
    assert_eq!((&again.status, again.events.len()), (status, 0), "at rest nothing is written at any time");
}

#[test]
fn refused_spec_is_stalled_and_running_pods_are_observed() {
    let (plan, wanted, pods) = (plan(), RequestedState::default(), healthy());
    let before = seen(&trading(&plan), None).status;
    let problems = [FieldError::new("spec.a", "must be b"), FieldError::new("spec.c", "is required")];
    let refused = Outcome::Refused(&problems, lasting(&wanted, Some(&pods)));
    let derived = derive(Some(&before), GENERATION + 1, &refused, at(2_000));
    let expected = [
        "Accepted=False InvalidSpec",
        "Configured=Unknown NotAccepted",
        "RuntimeReady=True Serving",
        "BridgeConnected=True Connected",
        "InputsHealthy=True Healthy",
        "OutputsHealthy=True Healthy",
        "LedgerHealthy=True Healthy",
        "Trading=True Active",
        "Ready=False InvalidSpec",
        "Stalled=True InvalidSpec",
    ];
    assert_eq!(shown(&derived), expected);
    assert_eq!(find(&derived, kinds::ACCEPTED).message, "spec.a: must be b; spec.c: is required");
    assert_eq!((reasons(&derived), derived.rollout), (vec!["InvalidSpec"], Rollout::Stalled));
    assert_eq!(derived.status.effective_generation, Some(GENERATION));
    for kind in [kinds::ACCEPTED, kinds::RUNTIME_READY, kinds::READY] {
        assert_eq!(find(&derived, kind).observed_generation, Some(GENERATION + 1), "{kind}");
    }
    let again = derive(Some(&derived.status), GENERATION + 1, &refused, at(3_000));
    assert_eq!((&again.status, again.events.len()), (&derived.status, 0));

    // A fault of the runtime shows, whatever is wrong with the spec.
    let mut pods = healthy();
    pods.runtime = (PodState::ImagePullFailed("no such image".to_owned()), None);
    let refused = Outcome::Refused(&problems, lasting(&wanted, Some(&pods)));
    let derived = derive(Some(&before), GENERATION + 1, &refused, at(2_000));
    assert_eq!(find(&derived, kinds::RUNTIME_READY).reason, "ImagePullFailed");
    assert!(reasons(&derived).contains(&"ImagePullFailed"));
}

#[test]
fn an_unreadable_resource_keeps_what_is_recorded_of_it() {
    let (plan, wanted) = (plan(), RequestedState::default());
    let before = seen(&trading(&plan), None).status;
    let outcome = Outcome::Unreadable("no such variant", lasting(&wanted, None));
    let unreadable = derive(Some(&before), 9, &outcome, at(3_000));
    assert_eq!(shown(&unreadable)[0], "Accepted=False Unreadable");
    assert_eq!((&unreadable.status.ledger, &unreadable.status.account), (&before.ledger, &before.account));
    let observed = find(&unreadable, kinds::RUNTIME_READY).observed_generation;
    assert_eq!(observed, Some(GENERATION), "nothing was there to look at since");
    let again = derive(Some(&unreadable.status), 9, &outcome, at(4_000));
    assert_eq!((again.status, again.events.len()), (unreadable.status, 0));
}

#[test]
fn a_transition_time_stays_while_the_status_does() {
    let plan = plan();
    let before = seen(&trading(&plan), None).status;
    let mut spoilt = trading(&plan);
    spoilt.pods.bridge.1 = Some(Ok(lacks(vec![missing("broker", "Unreachable")])));
    let lost = derive(Some(&before), GENERATION, &Outcome::Observed(&spoilt), at(2_000));
    assert_eq!(find(&lost, kinds::RUNTIME_READY).last_transition_time.0, at(1_000));
    assert_eq!(find(&lost, kinds::BRIDGE_CONNECTED).last_transition_time.0, at(2_000));
    spoilt.pods.bridge.1 = Some(Ok(lacks(vec![missing("broker", "NotAuthorized")])));
    let other = derive(Some(&lost.status), GENERATION, &Outcome::Observed(&spoilt), at(3_000));
    assert_eq!(find(&other, kinds::BRIDGE_CONNECTED).last_transition_time.0, at(2_000));
    assert_eq!(reasons(&other), ["NotAuthorized"], "another reason is news");
}

#[test]
fn a_refused_configure_leaves_the_old_settings_in_force_and_says_why() {
    let plan = plan();
    let mut spoilt = trading(&plan);
    spoilt.pods.runtime.1 =
        Some(refused(vec![refusal("InvalidSettings", "parameters.fast"), refusal("InvalidSettings", "")]));
    let derived = seen(&spoilt, None);
    let expected = [
        "Accepted=True Accepted",
        "Configured=False InvalidSettings",
        "RuntimeReady=True Serving",
        "BridgeConnected=True Connected",
        "InputsHealthy=True Healthy",
        "OutputsHealthy=True Healthy",
        "LedgerHealthy=True Healthy",
        "Trading=True Active",
        "Ready=False InvalidSettings",
        "Stalled=True InvalidSettings",
    ];
    assert_eq!(shown(&derived), expected);
    assert_eq!(find(&derived, kinds::CONFIGURED).message, "parameters.fast: must not; must not");
    assert_eq!(derived.status.effective_generation, Some(6));

    // While the runtime is away, what it said still holds; of another generation it does not.
    spoilt.pods.runtime = (PodState::Starting, None);
    let away = seen(&spoilt, Some(&derived.status));
    assert_eq!(shown(&away)[1], "Configured=False InvalidSettings");
    let mut next = plan.clone();
    next.generation = GENERATION + 1;
    spoilt.plan = &next;
    let unknown = derive(Some(&derived.status), GENERATION + 1, &Outcome::Observed(&spoilt), at(2_000));
    assert_eq!(shown(&unknown)[1], "Configured=Unknown Waiting");
}

#[test]
fn a_configure_that_came_to_nothing_says_why() {
    let plan = plan();
    let mut failed = trading(&plan);
    let error = AskError::Call(Box::new(tonic::Status::internal("the disk is full")));
    failed.pods.runtime.1 = Some(RuntimeReport { configured: Some(Err(error)), ..serving(6) });
    let derived = seen(&failed, None);
    assert_eq!(shown(&derived)[1], "Configured=Unknown ConfigureFailed");
    assert!(find(&derived, kinds::CONFIGURED).message.contains("the disk is full"));
}

#[test]
fn a_crash_loop_is_one_between_two_crashes_too() {
    let plan = plan();
    let crashed = Some(Crash { message: "it is damaged (exit code 1)".to_owned(), restarts: 4 });
    let state = PodState::Running(Running { ip: "10.0.0.1".to_owned(), ready: false, crashed });
    let silent = AskError::ParseAddress(String::new());
    let report = RuntimeReport {
        missing: Err(silent),
        warnings: Vec::new(),
        account: Err(AskError::ParseAddress(String::new())),
        resets: Vec::new(),
        configured: None,
        trading: TradingReport::Unasked,
    };
    let mut spoilt = trading(&plan);
    spoilt.pods.runtime = (state, Some(report));
    let derived = seen(&spoilt, None);
    assert_eq!((shown(&derived)[2].as_str(), derived.rollout), ("RuntimeReady=False CrashLooping", Rollout::Stalled));
}

#[test]
fn settings_that_are_not_in_force_yet_are_not_ready() {
    let plan = plan();
    let mut behind = trading(&plan);
    behind.pods.runtime.1 = Some(serving(6));
    let derived = seen(&behind, None);
    assert_eq!(shown(&derived)[1], "Configured=Unknown Waiting");
    assert_eq!(shown(&derived)[8..], ["Ready=False Waiting", "Reconciling=True Waiting"]);
}

#[test]
fn what_keeps_the_runtime_from_deciding_is_told() {
    let plan = plan();
    let crash =
        |restarts| PodState::CrashLooping(Crash { message: "it is damaged (exit code 1)".to_owned(), restarts });
    let lost = PodState::NodeLost { node: "worker".to_owned(), since: None };
    let image = PodState::ImagePullFailed("no such image".to_owned());
    for (state, reason, progress, told) in [
        (PodState::RollingOut, "Starting", Rollout::Progressing, false),
        (PodState::Unschedulable("0/3".to_owned()), "Unschedulable", Rollout::Progressing, false),
        (image, "ImagePullFailed", Rollout::Degraded, true),
        (PodState::Refused("quota".to_owned()), "PodsRefused", Rollout::Degraded, true),
        (crash(1), "CrashLooping", Rollout::Degraded, true),
        (crash(3), "CrashLooping", Rollout::Stalled, true),
        (lost, "NodeLost", Rollout::Degraded, true),
    ] {
        let mut spoilt = trading(&plan);
        spoilt.pods.runtime = (state, None);
        let before = seen(&trading(&plan), None).status;
        let derived = seen(&spoilt, Some(&before));
        assert_eq!(find(&derived, kinds::RUNTIME_READY).reason, reason);
        assert_eq!(find(&derived, kinds::READY).reason, reason);
        assert_eq!((derived.rollout, reasons(&derived).contains(&reason)), (progress, told), "{reason}");
        assert_eq!(derived.status.account, before.account, "what was known stays");
    }
}

#[test]
fn a_process_that_does_not_answer_is_starting_until_it_was_ready() {
    let plan = plan();
    for (ready, reason) in [(false, "Starting"), (true, "Unreachable")] {
        let state = || PodState::Running(Running { ip: String::new(), ready, crashed: None });
        let mut spoilt = trading(&plan);
        spoilt.pods.runtime = (
            state(),
            Some(RuntimeReport {
                missing: Err(AskError::ParseAddress(String::new())),
                warnings: Vec::new(),
                account: Err(AskError::ParseAddress(String::new())),
                resets: Vec::new(),
                configured: None,
                trading: TradingReport::Unasked,
            }),
        );
        spoilt.pods.bridge = (state(), Some(Err(AskError::ParseAddress(String::new()))));
        let derived = seen(&spoilt, None);
        assert_eq!(find(&derived, kinds::RUNTIME_READY).reason, reason);
        assert_eq!(find(&derived, kinds::BRIDGE_CONNECTED).reason, reason);
    }
}

#[test]
fn what_a_bridge_lacks_is_told_by_its_cause() {
    let plan = plan();
    for (parts, reason) in [
        (vec![missing("subscriptions", "NotConnected"), missing("broker", "Unreachable")], "BrokerUnreachable"),
        (vec![missing("broker", "BadUserNameOrPassword")], "BadUserNameOrPassword"),
        (vec![missing("publishing", "NotAuthorized"), missing("subscriptions", "Starting")], "NotAuthorized"),
        (vec![missing("runtime", "Unreachable")], "RuntimeUnreachable"),
    ] {
        let mut spoilt = trading(&plan);
        spoilt.pods.bridge.1 = Some(Ok(lacks(parts)));
        let derived = seen(&spoilt, None);
        assert_eq!(find(&derived, kinds::BRIDGE_CONNECTED).reason, reason);
        assert_eq!(reasons(&derived), [reason]);
    }
    let mut connecting = trading(&plan);
    connecting.pods.bridge.1 = Some(Ok(lacks(vec![missing("subscriptions", "Subscribing")])));
    assert_eq!(reasons(&seen(&connecting, None)), Vec::<&str>::new(), "it has just connected");
    // For want of its runtime, of which is told already.
    let mut spoilt = trading(&plan);
    spoilt.pods.runtime = (PodState::ImagePullFailed("i".to_owned()), None);
    spoilt.pods.bridge.1 = Some(Ok(lacks(vec![missing("runtime", "Unreachable")])));
    assert_eq!(reasons(&seen(&spoilt, None)), ["ImagePullFailed"]);
}

#[test]
fn a_lost_ledger_stalls_and_tells_how_to_go_on() {
    let plan = plan();
    let mut spoilt = trading(&plan);
    spoilt.ledger = LedgerState::Lost(ledger());
    spoilt.pods.runtime = (PodState::Unschedulable("no claim".to_owned()), None);
    let derived = seen(&spoilt, None);
    assert_eq!(derived.rollout, Rollout::Stalled);
    let message = &find(&derived, kinds::RUNTIME_READY).message;
    assert!(message.contains("kubectl annotate --overwrite -n n ta/a intuition.dev/new-ledger=claim-1"), "{message}");
    assert_eq!(derived.status.ledger, Some(ledger()), "remembered until another is there");

    let mut going = trading(&plan);
    going.ledger = LedgerState::Going(ledger());
    let derived = seen(&going, None);
    assert_eq!(find(&derived, kinds::RUNTIME_READY).reason, "LedgerBeingDeleted");
    assert_eq!(find(&derived, kinds::READY).status, "True", "it still decides");
    assert!(reasons(&derived).contains(&"LedgerBeingDeleted"));
}

#[test]
fn what_could_not_be_applied_is_the_reason_of_what_is_not_there() {
    let plan = plan();
    let message = "Service a-runtime exists".to_owned();
    let trouble = ApplyFailure { reason: "NameTaken", message, outlook: Outlook::Stays };
    let mut spoilt = trading(&plan);
    spoilt.failure = Some(trouble.clone());
    spoilt.pods.runtime = (PodState::RollingOut, None);
    let derived = seen(&spoilt, None);
    assert_eq!(find(&derived, kinds::RUNTIME_READY).reason, "NameTaken");
    assert_eq!(find(&derived, kinds::STALLED).reason, "NameTaken");
    assert!(reasons(&derived).contains(&"NameTaken"));

    // What trades goes on trading, but not by this generation, and the resource says what it could not be given.
    let mut trades = trading(&plan);
    trades.failure = Some(trouble);
    let derived = seen(&trades, None);
    assert_eq!(find(&derived, kinds::RUNTIME_READY).status, "True");
    assert_eq!(shown(&derived)[8], "Ready=False NameTaken");
    assert_eq!((find(&derived, kinds::STALLED).reason.as_str(), derived.rollout), ("NameTaken", Rollout::Stalled));
    assert!(reasons(&derived).contains(&"NameTaken"), "told although no part lacks anything");

    let mut waits = trading(&plan);
    let message = "Service a-runtime is going".to_owned();
    waits.failure = Some(ApplyFailure { reason: "WaitingForPredecessor", message, outlook: Outlook::Passes });
    waits.pods.runtime = (PodState::RollingOut, None);
    let derived = seen(&waits, None);
    assert_eq!((derived.rollout, reasons(&derived).len()), (Rollout::Progressing, 0), "that is no news");
}

fn backend(name: &str, address: &str, reason: &str) -> Backend {
    Backend {
        name: name.to_owned(),
        version: "2".to_owned(),
        address: address.to_owned(),
        reason: reason.to_owned(),
        message: if reason.is_empty() { String::new() } else { "why".to_owned() },
    }
}

/// The runtime decides by `random` of generation 6, and the next one lacks this.
fn swapping(reason: &str, field: &str) -> RuntimeReport {
    let shown = if reason == "Swapping" { "BackendStarting" } else { reason };
    let account = AccountResponse {
        backend: Some(backend("random", "", "")),
        candidate: Some(backend("mine", "http://mine:7", shown)),
        ..account(6)
    };
    RuntimeReport { account: Ok(account), ..refused(vec![refusal(reason, field)]) }
}

#[test]
fn active_algorithm_stays_ready_of_its_generation_during_a_swap() {
    let plan = plan();
    let before = seen(&trading(&plan), None).status;
    for (reason, progress, told) in [
        ("Swapping", Rollout::Swapping, false),
        ("BackendUnreachable", Rollout::Degraded, true),
        ("BackendTimeout", Rollout::Degraded, true),
        ("BackendError", Rollout::Degraded, true),
        ("ContractBroken", Rollout::Stalled, true),
        ("ContractUnsupported", Rollout::Stalled, true),
        ("ParametersRefused", Rollout::Stalled, true),
        ("InvalidSettings", Rollout::Stalled, true),
        ("BackendFailing", Rollout::Stalled, true),
    ] {
        let mut spoilt = trading(&plan);
        spoilt.pods.runtime.1 = Some(swapping(reason, "algorithmAddress"));
        let derived = seen(&spoilt, Some(&before));
        let abnormal = if progress == Rollout::Stalled { "Stalled" } else { "Reconciling" };
        let expected = [
            "Accepted=True Accepted".to_owned(),
            format!("Configured=False {reason}"),
            "RuntimeReady=True Serving".to_owned(),
            "BridgeConnected=True Connected".to_owned(),
            "InputsHealthy=True Healthy".to_owned(),
            "OutputsHealthy=True Healthy".to_owned(),
            "LedgerHealthy=True Healthy".to_owned(),
            "Trading=True Active".to_owned(),
            "Ready=True Trading".to_owned(),
            format!("{abnormal}=True {reason}"),
        ];
        assert_eq!(shown(&derived), expected);
        assert_eq!((derived.rollout, reasons(&derived).contains(&reason)), (progress, told), "{reason}");
        let ready = find(&derived, kinds::READY);
        assert_eq!(ready.observed_generation, Some(6), "who waits for this generation waits on");
        assert_eq!(ready.message, "quotes are being decided by random 2: algorithmAddress: must not");
        assert_eq!(derived.status.effective_generation, Some(6));
        assert_eq!(derived.status.backend.as_ref().unwrap().address, None);

        // It came about after all: good news.
        let after = seen(&trading(&plan), Some(&derived.status));
        assert_eq!(shown(&after), shown(&seen(&trading(&plan), None)));
        assert_eq!(
            after.events.iter().map(|notice| (notice.is_warning, notice.reason.as_str())).collect::<Vec<_>>(),
            [(false, "InForce")]
        );
    }
}

#[test]
fn who_decides_out_of_process_is_shown_with_its_address() {
    let plan = plan();
    let mut served = trading(&plan);
    let account = AccountResponse { backend: Some(backend("mine", "http://mine:7", "")), ..account(GENERATION) };
    served.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), ..serving(GENERATION) });
    let shown = seen(&served, None).status.backend.unwrap();
    assert_eq!((shown.algorithm.as_str(), shown.version.as_str()), ("mine", "2"));
    assert_eq!(shown.address.as_deref(), Some("http://mine:7"));
}

#[test]
fn changed_name_of_the_algorithm_is_shown_while_it_decides() {
    let plan = plan();
    let mut served = trading(&plan);
    let message = "was mine 1, is mine-2 2: it begins without the state of mine".to_owned();
    let renamed = Backend { message, ..backend("mine-2", "http://mine:7", "") };
    let account = AccountResponse { backend: Some(renamed), ..account(GENERATION) };
    served.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), ..serving(GENERATION) });
    let derived = seen(&served, None);
    let ready = find(&derived, kinds::RUNTIME_READY);
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", "Serving"));
    assert!(ready.message.ends_with("Its algorithm was mine 1, is mine-2 2: it begins without the state of mine"));
}

#[test]
fn what_is_refused_beside_a_swap_is_told_first_where_it_is_worse() {
    let plan = plan();
    let mut spoilt = trading(&plan);
    let mut report = swapping("Swapping", "");
    let answer = report.configured.as_mut().unwrap().as_mut().unwrap();
    answer.refusals.push(refusal("InsufficientCash", "startingCash"));
    spoilt.pods.runtime.1 = Some(report);
    let derived = seen(&spoilt, None);
    assert_eq!(shown(&derived)[1], "Configured=False InsufficientCash");
    assert_eq!(find(&derived, kinds::CONFIGURED).message, "must not; startingCash: must not");
    assert_eq!(derived.rollout, Rollout::Stalled);
}

#[test]
fn an_algorithm_that_is_just_being_made_is_no_news() {
    let spec = serde_json::json!({ "algorithm": { "address": "http://mine:7" } });
    let mut plan =
        crate::trading_algo::plan::plan(&algo(&spec), crate::trading_algo::plan::Inputs::new(&settings())).unwrap();
    for (coming, progress) in [(false, Rollout::Degraded), (true, Rollout::Progressing)] {
        if let crate::account::plan::AlgorithmRef::Served { is_coming, .. } = &mut plan.live_settings.algorithm {
            *is_coming = coming;
        }
        let mut spoilt = trading(&plan);
        spoilt.pods.runtime.1 = Some(swapping("BackendUnreachable", ""));
        let derived = seen(&spoilt, None);
        assert_eq!((derived.rollout, reasons(&derived).contains(&"BackendUnreachable")), (progress, !coming));

        let mut first = trading(&plan);
        let missing = Ok(vec![missing("algorithm", "BackendUnreachable")]);
        first.pods.runtime.1 = Some(RuntimeReport { missing, ..serving(GENERATION) });
        let derived = seen(&first, None);
        assert_eq!(shown(&derived)[2], "RuntimeReady=False BackendUnreachable");
        assert_eq!((derived.rollout, shown(&derived)[8].as_str()), (progress, "Ready=False BackendUnreachable"));
    }
}

#[test]
fn broken_active_algorithm_is_stalled_and_the_ledger_comes_first() {
    let plan = plan();
    let lacking = |lacks: Vec<Missing>| {
        let mut spoilt = trading(&plan);
        spoilt.pods.runtime.1 = Some(RuntimeReport { missing: Ok(lacks), ..serving(GENERATION) });
        let derived = seen(&spoilt, None);
        (find(&derived, kinds::RUNTIME_READY).reason.clone(), derived.rollout)
    };
    for reason in ["BackendFailing", "ContractBroken", "ContractUnsupported", "ParametersRefused"] {
        assert_eq!(lacking(vec![missing("algorithm", reason)]), (reason.to_owned(), Rollout::Stalled));
    }
    assert_eq!(lacking(vec![missing("algorithm", "BackendStarting")]).1, Rollout::Swapping);
    let both = vec![missing("algorithm", "BackendFailing"), missing("ledger", "LedgerUnwritable")];
    assert_eq!(lacking(both), ("LedgerUnwritable".to_owned(), Rollout::Degraded));
}

#[test]
fn an_algorithm_that_is_not_there_tears_nothing_down_and_starts_nothing() {
    let why = "there is no Algorithm mine in this namespace";
    let derived = derive(None, GENERATION, &Outcome::WithoutAlgorithm(why), at(1_000));
    let expected = [
        "Accepted=True Accepted",
        "Configured=False AlgorithmNotFound",
        "RuntimeReady=False AlgorithmNotFound",
        "BridgeConnected=False AlgorithmNotFound",
        "InputsHealthy=Unknown AlgorithmNotFound",
        "OutputsHealthy=Unknown AlgorithmNotFound",
        "LedgerHealthy=Unknown AlgorithmNotFound",
        "Trading=Unknown AlgorithmNotFound",
        "Ready=False AlgorithmNotFound",
        "Reconciling=True AlgorithmNotFound",
    ];
    assert_eq!(shown(&derived), expected);
    assert_eq!((reasons(&derived), derived.rollout), (vec!["AlgorithmNotFound"], Rollout::Degraded));

    let mut plan = plan();
    plan.live_settings.algorithm = crate::account::plan::AlgorithmRef::Missing(why.to_owned());
    let mut deciding = trading(&plan);
    let account = AccountResponse { backend: Some(backend("mine", "http://mine:7", "")), ..account(GENERATION) };
    deciding.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), ..serving(GENERATION) });
    let derived = seen(&deciding, None);
    assert_eq!(shown(&derived)[1], "Configured=False AlgorithmNotFound");
    assert_eq!(shown(&derived)[8..], ["Ready=True Trading", "Reconciling=True AlgorithmNotFound"]);
    let ready = &find(&derived, kinds::READY).message;
    assert_eq!(*ready, format!("quotes are being decided by mine 2 at http://mine:7: {why}"));
}
