//! Who decides: an algorithm in process, or a backend.

use std::collections::BTreeMap;

use bytes::Bytes;
use intuition_api::v1;
use intuition_common::planted::{self, Fault};
use rand::Rng as _;

use super::{Engine, LinkId};
use crate::{
    algorithm::{Algorithm, Builtin, FieldErrors, SavedState, Signal},
    backend::{
        Address, Backend, Heard, Order, Report, Trouble,
        answer::{Answer, Verdict, Wish},
    },
    ledger::StateKey,
    settings::{Adjustable, Choice},
    sizes::Sizes,
};

/// Whose a backend's state is in the ledger: this, then its name. No built-in algorithm has such a name.
pub(super) const BACKEND_STATE: &str = "backend/";
/// Key beside its state, which has the empty one.
const REJECTED: &str = "rejected";

/// See the module.
pub(super) enum Decider {
    /// In process.
    Builtin {
        /// Its entry in the registry.
        builtin: &'static Builtin,
        /// It.
        algorithm: Box<dyn Algorithm>,
    },
    /// Out of process.
    Backend {
        /// Who carries its orders out.
        link: LinkId,
        /// It.
        backend: Box<Backend>,
    },
}

impl Decider {
    /// The algorithm of these settings: a built-in one at once, with what it saved; a backend by `link`, with what is to be
    /// done about that. `chance`: the seed of pauses, and of draws if no parameter has one.
    pub(super) fn start(
        settings: &Adjustable,
        states: &BTreeMap<StateKey, Vec<u8>>,
        link: LinkId,
        sizes: Sizes,
        chance: u64,
    ) -> Result<(Self, Option<Errand>), FieldErrors> {
        let algorithm_settings = settings.algorithm_settings();
        match &settings.algorithm {
            Choice::Backend(address) => {
                let backend = Box::new(Backend::new(address.clone(), algorithm_settings, sizes, chance));
                Ok((Self::Backend { link, backend }, Some(Errand::Start(link, address.clone()))))
            }
            Choice::Builtin(name) => {
                let builtin = settings.algorithm.builtin()?;
                let of_owner = states.iter().filter(|((owner, _), _)| owner == name);
                let saved: SavedState = of_owner.map(|((_, key), state)| (key.clone(), state.clone())).collect();
                let algorithm = builtin.initialize(&algorithm_settings, &saved, chance)?;
                Ok((Self::Builtin { builtin, algorithm }, None))
            }
        }
    }

    /// Whose its state is in the ledger; `None` for a backend that never said its name.
    pub(super) fn owner(&self) -> Option<String> {
        match self {
            Self::Builtin { builtin, .. } => Some(builtin.name.to_owned()),
            Self::Backend { backend, .. } => {
                backend.described().map(|described| format!("{BACKEND_STATE}{}", described.name))
            }
        }
    }

    /// Whether it can be asked now.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Builtin { .. } => true,
            Self::Backend { backend, .. } => backend.is_open(),
        }
    }

    /// Whether it has something to answer.
    pub(super) const fn is_busy(&self) -> bool {
        match self {
            Self::Builtin { .. } => false,
            Self::Backend { backend, .. } => backend.is_busy(),
        }
    }

    /// How many quotes it may be asked now; `None`: none at all.
    pub(super) fn batch_limit(&self) -> Option<usize> {
        match self {
            Self::Builtin { .. } => Some(usize::MAX),
            Self::Backend { backend, .. } => backend.is_open().then(|| backend.batch_limit()),
        }
    }

    /// Attempts at it that failed one after another.
    pub(super) const fn failures(&self) -> u32 {
        match self {
            Self::Builtin { .. } => 0,
            Self::Backend { backend, .. } => backend.failures(),
        }
    }

    pub(super) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Builtin { .. } => None,
            Self::Backend { backend, .. } => backend.trouble(),
        }
    }

    /// As the contract shows it.
    pub(super) fn shown(&self) -> v1::Backend {
        match self {
            Self::Builtin { builtin, .. } => v1::Backend {
                name: builtin.name.to_owned(),
                version: builtin.version.to_owned(),
                ..v1::Backend::default()
            },
            Self::Backend { backend, .. } => {
                let (name, version) = backend
                    .described()
                    .map(|described| (described.name.clone(), described.version.clone()))
                    .unwrap_or_default();
                let (reason, message) = match (backend.trouble(), backend.renamed()) {
                    (Some(trouble), _) => (trouble.reason(), trouble.message.as_str()),
                    (None, Some(renamed)) => ("", renamed),
                    (None, None) => ("", ""),
                };
                let (reason, message) = (reason.to_owned(), message.to_owned());
                v1::Backend { address: backend.address().as_str().to_owned(), name, version, reason, message }
            }
        }
    }
}

