//! The way from one algorithm to another, or from its parameters to others, while quotes come in.
//!
//! The candidate is opened and initialized beside the active algorithm. If it wants further channels, the runtime sends the
//! bridge the channels of both. The bridge subscribes to them and puts a marker into the stream. Behind the marker, between
//! two ticks, the candidate takes over, and the bridge gets its channels alone. So a candidate that fails on the way costs
//! the active algorithm no quote (ADR 0032). An outstanding batch is waited for until its deadline; the new algorithm
//! decides the quotes that the old one has not answered by then. A candidate that does not come up, or refuses its
//! parameters, leaves the old algorithm deciding.

mod candidate;

use std::time::Duration;

use intuition_api::v1::{Channels, Refusal};
use rand::Rng as _;

pub(super) use self::candidate::Candidate;
use self::candidate::{Beside, Way};
use super::{Engine, LinkId, decider::Decider};
use crate::{
    algorithm::FieldErrors,
    backend::{Heard, Report},
    generator::{Generator, POLICY_STREAM},
    settings::Adjustable,
};

/// The old one has failed so often in a row that its turn is over, marker or not.
const GIVEN_UP: u32 = 3;

impl Engine {
    /// Begins to put settings in force that make another algorithm decide, or the same by other parameters. An error
    /// leaves everything as it was.
    pub(super) fn begin_swap(&mut self, settings: Adjustable, generation: i64) -> Result<(), FieldErrors> {
        let next = settings.algorithm_settings();
        let same = settings.algorithm == self.adjustable().algorithm;
        let way = match &mut self.decider {
            Decider::Builtin { algorithm, .. } if same => {
                algorithm.reconfigure(&next)?;
                let channels = algorithm.channels();
                self.drop_candidate();
                self.take_settings(settings, generation);
                self.wants(channels);
                return Ok(());
            }
            Decider::Backend { backend, .. } if same && (backend.is_open() || backend.is_busy()) => {
                let refused = backend.described().and_then(|described| described.check(&next).err());
                Way::Within { sent: false, refused }
            }
            _ => Way::Beside(self.beside(&settings)?),
        };
        self.drop_candidate();
        self.candidate = Some(Candidate { settings, generation, way });
        self.announce();
        Ok(())
    }

    fn beside(&mut self, settings: &Adjustable) -> Result<Beside, FieldErrors> {
        let decider = self.another(settings)?;
        let channels = match &decider {
            Decider::Builtin { algorithm, .. } => algorithm.channels(),
            Decider::Backend { .. } => Vec::new(),
        };
        let is_initialized = !channels.is_empty();
        let (announced, marked, saves, refreshing) = (None, false, self.saves, false);
        Ok(Beside { decider, channels, is_initialized, announced, marked, saves, refreshing })
    }

    /// Gives up what was to take over, and takes its channels back.
    pub(super) fn drop_candidate(&mut self) {
        match self.candidate.take().map(|candidate| candidate.way) {
            Some(Way::Beside(beside)) => {
                self.let_go(&beside.decider);
                if beside.announced.is_some() {
                    self.tell_channels(self.wanted.clone().unwrap_or_default());
                }
            }
            // Asked, and perhaps it took them: a new stream begins with those in force.
            Some(Way::Within { sent: true, refused: None }) => {
                if let Decider::Backend { backend, .. } = &mut self.decider {
                    backend.reopen();
                }
            }
            Some(Way::Within { .. }) | None => {}
        }
    }

    /// Takes a report about the one that is to take over.
    pub(super) fn candidate_hears(&mut self, reporter: LinkId, report: Report) {
        let account = self.account.name.clone();
        let Some(Candidate { way: Way::Beside(beside), .. }) = &mut self.candidate else { return };
        let Decider::Backend { link, backend } = &mut beside.decider else { return };
        if *link != reporter {
            return;
        }
        match backend.hear(report) {
            Heard::Fit => {
                let saves = self.saves;
                let owner = beside.decider.owner();
                let state = self.backend_state(owner.as_deref());
                if let Some(Candidate { way: Way::Beside(beside), .. }) = &mut self.candidate
                    && let Decider::Backend { backend, .. } = &mut beside.decider
                {
                    beside.saves = saves;
                    backend.initialize(&account, state);
                }
            }
            Heard::Initialized(channels) => {
                (beside.refreshing, beside.is_initialized) = (false, true);
                beside.channels = channels;
                self.announce();
            }
            Heard::Failed => {
                // The announced channels stay: those of the active algorithm are among them, and a candidate that fails again
                // and again would otherwise make the bridge subscribe anew at each attempt.
                (beside.refreshing, beside.is_initialized) = (false, false);
            }
            Heard::Nothing | Heard::Answered(_) | Heard::Reconfigured(_) => {}
        }
    }

