//! Rows and subjects in texts.

use std::collections::BTreeMap;

use algo_runtime::ledger::{Class, Snapshot, WindowRow};
use intuition_api::v1::tick_outcome::Kind;

use crate::check::quotes::{Quotes, Subject};

/// The counter of a kind of outcome.
pub(super) const fn counter_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Decided => "decided",
        Kind::NoSignal => "noSignal",
        Kind::Denied => "denied",
        Kind::DeadLettered => "deadLettered",
        Kind::NotSubscribed => "notSubscribed",
        Kind::NotListed => "notListed",
        Kind::Forgotten => "forgotten",
        Kind::Unspecified => "unspecified",
    }
}

/// Last ordinals of a ledger, by class.
pub(super) fn last_ordinals(snapshot: &Snapshot) -> BTreeMap<Class, u64> {
    let mut last = BTreeMap::new();
    let stretches = snapshot.older.iter().map(|stretch| (stretch.class, stretch.last));
    for (class, ordinal) in stretches.chain(snapshot.window.iter().map(|row| (row.class, row.ordinal))) {
        let known: &mut u64 = last.entry(class).or_default();
        *known = ordinal.max(*known);
    }
    last
}

pub(super) fn is_bare(subject: Subject, quotes: &Quotes) -> bool {
    let Subject::Quote(serial) = subject else { return false };
    quotes.quote(serial).is_some_and(|quote| quote.identity == crate::facts::Identity::Bare)
}

/// A subject, for a text.
pub(in crate::check) fn name(subject: Subject, quotes: &Quotes) -> String {
    match subject {
        Subject::Quote(serial) => quotes.quote(serial).map_or_else(
            || format!("quote {serial}"),
            |quote| format!("quote {serial} ({} at {}, {:?})", quote.symbol, quote.price, quote.identity),
        ),
        Subject::Unusable(hash, index) => format!("place {index} of payload {}", hex::encode(hash)),
    }
}

/// A row, for a text.
pub(super) fn show(row: &WindowRow) -> String {
    let WindowRow { class, ordinal, run, delivery, index, channel, outcome, .. } = row;
    let reason = if outcome.reason.is_empty() { String::new() } else { format!(" {}", outcome.reason) };
    let seqs = if outcome.seqs == 0 {
        String::new()
    } else {
        format!(", decisions {} to {}", outcome.first_seq, outcome.first_seq + u64::from(outcome.seqs) - 1)
    };
    format!(
        "row {} {ordinal} (bridge run {run:x}, delivery {delivery}, place {index} on {channel:?}: {}{reason}{seqs})",
        class.name(),
        counter_of(outcome.kind)
    )
}
