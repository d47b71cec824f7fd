//! Warnings of runtime and bridge in the status.

use intuition_api::v1::{Source, Trading, TradingCause, TradingState};
use intuition_resources::validate::FieldError;

use super::*;
use crate::{
    account::{plan::Plan, status::observation::Observation, trading_state::RequestedState},
    reconcile::{derived::Derived, rollout::Rollout},
    trading_algo::status::outcome::Outcome,
    workload::{
        pages::{Missing, Readiness},
        pod_state::PodState,
    },
};

/// A bridge that is ready and has these warnings, each with the message `why`.
fn warned(plan: &Plan, warnings: Vec<Missing>) -> Observation<'_> {
    let mut observation = trading(plan);
    observation.pods.bridge.1 = Some(Ok(Readiness { missing: Vec::new(), warnings }));
    observation
}

fn line(derived: &Derived, kind: &str) -> String {
    let condition = find(derived, kind);
    format!("{}={} {}: {}", kind, condition.status, condition.reason, condition.message)
}

#[test]
fn warning_is_shown_by_the_condition_of_its_part() {
    let plan = plan();
    let before = seen(&trading(&plan), None).status;
    for (part, reason, kind, status, has_event) in [
        ("publishing", "Undeliverable", kinds::OUTPUTS_HEALTHY, "False", true),
        ("publisher", "RetainUnavailable", kinds::OUTPUTS_HEALTHY, "True", false),
        ("subscriptions", "QosTooLow", kinds::INPUTS_HEALTHY, "False", true),
        ("subscriptions", "OverlapUnresolved", kinds::INPUTS_HEALTHY, "False", true),
        ("broker", "SessionLost", kinds::INPUTS_HEALTHY, "True", true),
        ("broker", "SessionExpiryShortened", kinds::INPUTS_HEALTHY, "True", false),
        ("runtime", "LedgerWentBack", kinds::LEDGER_HEALTHY, "True", true),
        ("subscriptions", "OfALaterRelease", kinds::INPUTS_HEALTHY, "True", false),
    ] {
        let derived = seen(&warned(&plan, vec![missing(part, reason)]), Some(&before));
        assert_eq!(line(&derived, kind), format!("{kind}={status} {reason}: {reason}: why"));
        assert_eq!(find(&derived, kinds::READY).status, "True", "{reason}");
        assert_eq!(derived.rollout, Rollout::Settled, "{reason}");
        assert_eq!(derived.events.len(), usize::from(has_event), "{reason}: {:?}", derived.events);
        assert!(derived.events.iter().all(|notice| notice.is_warning && notice.hourly.is_some()), "{reason}");
        let others = [kinds::OUTPUTS_HEALTHY, kinds::INPUTS_HEALTHY, kinds::LEDGER_HEALTHY];
        for other in others.into_iter().filter(|other| *other != kind) {
            assert_eq!(find(&derived, other).reason, "Healthy", "{reason} in {other}");
        }
        let cleared = seen(&trading(&plan), Some(&derived.status));
        assert_eq!((cleared.status.conditions, cleared.events.len()), (before.conditions.clone(), 0));
    }
}

#[test]
fn volume_that_is_nearly_full_leaves_the_ledger_healthy() {
    let plan = plan();
    let before = seen(&trading(&plan), None).status;
    let full = |lacks| {
        let mut observation = trading(&plan);
        let warnings = vec![missing("ledger", "NearlyFull")];
        observation.pods.runtime.1 = Some(RuntimeReport { missing: Ok(lacks), warnings, ..serving(GENERATION) });
        observation
    };
    let derived = seen(&full(Vec::new()), Some(&before));
    assert_eq!(line(&derived, kinds::LEDGER_HEALTHY), "LedgerHealthy=True NearlyFull: NearlyFull: why");
    assert_eq!((find(&derived, kinds::READY).status.as_str(), reasons(&derived)), ("True", vec!["NearlyFull"]));
    assert_eq!(derived.rollout, Rollout::Settled);

    let unwritable = seen(&full(vec![missing("ledger", "LedgerUnwritable")]), Some(&before));
    let expected = "LedgerHealthy=False LedgerUnwritable: NearlyFull: why. ledger: why";
    assert_eq!(line(&unwritable, kinds::LEDGER_HEALTHY), expected);

    let cleared = seen(&trading(&plan), Some(&derived.status));
    assert_eq!((cleared.status.conditions, cleared.events.len()), (before.conditions, 0));
}

#[test]
fn damage_in_the_journal_is_a_fault_of_the_ledger_and_a_stop() {
    let plan = plan();
    let mut damaged = trading(&plan);
    let cause = TradingCause {
        cause: "LedgerDamaged".to_owned(),
        state: TradingState::Halted.into(),
        message: "journal entry 7 is missing".to_owned(),
        since_micros: 0,
    };
    let stop = Trading { state: TradingState::Halted.into(), number: 1, causes: vec![cause], ..Trading::default() };
    let account = AccountResponse { trading: Some(stop), ..account(GENERATION) };
    let warnings = vec![missing("ledger", "LedgerDamaged")];
    damaged.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), warnings, ..serving(GENERATION) });
    let derived = seen(&damaged, None);
    assert_eq!(line(&derived, kinds::LEDGER_HEALTHY), "LedgerHealthy=False LedgerDamaged: LedgerDamaged: why");
    let expected = "Trading=False LedgerDamaged: Halted by LedgerDamaged: journal entry 7 is missing";
    assert_eq!(line(&derived, kinds::TRADING), expected);
}

