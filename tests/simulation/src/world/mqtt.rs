//! Between the clients of bridges and the broker.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Event, SOON, Sleeper, World,
    network::{Between, Pipe},
};
use crate::{
    broker::{ClientPacket, ServerPacket},
    check::promise,
    facts::{ConnectionId, Fact, RunId, Violation},
    process::client::NetworkRequest,
};

/// One TCP connection.
struct Connection {
    bridge: RunId,
    client: usize,
    up: Pipe,
    down: Pipe,
    /// What is on its way to the broker is lost.
    is_cut: bool,
    /// PUBACKs that have reached the broker.
    acknowledged: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Connections(BTreeMap<ConnectionId, Connection>);

impl Connections {
    /// Those of a bridge.
    fn of(&self, run: RunId) -> Vec<ConnectionId> {
        self.0.iter().filter(|(_, connection)| connection.bridge == run).map(|(id, _)| *id).collect()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<ConnectionId> {
        self.0.keys().copied().collect()
    }
}

impl World<'_> {
    /// Carries out the network requests of the clients of a bridge.
    pub(super) fn carry_out(
        &mut self,
        run: RunId,
        network_requests: Vec<(usize, NetworkRequest)>,
    ) -> Result<(), Violation> {
        for (client, request) in network_requests {
            match request {
                NetworkRequest::Connect(connect) => {
                    let id = self.broker.accept();
                    let connection = Connection {
                        bridge: run,
                        client,
                        up: Pipe::default(),
                        down: Pipe::default(),
                        is_cut: false,
                        acknowledged: 0,
                    };
                    self.connections.0.insert(id, connection);
                    let clocks = self.clocks();
                    if let Some(bridge) = self.bridges.get_mut(&run) {
                        bridge.client(client).connecting(id, clocks);
                    }
                    self.send_to_broker(id, ClientPacket::Connect(connect));
                }
                NetworkRequest::Send(connection, packet) => self.send_to_broker(connection, packet),
                NetworkRequest::Close(connection) => self.close_client(connection, false),
            }
        }
        self.see_to_broker()
    }

    /// A bridge tells the runtime that the broker has read so many acknowledgements of a connection.
    pub(super) fn confirm(&self, id: ConnectionId, told: u64) -> Result<(), Violation> {
        let read = self.connections.0.get(&id).map_or(told, |connection| connection.acknowledged);
        if told <= read {
            return Ok(());
        }
        let text = format!(
            "the runtime is told that the broker has read {told} acknowledgements of connection {id}, and {read} have reached it"
        );
        Err(Violation { promise: promise::ACKNOWLEDGED, text })
    }

    fn send_to_broker(&mut self, id: ConnectionId, packet: ClientPacket) {
        let now = self.now;
        if let Some(connection) = self.connections.0.get_mut(&id) {
            let at = self.network.arrival(Between::BridgeAndBroker, &mut connection.up, now);
            self.queue.plan(at, Event::ToBroker(id, packet));
        }
    }

    pub(super) fn reach_broker(&mut self, id: ConnectionId, packet: ClientPacket) -> Result<(), Violation> {
        if let Some(connection) = self.connections.0.get_mut(&id).filter(|connection| !connection.is_cut) {
            connection.acknowledged += u64::from(matches!(packet, ClientPacket::Puback { .. }));
            self.broker.handle(id, packet, self.now);
        }
        self.see_to_broker()
    }

    /// Passes on the packets, ends and facts of the broker.
    pub(super) fn see_to_broker(&mut self) -> Result<(), Violation> {
        let now = self.now;
        for (id, packet) in self.broker.take_output() {
            if let Some(connection) = self.connections.0.get_mut(&id) {
                let at = self.network.arrival(Between::BridgeAndBroker, &mut connection.down, now);
                self.queue.plan(at, Event::ToClient(id, packet));
            }
        }
        for id in self.broker.take_closed() {
            if let Some(connection) = self.connections.0.get_mut(&id) {
                connection.is_cut = true;
                let at = self.network.arrival(Between::BridgeAndBroker, &mut connection.down, now);
                self.queue.plan(at, Event::ClientLost(id));
            }
        }
        for fact in self.broker.take_facts() {
            self.tell(&fact)?;
            if let Some(consumed) = self.consumer.take(&fact) {
                self.tell(&consumed)?;
            }
        }
        if let Some(violation) = self.broker.take_violations().into_iter().next() {
            return Err(violation);
        }
        if let Some(at) = self.broker.wake() {
            self.wake_at(Sleeper::Broker, at);
        }
        Ok(())
    }

    pub(super) fn reach_client(&mut self, id: ConnectionId, packet: ServerPacket) {
        let Some(connection) = self.connections.0.get(&id) else { return };
        let (run, client) = (connection.bridge, connection.client);
        let clocks = self.clocks();
        if let Some(bridge) = self.bridges.get_mut(&run) {
            bridge.client(client).arrive(id, packet, clocks);
            self.wake_at(Sleeper::Bridge(run), self.now + SOON);
        }
    }

    pub(super) fn lose_client(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.0.get(&id) else { return };
        let (run, client) = (connection.bridge, connection.client);
        if let Some(until) = self.is_frozen(run) {
            self.queue.plan(until, Event::ClientLost(id));
            return;
        }
        let clocks = self.clocks();
        if let Some(bridge) = self.bridges.get_mut(&run) {
            bridge.client(client).lost(id, clocks);
            self.wake_at(Sleeper::Bridge(run), self.now);
        }
        self.connections.0.remove(&id);
    }

    /// A client closes a connection, or its process died. `is_cut`: what is on its way is lost.
    fn close_client(&mut self, id: ConnectionId, is_cut: bool) {
        let now = self.now;
        let Some(connection) = self.connections.0.get_mut(&id) else { return };
        connection.is_cut |= is_cut;
        let mut at = self.network.arrival(Between::BridgeAndBroker, &mut connection.up, now);
        if is_cut && self.network.chance(0.3) {
            // A lost node: the broker waits for the keep alive.
            at += self.network.within(Duration::from_secs(1), Duration::from_mins(1));
        }
        self.queue.plan(at, Event::BrokerLost(id));
        if !is_cut {
            // Nothing of the broker reaches the client any more.
            connection.client = usize::MAX;
            connection.bridge = RunId::MAX;
        }
    }

    /// The process of a bridge died: its kernel closes its connections, or its node is gone.
    pub(super) fn close_connections(&mut self, run: RunId) {
        for id in self.connections.of(run) {
            let is_cut = self.network.chance(0.5);
            self.close_client(id, is_cut);
        }
    }

    /// A connection breaks: both ends notice, each in its time, and what is on its way is lost.
    pub(super) fn reset(&mut self, id: ConnectionId) -> Result<(), Violation> {
        self.tell(&Fact::Injected("network: connection to the broker reset"))?;
        if let Some(connection) = self.connections.0.get_mut(&id) {
            connection.is_cut = true;
        }
        let later = self.network.within(Duration::ZERO, Duration::from_secs(2));
        self.queue.plan(self.now + later, Event::BrokerLost(id));
        self.lose_client(id);
        Ok(())
    }
}