    /// Sends the bridge the channels of the active algorithm and of the candidate, if the candidate wants more.
    fn announce(&mut self) {
        let Some(Candidate { way: Way::Beside(beside), .. }) = &self.candidate else { return };
        // Before the active algorithm names its channels, the session may hold some of them: nothing is left then.
        let Some(wanted) = &self.wanted else { return };
        if beside.channels.is_empty() {
            return;
        }
        let more = match &self.subscribe {
            Some(subscribe) => subscribe.clone(),
            None => self.allowed(beside.channels.clone()),
        };
        let mut union = wanted.clone();
        union.extend(more.into_iter().filter(|filter| !wanted.contains(filter)));
        let is_told = match beside.announced {
            Some(version) => version == self.channels.version && same_set(&union, &self.channels.filters),
            None => same_set(&union, wanted) && same_set(&union, &self.filters),
        };
        if is_told {
            return;
        }
        let version = self.tell_channels(union);
        if let Some(Candidate { way: Way::Beside(beside), .. }) = &mut self.candidate {
            (beside.announced, beside.marked) = (Some(version), false);
        }
    }

    /// Makes these the channels that the bridge subscribes to.
    fn tell_channels(&mut self, filters: Vec<String>) -> u64 {
        if self.channels.version == 0 || !same_set(&self.channels.filters, &filters) {
            self.channels = Channels { version: self.channels.version + 1, filters, ..Channels::default() };
        }
        self.channels.version
    }

    /// The active algorithm wants these channels. Until the bridge has subscribed to them, quotes of the earlier channels are
    /// decided too.
    pub(super) fn wants(&mut self, channels: Vec<String>) {
        let wanted = match &self.subscribe {
            Some(subscribe) => subscribe.clone(),
            // An answer without channels leaves them as they are.
            None if channels.is_empty() => return,
            None => self.take_channels(channels),
        };
        if self.channels.version == 0 {
            self.filters.clear();
        }
        let new: Vec<String> = wanted.iter().filter(|filter| !self.filters.contains(filter)).cloned().collect();
        self.filters.extend(new);
        self.wanted = Some(wanted.clone());
        self.announce();
        let is_announced = |way: &Way| matches!(way, Way::Beside(Beside { announced: Some(_), .. }));
        if !self.candidate.as_ref().is_some_and(|candidate| is_announced(&candidate.way)) {
            self.tell_channels(wanted);
        }
    }

    /// The stream has come to a marker: the bridge holds the channels of this version.
    pub(super) fn pass_marker(&mut self, version: u64) {
        if version == 0 || version != self.channels.version {
            return;
        }
        self.filters = self.wanted.clone().unwrap_or_default();
        if let Some(Candidate { way: Way::Beside(beside), .. }) = &mut self.candidate {
            beside.marked |= beside.announced == Some(version);
        }
    }

    /// Nothing is decided: the next one is being given the newest state.
    pub(super) fn is_held(&self) -> bool {
        matches!(&self.candidate, Some(Candidate { way: Way::Beside(beside), .. }) if beside.refreshing)
    }

    /// Between two ticks: lets the next one take over where everything is ready for it.
    pub(super) fn take_over_when_due(&mut self) {
        if self.decider.is_busy() {
            return;
        }
        let owner = self.decider.owner();
        let (failures, saves) = (self.decider.failures(), self.saves);
        let nothing_can_come = self.held.is_empty() && !self.has_work();
        let Some(Candidate { settings, way, .. }) = &mut self.candidate else { return };
        let beside = match way {
            Way::Beside(beside) => beside,
            Way::Within { sent, refused: None } if !*sent && self.decider.is_ready() => {
                *sent = true;
                let next = settings.algorithm_settings();
                self.reconfigure_backend(&next);
                return;
            }
            Way::Within { .. } => return,
        };
        if beside.refreshing || !beside.is_initialized || !beside.decider.is_ready() {
            return;
        }
        let needs_no_marker = beside.announced.is_none() && self.wanted.is_some();
        let may = needs_no_marker || beside.marked || failures >= GIVEN_UP || nothing_can_come;
        if !may {
            return;
        }
        if beside.saves != saves
            && beside.decider.owner() == owner
            && let Decider::Backend { backend, .. } = &mut beside.decider
        {
            // The same algorithm: what it saved since, through the stream that decides, has to reach it.
            beside.refreshing = true;
            backend.reopen();
            return;
        }
        self.take_over();
    }

