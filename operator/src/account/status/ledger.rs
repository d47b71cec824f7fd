//! The ledger in a status.

use intuition_resources::Ledger;

use super::observation::LedgerState;
use crate::{
    account::ask::RuntimeReport,
    reconcile::{conditions::EventRecord, reason::LEDGER_WENT_BACK},
};

/// The claim to record, if it is known.
pub(crate) fn claim(state: &LedgerState) -> Option<Ledger> {
    match state {
        LedgerState::There(ledger) | LedgerState::Going(ledger) | LedgerState::Lost(ledger) => Some(ledger.clone()),
        LedgerState::Unknown => None,
    }
}

/// An Event where the ledger has another id than at the look before, and has it only from a later decision on: an older copy
/// of it was put in place. A new ledger has its id from its first decision on.
pub(crate) fn went_back(known: Option<&str>, report: &RuntimeReport) -> Option<EventRecord> {
    let now = report.account.as_ref().ok()?;
    let known = known?;
    (now.ledger_first_seq > 1 && known != now.ledger_id).then(|| {
        let (id, first) = (&now.ledger_id, now.ledger_first_seq);
        let note = format!(
            "the ledger is an older copy of ledger {known}: it has fewer entries than were published. Decisions from seq \
             {first} on belong to ledger {id}, and their numbers may have been used before"
        );
        EventRecord::hourly(LEDGER_WENT_BACK, &note, "")
    })
}
