//! The algorithms of an account: the active one, which decides, and the pending swap to a candidate, with their saved states
//! and their links.

use std::collections::BTreeMap;

use bytes::Bytes;
use intuition_api::v1::{self, Refusal};
use rand::rngs::ChaCha8Rng;

use super::{
    channels::ChannelState,
    decider::{Decider, in_process},
    groups::NextEvents,
    link_action::{LinkAction, LinkId},
    notice::{EngineNotice, Notices},
    pending_swap::{PendingSwap, Standby, SwapMode, SwapStep},
    starter::DeciderStarter,
    states::{SavedStates, algorithm_of},
    tick::PendingEvent,
};
use crate::{
    algorithm::{Event, FieldErrors},
    backend::{BackendCondition, BackendEvent, BatchLimit, LinkEvent, reply::BatchResult},
    ledger::{Changes, StateKey},
    settings::LiveSettings,
    sizes::Sizes,
};

/// See the module.
pub(super) struct Deciders {
    /// `<namespace>/<name>`.
    account: String,
    /// See [`Sizes::saved_names`](crate::sizes::Sizes::saved_names).
    max_names: usize,
    active: Decider,
    /// The events of the outstanding batch of the active backend.
    outstanding: Vec<PendingEvent>,
    swap: Option<PendingSwap>,
    states: SavedStates,
    starter: DeciderStarter,
}

/// Settings of the algorithm that is active from now on.
pub(super) struct Activated {
    pub(super) settings: LiveSettings,
    pub(super) generation: i64,
    /// The channels that the algorithm asks for.
    pub(super) channels: Vec<String>,
}

impl Deciders {
    /// Starts the algorithm of these settings. `chance`: draws all seeds from here on.
    pub(super) fn start(
        account: String,
        settings: &LiveSettings,
        states: BTreeMap<StateKey, Vec<u8>>,
        sizes: Sizes,
        chance: ChaCha8Rng,
    ) -> Result<Self, FieldErrors> {
        let max_names = sizes.saved_names;
        let (states, mut starter) = (SavedStates::new(states, max_names), DeciderStarter::new(&account, sizes, chance));
        let active = starter.start(settings, &states)?;
        Ok(Self { account, max_names, active, outstanding: Vec::new(), swap: None, states, starter })
    }

    /// A seed for another use.
    pub(super) fn draw_seed(&mut self) -> u64 {
        self.starter.draw_seed()
    }

