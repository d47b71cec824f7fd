//! A model of an MQTT 5 broker with `QoS` 1 sessions, at the level of packets: deterministic, without I/O and clock.
//!
//! The network is the world's: a packet given to [`Broker::handle`] has arrived, and a packet of [`Broker::take_output`] is
//! written to the socket, in order. Between two calls the world takes output, closed connections, facts and violations.

mod connection;
mod faults;
mod ids;
mod options;
mod packets;
mod publications;
mod routing;
mod session;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use rand::{RngExt as _, rngs::ChaCha8Rng};

use self::{connection::Connection, faults::Faults, session::Session};
pub use self::{
    faults::{Memory, Silence},
    options::{Options, Overlap, Refusal, Takeover, Writing},
    packets::{ClientPacket, Connect, Delivery, Publish, ServerPacket, Subscribe, Will},
};
use crate::{
    facts::{Body, ConnectionId, Fact, Loss, MessageId, Time, Violation},
    plan::{Stream, generator},
};

/// Reason codes of MQTT 5, section 2.4.
mod code {
    pub(super) const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
    pub(super) const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
    pub(super) const PROTOCOL_ERROR: u8 = 0x82;
    pub(super) const SERVER_UNAVAILABLE: u8 = 0x88;
    pub(super) const SESSION_TAKEN_OVER: u8 = 0x8e;
    pub(super) const TOPIC_FILTER_INVALID: u8 = 0x8f;
    pub(super) const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
    pub(super) const PACKET_TOO_LARGE: u8 = 0x95;
    pub(super) const RETAIN_NOT_SUPPORTED: u8 = 0x9a;
    pub(super) const SUBSCRIPTION_IDS_NOT_SUPPORTED: u8 = 0xa1;
}

/// The content of a broker's file.
#[derive(Debug, Clone, Default)]
struct State {
    sessions: BTreeMap<String, Session>,
    /// By topic.
    retained: BTreeMap<String, Rc<Body>>,
}

/// The broker.
#[derive(Debug)]
pub struct Broker {
    options: Options,
    draw: ChaCha8Rng,
    state: State,
    saved: Option<State>,
    connections: BTreeMap<ConnectionId, Connection>,
    followed: BTreeSet<String>,
    faults: Faults,
    last_connection: ConnectionId,
    last_message: MessageId,
    output: Vec<(ConnectionId, ServerPacket)>,
    closed: Vec<ConnectionId>,
    facts: Vec<Fact>,
    violations: Vec<Violation>,
}

