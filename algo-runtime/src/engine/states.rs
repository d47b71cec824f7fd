//! Saved states of remote algorithms, each under the algorithm's name. An account keeps the states of the names used last:
//! a name that changes with each start must not fill the ledger.

use super::{Engine, decider::BACKEND_STATE};
use crate::ledger::StateKey;

/// Key of the ordinal beside a state: the owner with the highest one saved last. A state of an earlier release has none,
/// and counts as the oldest.
const USED: &str = "used";

impl Engine {
    /// Notes that `owner` saved a state last, and forgets the states used longest ago beyond
    /// [`Sizes::saved_names`](crate::sizes::Sizes::saved_names).
    pub(super) fn note_use_of_state(&mut self, owner: &str) {
        let mut owners = self.owners_by_use();
        if owners.last().is_some_and(|(used, last)| *used > 0 && last == owner) {
            return;
        }
        let next = owners.last().map_or(0, |(used, _)| *used) + 1;
        self.put_state((owner.to_owned(), USED.to_owned()), Some(next.to_be_bytes().to_vec()));
        let candidate = self.candidate.as_mut().and_then(|candidate| candidate.decider_mut()?.owner());
        owners.retain(|(_, name)| name != owner);
        let surplus = (owners.len() + 1).saturating_sub(self.sizes.saved_names);
        for (_, unused) in owners.into_iter().filter(|(_, name)| candidate.as_ref() != Some(name)).take(surplus) {
            self.forget_states_of(&unused);
        }
    }

    /// Owners of saved states of remote algorithms, in the order of their last use.
    fn owners_by_use(&self) -> Vec<(u64, String)> {
        let mut owners: Vec<(u64, String)> = Vec::new();
        let from = (BACKEND_STATE.to_owned(), String::new());
        let states = self.states.range(from..).take_while(|((owner, _), _)| owner.starts_with(BACKEND_STATE));
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

    fn forget_states_of(&mut self, owner: &str) {
        let name = owner.trim_start_matches(BACKEND_STATE);
        tracing::warn!(
            account = self.account.name,
            algorithm = name,
            "the saved state is forgotten: {} other algorithms saved one since this one did",
            self.sizes.saved_names
        );
        let keys: Vec<StateKey> = self.states.keys().filter(|(of, _)| of == owner).cloned().collect();
        for key in keys {
            self.put_state(key, None);
        }
    }

    fn put_state(&mut self, key: StateKey, state: Option<Vec<u8>>) {
        match &state {
            Some(state) => drop(self.states.insert(key.clone(), state.clone())),
            None => drop(self.states.remove(&key)),
        }
        self.pending.state.insert(key, state);
    }
}
