//! Decisions and the rows that name them: every decision answers a quote that the broker took, and belongs to one outcome.

use std::collections::{BTreeMap, BTreeSet};

use algo_runtime::ledger::{Changes, Trade, WindowRow};
use intuition_api::v1::tick_outcome::Kind;

use super::super::{
    hold, promise,
    quotes::{Quotes, Subject},
};
use crate::facts::{Identity, Serial, Violation};

/// A decision without an outcome that names it.
#[derive(Debug)]
struct Open {
    serial: Serial,
    is_manual: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// By number. Those made by hand may wait for the outcome of their quote.
    open: BTreeMap<u64, Open>,
    /// Decisions up to this one are those of an older ledger, whose outcomes may be gone.
    restored: u64,
    /// Subjects of the rows of the commit.
    subjects: BTreeSet<Subject>,
    /// Quotes that decisions of these rows are about, but for those by hand.
    named: BTreeSet<Serial>,
}

impl Decided {
    /// Takes the decisions of a commit.
    pub(super) fn begin(&mut self, changes: &Changes, quotes: &Quotes) -> Result<(), Violation> {
        for trade in changes.journal.iter().filter_map(|entry| entry.trade.as_ref()) {
            let Trade { seq, sid, price, event, manual, .. } = trade;
            let serial = quotes.traded(sid, &price.to_string());
            hold!(
                serial.is_some(),
                promise::ONE_OUTCOME,
                "decision {seq} trades {sid:?} at {price}: the broker took no such quote"
            );
            let serial = serial.unwrap_or_default();
            let expected = match quotes.quote(serial).map(|quote| &quote.identity) {
                Some(Identity::Numbered { source, seq }) => Some(format!("{source}/{seq}")),
                Some(Identity::Id(id)) => Some(id.clone()),
                _ => None,
            };
            hold!(
                expected.as_ref().is_none_or(|expected| expected == event),
                promise::ONE_OUTCOME,
                "decision {seq} trades quote {serial}, {expected:?}, and names the event {event:?}"
            );
            self.open.insert(*seq, Open { serial, is_manual: *manual });
        }
        Ok(())
    }

    /// Takes the decisions of a row.
    pub(super) fn take(&mut self, row: &WindowRow, subject: Subject, shown: &str) -> Result<(), Violation> {
        self.subjects.insert(subject);
        let outcome = &row.outcome;
        hold!(
            (outcome.kind == Kind::Decided) == (outcome.seqs > 0),
            promise::ONE_OUTCOME,
            "{shown} names {} decisions",
            outcome.seqs
        );
        for seq in outcome.first_seq..outcome.first_seq + u64::from(outcome.seqs) {
            let open = self.open.remove(&seq);
            hold!(
                open.is_some() || seq <= self.restored,
                promise::ONE_OUTCOME,
                "{shown} names decision {seq}, which is not there or belongs to an earlier outcome"
            );
            let Some(open) = open else { continue };
            hold!(
                !open.is_manual || subject == Subject::Quote(open.serial),
                promise::ONE_OUTCOME,
                "{shown} names decision {seq}, a sale by hand about quote {}",
                open.serial
            );
            if !open.is_manual {
                self.named.insert(open.serial);
            }
        }
        Ok(())
    }

    /// After the rows of a commit: no decision of it is left over but those by hand, and each is about a quote of it.
    pub(super) fn end(&mut self, changes: &Changes) -> Result<(), Violation> {
        let (subjects, named) = (std::mem::take(&mut self.subjects), std::mem::take(&mut self.named));
        for trade in changes.journal.iter().filter_map(|entry| entry.trade.as_ref()).filter(|trade| !trade.manual) {
            let open = self.open.get(&trade.seq);
            hold!(
                open.is_none(),
                promise::ONE_OUTCOME,
                "decision {} about {open:?} ({:?} at {}) belongs to no outcome of its commit",
                trade.seq,
                trade.sid,
                trade.price
            );
        }
        for serial in named {
            hold!(
                subjects.contains(&Subject::Quote(serial)),
                promise::ONE_OUTCOME,
                "a decision is about quote {serial}, which has no outcome in its commit"
            );
        }
        Ok(())
    }

    /// Another ledger is in force, with so many decisions.
    pub(super) fn restore(&mut self, decisions: u64) {
        *self = Self { restored: decisions, ..Self::default() };
    }
}