impl Broker {
    /// A broker that has no sessions. `seed` decides how long each PUBACK takes.
    pub fn new(options: Options, seed: u64) -> Self {
        Self {
            options,
            draw: generator(generator(seed, Stream::Broker).random(), Stream::Broker),
            state: State::default(),
            saved: None,
            connections: BTreeMap::new(),
            followed: BTreeSet::new(),
            faults: Faults::default(),
            last_connection: 0,
            last_message: 0,
            output: Vec::new(),
            closed: Vec::new(),
            facts: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// The broker's properties.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The session of this client id is the bridge's: [`Fact::Lost`] is reported for it alone, also while
    /// the broker has no such session.
    pub fn follow(&mut self, client_id: &str) {
        self.followed.insert(client_id.to_owned());
    }

    /// A TCP connection. The first packet on it is a CONNECT.
    pub fn accept(&mut self) -> ConnectionId {
        self.last_connection += 1;
        self.connections.insert(self.last_connection, Connection::default());
        self.last_connection
    }

    /// A packet of a client arrived. Packets of a connection that the broker has closed are ignored.
    pub fn handle(&mut self, connection: ConnectionId, packet: ClientPacket, now: Time) {
        self.advance(now);
        if let Some(packet) = self.faults.hold_back(connection, packet) {
            self.read(connection, packet, now);
            self.write(now);
        }
    }

    /// The client's end of a connection is gone, without DISCONNECT: the last will is published.
    pub fn lost(&mut self, connection: ConnectionId, now: Time) {
        self.advance(now);
        if !self.faults.hold_back_end(connection) {
            self.end(connection, now);
            self.write(now);
        }
    }

    /// A publisher's PUBLISH arrived; `retain`: with the flag RETAIN. An error is the code of a broker that takes nothing.
    pub fn publish(&mut self, body: &Rc<Body>, retain: bool, now: Time) -> Result<MessageId, u8> {
        self.advance(now);
        if self.faults.is_frozen() {
            return Err(code::SERVER_UNAVAILABLE);
        }
        self.last_message += 1;
        let message = self.last_message;
        self.facts.push(Fact::Taken { message, body: Rc::clone(body) });
        self.route(message, body);
        if retain {
            self.keep(body);
        }
        self.write(now);
        Ok(message)
    }

    /// Packets that the broker has written since the last call, in order.
    pub fn take_output(&mut self) -> Vec<(ConnectionId, ServerPacket)> {
        std::mem::take(&mut self.output)
    }

    /// Connections that the broker has closed since the last call, behind the packets that it had written to them.
    pub fn take_closed(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.closed)
    }

    /// The facts since the last call.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Rules of MQTT that clients broke since the last call.
    pub fn take_violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.violations)
    }

    /// When [`Self::advance`] has something to do without a packet.
    pub fn wake(&self) -> Option<Time> {
        if let Some(until) = self.faults.frozen_until() {
            return Some(until);
        }
        let answers = self.connections.values().filter_map(Connection::next_answer);
        let expiries = self.state.sessions.values().filter_map(Session::expires_at);
        let writes = self.state.sessions.values().filter_map(|session| session.next_write(&self.options));
        answers.chain(expiries).chain(writes).min()
    }

    /// Writes late answers that are due, ends sessions that expire, and reads the packets that a frozen broker left unread.
    pub fn advance(&mut self, now: Time) {
        if self.faults.is_frozen_at(now) {
            return;
        }
        for held_back in self.faults.thaw() {
            match held_back {
                faults::HeldBack::Packet(connection, packet) => self.read(connection, packet, now),
                faults::HeldBack::End(connection) => self.end(connection, now),
            }
        }
        self.answer(now);
        let expired = |session: &Session| session.expires_at().is_some_and(|at| at <= now);
        let expired: Vec<_> =
            self.state.sessions.iter().filter(|(_, session)| expired(session)).map(|(id, _)| id.clone()).collect();
        for client_id in expired {
            self.discard(&client_id, Loss::SessionEnded);
        }
        self.write(now);
    }

    /// Messages of publishers that the session of a client holds without a PUBACK, in the order taken.
    pub fn waiting(&self, client_id: &str) -> Vec<MessageId> {
        self.state.sessions.get(client_id).map(Session::waiting).unwrap_or_default()
    }

    /// Filters that the session of a client is subscribed to, in order.
    pub fn subscribed(&self, client_id: &str) -> Vec<String> {
        self.state.sessions.get(client_id).map(Session::filters).unwrap_or_default()
    }

    /// Whether the session of a client holds messages of publishers without a PUBACK.
    pub fn is_waiting(&self, client_id: &str) -> bool {
        self.state.sessions.get(client_id).is_some_and(Session::is_waiting)
    }

    /// Whether a client has a connection that the broker knows of.
    pub fn is_connected(&self, client_id: &str) -> bool {
        self.state.sessions.get(client_id).is_some_and(|session| session.connection.is_some())
    }

    fn read(&mut self, connection: ConnectionId, packet: ClientPacket, now: Time) {
        let Some(known) = self.connections.get(&connection).filter(|known| !known.is_ending()) else { return };
        let client_id = known.client_id.clone();
        match (packet, client_id) {
            (ClientPacket::Connect(connect), None) => self.connect(connection, connect, now),
            (_, None) | (ClientPacket::Connect(_), Some(_)) => {
                self.violate(
                    "protocol",
                    format!("connection {connection}: CONNECT is the first packet, and comes once"),
                );
                self.disconnect(connection, code::PROTOCOL_ERROR, now);
            }
            (ClientPacket::Publish(publish), Some(client_id)) => self.take(connection, &client_id, publish, now),
            (ClientPacket::Puback { packet_id }, Some(client_id)) => {
                self.acknowledge(connection, &client_id, packet_id);
            }
            (ClientPacket::Subscribe(subscribe), Some(client_id)) => self.subscribe(connection, &client_id, &subscribe),
            (ClientPacket::Unsubscribe { packet_id, filter }, Some(client_id)) => {
                let existed =
                    self.state.sessions.get_mut(&client_id).is_some_and(|session| session.unsubscribe(&filter));
                let code = if existed { 0 } else { code::NO_SUBSCRIPTION_EXISTED };
                self.respond(connection, ServerPacket::Unsuback { packet_id, code });
            }
            (ClientPacket::Pingreq, Some(_)) => self.output.push((connection, ServerPacket::Pingresp)),
            (ClientPacket::Disconnect, Some(_)) => {
                if let Some(known) = self.connections.get_mut(&connection) {
                    known.will = None;
                }
                self.close(connection, now);
            }
        }
    }

    fn violate(&mut self, promise: &'static str, text: String) {
        self.violations.push(Violation { promise, text });
    }

    fn puback_delay(&mut self, now: Time) -> Duration {
        let drawn = self.draw.random_range(self.options.puback_delay.clone());
        drawn + self.faults.puback_delay(now)
    }
}

#[cfg(test)]
mod tests;
