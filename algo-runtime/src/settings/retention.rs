//! The limits of the journal, as the contract carries them.

use intuition_api::v1;

use crate::ledger::Retention;

/// Reads the field of `Configure`. Limits that let nothing go are none.
pub(crate) fn from_wire(retention: Option<&v1::Retention>) -> Option<Retention> {
    let v1::Retention { decisions, age_seconds } = *retention?;
    (decisions.is_some() || age_seconds.is_some()).then_some(Retention { decisions, age_seconds })
}

/// The field of the account's answer.
pub(crate) fn to_wire(retention: Option<Retention>) -> Option<v1::Retention> {
    retention.map(|Retention { decisions, age_seconds }| v1::Retention { decisions, age_seconds })
}
