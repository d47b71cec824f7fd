//! Settings that take over from the active settings, and their progress.
//!
//! The *active* algorithm decides now; the *candidate* will take over; the *previous* one decided before.
//!
//! The candidate is opened and initialized beside the active algorithm. If it wants further channels, the bridge gets the
//! channels of both, subscribes to them, and puts a marker into the stream. Behind the marker, between two ticks, the
//! candidate takes over, and the bridge gets its channels alone. So a candidate that fails on the way costs the active
//! algorithm no quote (ADR 0032). An outstanding batch is waited for until its deadline; the candidate decides the quotes that
//! the active algorithm has not answered by then. A candidate that does not come up, or refuses its parameters, leaves the
//! active algorithm deciding.

use intuition_api::{
    refusal::SWAPPING,
    v1::{self, Refusal},
};

use super::{
    channels::ChannelState,
    decider::Decider,
    link_action::LinkId,
    notice::Notices,
    refusal::{invalid, refuse},
    states::SavedStates,
};
use crate::{
    algorithm::FieldErrors,
    backend::{BackendEvent, ConditionReason, LinkEvent},
    settings::LiveSettings,
};

/// After so many failures in a row of the active algorithm the candidate waits for no marker: a bridge that is full does not
/// come to its marker.
const FAILURES_WITHOUT_MARKER: u32 = 3;

/// Settings that are to take over.
pub(super) struct PendingSwap {
    /// The whole settings.
    pub(super) settings: LiveSettings,
    /// Their generation.
    pub(super) generation: i64,
    /// How they take over.
    pub(super) mode: SwapMode,
}

/// The next step of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SwapStep {
    /// Something else has to happen first.
    Wait,
    /// The active backend is to be asked to take the parameters.
    Reconfigure,
    /// The candidate takes over.
    TakeOver,
}

/// How settings take over.
pub(super) enum SwapMode {
    /// Another algorithm, or another stream to the same one, is made ready beside the active one.
    Standby(Standby),
    /// The active backend is asked to take other parameters.
    InPlace {
        /// It was asked.
        sent: bool,
        /// Its refusal.
        refused: Option<FieldErrors>,
    },
}

/// The candidate.
pub(super) struct Standby {
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
    /// The count of saved states when it was initialized.
    pub(super) saves: u64,
    /// It is being initialized again with a newer state, and nothing is decided meanwhile.
    pub(super) refreshing: bool,
}

impl Standby {
    pub(super) fn new(decider: Decider, saves: u64) -> Self {
        let channels = match &decider {
            Decider::Builtin { algorithm, .. } => algorithm.channels(),
            Decider::Backend { .. } => Vec::new(),
        };
        let is_initialized = !channels.is_empty();
        Self { decider, channels, is_initialized, announced: None, marked: false, saves, refreshing: false }
    }

    /// Whether it may take over at this point of the stream. `failures`: of the active algorithm, in a row.
    fn may_take_over(&self, failures: u32, channels: &ChannelState, nothing_can_come: bool) -> bool {
        let needs_no_marker = self.announced.is_none() && channels.wanted().is_some();
        needs_no_marker || self.marked || failures >= FAILURES_WITHOUT_MARKER || nothing_can_come
    }

    /// Whether it can be asked.
    fn is_ready(&self) -> bool {
        !self.refreshing && self.is_initialized && self.decider.is_ready()
    }

    /// Makes the bridge subscribe to the channels of both algorithms, if the candidate wants more than the active one.
    fn announce(&mut self, channels: &mut ChannelState) {
        if self.channels.is_empty() {
            return;
        }
        let Some(both) = channels.with_candidate(&self.channels) else { return };
        let is_sent = match self.announced {
            Some(version) => channels.is_current(version, &both),
            None => channels.has_all(&both),
        };
        if !is_sent {
            (self.announced, self.marked) = (Some(channels.subscribe_to(both)), false);
        }
    }
}

impl PendingSwap {
    /// The candidate; `None` where the active backend is asked to take other parameters.
    pub(super) const fn standby(&self) -> Option<&Standby> {
        match &self.mode {
            SwapMode::Standby(standby) => Some(standby),
            SwapMode::InPlace { .. } => None,
        }
    }

    pub(super) const fn standby_mut(&mut self) -> Option<&mut Standby> {
        match &mut self.mode {
            SwapMode::Standby(standby) => Some(standby),
            SwapMode::InPlace { .. } => None,
        }
    }

