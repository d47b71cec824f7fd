//! Saved states of algorithms. An account keeps the states of the remote algorithms used last: a name that changes with each
//! start must not fill the ledger.

use std::collections::BTreeMap;

use bytes::Bytes;
use intuition_common::planted::{self, Mistake};

use crate::ledger::{Changes, StateKey};

/// The owner of a backend's state in the ledger: this, then its name. No built-in algorithm has such a name.
const BACKEND_PREFIX: &str = "backend/";
/// Key beside a backend's state, which has the empty one: a tick was rejected, and none was answered since.
const REJECTED: &str = "rejected";
/// Key of the ordinal beside a state: the owner with the highest one saved last. A state of an earlier release has none,
/// and counts as the oldest.
const USED: &str = "used";

/// See the module.
#[derive(Debug)]
pub(super) struct SavedStates {
    /// See [`Sizes::saved_names`](crate::sizes::Sizes::saved_names).
    max_names: usize,
    states: BTreeMap<StateKey, Vec<u8>>,
    /// States that are in no commit yet; `None`: deleted.
    changed: BTreeMap<StateKey, Option<Vec<u8>>>,
    /// Times that the active backend saved its state.
    saves: u64,
}

/// Owner of the state of the backend with this name.
pub(super) fn backend_owner(name: &str) -> String {
    format!("{BACKEND_PREFIX}{name}")
}

impl SavedStates {
    pub(super) const fn new(states: BTreeMap<StateKey, Vec<u8>>, max_names: usize) -> Self {
        Self { max_names, states, changed: BTreeMap::new(), saves: 0 }
    }

    pub(super) const fn all(&self) -> &BTreeMap<StateKey, Vec<u8>> {
        &self.states
    }

    /// Times that the active backend saved its state.
    pub(super) const fn saves(&self) -> u64 {
        self.saves
    }

    /// The state of a backend; empty where it has none.
    pub(super) fn of_backend(&self, owner: Option<&str>) -> Vec<u8> {
        let key = owner.map(|owner| (owner.to_owned(), String::new()));
        key.and_then(|key| self.states.get(&key).cloned()).unwrap_or_default()
    }

    /// Keeps the state that the active backend gave, and deletes those used longest ago beyond the bound. `candidate`: the
    /// owner that keeps its state. Returns the owners of the deleted states.
    pub(super) fn save(&mut self, owner: String, state: &Bytes, candidate: Option<&str>) -> Vec<String> {
        let key = (owner, String::new());
        if self.states.get(&key).is_some_and(|known| known == state) {
            return Vec::new();
        }
        self.saves += 1;
        let saved =
            if planted::is(Mistake::StateBehind) { self.states.get(&key).cloned() } else { Some(state.to_vec()) };
        self.changed.insert(key.clone(), saved);
        self.states.insert(key.clone(), state.to_vec());
        self.note_use(&key.0, candidate)
    }

    /// Keeps a piece of state of a built-in algorithm.
    pub(super) fn save_builtin(&mut self, name: &str, key: String, state: Vec<u8>) {
        self.put((name.to_owned(), key), Some(state));
    }

    /// Whether a tick of the owner's was rejected and none was answered since.
    pub(super) fn has_rejected(&self, owner: &str) -> bool {
        self.states.contains_key(&(owner.to_owned(), REJECTED.to_owned()))
    }

    /// Notes it, so that a restart in between costs no second tick.
    pub(super) fn note_rejected(&mut self, owner: String, rejected: bool) {
        if self.has_rejected(&owner) != rejected {
            self.put((owner, REJECTED.to_owned()), rejected.then(|| vec![1]));
        }
    }

    pub(super) fn take_changes(&mut self, changes: &mut Changes) {
        changes.state.append(&mut self.changed);
    }

    fn note_use(&mut self, owner: &str, candidate: Option<&str>) -> Vec<String> {
        let mut owners = self.owners_by_use();
        if owners.last().is_some_and(|(used, last)| *used > 0 && last == owner) {
            return Vec::new();
        }
        let next = owners.last().map_or(0, |(used, _)| *used) + 1;
        self.put((owner.to_owned(), USED.to_owned()), Some(next.to_be_bytes().to_vec()));
        owners.retain(|(_, name)| name != owner);
        let surplus = (owners.len() + 1).saturating_sub(self.max_names);
        let unused = owners.into_iter().map(|(_, name)| name).filter(|name| candidate != Some(name.as_str()));
        let deleted: Vec<String> = unused.take(surplus).collect();
        for owner in &deleted {
            let keys: Vec<StateKey> = self.states.keys().filter(|(of, _)| of == owner).cloned().collect();
            for key in keys {
                self.put(key, None);
            }
        }
        deleted
    }

    /// Owners of saved states of remote algorithms, in the order of their last use.
    fn owners_by_use(&self) -> Vec<(u64, String)> {
        let mut owners: Vec<(u64, String)> = Vec::new();
        let from = (BACKEND_PREFIX.to_owned(), String::new());
        let states = self.states.range(from..).take_while(|((owner, _), _)| owner.starts_with(BACKEND_PREFIX));
        for ((owner, key), state) in states {
            if owners.last().is_none_or(|(_, last)| last != owner) {
                owners.push((0, owner.clone()));
            }
            if let (USED, Ok(used), Some((ordinal, _))) = (key.as_str(), state.as_slice().try_into(), owners.last_mut())
            {
                *ordinal = u64::from_be_bytes(used);
            }
        }
        owners.sort();
        owners
    }

    fn put(&mut self, key: StateKey, state: Option<Vec<u8>>) {
        match &state {
            Some(state) => drop(self.states.insert(key.clone(), state.clone())),
            None => drop(self.states.remove(&key)),
        }
        self.changed.insert(key, state);
    }
}

/// The name of the algorithm that owns a state.
pub(super) fn algorithm_of(owner: &str) -> &str {
    owner.trim_start_matches(BACKEND_PREFIX)
}
