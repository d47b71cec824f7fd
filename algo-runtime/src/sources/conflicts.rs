//! Dead letters in a row, by channel and source, for reasons that concern the source's identity.

use std::collections::{BTreeMap, BTreeSet};

use super::pairs::Pairs;
use crate::{
    ledger::{Conflict, SourceKey},
    sizes::Sizes,
};

/// Dead letters in a row from which on a source is in conflict.
pub const CONFLICT_DEAD_LETTERS: u32 = 10;
/// Longest message kept, bytes.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// Whether a dead letter of this reason counts towards a conflict.
pub fn counts_as_conflict(reason: &str) -> bool {
    ["IdentityConflict", "SequenceWentBack", "BadIdentity", "SourceForgotten", "TooManySources"].contains(&reason)
}

#[derive(Debug, Default)]
struct Run {
    conflict: Conflict,
    /// Greater than that of every run that grew before.
    grown: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    sizes: Sizes,
    runs: Pairs<Run>,
    grown: u64,
    changed: BTreeSet<SourceKey>,
}

impl Conflicts {
    pub(super) fn load(runs: BTreeMap<SourceKey, Conflict>, sizes: Sizes) -> Self {
        let mut conflicts = Self { sizes, ..Self::default() };
        for ((channel, source), conflict) in runs {
            conflicts.runs.insert(&channel, &source, Run { conflict, grown: 0 });
        }
        conflicts
    }

    pub(super) fn get(&self, channel: &str, source: &str) -> Option<&Conflict> {
        self.runs.get(channel, source).map(|run| &run.conflict)
    }

    pub(super) fn extend(&mut self, channel: &str, source: &str, reason: &str, message: &str) {
        if self.runs.len() >= self.sizes.conflict_runs && self.runs.get(channel, source).is_none() {
            self.drop_oldest();
        }
        self.grown += 1;
        let grown = self.grown;
        self.runs.update(channel, source, |run| {
            run.grown = grown;
            let Conflict { dead_letters, reason: last_reason, message: last_message } = &mut run.conflict;
            *dead_letters = dead_letters.saturating_add(1);
            reason.clone_into(last_reason);
            shortened(message).clone_into(last_message);
        });
        self.changed.insert((channel.to_owned(), source.to_owned()));
    }

    pub(super) fn end(&mut self, channel: &str, source: &str) {
        // Nearly always there is no run at all.
        if self.runs.len() > 0 && self.runs.remove(channel, source).is_some() {
            self.changed.insert((channel.to_owned(), source.to_owned()));
        }
    }

    fn drop_oldest(&mut self) {
        // Those of the ledger grew before all others, and the map has no order: the names decide among them.
        let oldest = self.runs.iter().min_by_key(|(channel, source, run)| (run.grown, *channel, *source));
        let key = oldest.map(|(channel, source, _)| (channel.as_ref().to_owned(), source.as_ref().to_owned()));
        if let Some((channel, source)) = key {
            self.end(&channel, &source);
        }
    }

    /// Sources in conflict, in no order.
    pub(super) fn in_conflict(&self) -> impl Iterator<Item = (&str, &str)> {
        let are = self.runs.iter().filter(|(_, _, run)| run.conflict.dead_letters >= CONFLICT_DEAD_LETTERS);
        are.map(|(channel, source, _)| (channel.as_ref(), source.as_ref()))
    }

    /// The runs that changed since the last call; `None` for one that ended.
    pub(super) fn take_changes(&mut self) -> BTreeMap<SourceKey, Option<Conflict>> {
        let changed = std::mem::take(&mut self.changed);
        let state = |key: SourceKey| {
            let conflict = self.get(&key.0, &key.1).cloned();
            (key, conflict)
        };
        changed.into_iter().map(state).collect()
    }
}

fn shortened(message: &str) -> &str {
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
    message.get(..end).unwrap_or(message)
}
