//! Connects the machine to broker, runtime and clock. One task, so that nothing happens at the same time as anything
//! else and the order of quotes is never in question.

mod stream;

use std::sync::Arc;

use futures::FutureExt as _;
use intuition_common::{
    clock::{Clock, Now},
    heartbeat::Heartbeat,
};
use intuition_mqtt::{Event, Events, Link, Options};
use tokio::time;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::Endpoint;

use self::stream::StreamConnection;
use crate::{
    BridgeError,
    machine::{Action, Connections, Input, Machine, Phase},
    metrics::link::{PUBLISHING, SUBSCRIBING},
};

/// Events of one kind that are taken before the others get their turn.
const BURST_EVENTS: usize = 512;

/// A connection to the broker.
struct Connection {
    link: Link,
    events: Events,
}

impl Connection {
    fn start(options: Options, tasks: &TaskTracker) -> Result<Self, BridgeError> {
        let (link, events) = Link::start(options, tasks).map_err(BridgeError::Connect)?;
        Ok(Self { link, events })
    }

    /// The next event, or `None` once the connection's task has ended. May be abandoned at any time.
    async fn next(&mut self, takes_messages: bool) -> Option<Event> {
        if takes_messages { self.events.recv().await } else { self.events.recv_control().await }
    }

    /// Waits for the task to end.
    async fn ended(&mut self) {
        while self.events.recv().await.is_some() {}
    }
}

pub(crate) struct Driver {
    machine: Machine,
    subscribing: Connection,
    publishing: Connection,
    runtime: StreamConnection,
    clock: Arc<dyn Clock>,
    heartbeat: Heartbeat,
}

impl Driver {
    pub(crate) fn new(
        machine: Machine,
        connections: Connections,
        endpoint: Endpoint,
        clock: Arc<dyn Clock>,
        heartbeat: Heartbeat,
        tasks: &TaskTracker,
    ) -> Result<Self, BridgeError> {
        let publishing = Connection::start(connections.publishing, tasks)?;
        let subscribing = Connection::start(connections.subscribing, tasks)?;
        let runtime = StreamConnection::new(endpoint);
        Ok(Self { machine, subscribing, publishing, runtime, clock, heartbeat })
    }

    /// Runs until `shutdown` is cancelled. A connection task that ends earlier is an error: neither a restart of the
    /// connection nor the rest of the bridge could be trusted then. The broker publishes the last will.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), BridgeError> {
        loop {
            let (wake, takes_messages) = (self.machine.wake(self.now()), self.machine.takes_messages());
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.subscribing.next(takes_messages) => {
                    self.handle(Input::Subscribing(event.ok_or(BridgeError::LoseConnection(SUBSCRIBING))?));
                }
                event = self.publishing.next(true) => {
                    self.handle(Input::Publishing(event.ok_or(BridgeError::LoseConnection(PUBLISHING))?));
                }
                event = self.runtime.next() => self.handle(Input::Runtime(event)),
                () = time::sleep_until(wake) => {}
            }
            self.burst();
            self.advance();
        }
        self.shut_down().await;
        Ok(())
    }

    /// Takes all waiting events, so that their deliveries form one batch.
    fn burst(&mut self) {
        for _ in 0..BURST_EVENTS {
            let takes_messages = self.machine.takes_messages();
            let Some(Some(event)) = self.subscribing.next(takes_messages).now_or_never() else { break };
            self.handle(Input::Subscribing(event));
        }
        for _ in 0..BURST_EVENTS {
            let Some(Some(event)) = self.publishing.next(true).now_or_never() else { break };
            self.handle(Input::Publishing(event));
        }
        for _ in 0..BURST_EVENTS {
            let Some(event) = self.runtime.next().now_or_never() else { break };
            self.handle(Input::Runtime(event));
        }
    }

    fn handle(&mut self, input: Input) {
        self.machine.handle(input, self.now());
        // At once: a stream that is given up must have no further events.
        self.carry_out();
    }

    fn advance(&mut self) {
        self.heartbeat.beat();
        self.machine.advance(self.now());
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for action in self.machine.take_actions() {
            match action {
                Action::Subscribing(request) => self.subscribing.link.submit(request),
                Action::Publishing(request) => self.publishing.link.submit(request),
                Action::Open(open) => self.runtime.open(open),
                Action::Send(message) => self.runtime.send(message),
                Action::Close => self.runtime.close(),
                // `shut_down` waits for the end of the stream.
                Action::Finish => {}
            }
        }
    }

    fn now(&self) -> Now {
        Now::read(self.clock.as_ref())
    }

    /// Shuts the bridge down. Each wait has a bound.
    async fn shut_down(&mut self) {
        self.machine.begin_shutdown(self.now());
        self.carry_out();
        while self.machine.phase() == Phase::Draining {
            if !self.go_on().await {
                self.machine.next_step(self.now());
            }
            self.machine.advance(self.now());
            self.carry_out();
        }
        if let Phase::Finishing { until } = self.machine.phase() {
            drop(time::timeout_at(until, self.runtime.finish()).await);
            self.machine.next_step(self.now());
            self.carry_out();
        }
        if let Phase::Disconnecting { until } = self.machine.phase() {
            let (publishing, subscribing) = (&mut self.publishing, &mut self.subscribing);
            drop(time::timeout_at(until, async { tokio::join!(publishing.ended(), subscribing.ended()) }).await);
        }
    }

    /// Handles the next event other than a message, or returns at the machine's wake time. False: a connection has lost
    /// its task.
    async fn go_on(&mut self) -> bool {
        let wake = self.machine.wake(self.now());
        tokio::select! {
            event = self.subscribing.next(false) => match event {
                Some(event) => self.handle(Input::Subscribing(event)),
                None => return false,
            },
            event = self.publishing.next(true) => match event {
                Some(event) => self.handle(Input::Publishing(event)),
                None => return false,
            },
            event = self.runtime.next() => self.handle(Input::Runtime(event)),
            () = time::sleep_until(wake) => {}
        }
        true
    }
}

#[cfg(test)]
mod tests;
