//! The account in the status, from the runtime's answer. Without an answer it stays as it was.

use intuition_resources::{Account, Backend, TradingAlgoStatus};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use crate::account::ask::RuntimeReport;

pub(crate) fn take(status: &mut TradingAlgoStatus, report: &RuntimeReport) {
    let Ok(account) = &report.account else { return };
    status.effective_generation = Some(account.effective_generation);
    status.channels = account.channels.clone().unwrap_or_default().filters;
    let backend = account.backend.clone().unwrap_or_default();
    let or = |said: String, before: &String| if said.is_empty() { before.clone() } else { said };
    status.backend = Some(Backend {
        address: (!backend.address.is_empty()).then_some(backend.address),
        algorithm: or(backend.name, &account.algorithm),
        version: or(backend.version, &account.algorithm_version),
    });
    // The time of the last commit, never that of the question, and in whole seconds, as Kubernetes keeps it: at rest
    // nothing is written.
    let updated = Timestamp::from_second(account.updated_micros.div_euclid(1_000_000)).unwrap_or_default();
    status.account = Some(Account {
        cash: account.cash.clone(),
        invested: account.invested.clone(),
        deposits: Some(account.deposits.clone()).filter(|deposits| !deposits.is_empty()),
        ledger_id: Some(account.ledger_id.clone()).filter(|id| !id.is_empty()),
        decisions: i64::try_from(account.decisions).unwrap_or(i64::MAX),
        updated: Time(updated),
    });
}

/// Id of the ledger at the look before.
pub(crate) fn ledger_id(before: &TradingAlgoStatus) -> Option<&str> {
    before.account.as_ref()?.ledger_id.as_deref()
}
