//! The errands for links to backends, and the report of the active algorithm's trouble. Pure.

use std::collections::BTreeSet;

use super::{ALGORITHM_PART, TOPICS_PART, Writer};
use crate::engine::{Errand, LinkId};

/// The links of the engine, and the errands for them.
#[derive(Debug, Default)]
pub(super) struct Backends {
    /// Links of the current life that are started and not ended.
    open: BTreeSet<LinkId>,
    /// Counts the engines: a report to an engine that was given up means nothing to the next.
    pub(super) life: u64,
    /// Not taken yet, each with its life.
    errands: Vec<(u64, Errand)>,
}

impl Backends {
    fn add(&mut self, errand: Errand) {
        match &errand {
            Errand::Start(link, _) => drop(self.open.insert(*link)),
            Errand::End(link) => drop(self.open.remove(link)),
            Errand::Order(..) => {}
        }
        self.errands.push((self.life, errand));
    }

    /// Begins the life of the next engine. The links of this life end.
    pub(super) fn begin_anew(&mut self) {
        let ends = std::mem::take(&mut self.open).into_iter().map(Errand::End);
        self.errands.extend(ends.map(|end| (self.life, end)));
        self.life += 1;
    }

    pub(super) fn take_errands(&mut self) -> Vec<(u64, Errand)> {
        std::mem::take(&mut self.errands)
    }
}

impl Writer {
    /// Keeps the engine's errands for links, and shows the trouble of its algorithm in the readiness.
    pub(super) fn see_to_backends(&mut self) {
        for errand in self.engine.take_errands() {
            self.backends.add(errand);
        }
        match self.engine.trouble() {
            Some((reason, message)) => self.readiness.lack(ALGORITHM_PART, reason, message),
            None => self.readiness.have(ALGORITHM_PART),
        }
        match self.engine.topic_trouble() {
            Some((reason, message)) => self.readiness.lack(TOPICS_PART, reason, &message),
            None => self.readiness.have(TOPICS_PART),
        }
        for pause in self.engine.take_swap_pauses() {
            self.metrics.swapped(pause);
        }
    }
}
