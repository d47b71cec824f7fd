//! The other rows of a ledger: state of the algorithm, settings, sessions, sources, sales by hand. A runtime that opens the
//! ledger finds them as committed.

use std::{collections::BTreeMap, fmt::Debug};

use algo_runtime::ledger::{
    Changes, Conflict, HeldFilter, SettingsRecord, Snapshot, SourceKey, StateKey, UnsettledSale,
};

use super::{hold, promise};
use crate::facts::{RunId, Violation};

/// See the module.
#[derive(Debug, Default, Clone)]
pub(super) struct Rest {
    state: BTreeMap<StateKey, Vec<u8>>,
    settings: Option<SettingsRecord>,
    sessions: BTreeMap<String, String>,
    client_sessions: BTreeMap<(String, String), String>,
    held: Vec<HeldFilter>,
    /// Last number and rank by channel and source. Times are left out: the ledger dates numbers of v0.1.0.
    marks: BTreeMap<SourceKey, (i64, u32)>,
    conflicts: BTreeMap<SourceKey, Conflict>,
    /// Requests to sell by hand; a ledger keeps the last ones.
    requests: Vec<String>,
    unsettled: BTreeMap<u64, UnsettledSale>,
}

impl Rest {
    /// The rows of a commit.
    pub(super) fn commit(&mut self, changes: &Changes) {
        apply(&mut self.state, &changes.state);
        if let Some(settings) = &changes.settings {
            self.settings = Some(settings.clone());
        }
        self.sessions.extend(changes.sessions.clone());
        self.client_sessions.extend(changes.client_sessions.clone());
        if let Some(held) = &changes.held {
            self.held.clone_from(held);
        }
        for key in &changes.sources.removed {
            self.marks.remove(key);
        }
        self.marks.extend(changes.marks.iter().map(|(key, mark)| (key.clone(), (mark.seq, mark.index))));
        apply(&mut self.conflicts, &changes.sources.conflicts);
        self.requests.extend(changes.closing.requests.iter().cloned());
        self.unsettled.extend(changes.closing.unsettled.clone());
        for seq in &changes.closing.settled {
            self.unsettled.remove(seq);
        }
    }

    /// A runtime opened the ledger that was committed.
    pub(super) fn compare(&self, run: RunId, snapshot: &Snapshot) -> Result<(), Violation> {
        let found = Self::of(snapshot);
        same(run, "the saved state of the algorithm", &found.state, &self.state)?;
        same(run, "the settings", &found.settings, &self.settings)?;
        same(run, "the sessions by broker", &found.sessions, &self.sessions)?;
        same(run, "the sessions by client id and broker", &found.client_sessions, &self.client_sessions)?;
        same(run, "the filters that the session may hold", &found.held, &self.held)?;
        same(run, "the last numbers of the sources", &found.marks, &self.marks)?;
        same(run, "the conflicts of the sources", &found.conflicts, &self.conflicts)?;
        same(run, "the sales by hand without an outcome", &found.unsettled, &self.unsettled)?;
        let are_last =
            self.requests.ends_with(&found.requests) && found.requests.is_empty() == self.requests.is_empty();
        hold!(
            are_last,
            promise::DURABLE,
            "run {run} opened the ledger and found the requests to sell by hand {:?}, {:?} were committed",
            found.requests,
            self.requests
        );
        Ok(())
    }

    /// The filters that the session may hold.
    pub(super) fn held(&self) -> &[HeldFilter] {
        &self.held
    }

    /// Another ledger is in force.
    pub(super) fn go_back(&mut self, snapshot: &Snapshot) {
        *self = Self::of(snapshot);
    }

    fn of(snapshot: &Snapshot) -> Self {
        let mark =
            |mark: &algo_runtime::ledger::Mark| ((mark.channel.clone(), mark.source.clone()), (mark.seq, mark.index));
        Self {
            state: snapshot.state.clone(),
            settings: snapshot.settings.clone(),
            sessions: snapshot.sessions.clone(),
            client_sessions: snapshot.client_sessions.clone(),
            held: snapshot.held.clone(),
            marks: snapshot.marks.iter().map(mark).collect(),
            conflicts: snapshot.sources.conflicts.clone(),
            requests: snapshot.closing.requests.clone(),
            unsettled: snapshot.closing.unsettled.iter().map(|sale| (sale.seq, sale.clone())).collect(),
        }
    }
}

fn apply<K: Ord + Clone, V: Clone>(rows: &mut BTreeMap<K, V>, changes: &BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(key.clone(), value.clone()),
            None => rows.remove(key),
        };
    }
}

fn same<T: PartialEq + Debug>(run: RunId, what: &str, found: &T, known: &T) -> Result<(), Violation> {
    hold!(
        found == known,
        promise::DURABLE,
        "run {run} opened the ledger and found {what} as {found:?}, {known:?} was committed"
    );
    Ok(())
}