    /// The channels of a built-in active algorithm; none for a backend, which names them when it is initialized.
    pub(super) fn builtin_channels(&self) -> Vec<String> {
        match &self.active {
            Decider::Builtin { algorithm, .. } => algorithm.channels(),
            Decider::Backend { .. } => Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn replace_builtin(&mut self, next: Box<dyn crate::algorithm::Algorithm>) {
        if let Decider::Builtin { algorithm, .. } = &mut self.active {
            *algorithm = next;
        }
    }

    // The active algorithm.

    /// Whether the active algorithm can be asked now.
    pub(super) fn is_ready(&self) -> bool {
        self.active.is_ready()
    }

    /// The largest batch that the active algorithm may be asked about now; `None`: none at all.
    pub(super) fn batch_limit(&self) -> Option<BatchLimit> {
        self.active.batch_limit()
    }

    pub(super) const fn is_backend(&self) -> bool {
        matches!(self.active, Decider::Backend { .. })
    }

    /// Asks the active algorithm about events. A built-in one answers at once; the answer of a backend comes by its link.
    pub(super) fn ask(
        &mut self,
        NextEvents { events, groups }: NextEvents,
        notices: &mut Notices,
    ) -> Option<(Vec<PendingEvent>, BatchResult)> {
        match &mut self.active {
            Decider::Builtin { builtin, algorithm } => {
                let asked: Vec<Event> = events.iter().map(PendingEvent::event).collect();
                let result = in_process(builtin.name, algorithm.decide(&asked), asked.len(), notices);
                Some((events, result))
            }
            Decider::Backend { backend, .. } => {
                backend.ask(groups, events.iter().map(PendingEvent::input));
                self.outstanding = events;
                None
            }
        }
    }

    /// Quotes that the active algorithm took too late, see [`Algorithm::take_late`](crate::algorithm::Algorithm::take_late).
    pub(super) fn take_late(&mut self) -> u64 {
        match &mut self.active {
            Decider::Builtin { algorithm, .. } => algorithm.take_late(),
            Decider::Backend { .. } => 0,
        }
    }

    /// The events of the outstanding batch, which is answered.
    pub(super) fn take_outstanding(&mut self) -> Vec<PendingEvent> {
        std::mem::take(&mut self.outstanding)
    }

    /// Why the active algorithm cannot be asked; `None` while it can.
    pub(super) fn condition(&self) -> Option<&BackendCondition> {
        self.active.condition()
    }

    /// The active algorithm in the contract's form.
    pub(super) fn shown(&self) -> v1::Backend {
        self.active.shown()
    }

    /// Keeps the state that the active backend gave.
    pub(super) fn save_state(&mut self, state: Option<Bytes>, notices: &mut Notices) {
        let (Some(state), Some(owner)) = (state, self.active.owner()) else { return };
        let candidate = self.swap.as_ref().and_then(|swap| swap.standby()?.decider.owner());
        for deleted in self.states.save(owner, &state, candidate.as_deref()) {
            let algorithm = algorithm_of(&deleted).to_owned();
            notices.add(EngineNotice::StateDeleted { algorithm, others: self.max_names });
        }
    }

    /// Takes the event of a link. Returns its meaning for the active algorithm; the candidate takes its own events.
    pub(super) fn on_link_event(
        &mut self,
        reporter: LinkId,
        event: LinkEvent,
        channels: &mut ChannelState,
        notices: &mut Notices,
    ) -> BackendEvent {
        match &mut self.active {
            Decider::Backend { link, backend } if *link == reporter => {
                let meaning = backend.on_link_event(event);
                notices.add_backend(backend.take_notices());
                meaning
            }
            _ => {
                if let Some(swap) = &mut self.swap {
                    swap.on_link_event((reporter, event), &self.account, &self.states, channels, notices);
                }
                BackendEvent::Nothing
            }
        }
    }

    /// Why the quote at the head is to be rejected, where it is; once. To be called when the active backend was described.
    pub(super) fn rejection(&mut self) -> Option<String> {
        let has_rejected = self.active.owner().is_some_and(|owner| self.states.has_rejected(&owner));
        let Decider::Backend { backend, .. } = &mut self.active else { return None };
        if has_rejected {
            backend.has_rejected();
        }
        backend.rejection()
    }

    /// Notes whether the active backend had a tick rejected and has answered none since.
    pub(super) fn note_rejected(&mut self, rejected: bool) {
        if let Some(owner) = self.active.owner() {
            self.states.note_rejected(owner, rejected);
        }
    }

    /// Initializes the active backend with the state that it saved last.
    pub(super) fn initialize_active(&mut self) {
        let state = self.states.of_backend(self.active.owner().as_deref());
        if let Decider::Backend { backend, .. } = &mut self.active {
            backend.initialize(&self.account, state);
        }
    }

    /// The active backend failed. Its outstanding batch is asked anew, and parameters that it was asked to take are tried on
    /// another stream.
    pub(super) fn on_active_failed(&mut self) {
        self.outstanding.clear();
        if let Some(swap) = self.swap.take_if(|swap| matches!(swap.mode, SwapMode::InPlace { .. })) {
            // Creating a backend never fails; its errors are reported later.
            if let Ok(decider) = self.starter.start(&swap.settings, &self.states) {
                let mode = SwapMode::Standby(Standby::new(decider, self.states.saves()));
                self.swap = Some(PendingSwap { mode, ..swap });
            }
        }
    }

    /// The active backend answered whether it takes other parameters.
    pub(super) fn on_reconfigured(&mut self, answer: Result<Vec<String>, FieldErrors>) -> Option<Activated> {
        match answer {
            Err(errors) => {
                if let Some(swap) = &mut self.swap {
                    swap.refuse(errors);
                }
                None
            }
            Ok(channels) => {
                let swap = self.swap.take_if(|swap| matches!(swap.mode, SwapMode::InPlace { .. }))?;
                Some(Activated { settings: swap.settings, generation: swap.generation, channels })
            }
        }
    }

    // The pending swap.

    /// Begins the swap to settings that make another algorithm decide, or the same by other parameters. `same`: the algorithm
    /// is the active one. Returns the settings where they are active at once. An error leaves everything as it was.
    pub(super) fn begin_swap(
        &mut self,
        settings: LiveSettings,
        generation: i64,
        same: bool,
        channels: &mut ChannelState,
    ) -> Result<Option<Activated>, FieldErrors> {
        let next = settings.algorithm_settings();
        let mode = match &mut self.active {
            Decider::Builtin { algorithm, .. } if same => {
                algorithm.reconfigure(&next)?;
                let asked = algorithm.channels();
                self.drop_swap(channels);
                return Ok(Some(Activated { settings, generation, channels: asked }));
            }
            Decider::Backend { backend, .. } if same && (backend.is_open() || backend.is_busy()) => {
                let refused = backend.described().and_then(|described| described.check(&next).err());
                SwapMode::InPlace { sent: false, refused }
            }
            _ => {
                let decider = self.starter.start(&settings, &self.states)?;
                SwapMode::Standby(Standby::new(decider, self.states.saves()))
            }
        };
        self.drop_swap(channels);
        self.swap.insert(PendingSwap { settings, generation, mode }).announce(channels);
        Ok(None)
    }

    /// Gives the pending swap up, and takes the channels of its candidate back.
    pub(super) fn drop_swap(&mut self, channels: &mut ChannelState) {
        match self.swap.take().map(|swap| swap.mode) {
            Some(SwapMode::Standby(standby)) => {
                self.starter.end(&standby.decider);
                if standby.announced.is_some() {
                    channels.subscribe_to_wanted();
                }
            }
            // The backend may have taken the parameters: a new stream begins with the effective ones.
            Some(SwapMode::InPlace { sent: true, refused: None }) => {
                if let Decider::Backend { backend, .. } = &mut self.active {
                    backend.reopen();
                }
            }
            Some(SwapMode::InPlace { .. }) | None => {}
        }
    }

    /// Whether a swap to these settings is pending; its generation is this one then.
    pub(super) fn is_swapping_to(&mut self, next: &LiveSettings, generation: i64) -> bool {
        match &mut self.swap {
            Some(swap) if swap.settings.decides_like(next) => {
                swap.generation = generation;
                swap.settings.clone_from(next);
                true
            }
            _ => false,
        }
    }

    /// Generation of the settings that are to take over; 0 without a pending swap.
    pub(super) fn swap_generation(&self) -> i64 {
        self.swap.as_ref().map_or(0, |swap| swap.generation)
    }

    /// Why the settings that are to take over are not active yet.
    pub(super) fn swap_refusals(&self) -> Vec<Refusal> {
        self.swap.as_ref().map(PendingSwap::refusals).unwrap_or_default()
    }

    /// The candidate in the contract's form.
    pub(super) fn candidate_shown(&self) -> Option<v1::Backend> {
        self.swap.as_ref().map(|swap| swap.shown(&self.active))
    }

    /// The active algorithm wants these channels: the bridge subscribes to them, or to those of both algorithms.
    pub(super) fn announce(&mut self, wanted: Vec<String>, channels: &mut ChannelState) {
        let mut is_announced = false;
        if let Some(swap) = &mut self.swap {
            swap.announce(channels);
            is_announced = swap.standby().is_some_and(|standby| standby.announced.is_some());
        }
        if !is_announced {
            channels.subscribe_to(wanted);
        }
    }

    /// The stream has come to the marker of these channels.
    pub(super) fn pass_marker(&mut self, version: u64) {
        if let Some(swap) = &mut self.swap {
            swap.pass_marker(version);
        }
    }

    /// Nothing is decided: the candidate is being given the newest state.
    pub(super) fn is_refreshing(&self) -> bool {
        self.swap.as_ref().and_then(PendingSwap::standby).is_some_and(|standby| standby.refreshing)
    }

    /// Between two ticks: makes the candidate active where everything is ready for it. `nothing_can_come`: neither does
    /// anything wait, nor does the broker hold a subscription.
    ///
    /// The rule: a batch that is out is answered first; then [`PendingSwap::next_step`] decides.
    pub(super) fn take_over_when_due(&mut self, channels: &ChannelState, nothing_can_come: bool) -> Option<Activated> {
        if self.active.is_busy() {
            return None;
        }
        match self.swap.as_mut()?.next_step(&self.active, self.states.saves(), channels, nothing_can_come) {
            SwapStep::Wait => None,
            SwapStep::Reconfigure => {
                self.reconfigure_active();
                None
            }
            SwapStep::TakeOver => self.take_over(),
        }
    }

    /// Asks the active backend to take the parameters of the pending swap.
    fn reconfigure_active(&mut self) {
        if let (Some(swap), Decider::Backend { backend, .. }) = (&mut self.swap, &mut self.active)
            && let Err(errors) = backend.reconfigure(&swap.settings.algorithm_settings())
        {
            swap.refuse(errors);
        }
    }

    fn take_over(&mut self) -> Option<Activated> {
        let swap = self.swap.take_if(|swap| swap.standby().is_some())?;
        let PendingSwap { settings, generation, mode: SwapMode::Standby(standby) } = swap else { return None };
        // State that the previous algorithm saved in process is kept under its name.
        self.collect_builtin_state();
        let previous = std::mem::replace(&mut self.active, standby.decider);
        self.starter.end(&previous);
        Some(Activated { settings, generation, channels: standby.channels })
    }

    // The end of a group.

    /// Actions on links, to be carried out once the results of the group are durable.
    pub(super) fn take_link_actions(&mut self) -> Vec<LinkAction> {
        let candidate = self.swap.as_mut().and_then(PendingSwap::standby_mut).map(|standby| &mut standby.decider);
        self.starter.take_actions([Some(&mut self.active), candidate].into_iter().flatten())
    }

    pub(super) fn take_changes(&mut self, changes: &mut Changes) {
        self.collect_builtin_state();
        self.states.take_changes(changes);
    }

    /// Takes over the state that a built-in algorithm saved.
    fn collect_builtin_state(&mut self) {
        let Decider::Builtin { builtin, algorithm } = &mut self.active else { return };
        for (key, state) in algorithm.take_changes() {
            self.states.save_builtin(builtin.name, key, state);
        }
    }
}
