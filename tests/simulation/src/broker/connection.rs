//! Connections: their ends, and the answers that wait to be written.

use std::{
    collections::{BTreeSet, VecDeque},
    rc::Rc,
};

use super::{Broker, ServerPacket, Will};
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
