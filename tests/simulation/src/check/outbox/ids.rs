//! Names of decisions: the account, and the ids of its ledger.

use std::collections::BTreeSet;

use algo_runtime::ledger::{Account, LedgerIds};
use intuition_api::v1;

use super::super::{hold, promise};
use crate::facts::{RunId, Violation};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ids {
    account: String,
    /// First decision and id, of the ledger in force.
    known: Vec<(u64, String)>,
    /// Ids of every ledger of the run.
    every: BTreeSet<String>,
    /// Bridges that have opened a stream.
    informed: BTreeSet<RunId>,
    /// The ledger was replaced, and no other id was taken since.
    may_change: bool,
    /// Ids that a bridge has received.
    received: BTreeSet<String>,
    /// The ledger was replaced, and no bridge has opened a stream since.
    awaits_bridge: bool,
    /// No bridge knew of the ledger that was replaced: its ids come again with other content.
    pub(super) come_again: bool,
}

impl Ids {
    /// The id of a decision.
    pub(super) fn of(&self, seq: u64) -> String {
        let id = self.known.iter().rev().find(|(first, _)| *first <= seq).map_or("", |(_, id)| id);
        format!("{}/{id}/{seq}", self.account)
    }

    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// A commit takes another id: once, where the ledger was replaced, and again where no bridge has received that one, since its
    /// commit failed although it is there.
    pub(super) fn commit(&mut self, ids: &LedgerIds) -> Result<(), Violation> {
        let is_unheard_of = self.known.last().is_some_and(|(_, id)| !self.received.contains(id));
        hold!(
            std::mem::take(&mut self.may_change) || is_unheard_of,
            promise::PUBLISHED,
            "the ledger takes the id {:?}, and has not gone back since its last change of id",
            ids.newest().id
        );
        self.take(ids);
        Ok(())
    }

    /// All ids of the ledger in force.
    pub(super) fn take(&mut self, ids: &LedgerIds) {
        self.known = ids.iter().map(|id| (id.first_seq, id.id.clone())).collect();
        self.every.extend(ids.iter().map(|id| id.id.clone()));
    }

    /// The totals of the ledger in force.
    pub(super) fn name(&mut self, account: &Account) {
        if self.account != account.name {
            self.account.clone_from(&account.name);
        }
        if self.known.is_empty() {
            self.known.push((1, account.ledger_id.clone()));
            self.every.insert(account.ledger_id.clone());
        }
    }

    pub(super) fn ledger_replaced(&mut self) {
        (self.awaits_bridge, self.may_change) = (true, true);
    }

    /// A bridge opened a stream.
    pub(super) fn opened(&mut self, bridge: RunId, opened: &v1::Opened) -> Result<(), Violation> {
        let is_informed = !self.informed.insert(bridge);
        if std::mem::take(&mut self.awaits_bridge) && !is_informed {
            // Neither of the two knows that the ledger went back.
            self.come_again = true;
        }
        self.received.insert(opened.ledger_id.clone());
        // It may come late, from a runtime whose ledger has gone back since.
        hold!(
            self.every.contains(&opened.ledger_id),
            promise::DURABLE,
            "bridge run {bridge} received the ledger id {:?}, and {:?} are recorded",
            opened.ledger_id,
            self.every
        );
        Ok(())
    }
}
