//! A connection of a bridge to the broker: the real rules of a connection over a model of its socket.

mod packets;

use std::collections::VecDeque;

use intuition_common::clock::Now;
use intuition_mqtt::{
    Accepted, Attempts, Ended, Event, Events, Lanes, LinkError, Options, Packet, Protocol, Request, Settings, Sizes,
    Work, lanes,
};

use self::packets::{Waiting, received};
use crate::{
    broker::{ClientPacket, Connect, ServerPacket, Will},
    facts::ConnectionId,
};

/// The state of the connection.
enum State {
    /// The next attempt begins then.
    Resting(tokio::time::Instant),
    /// CONNECT is under way.
    Connecting { connection: ConnectionId, since: tokio::time::Instant },
    /// The broker accepted it.
    Open { connection: ConnectionId, since: tokio::time::Instant, protocol: Box<Protocol> },
    /// DISCONNECT is written.
    Gone,
}

/// What a client wants of the network.
#[derive(Debug)]
pub enum NetworkRequest {
    /// A new connection with this as its first packet.
    Connect(Connect),
    /// To send a packet on its connection.
    Send(ConnectionId, ClientPacket),
    /// To close its connection.
    Close(ConnectionId),
}

/// See the module.
pub struct Client {
    options: Options,
    sizes: Sizes,
    state: State,
    lanes: Lanes,
    events: Events,
    attempts: Attempts,
    epoch: u64,
    requests: VecDeque<Request>,
    /// Packets that arrived at the socket.
    arrived: VecDeque<Packet>,
    /// Packets that were read from it.
    read: VecDeque<Packet>,
    output: Waiting,
    /// The broker has refused the last will.
    is_without_will: bool,
    /// Packets that the socket still takes.
    room: usize,
    network_requests: Vec<NetworkRequest>,
}

impl Client {
    /// A client that connects at once.
    pub fn new(options: Options, sizes: Sizes, seed: u64, now: Now) -> Self {
        let (lanes, events) = lanes(options.event_capacity, &sizes);
        Self {
            attempts: Attempts::seeded(options.client_id.clone(), seed),
            options,
            sizes,
            state: State::Resting(now.instant),
            lanes,
            events,
            epoch: 0,
            requests: VecDeque::new(),
            arrived: VecDeque::new(),
            read: VecDeque::new(),
            output: Waiting::default(),
            is_without_will: false,
            room: 0,
            network_requests: Vec::new(),
        }
    }

    /// The next event, if there is one.
    pub fn event(&mut self, takes_messages: bool) -> Option<Event> {
        if takes_messages { self.events.try_recv() } else { self.events.try_recv_control() }
    }

    /// Takes a request of the bridge.
    pub fn request(&mut self, request: Request) {
        self.requests.push_back(request);
    }

    /// The connection that a [`NetworkRequest::Connect`] got.
    pub fn connecting(&mut self, connection: ConnectionId, now: Now) {
        self.state = State::Connecting { connection, since: now.instant };
    }

    /// The connection that it has now.
    pub const fn connection(&self) -> Option<ConnectionId> {
        match self.state {
            State::Connecting { connection, .. } | State::Open { connection, .. } => Some(connection),
            State::Resting(_) | State::Gone => None,
        }
    }

    /// The same, if the broker accepted it with this epoch.
    pub fn connection_of(&self, epoch: u64) -> Option<ConnectionId> {
        match self.state {
            State::Open { connection, .. } if self.epoch == epoch => Some(connection),
            _ => None,
        }
    }

    /// DISCONNECT has been written.
    pub const fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Packets that wait in the socket and behind it.
    pub fn waiting(&self) -> usize {
        self.arrived.len() + self.read.len() + self.output.packets.len()
    }

    /// A packet arrived at the socket.
    pub fn arrive(&mut self, connection: ConnectionId, packet: ServerPacket, now: Now) {
        if self.connection() != Some(connection) {
            return;
        }
        match (&self.state, packet) {
            (State::Connecting { .. }, ServerPacket::Connack { code: 0, session_present, mut capabilities }) => {
                capabilities.retain &= !self.is_without_will;
                self.accepted(connection, &Accepted { session_present, capabilities, keep_alive: None }, now);
            }
            // It keeps no retained messages, and refuses a last will that asks for it: once more without.
            (State::Connecting { .. }, ServerPacket::Connack { code: 0x9a, .. }) if !self.is_without_will => {
                self.is_without_will = true;
                self.network_requests.push(NetworkRequest::Close(connection));
                self.state = State::Resting(now.instant);
            }
            (State::Connecting { .. }, ServerPacket::Connack { code, .. }) => {
                self.fail(LinkError::Refuse(intuition_mqtt::codes::code(code)), now);
            }
            (State::Open { .. }, packet) => self.arrived.extend(received(packet)),
            _ => {}
        }
    }

    /// The connection is gone.
    pub fn lost(&mut self, connection: ConnectionId, now: Now) {
        if self.connection() != Some(connection) {
            return;
        }
        // What the socket has is read first, as far as there is room.
        self.room = 0;
        while self.step(now) {}
        if self.connection() == Some(connection) {
            self.fail(LinkError::Reach("the broker closed it".into()), now);
        }
    }

    /// The socket takes so many packets from now on.
    pub const fn open_socket(&mut self, packets: usize) {
        self.room = packets;
    }

    /// The socket took no more, although there is more to write.
    pub fn has_more(&self) -> bool {
        self.room == 0 && !self.output.packets.is_empty()
    }