#[test]
fn a_part_that_is_missing_keeps_its_reason_and_names_the_warnings() {
    let plan = plan();
    let mut observation = trading(&plan);
    observation.pods.bridge.1 = Some(Ok(Readiness {
        missing: vec![missing("publishing", "NotAuthorized")],
        warnings: vec![missing("publishing", "Undeliverable"), missing("broker", "SessionLost")],
    }));
    let derived = seen(&observation, None);
    let expected = "OutputsHealthy=False NotAuthorized: Undeliverable: why. publishing: why";
    assert_eq!(line(&derived, kinds::OUTPUTS_HEALTHY), expected);
    assert_eq!(reasons(&derived), ["NotAuthorized", "Undeliverable", "SessionLost"]);
}

#[test]
fn faults_come_before_incidents_and_a_conflict_before_both() {
    let plan = plan();
    let two = vec![missing("broker", "SessionLost"), missing("subscriptions", "QosTooLow")];
    let derived = seen(&warned(&plan, two.clone()), None);
    assert_eq!(
        line(&derived, kinds::INPUTS_HEALTHY),
        "InputsHealthy=False QosTooLow: QosTooLow: why. SessionLost: why"
    );

    let mut conflict = warned(&plan, two.clone());
    let source = Source {
        channel: "quotes".to_owned(),
        conflicts: 10,
        conflict_reason: "IdentityConflict".to_owned(),
        ..Source::default()
    };
    let account = AccountResponse { sources: vec![source], ..account(GENERATION) };
    conflict.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), ..serving(GENERATION) });
    let told = line(&seen(&conflict, None), kinds::INPUTS_HEALTHY);
    let expected = "InputsHealthy=False SourceConflict: QosTooLow: why. SessionLost: why. quotes without a source";
    assert!(told.starts_with(expected), "{told}");

    // The runtime does not answer: a fault of the subscriptions is known, an incident explains nothing.
    let mut unread = warned(&plan, two);
    unread.pods.runtime = (PodState::Starting, None);
    assert_eq!(find(&seen(&unread, None), kinds::INPUTS_HEALTHY).reason, "QosTooLow");
    let mut unread = warned(&plan, vec![missing("broker", "SessionLost")]);
    unread.pods.runtime = (PodState::Starting, None);
    assert_eq!(find(&seen(&unread, None), kinds::INPUTS_HEALTHY).reason, "AccountUnread");
}

#[test]
fn warnings_show_while_the_spec_is_refused() {
    let (plan, wanted) = (plan(), RequestedState::default());
    let pods = warned(&plan, vec![missing("publishing", "Undeliverable")]).pods;
    let problems = [FieldError::new("spec.a", "must be b")];
    let derived = derive(None, GENERATION, &Outcome::Refused(&problems, lasting(&wanted, Some(&pods))), at(1_000));
    assert_eq!(line(&derived, kinds::OUTPUTS_HEALTHY), "OutputsHealthy=False Undeliverable: Undeliverable: why");
    assert!(reasons(&derived).contains(&"Undeliverable"));
}

#[test]
fn a_ledger_that_went_back_is_told_once() {
    let plan = plan();
    let with = |ledger_id: &str, ledger_first_seq| {
        let mut observation = trading(&plan);
        let account = AccountResponse { ledger_id: ledger_id.to_owned(), ledger_first_seq, ..account(GENERATION) };
        observation.pods.runtime.1 = Some(RuntimeReport { account: Ok(account), ..serving(GENERATION) });
        observation
    };
    let before = seen(&with("aaaaaaaa", 1), None);
    assert_eq!(before.status.account.as_ref().unwrap().ledger_id.as_deref(), Some("aaaaaaaa"));
    assert_eq!(reasons(&before), ["Ready"], "the first ledger is no news");

    let back = seen(&with("bbbbbbbb", 41), Some(&before.status));
    let [notice] = back.events.as_slice() else { panic!("{:?}", back.events) };
    assert_eq!((notice.is_warning, notice.reason.as_str()), (true, "LedgerWentBack"));
    assert!(["aaaaaaaa", "bbbbbbbb", "seq 41"].iter().all(|part| notice.note.contains(part)), "{}", notice.note);
    assert!(seen(&with("bbbbbbbb", 41), Some(&back.status)).events.is_empty(), "told");

    // The bridge warns of it too: one Event of the two.
    let mut both = with("bbbbbbbb", 41);
    both.pods.bridge.1 =
        Some(Ok(Readiness { missing: Vec::new(), warnings: vec![missing("runtime", "LedgerWentBack")] }));
    let keys: Vec<_> = seen(&both, Some(&before.status)).events.into_iter().map(|notice| notice.hourly).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");

    assert!(seen(&with("cccccccc", 1), Some(&back.status)).events.is_empty(), "a new ledger");
    assert!(seen(&with("", 0), Some(&back.status)).events.is_empty(), "a release without ids");
}