    fn take_over(&mut self) {
        let Some(Candidate { settings, generation, way: Way::Beside(beside) }) = self.candidate.take() else { return };
        self.taking_over = self.has_work();
        // What the old one saved in process is kept under its name.
        self.collect_state();
        let old = std::mem::replace(&mut self.decider, beside.decider);
        self.let_go(&old);
        tracing::info!(
            account = self.account.name,
            from = %self.settings.adjustable.algorithm,
            to = %settings.algorithm,
            generation,
            "another algorithm takes over"
        );
        self.filters = match &self.subscribe {
            Some(subscribe) => subscribe.clone(),
            None => self.take_channels(beside.channels),
        };
        self.wanted = Some(self.filters.clone());
        self.tell_channels(self.filters.clone());
        self.take_settings(settings, generation);
    }

    fn reconfigure_backend(&mut self, next: &crate::algorithm::AlgorithmSettings) {
        let Decider::Backend { backend, .. } = &mut self.decider else { return };
        if let Err(errors) = backend.reconfigure(next) {
            self.refuse_within(errors);
        }
    }

    fn refuse_within(&mut self, errors: FieldErrors) {
        if let Some(Candidate { way: Way::Within { refused, .. }, .. }) = &mut self.candidate {
            *refused = Some(errors);
        }
    }

    /// The backend that decides answered whether it takes other parameters.
    pub(super) fn reconfigured(&mut self, answer: Result<Vec<String>, FieldErrors>) {
        match answer {
            Err(errors) => self.refuse_within(errors),
            Ok(channels) => {
                if let Some(Candidate { way: Way::Within { .. }, .. }) = &self.candidate
                    && let Some(Candidate { settings, generation, .. }) = self.candidate.take()
                {
                    self.take_settings(settings, generation);
                    self.wants(channels);
                }
            }
        }
    }

    /// The backend that decides failed: what it was asked to take within is tried beside it.
    pub(super) fn decider_failed(&mut self) {
        if let Some(Candidate { way: Way::Within { .. }, .. }) = &self.candidate
            && let Some(Candidate { settings, generation, .. }) = self.candidate.take()
        {
            // A backend always comes about, in trouble perhaps.
            if let Ok(beside) = self.beside(&settings) {
                self.candidate = Some(Candidate { settings, generation, way: Way::Beside(beside) });
            }
        }
    }

    /// Puts settings in force whose algorithm decides by now.
    pub(super) fn take_settings(&mut self, settings: Adjustable, generation: i64) {
        if settings.seed() != self.adjustable().seed() {
            self.generator = Generator::resume(settings.seed(), POLICY_STREAM, None, self.chance.next_u64());
            self.drawn = true;
        }
        let Adjustable { starting_cash, suspend, .. } = self.adjustable().clone();
        self.settings.adjustable = Adjustable { starting_cash, suspend, ..settings };
        self.settings.settings_generation = generation;
        self.record_settings();
    }

    /// Something waits from now on, if it does not already.
    pub(super) fn waits(&mut self, now_micros: i64) {
        if self.has_work() {
            self.waiting_since.get_or_insert(now_micros);
        }
    }

    /// Something was decided. Where another algorithm took over, that ends the time without decisions.
    pub(super) fn has_decided(&mut self, now_micros: i64) {
        let since = self.waiting_since.take();
        self.waits(now_micros);
        if let (true, Some(since)) = (std::mem::take(&mut self.taking_over), since) {
            let micros = u64::try_from(now_micros.saturating_sub(since)).unwrap_or_default();
            tracing::info!(account = self.account.name, micros, "the next algorithm decides");
            self.swap_pauses.push(Duration::from_micros(micros));
        }
    }

    /// Whether these settings are on their way already; they are of this generation then.
    pub(super) fn is_on_its_way(&mut self, next: &Adjustable, generation: i64) -> bool {
        match &mut self.candidate {
            Some(candidate) if candidate.settings.decides_like(next) => {
                candidate.generation = generation;
                candidate.settings.clone_from(next);
                true
            }
            _ => false,
        }
    }

    /// Generation of the settings that shall decide; 0 where none are on their way.
    pub(super) fn candidate_generation(&self) -> i64 {
        self.candidate.as_ref().map_or(0, |candidate| candidate.generation)
    }

    /// Why the settings wanted last do not decide yet.
    pub(super) fn candidate_refusals(&self) -> Vec<Refusal> {
        self.candidate.as_ref().map(Candidate::refusals).unwrap_or_default()
    }
}

/// Whether two lists of filters, each without repetitions, hold the same filters.
fn same_set(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|filter| other.contains(filter))
}