    /// Works until nothing more is possible now. True: something happened.
    pub fn work(&mut self, now: Now) -> bool {
        match &self.state {
            State::Resting(until) if *until <= now.instant => {
                self.network_requests.push(NetworkRequest::Connect(self.connect()));
                // Until the world gives it a connection.
                self.state = State::Resting(now.instant + self.options.connect_timeout);
                true
            }
            State::Connecting { since, .. } if *since + self.options.connect_timeout <= now.instant => {
                self.fail(LinkError::Reach("it took too long".into()), now);
                true
            }
            State::Resting(_) | State::Connecting { .. } => self.drop_requests(),
            State::Open { .. } => {
                let mut has_worked = false;
                while self.step(now) {
                    has_worked = true;
                }
                has_worked
            }
            State::Gone => false,
        }
    }

    /// When to work again at the latest.
    pub fn wake(&self) -> Option<tokio::time::Instant> {
        match &self.state {
            State::Resting(until) => Some(*until),
            State::Connecting { since, .. } => Some(*since + self.options.connect_timeout),
            State::Open { protocol, .. } => Some(protocol.wake(&self.output)),
            State::Gone => None,
        }
    }

    /// What it wants of the network, in order.
    pub fn take_network_requests(&mut self) -> Vec<NetworkRequest> {
        std::mem::take(&mut self.network_requests)
    }

    /// One turn and one step of the socket. False: nothing is possible now.
    fn step(&mut self, now: Now) -> bool {
        let State::Open { connection, protocol, .. } = &mut self.state else { return false };
        let connection = *connection;
        let before = (self.requests.len(), self.read.len(), self.output.packets.len());
        protocol.resume();
        let (requests, read) = (&mut self.requests, &mut self.read);
        let turned = protocol.turn(|| Ok(requests.pop_front()), || Ok(read.pop_front()), &mut self.output, now.instant);
        if let Err(ended) = turned {
            self.end(ended, now);
            return true;
        }
        let mut has_worked = before != (self.requests.len(), self.read.len(), self.output.packets.len());
        for work in protocol.work(&self.output).into_iter().flatten() {
            match work {
                Work::Write if self.room > 0 => {
                    self.room -= 1;
                    if let Some(packet) = self.output.pop() {
                        self.network_requests.push(NetworkRequest::Send(connection, packet));
                    }
                    protocol.wrote(now.instant);
                }
                Work::Flush => protocol.flushed(),
                Work::Read if !self.arrived.is_empty() => {
                    self.read.extend(self.arrived.pop_front());
                    protocol.read(now.instant);
                }
                _ => continue,
            }
            has_worked = true;
            break;
        }
        has_worked
    }

    fn end(&mut self, ended: Ended, now: Now) {
        match ended {
            Ended::Failed(error) => {
                self.fail(error, now);
            }
            Ended::Disconnect | Ended::Abandoned => {
                if let Some(connection) = self.connection() {
                    while let Some(packet) = self.output.pop() {
                        self.network_requests.push(NetworkRequest::Send(connection, packet));
                    }
                    self.network_requests.push(NetworkRequest::Send(connection, ClientPacket::Disconnect));
                    self.network_requests.push(NetworkRequest::Close(connection));
                }
                self.state = State::Gone;
            }
        }
    }

    fn accepted(&mut self, connection: ConnectionId, accepted: &Accepted, now: Now) {
        self.epoch += 1;
        let settings = Settings {
            keep_alive: self.options.keep_alive,
            answer_timeout: self.options.answer_timeout,
            sizes: self.sizes,
        };
        let asked = match self.state {
            State::Connecting { since, .. } => since,
            _ => now.instant,
        };
        let protocol = Protocol::new(self.epoch, accepted, &settings, self.lanes.clone(), (asked, now.instant));
        self.state = State::Open { connection, since: now.instant, protocol: Box::new(protocol) };
    }

    fn fail(&mut self, error: LinkError, now: Now) {
        let (error, pause) = if let State::Open { since, protocol, .. } = &self.state {
            self.attempts.ended(error, protocol.has_refused(), now.instant.saturating_duration_since(*since))
        } else {
            let pause = self.attempts.failed(&error);
            (error, pause)
        };
        self.network_requests.extend(self.connection().map(NetworkRequest::Close));
        self.lanes.tell(Event::Disconnected(error));
        self.arrived.clear();
        self.read.clear();
        self.output = Waiting::default();
        self.state = State::Resting(now.instant + pause);
        self.drop_requests();
    }

    /// Requests of a connection that has ended mean nothing; a disconnect ends the client.
    fn drop_requests(&mut self) -> bool {
        let had_any = !self.requests.is_empty();
        if self.requests.drain(..).any(|request| matches!(request, Request::Disconnect)) {
            self.network_requests.extend(self.connection().map(NetworkRequest::Close));
            self.state = State::Gone;
        }
        had_any
    }

    fn connect(&self) -> Connect {
        let will = self.options.last_will.as_ref().filter(|_| !self.is_without_will);
        let will =
            will.map(|will| Will { topic: will.topic.clone(), payload: will.payload.clone(), retain: will.retain });
        Connect {
            client_id: self.options.client_id.clone(),
            clean_start: self.options.clean_start,
            session_expiry: self.options.session_expiry,
            receive_maximum: self.options.receive_maximum,
            will,
        }
    }
}
