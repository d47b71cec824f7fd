//! Connections: their ends, and the answers that wait to be written.

use std::{
    collections::{BTreeSet, VecDeque},
    rc::Rc,
};

use super::{Broker, Connect, ServerPacket, Takeover, Will, code, session::Session};
use crate::facts::{Body, ConnectionId, Loss, Time};

/// A connection of a client.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// `None` before the CONNECT.
    pub(super) client_id: Option<String>,
    pub(super) will: Option<Will>,
    /// PUBACKs that are not written yet, by the time at which they are.
    answers: VecDeque<(Time, u16, u8)>,
    /// Packet identifiers of publications without an answer.
    pub(super) unanswered: BTreeSet<u16>,
    /// An answer that ends the connection was written or waits: no more is read.
    is_ending: bool,
}

impl Connection {
    pub(super) fn next_answer(&self) -> Option<Time> {
        self.answers.front().map(|(at, ..)| *at)
    }

    /// A PUBACK at `at`, and behind those before it.
    pub(super) fn queue_answer(&mut self, at: Time, packet_id: u16, code: u8, ends: bool) {
        let at = self.answers.back().map_or(at, |(before, ..)| at.max(*before));
        self.answers.push_back((at, packet_id, code));
        self.is_ending |= ends;
    }

    pub(super) const fn is_ending(&self) -> bool {
        self.is_ending
    }

    fn take_answer(&mut self, now: Time) -> Option<(u16, u8)> {
        let (at, packet_id, code) = *self.answers.front()?;
        if at > now {
            return None;
        }
        self.answers.pop_front();
        self.unanswered.remove(&packet_id);
        Some((packet_id, code))
    }
}

impl Broker {
    /// CONNECT.
    pub(super) fn connect(&mut self, connection: ConnectionId, connect: Connect, now: Time) {
        let needs_retain = connect.will.as_ref().is_some_and(|will| will.retain);
        let refusal = self
            .faults
            .refused_connection(now)
            .or_else(|| (needs_retain && !self.options.retain).then_some(code::RETAIN_NOT_SUPPORTED));
        if let Some(code) = refusal {
            let capabilities = self.options.capabilities(None);
            self.output.push((connection, ServerPacket::Connack { session_present: false, code, capabilities }));
            self.close(connection, now);
            return;
        }
        let before = self.state.sessions.get(&connect.client_id).and_then(|session| session.connection);
        if let Some(before) = before {
            match self.options.takeover {
                Takeover::Announced => self.disconnect(before, code::SESSION_TAKEN_OVER, now),
                Takeover::Silent => self.close(before, now),
            }
        }
        if connect.clean_start {
            self.discard(&connect.client_id, Loss::SessionEnded);
        }
        let session_present = self.state.sessions.contains_key(&connect.client_id);
        let expiry =
            self.options.session_expiry.map_or(connect.session_expiry, |most| most.min(connect.session_expiry));
        let highest = self.options.highest_packet_id;
        let session = self.state.sessions.entry(connect.client_id.clone()).or_insert_with(|| Session::new(highest));
        session.attach(connection, connect.receive_maximum, expiry, now);
        if let Some(known) = self.connections.get_mut(&connection) {
            known.client_id = Some(connect.client_id);
            known.will = connect.will;
        }
        let capabilities = self.options.capabilities((expiry < connect.session_expiry).then_some(expiry));
        self.output.push((connection, ServerPacket::Connack { session_present, code: 0, capabilities }));
    }

    /// Writes an answer, unless the broker gives none.
    pub(super) fn respond(&mut self, connection: ConnectionId, packet: ServerPacket) {
        if !self.faults.is_unanswering() {
            self.output.push((connection, packet));
        }
    }

    /// Writes the PUBACKs that are due.
    pub(super) fn answer(&mut self, now: Time) {
        let mut ended = Vec::new();
        for (id, connection) in &mut self.connections {
            while let Some((packet_id, code)) = connection.take_answer(now) {
                self.output.push((*id, ServerPacket::Puback { packet_id, code }));
            }
            if connection.is_ending && connection.answers.is_empty() {
                ended.push(*id);
            }
        }
        for connection in ended {
            self.close(connection, now);
        }
    }

    /// DISCONNECT with a code, and the end of the connection.
    pub(super) fn disconnect(&mut self, connection: ConnectionId, code: u8, now: Time) {
        self.output.push((connection, ServerPacket::Disconnect { code }));
        self.close(connection, now);
    }

    /// The broker closes the connection.
    pub(super) fn close(&mut self, connection: ConnectionId, now: Time) {
        if self.connections.contains_key(&connection) {
            self.closed.push(connection);
            self.end(connection, now);
        }
    }

    /// The connection is no more: its will is published, and its session waits.
    pub(super) fn end(&mut self, connection: ConnectionId, now: Time) {
        let Some(ended) = self.connections.remove(&connection) else { return };
        if let Some(client_id) = &ended.client_id
            && let Some(session) = self.state.sessions.get_mut(client_id)
            && session.connection == Some(connection)
        {
            session.detach(now);
            if !session.is_durable() {
                self.discard(client_id, Loss::SessionEnded);
            }
        }
        if let Some(Will { topic, payload, retain }) = ended.will {
            let body = Rc::new(Body { topic, payload, user_properties: Vec::new(), places: Vec::new() });
            self.route(0, &body);
            if retain {
                self.keep(&body);
            }
        }
    }

    /// All connections end with the process of the broker: no will is published.
    pub(super) fn end_all(&mut self, now: Time) {
        for (connection, _) in std::mem::take(&mut self.connections) {
            self.closed.push(connection);
        }
        self.state.sessions.retain(|_, session| session.is_durable());
        for session in self.state.sessions.values_mut() {
            session.detach(now);
        }
    }
}
