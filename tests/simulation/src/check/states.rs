//! States of remote algorithms: each is saved in the commit of the quotes that it is about. A remote algorithm counts in its state
//! the quotes that it has answered.

use std::collections::{BTreeMap, BTreeSet};

use algo_runtime::ledger::{Changes, Outcome, SettingsRecord, Snapshot};
use intuition_api::v1::tick_outcome::Kind;

use super::{hold, promise};
use crate::{facts::Violation, process::algorithm::seen};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct States {
    /// Quotes by algorithm.
    answered: BTreeMap<String, u64>,
    /// An algorithm in process decides; `None` before the first settings.
    is_in_process: Option<bool>,
    /// Decisions by hand. The algorithm may fail at their quotes, which are decided all the same.
    by_hand: BTreeSet<u64>,
}

impl States {
    /// A commit.
    pub(super) fn commit(&mut self, changes: &Changes) -> Result<(), Violation> {
        let before = self.is_in_process;
        if let Some(settings) = &changes.settings {
            self.is_in_process = Some(is_in_process(settings));
        }
        let mut more = 0;
        let states = changes.state.iter().map(|(key, state)| (key, state.as_deref().unwrap_or_default()));
        for (owner, count) in of_algorithms(states) {
            let known = self.answered.insert(owner.clone(), count).unwrap_or_default();
            hold!(count >= known, promise::STATE, "the state of {owner} goes from {known} quotes back to {count}");
            more += count - known;
        }
        let by_hand = changes.journal.iter().filter_map(|entry| entry.trade.as_ref()).filter(|trade| trade.manual);
        self.by_hand.extend(by_hand.map(|trade| trade.seq));
        let (mut decided, mut rejected) = (0, 0);
        for Outcome { kind, reason, first_seq, .. } in changes.window.iter().map(|row| &row.outcome) {
            match kind {
                Kind::Decided if self.by_hand.contains(first_seq) => rejected += 1,
                Kind::Decided | Kind::NoSignal | Kind::Denied => decided += 1,
                // By the algorithm, or for it, since it fails at the quote.
                Kind::DeadLettered if reason == "Rejected" => rejected += 1,
                _ => {}
            }
        }
        let is_remote = before != Some(true) && self.is_in_process == Some(false);
        hold!(
            more <= decided + rejected && (more >= decided || !is_remote),
            promise::STATE,
            "a commit has {decided} quotes that the algorithm decided and {rejected} that it may have rejected, and its state \
             is about {more} more"
        );
        Ok(())
    }

    /// Another ledger is in force.
    pub(super) fn go_back(&mut self, snapshot: &Snapshot) {
        self.answered = of_snapshot(snapshot);
        self.is_in_process = snapshot.settings.as_ref().map(is_in_process);
        self.by_hand = snapshot.closing.unsettled.iter().map(|sale| sale.seq).collect();
    }
}

/// The states of remote algorithms, of a commit or of a snapshot.
fn of_algorithms<'a>(
    states: impl Iterator<Item = (&'a (String, String), &'a [u8])>,
) -> impl Iterator<Item = (String, u64)> {
    let of_algorithm = states.filter(|((owner, key), _)| owner.starts_with("backend/") && key.is_empty());
    of_algorithm.map(|((owner, _), state)| (owner.clone(), seen(state)))
}

fn of_snapshot(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    of_algorithms(snapshot.state.iter().map(|(key, state)| (key, state.as_slice()))).collect()
}

fn is_in_process(settings: &SettingsRecord) -> bool {
    let record: serde_json::Value = serde_json::from_str(&settings.settings_json).unwrap_or_default();
    record.get("algorithmAddress").and_then(serde_json::Value::as_str).is_none_or(str::is_empty)
}
