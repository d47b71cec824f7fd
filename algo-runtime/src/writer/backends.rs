//! The links to backends, and the report of the active algorithm's trouble.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::{ALGORITHM_PART, Command, TOPICS_PART, Writer};
use crate::{
    backend::link::{Link, Links},
    engine::{Errand, LinkId},
};

/// The links that the engine asked for.
pub(super) struct Backends {
    links: Links,
    open: BTreeMap<LinkId, Link>,
    /// Counts the engines: a report to an engine that was given up means nothing to the next.
    pub(super) life: u64,
    /// Where their reports go.
    commands: mpsc::Sender<Command>,
}

impl Backends {
    pub(super) const fn new(links: Links, commands: mpsc::Sender<Command>) -> Self {
        Self { links, open: BTreeMap::new(), life: 0, commands }
    }

    fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Start(link, address) => {
                let (commands, life) = (self.commands.clone(), self.life);
                let tell = move |report| {
                    let commands = commands.clone();
                    async move { commands.send(Command::Report { life, link, report }).await.is_ok() }
                };
                self.open.insert(link, self.links.start(address, tell));
            }
            Errand::Order(link, order) => {
                if let Some(link) = self.open.get(&link) {
                    link.order(order);
                }
            }
            Errand::End(link) => drop(self.open.remove(&link)),
        }
    }

    /// Another engine begins.
    pub(super) fn begin_anew(&mut self) {
        self.open.clear();
        self.life += 1;
    }
}

impl Writer {
    /// Starts, orders and ends links as the engine asks, and shows the trouble of its algorithm in the readiness.
    pub(super) fn see_to_backends(&mut self) {
        for errand in self.engine.take_errands() {
            self.backends.run(errand);
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
