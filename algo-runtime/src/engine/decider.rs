//! One algorithm: built-in, or served by a backend.

use std::collections::BTreeMap;

use intuition_api::v1;

use super::{
    link_action::{LinkAction, LinkId},
    notice::{EngineNotice, Notices},
    states::backend_owner,
};
use crate::{
    algorithm::{Algorithm, Answer, Builtin, FieldErrors, SavedState},
    backend::{
        Backend, BackendCondition, BatchLimit,
        reply::{BatchResult, IndexedSignal, QuoteResult},
    },
    ledger::StateKey,
    settings::{AlgorithmRef, LiveSettings},
    sizes::Sizes,
};

/// See the module.
pub(super) enum Decider {
    /// In process.
    Builtin {
        /// Its entry in the registry.
        builtin: &'static Builtin,
        /// The initialized algorithm.
        algorithm: Box<dyn Algorithm>,
    },
    /// Out of process.
    Backend {
        /// The link that carries out its commands.
        link: LinkId,
        /// Its state machine.
        backend: Box<Backend>,
    },
}

impl Decider {
    /// The algorithm of these settings: a built-in one at once, with its saved state; a backend by `link`, with the action
    /// that starts the link. `seed`: of pauses, and of draws if no parameter has one.
    pub(super) fn start(
        settings: &LiveSettings,
        states: &BTreeMap<StateKey, Vec<u8>>,
        link: LinkId,
        sizes: Sizes,
        seed: u64,
    ) -> Result<(Self, Option<LinkAction>), FieldErrors> {
        let algorithm_settings = settings.algorithm_settings();
        match &settings.algorithm {
            AlgorithmRef::Backend(address) => {
                let backend = Box::new(Backend::new(address.clone(), algorithm_settings, sizes, seed));
                Ok((Self::Backend { link, backend }, Some(LinkAction::Start(link, address.clone()))))
            }
            AlgorithmRef::Builtin(name) => {
                let builtin = settings.algorithm.builtin()?;
                let of_owner = states.iter().filter(|((owner, _), _)| owner == name);
                let saved: SavedState = of_owner.map(|((_, key), state)| (key.clone(), state.clone())).collect();
                let algorithm = builtin.initialize(&algorithm_settings, &saved, seed)?;
                Ok((Self::Builtin { builtin, algorithm }, None))
            }
        }
    }

    /// The owner of its state in the ledger; `None` for a backend that was never described.
    pub(super) fn owner(&self) -> Option<String> {
        match self {
            Self::Builtin { builtin, .. } => Some(builtin.name.to_owned()),
            Self::Backend { backend, .. } => backend.described().map(|described| backend_owner(&described.name)),
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

    /// The largest batch that it may be asked about now; `None`: none at all.
    pub(super) fn batch_limit(&self) -> Option<BatchLimit> {
        match self {
            Self::Builtin { .. } => Some(BatchLimit::NONE),
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

    /// Why it cannot be asked; `None` while it can.
    pub(super) fn condition(&self) -> Option<&BackendCondition> {
        match self {
            Self::Builtin { .. } => None,
            Self::Backend { backend, .. } => backend.condition(),
        }
    }

    /// In the contract's form.
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
                let (reason, message) = match (backend.condition(), backend.renamed()) {
                    (Some(condition), _) => (condition.code(), condition.message.as_str()),
                    (None, Some(renamed)) => ("", renamed),
                    (None, None) => ("", ""),
                };
                let (reason, message) = (reason.to_owned(), message.to_owned());
                v1::Backend { address: backend.address().as_str().to_owned(), name, version, reason, message }
            }
        }
    }
}

/// The result of a built-in algorithm for so many events. An event that it left out is rejected: without a result it would be
/// asked again for ever.
pub(super) fn in_process(
    name: &'static str,
    mut answers: Vec<Answer>,
    asked: usize,
    notices: &mut Notices,
) -> BatchResult {
    let answered = answers.len();
    if answered != asked {
        notices.add(EngineNotice::Miscounted { algorithm: name, asked, answered });
        answers.truncate(asked);
    }
    let mut outputs = BTreeMap::new();
    let result = |(quote, answer): (usize, Answer)| {
        if !answer.outputs.is_empty() {
            outputs.insert(quote, answer.outputs);
        }
        QuoteResult::Signals(answer.signal.map(|signal| IndexedSignal { quote, signal }).into_iter().collect())
    };
    let mut results: Vec<QuoteResult> = answers.into_iter().enumerate().map(result).collect();
    results.resize_with(asked, || QuoteResult::Reject(format!("{name}: answered {answered} of {asked} events")));
    BatchResult { results, outputs, ..BatchResult::default() }
}
