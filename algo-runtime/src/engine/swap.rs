//! Swaps: with the active algorithm, channels, settings and the policy's generator change together.

use super::{Engine, deciders::Activated, notice::EngineNotice};
use crate::{algorithm::FieldErrors, settings::LiveSettings};

impl Engine {
    /// Begins the swap to settings that make another algorithm decide, or the same by other parameters. An error leaves
    /// everything as it was.
    pub(super) fn begin_swap(&mut self, settings: LiveSettings, generation: i64) -> Result<(), FieldErrors> {
        let same = settings.algorithm == self.settings.live().algorithm;
        if let Some(activated) = self.deciders.begin_swap(settings, generation, same, &mut self.channels)? {
            self.activate(activated.settings, activated.generation);
            self.want_channels(activated.channels);
        }
        Ok(())
    }

    /// Between two ticks: lets the candidate take over where everything is ready for it.
    pub(super) fn take_over_when_due(&mut self) {
        let has_work = self.backlog.has_work();
        let nothing_can_come = self.channels.held().is_empty() && !has_work;
        let activated = self.deciders.take_over_when_due(&self.channels, nothing_can_come);
        let Some(Activated { settings, generation, channels }) = activated else { return };
        self.swap_clock.begin(has_work);
        self.notices.add(EngineNotice::TakesOver {
            from: self.settings.live().algorithm.to_string(),
            to: settings.algorithm.to_string(),
            generation,
        });
        self.channels.replace(channels, &mut self.notices);
        self.activate(settings, generation);
    }

    /// The active backend answered whether it takes other parameters.
    pub(super) fn on_reconfigured(&mut self, answer: Result<Vec<String>, FieldErrors>) {
        if let Some(activated) = self.deciders.on_reconfigured(answer) {
            self.activate(activated.settings, activated.generation);
            self.want_channels(activated.channels);
        }
    }

    /// The active algorithm wants these channels. Until the bridge has subscribed to them, quotes of the earlier channels are
    /// decided too.
    pub(super) fn want_channels(&mut self, channels: Vec<String>) {
        if let Some(wanted) = self.channels.ask(channels, &mut self.notices) {
            self.deciders.announce(wanted, &mut self.channels);
        }
    }

    /// The stream has come to a marker: the bridge holds the channels of this version.
    pub(super) fn pass_marker(&mut self, version: u64) {
        if self.channels.pass_marker(version) {
            self.deciders.pass_marker(version);
        }
    }

    /// Makes the settings of the active algorithm effective.
    fn activate(&mut self, settings: LiveSettings, generation: i64) {
        if settings.seed() != self.settings.live().seed() {
            self.accounting.reseed(settings.seed(), self.deciders.draw_seed());
        }
        self.settings.activate(settings, generation);
        self.record_settings();
    }
}
