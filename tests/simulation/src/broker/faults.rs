//! The faults of a broker.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use intuition_api::topic;

use super::{Broker, ClientPacket, State};
use crate::facts::{ConnectionId, Fact, Loss, Time};

/// What a broker that starts again remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Everything, as after a stop in order.
    Kept,
    /// Nothing: it has no file, or the file was deleted.
    Lost,
    /// What it had at the last [`Broker::save`]; nothing where there was none.
    Older,
}

/// How a broker is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Its process stands still: the operating system accepts connections, and packets wait unread.
    Frozen,
    /// It works and answers PINGREQ, but gives no PUBACK, SUBACK and UNSUBACK, then or later.
    Unanswering,
}

/// What a frozen broker has not read.
#[derive(Debug)]
pub(super) enum HeldBack {
    Packet(ConnectionId, ClientPacket),
    End(ConnectionId),
}

#[derive(Debug)]
struct Refused {
    filter: String,
    code: u8,
    until: Time,
}

/// The faults of now.
#[derive(Debug, Default)]
pub(super) struct Faults {
    refused: Vec<Refused>,
    refused_connections: Option<(u8, Time)>,
    frozen_until: Option<Time>,
    held_back: Vec<HeldBack>,
    unanswering_until: Option<Time>,
    slow: Option<(Duration, Time)>,
    cuts: BTreeSet<String>,
}

impl Faults {
    pub(super) const fn is_frozen(&self) -> bool {
        self.frozen_until.is_some()
    }

    pub(super) const fn frozen_until(&self) -> Option<Time> {
        self.frozen_until
    }

    pub(super) fn is_frozen_at(&mut self, now: Time) -> bool {
        self.frozen_until.take_if(|until| *until <= now);
        self.unanswering_until.take_if(|until| *until <= now);
        self.is_frozen()
    }

    /// The packet, if the broker reads it now.
    pub(super) fn hold_back(&mut self, connection: ConnectionId, packet: ClientPacket) -> Option<ClientPacket> {
        if !self.is_frozen() {
            return Some(packet);
        }
        self.held_back.push(HeldBack::Packet(connection, packet));
        None
    }

    pub(super) fn hold_back_end(&mut self, connection: ConnectionId) -> bool {
        if self.is_frozen() {
            self.held_back.push(HeldBack::End(connection));
        }
        self.is_frozen()
    }

    pub(super) fn thaw(&mut self) -> Vec<HeldBack> {
        std::mem::take(&mut self.held_back)
    }

    pub(super) const fn is_unanswering(&self) -> bool {
        self.unanswering_until.is_some()
    }

    pub(super) fn refused_topic(&mut self, topic: &str, now: Time) -> Option<u8> {
        self.refused.retain(|refused| refused.until > now);
        self.refused.iter().find(|refused| topic::matches(&refused.filter, topic)).map(|refused| refused.code)
    }

    pub(super) fn refused_connection(&mut self, now: Time) -> Option<u8> {
        self.refused_connections.take_if(|(_, until)| *until <= now);
        self.refused_connections.map(|(code, _)| code)
    }

    pub(super) fn puback_delay(&mut self, now: Time) -> Duration {
        self.slow.take_if(|(_, until)| *until <= now);
        self.slow.map_or(Duration::ZERO, |(delay, _)| delay)
    }

    pub(super) fn takes_cut(&mut self, client_id: &str) -> bool {
        self.cuts.remove(client_id)
    }
}

impl Broker {
    /// Writes sessions and retained messages to the file that [`Memory::Older`] goes back to.
    pub fn save(&mut self) {
        self.saved = Some(self.state.clone());
    }

    /// The broker is killed and starts again: all connections end, without last wills.
    pub fn restart(&mut self, memory: Memory, now: Time) {
        self.faults.frozen_until = None;
        self.faults.held_back.clear();
        match (memory, self.saved.is_some()) {
            (Memory::Kept, _) => {}
            (Memory::Lost, _) | (Memory::Older, false) => {
                self.saved = None;
                self.forget();
            }
            (Memory::Older, true) => self.go_back(),
        }
        self.end_all(now);
    }

    fn forget(&mut self) {
        let clients: Vec<_> = self.state.sessions.keys().cloned().collect();
        for client_id in clients {
            self.discard(&client_id, Loss::Restart);
        }
        self.state = State::default();
    }

    fn go_back(&mut self) {
        let Some(saved) = self.saved.clone() else { return };
        self.facts.push(Fact::BrokerWentBack);
        let newer = std::mem::replace(&mut self.state, saved);
        for client_id in &self.followed {
            let Some(session) = newer.sessions.get(client_id) else { continue };
            let kept: HashSet<_> =
                self.state.sessions.get(client_id).map(|kept| kept.waiting().into_iter().collect()).unwrap_or_default();
            let lost = session.waiting().into_iter().filter(|message| !kept.contains(message));
            self.facts.extend(lost.map(|message| Fact::Lost {
                message,
                client_id: client_id.clone(),
                loss: Loss::Restart,
            }));
        }
    }

    /// Until `until`, publications of clients to topics of this filter are refused with the code.
    pub fn refuse(&mut self, filter: &str, code: u8, until: Time) {
        self.faults.refused.push(Refused { filter: filter.to_owned(), code, until });
    }

    /// Until `until`, each CONNECT is refused with the code.
    pub fn refuse_connections(&mut self, code: u8, until: Time) {
        self.faults.refused_connections = Some((code, until));
    }

    /// The broker is silent until `until`.
    pub fn silence(&mut self, silence: Silence, until: Time) {
        match silence {
            Silence::Frozen => self.faults.frozen_until = Some(until),
            Silence::Unanswering => self.faults.unanswering_until = Some(until),
        }
    }

    /// Until `until`, each PUBACK takes so much longer.
    pub fn slow(&mut self, delay: Duration, until: Time) {
        self.faults.slow = Some((delay, until));
    }

    /// The next publication of this client is taken, and its connection ends in place of the PUBACK.
    pub fn cut_at_publication(&mut self, client_id: &str) {
        self.faults.cuts.insert(client_id.to_owned());
    }

    /// Ends every fault that lasts until some time. Late answers come; those of [`Silence::Unanswering`] do not.
    pub fn end_faults(&mut self, now: Time) {
        self.faults.refused.clear();
        self.faults.refused_connections = None;
        self.faults.frozen_until = None;
        self.faults.unanswering_until = None;
        self.faults.slow = None;
        self.faults.cuts.clear();
        self.advance(now);
    }
}
