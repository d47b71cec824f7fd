//! The settings that are to take over, and how far they have come.

use intuition_api::v1::{self, Refusal};

use crate::{
    algorithm::FieldErrors,
    backend::Fault,
    engine::{
        configure::{invalid, refusal, refuse},
        decider::Decider,
    },
    settings::Adjustable,
};

/// Settings that are to take over.
pub(in crate::engine) struct Candidate {
    /// The whole settings.
    pub(in crate::engine) settings: Adjustable,
    /// Their generation.
    pub(in crate::engine) generation: i64,
    /// How they take over.
    pub(super) way: Way,
}

/// How settings take over.
pub(super) enum Way {
    /// Another algorithm, or another stream to the same.
    Beside(Beside),
    /// The backend that decides is asked to take other parameters.
    Within {
        /// It was asked.
        sent: bool,
        /// It said no.
        refused: Option<FieldErrors>,
    },
}

/// An algorithm that is made ready beside the active one.
pub(super) struct Beside {
    pub(super) decider: Decider,
    /// The channels that it asked for last; empty before it was first initialized.
    pub(super) channels: Vec<String>,
    /// Its stream is initialized. A built-in algorithm always is.
    pub(super) is_initialized: bool,
    /// The version of the channels of both algorithms that the bridge got; `None`: the active algorithm has all channels of
    /// the candidate. It stays while the candidate fails and is called again.
    pub(super) announced: Option<u64>,
    /// The marker of that version has passed: the bridge holds these channels.
    pub(super) marked: bool,
    /// The state that it was initialized with, by the count of those saved.
    pub(super) saves: u64,
    /// It is being initialized again with a newer state, and nothing is decided meanwhile.
    pub(super) refreshing: bool,
}

impl Candidate {
    pub(in crate::engine) const fn decider_mut(&mut self) -> Option<&mut Decider> {
        match &mut self.way {
            Way::Beside(beside) => Some(&mut beside.decider),
            Way::Within { .. } => None,
        }
    }

    /// As the contract shows it; `deciding` is who decides.
    pub(in crate::engine) fn shown(&self, deciding: &Decider) -> v1::Backend {
        let shown = match &self.way {
            Way::Beside(beside) => beside.decider.shown(),
            Way::Within { refused: None, .. } => deciding.shown(),
            Way::Within { refused: Some(errors), .. } => v1::Backend {
                reason: Fault::ParametersRefused.reason().to_owned(),
                message: errors.to_string(),
                ..deciding.shown()
            },
        };
        v1::Backend { address: self.settings.algorithm.fields().1.to_owned(), ..shown }
    }

    /// Why it does not decide yet.
    pub(in crate::engine) fn refusals(&self) -> Vec<Refusal> {
        let field = self.settings.algorithm.field();
        match &self.way {
            Way::Within { refused: Some(errors), .. } => invalid(errors.clone()),
            Way::Within { .. } => {
                vec![refuse(refusal::SWAPPING, "parameters", "the algorithm is being asked to take them".to_owned())]
            }
            Way::Beside(beside) => match beside.decider.trouble() {
                Some(trouble) if trouble.fault == Fault::Starting => {
                    vec![refuse(refusal::SWAPPING, field, trouble.message.clone())]
                }
                Some(trouble) => match &trouble.refused {
                    Some(errors) => invalid(errors.clone()),
                    None => vec![refuse(trouble.reason(), field, trouble.message.clone())],
                },
                None if beside.announced.is_some() && !beside.marked => {
                    let message = "its channels are being subscribed to; the one before decides meanwhile".to_owned();
                    vec![refuse(refusal::SWAPPING, field, message)]
                }
                None => vec![refuse(refusal::SWAPPING, field, "it is about to take over".to_owned())],
            },
        }
    }
}
