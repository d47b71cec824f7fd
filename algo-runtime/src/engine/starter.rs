//! Starts the algorithms of an account, numbers their links, and queues the actions on them.

use intuition_api::topic::is_indicator_account;
use rand::{Rng as _, rngs::ChaCha8Rng};

use super::{
    decider::Decider,
    link_action::{LinkAction, LinkId},
    states::SavedStates,
};
use crate::{
    algorithm::{FieldError, FieldErrors},
    settings::LiveSettings,
    sizes::Sizes,
};

/// The built-in algorithm of indicators trades nothing: as that of a trading account, it would do nothing in silence.
const INDICATORS_ALONE: &str = "`indicators` is the algorithm of the resource `Indicator`";

/// See the module.
#[derive(Debug)]
pub(super) struct DeciderStarter {
    /// Whether the account is an indicator's.
    is_indicator: bool,
    sizes: Sizes,
    /// Draws seeds: of backends' pauses, and of generators without a seed in the settings.
    chance: ChaCha8Rng,
    /// Number of the link started last.
    last: u64,
    actions: Vec<LinkAction>,
}

impl DeciderStarter {
    pub(super) fn new(account: &str, sizes: Sizes, chance: ChaCha8Rng) -> Self {
        Self { is_indicator: is_indicator_account(account), sizes, chance, last: 0, actions: Vec::new() }
    }

    /// A seed for another use.
    pub(super) fn draw_seed(&mut self) -> u64 {
        self.chance.next_u64()
    }

    /// Starts the algorithm of these settings with its saved state, and the link of a backend.
    pub(super) fn start(&mut self, settings: &LiveSettings, states: &SavedStates) -> Result<Decider, FieldErrors> {
        if settings.algorithm.is_for_indicators() && !self.is_indicator {
            return Err(FieldError::new("algorithm", INDICATORS_ALONE).into());
        }
        let (link, seed) = (LinkId(self.last + 1), self.chance.next_u64());
        let (decider, action) = Decider::start(settings, states.all(), link, self.sizes, seed)?;
        self.last += 1;
        self.actions.extend(action);
        Ok(decider)
    }

    /// Ends the link of a backend.
    pub(super) fn end(&mut self, decider: &Decider) {
        if let Decider::Backend { link, .. } = decider {
            self.actions.push(LinkAction::End(*link));
        }
    }

    /// The actions since the last call, with the commands of these deciders behind them.
    pub(super) fn take_actions<'a>(&mut self, deciders: impl Iterator<Item = &'a mut Decider>) -> Vec<LinkAction> {
        let mut actions = std::mem::take(&mut self.actions);
        for decider in deciders {
            if let Decider::Backend { link, backend } = decider {
                actions.extend(backend.take_commands().into_iter().map(|command| LinkAction::Command(*link, command)));
            }
        }
        actions
    }
}