    /// The next step between two ticks. `saves`: the count of saved states; `nothing_can_come`: neither does anything wait, nor
    /// does the broker hold a subscription.
    ///
    /// The rule: the candidate has to be initialized, and the stream has to have come to the marker of its channels, unless
    /// there is no marker to wait for. If the active stream saved a state meanwhile, a candidate of the same name is
    /// initialized once more before it takes over.
    pub(super) fn next_step(
        &mut self,
        active: &Decider,
        saves: u64,
        channels: &ChannelState,
        nothing_can_come: bool,
    ) -> SwapStep {
        let standby = match &mut self.mode {
            SwapMode::Standby(standby) => standby,
            SwapMode::InPlace { sent, refused: None } if !*sent && active.is_ready() => {
                *sent = true;
                return SwapStep::Reconfigure;
            }
            SwapMode::InPlace { .. } => return SwapStep::Wait,
        };
        if !standby.is_ready() || !standby.may_take_over(active.failures(), channels, nothing_can_come) {
            return SwapStep::Wait;
        }
        if standby.saves != saves
            && standby.decider.owner() == active.owner()
            && let Decider::Backend { backend, .. } = &mut standby.decider
        {
            standby.refreshing = true;
            backend.reopen();
            return SwapStep::Wait;
        }
        SwapStep::TakeOver
    }

    /// Takes the event of a link, if it is that of the candidate.
    pub(super) fn on_link_event(
        &mut self,
        (reporter, event): (LinkId, LinkEvent),
        account: &str,
        states: &SavedStates,
        channels: &mut ChannelState,
        notices: &mut Notices,
    ) {
        let Some(standby) = self.standby_mut() else { return };
        let Decider::Backend { link, backend } = &mut standby.decider else { return };
        if *link != reporter {
            return;
        }
        let meaning = backend.on_link_event(event);
        notices.add_backend(backend.take_notices());
        match meaning {
            BackendEvent::Described => {
                let owner = standby.decider.owner();
                standby.saves = states.saves();
                if let Decider::Backend { backend, .. } = &mut standby.decider {
                    backend.initialize(account, states.of_backend(owner.as_deref()));
                }
            }
            BackendEvent::Initialized(asked) => {
                (standby.refreshing, standby.is_initialized) = (false, true);
                standby.channels = asked;
                standby.announce(channels);
            }
            BackendEvent::Failed => {
                // The announced channels stay: those of the active algorithm are among them, and a candidate that fails again
                // and again would otherwise make the bridge subscribe anew at each attempt.
                (standby.refreshing, standby.is_initialized) = (false, false);
            }
            BackendEvent::Nothing | BackendEvent::Answered(_) | BackendEvent::Reconfigured(_) => {}
        }
    }

    /// Makes the bridge subscribe to the channels of both algorithms.
    pub(super) fn announce(&mut self, channels: &mut ChannelState) {
        if let Some(standby) = self.standby_mut() {
            standby.announce(channels);
        }
    }

    /// The stream has come to the marker of these channels.
    pub(super) fn pass_marker(&mut self, version: u64) {
        if let Some(standby) = self.standby_mut() {
            standby.marked |= standby.announced == Some(version);
        }
    }

    /// Notes that the active backend refuses the parameters.
    pub(super) fn refuse(&mut self, errors: FieldErrors) {
        if let SwapMode::InPlace { refused, .. } = &mut self.mode {
            *refused = Some(errors);
        }
    }

    /// The candidate in the contract's form.
    pub(super) fn shown(&self, active: &Decider) -> v1::Backend {
        let shown = match &self.mode {
            SwapMode::Standby(standby) => standby.decider.shown(),
            SwapMode::InPlace { refused: None, .. } => active.shown(),
            SwapMode::InPlace { refused: Some(errors), .. } => v1::Backend {
                reason: ConditionReason::ParametersRefused.code().to_owned(),
                message: errors.to_string(),
                ..active.shown()
            },
        };
        v1::Backend { address: self.settings.algorithm.fields().1.to_owned(), ..shown }
    }

    /// Why the candidate is not active yet.
    pub(super) fn refusals(&self) -> Vec<Refusal> {
        let field = self.settings.algorithm.field();
        match &self.mode {
            SwapMode::InPlace { refused: Some(errors), .. } => invalid(errors.clone()),
            SwapMode::InPlace { .. } => {
                vec![refuse(SWAPPING, "parameters", "the algorithm is being asked to take them".to_owned())]
            }
            SwapMode::Standby(standby) => match standby.decider.condition() {
                Some(condition) if condition.reason == ConditionReason::Starting => {
                    vec![refuse(SWAPPING, field, condition.message.clone())]
                }
                Some(condition) => match &condition.refused {
                    Some(errors) => invalid(errors.clone()),
                    None => vec![refuse(condition.code(), field, condition.message.clone())],
                },
                None if standby.announced.is_some() && !standby.marked => {
                    let message =
                        "its channels are being subscribed to; the previous algorithm decides meanwhile".to_owned();
                    vec![refuse(SWAPPING, field, message)]
                }
                None => vec![refuse(SWAPPING, field, "it is about to take over".to_owned())],
            },
        }
    }
}
