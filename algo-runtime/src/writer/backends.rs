//! The actions on links to backends, and the readiness of the active algorithm. Pure.

use std::collections::BTreeSet;

use intuition_api::part::runtime::{ALGORITHM, TOPICS};

use super::Writer;
use crate::engine::{LinkAction, LinkId};

/// The links of the engine, and the actions on them.
#[derive(Debug, Default)]
pub(super) struct Backends {
    /// Links of the current life that are started and not ended.
    open: BTreeSet<LinkId>,
    /// Counts the engines: an event for a dropped engine is void for the next one.
    pub(super) life: u64,
    /// Actions that are not taken yet, each with its life.
    actions: Vec<(u64, LinkAction)>,
}

impl Backends {
    fn add(&mut self, action: LinkAction) {
        match &action {
            LinkAction::Start(link, _) => drop(self.open.insert(*link)),
            LinkAction::End(link) => drop(self.open.remove(link)),
            LinkAction::Command(..) => {}
        }
        self.actions.push((self.life, action));
    }

    /// Begins the life of the next engine. The links of this life end.
    pub(super) fn begin_anew(&mut self) {
        let ends = std::mem::take(&mut self.open).into_iter().map(LinkAction::End);
        self.actions.extend(ends.map(|end| (self.life, end)));
        self.life += 1;
    }

    pub(super) fn take_link_actions(&mut self) -> Vec<(u64, LinkAction)> {
        std::mem::take(&mut self.actions)
    }
}

impl Writer {
    /// Keeps the engine's actions on links, and updates the readiness of its algorithm and channels.
    pub(super) fn update_backends(&mut self) {
        for action in self.engine.take_link_actions() {
            self.backends.add(action);
        }
        match self.engine.algorithm_condition() {
            Some((reason, message)) => self.readiness.set_missing(ALGORITHM, reason, message),
            None => self.readiness.set_ready(ALGORITHM),
        }
        match self.engine.topics_condition() {
            Some((reason, message)) => self.readiness.set_missing(TOPICS, reason, &message),
            None => self.readiness.set_ready(TOPICS),
        }
        for pause in self.engine.take_swap_pauses() {
            self.metrics.swapped(pause);
        }
    }
}
