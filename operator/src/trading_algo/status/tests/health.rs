//! The ledger and what is published, in the status.

use super::*;
use crate::{
    account::status::observation::LedgerState, reconcile::derived::Derived, workload::pages::Missing,
    workload::pod_state::PodState,
};

fn outputs(missing: Vec<Missing>) -> Derived {
    let plan = plan();
    let mut spoilt = trading(&plan);
    spoilt.pods.bridge.1 = Some(Ok(super::lacks(missing)));
    seen(&spoilt, None)
}

fn line(derived: &Derived, kind: &str) -> String {
    let condition = find(derived, kind);
    format!("{} {}", condition.status, condition.reason)
}

#[test]
fn a_refused_topic_is_the_outputs_and_a_broker_that_is_away_is_theirs_too() {
    for (lacks, expected) in [
        (vec![missing("publishing", "NotAuthorized")], "False NotAuthorized"),
        (vec![missing("publisher", "Unreachable"), missing("broker", "Unreachable")], "False BrokerUnreachable"),
        (vec![missing("publishing", "PacketTooLarge"), missing("publisher", "Starting")], "Unknown Starting"),
        (vec![missing("broker", "Unreachable")], "True Healthy"),
        (vec![missing("subscriptions", "SubscriptionRefused")], "True Healthy"),
    ] {
        let derived = outputs(lacks.clone());
        assert_eq!(line(&derived, kinds::OUTPUTS_HEALTHY), expected, "{lacks:?}");
        assert_eq!(find(&derived, kinds::BRIDGE_CONNECTED).status, "False", "as before, with its reason");
        assert_eq!(find(&derived, kinds::READY).status, "False");
    }
    let derived = outputs(vec![missing("publishing", "NotAuthorized")]);
    assert_eq!(reasons(&derived), ["NotAuthorized"], "one Event");
}

#[test]
fn a_ledger_that_cannot_be_written_or_is_gone_is_the_ledger() {
    let plan = plan();
    let with = |lacks: Vec<Missing>, ledger| {
        let mut spoilt = trading(&plan);
        spoilt.ledger = ledger;
        spoilt.pods.runtime.1 = Some(RuntimeReport { missing: Ok(lacks), ..serving(GENERATION) });
        seen(&spoilt, None)
    };
    let there = || LedgerState::There(ledger());
    for (lacks, state, expected, runtime) in [
        (vec![missing("ledger", "LedgerUnwritable")], there(), "False LedgerUnwritable", "False LedgerUnwritable"),
        (vec![missing("ledger", "Starting")], there(), "Unknown Starting", "False Starting"),
        (vec![missing("algorithm", "BackendError")], there(), "True Healthy", "False BackendError"),
        (Vec::new(), LedgerState::Going(ledger()), "False LedgerBeingDeleted", "True LedgerBeingDeleted"),
        (Vec::new(), LedgerState::Lost(ledger()), "False LedgerMissing", "False LedgerMissing"),
    ] {
        let derived = with(lacks.clone(), state);
        assert_eq!(line(&derived, kinds::LEDGER_HEALTHY), expected, "{lacks:?}");
        assert_eq!(line(&derived, kinds::RUNTIME_READY), runtime, "{lacks:?}");
    }
}

#[test]
fn of_processes_that_do_not_answer_nothing_is_known() {
    let plan = plan();
    let mut silent = trading(&plan);
    silent.pods = Pods { runtime: (PodState::Starting, None), bridge: (PodState::Starting, None) };
    let derived = seen(&silent, None);
    assert_eq!(line(&derived, kinds::LEDGER_HEALTHY), "Unknown RuntimeUnread");
    assert_eq!(line(&derived, kinds::OUTPUTS_HEALTHY), "Unknown BridgeUnread");
    assert_eq!(line(&derived, kinds::TRADING), "Unknown AccountUnread");
}