/// The answer of a built-in algorithm to so many quotes. A quote that it left out is rejected: without a verdict it would be
/// asked again for ever.
pub(super) fn in_process(name: &str, mut signals: Vec<Option<Signal>>, asked: usize) -> Answer {
    let answered = signals.len();
    if answered != asked {
        tracing::error!(algorithm = name, asked, answered, "the built-in algorithm did not answer each quote once");
        signals.truncate(asked);
    }
    let verdict = |(quote, signal): (usize, Option<Signal>)| {
        Verdict::Signals(signal.map(|signal| Wish { quote, signal }).into_iter().collect())
    };
    let mut verdicts: Vec<Verdict> = signals.into_iter().enumerate().map(verdict).collect();
    verdicts.resize_with(asked, || Verdict::Reject(format!("{name}: answered {answered} of {asked} quotes")));
    Answer { verdicts, ..Answer::default() }
}

/// What is to be done about a link.
#[derive(Debug)]
pub enum Errand {
    /// Start one to this address.
    Start(LinkId, Address),
    /// Give it this order.
    Order(LinkId, Order),
    /// Let it go.
    End(LinkId),
}

impl Engine {
    /// The algorithm of these settings, beside the one deciding.
    pub(super) fn another(&mut self, settings: &Adjustable) -> Result<Decider, FieldErrors> {
        let (link, chance) = (LinkId(self.links + 1), self.chance.next_u64());
        let (decider, errand) = Decider::start(settings, &self.states, link, self.sizes, chance)?;
        self.links += 1;
        self.errands.extend(errand);
        Ok(decider)
    }

    pub(super) fn let_go(&mut self, decider: &Decider) {
        if let Decider::Backend { link, .. } = decider {
            self.errands.push(Errand::End(*link));
        }
    }

    /// Keeps the state that the backend deciding gave.
    pub(super) fn save_state(&mut self, state: Option<Bytes>) {
        let (Some(state), Some(owner)) = (state, self.decider.owner()) else { return };
        let key = (owner, String::new());
        if self.states.get(&key).is_some_and(|known| *known == state) {
            return;
        }
        self.saves += 1;
        let saved = if planted::is(Fault::StateBehind) { self.states.get(&key).cloned() } else { Some(state.to_vec()) };
        self.pending.state.insert(key.clone(), saved);
        self.states.insert(key.clone(), state.to_vec());
        self.note_use_of_state(&key.0);
    }

    /// Takes a link's report. What it settled comes with the next [`Engine::advance`].
    pub fn hear(&mut self, link: LinkId, report: Report, now_micros: i64) {
        if let Decider::Backend { link: current, backend } = &mut self.decider
            && *current == link
        {
            let heard = backend.hear(report);
            self.heard(heard, now_micros);
        } else {
            self.candidate_hears(link, report);
        }
    }

    fn heard(&mut self, heard: Heard, now_micros: i64) {
        match heard {
            Heard::Nothing => {}
            Heard::Fit => {
                let rejected = self.rejected_key().is_some_and(|key| self.states.contains_key(&key));
                let Decider::Backend { backend, .. } = &mut self.decider else { return };
                if rejected {
                    backend.has_rejected();
                }
                if let Some(message) = backend.rejection() {
                    self.reject_head(message, now_micros);
                    self.note_rejected(true);
                }
                self.initialize_decider();
            }
            Heard::Initialized(channels) => self.wants(channels),
            Heard::Answered(answer) => {
                let asked = std::mem::take(&mut self.asked);
                let settled = self.settle_turn(&asked, answer, now_micros);
                self.settled.extend(settled);
                self.note_rejected(false);
            }
            Heard::Reconfigured(answer) => self.reconfigured(answer),
            Heard::Failed => {
                self.asked.clear();
                self.decider_failed();
            }
        }
    }

    /// Where the ledger notes that the backend deciding had a tick rejected and answered none since, so that a restart in
    /// between costs no second one.
    fn rejected_key(&self) -> Option<StateKey> {
        self.decider.owner().map(|owner| (owner, REJECTED.to_owned()))
    }

    fn note_rejected(&mut self, rejected: bool) {
        let Some(key) = self.rejected_key().filter(|key| self.states.contains_key(key) != rejected) else { return };
        let noted = rejected.then(|| vec![1]);
        match &noted {
            Some(noted) => drop(self.states.insert(key.clone(), noted.clone())),
            None => drop(self.states.remove(&key)),
        }
        self.pending.state.insert(key, noted);
    }

    fn initialize_decider(&mut self) {
        let state = self.backend_state(self.decider.owner().as_deref());
        let account = self.account.name.clone();
        if let Decider::Backend { backend, .. } = &mut self.decider {
            backend.initialize(&account, state);
        }
    }

    pub(super) fn backend_state(&self, owner: Option<&str>) -> Vec<u8> {
        let key = owner.map(|owner| (owner.to_owned(), String::new()));
        key.and_then(|key| self.states.get(&key).cloned()).unwrap_or_default()
    }

    /// What is to be done about links, once what was settled is durable.
    pub fn take_errands(&mut self) -> Vec<Errand> {
        let mut errands = std::mem::take(&mut self.errands);
        let candidate = self.candidate.as_mut().and_then(super::swap::Candidate::decider_mut);
        for decider in [Some(&mut self.decider), candidate].into_iter().flatten() {
            if let Decider::Backend { link, backend } = decider {
                errands.extend(backend.take_orders().into_iter().map(|order| Errand::Order(*link, order)));
            }
        }
        errands
    }
}
