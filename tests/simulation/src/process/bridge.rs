//! The process of a bridge: its machine, its two connections to the broker, and its end of the stream to the runtime.

mod notes;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bridge::{
    Config, ConfigError, Limits, Metrics, MqttConfig, PARTS,
    machine::{Action, Connections, Input, Machine, Sinks, StreamEvent},
};
use intuition_api::v1::{self, process_request, process_response};
use intuition_common::{
    clock::{Clock, Now},
    readiness::Readiness,
};
use intuition_mqtt::{Event, Request};
use prometheus_client::registry::Registry;

use super::client::{Client, NetworkRequest};
use crate::{
    broker::ClientPacket,
    facts::{ConnectionId, Fact, RunId},
    plan::Plan,
    storage::ACCOUNT,
    world::crash::Crash,
};

/// Names a stream between a bridge and a runtime; never given twice.
pub type StreamId = u64;
/// Indices of the clients.
pub const SUBSCRIBING: usize = 0;
const PUBLISHING: usize = 1;

/// The steps of a bridge between which it may die.
pub const STEPS: [&str; 12] = [
    "bridge: between two packets",
    "bridge: behind a message",
    "bridge: behind news of the broker",
    "bridge: behind an answer of the broker",
    "bridge: behind a message of the runtime",
    "bridge: before a PUBACK",
    "bridge: before a SUBSCRIBE",
    "bridge: before a PUBLISH",
    "bridge: behind an Open",
    "bridge: behind a message to the runtime",
    "bridge: behind the end of a stream",
    "bridge: after its shutdown",
];

/// What a bridge sends to a runtime.
#[derive(Debug)]
pub enum ToRuntime {
    /// It opens a stream.
    Open(v1::Open),
    /// It sends a message on the stream.
    Send(process_request::Message),
    /// It gives the stream up.
    Close,
    /// It ends its side behind everything that was sent.
    Finish,
}

/// What a bridge did in one piece of work.
#[derive(Default)]
pub struct Done {
    /// Of each client, in order.
    pub network_requests: Vec<(usize, NetworkRequest)>,
    /// To the runtime, in order.
    pub to_runtime: Vec<ToRuntime>,
    /// For the checker.
    pub facts: Vec<Fact>,
    /// Acknowledgements on a connection of which it tells the runtime that the broker has read them.
    pub confirmed: Vec<(ConnectionId, u64)>,
}

/// See the module.
pub struct Bridge {
    /// Its run.
    pub run: RunId,
    machine: Machine,
    clients: [Client; 2],
    inbox: VecDeque<(StreamId, StreamEvent)>,
    /// The stream whose news count.
    pub stream: Option<StreamId>,
    /// The stream that was opened last.
    pub sending: Option<StreamId>,
    readiness: Readiness,
    /// It speaks as the release before did.
    is_older: bool,
    limits: Limits,
    /// The connection that quotes come on, as the machine knows it.
    epoch: Option<u64>,
    /// Messages that the machine took on this connection, without a written PUBACK.
    unacknowledged: usize,
    /// Publications without an answer on this connection, by token: topic and payload.
    publishing: BTreeMap<u64, (String, bytes::Bytes)>,
    /// The acknowledgements of this epoch that were handed to the connection, by number.
    acks: (u64, Vec<u64>),
}

impl Bridge {
    /// Starts the process.
    pub fn start(
        plan: &Plan,
        broker_url: &str,
        run: RunId,
        seed: u64,
        clock: Arc<dyn Clock>,
        now: Now,
    ) -> Result<Self, ConfigError> {
        let readiness = Readiness::new(&PARTS, clock);
        let sinks = Sinks {
            readiness: readiness.clone(),
            metrics: Metrics::register(&mut Registry::default()),
            published: None,
        };
        let limits = plan.bridge.limits;
        let config = Config {
            mqtt: MqttConfig { receive_maximum: plan.bridge.receive_maximum, ..MqttConfig::new(broker_url) },
            runtime_url: "http://runtime:50051".to_owned(),
            account: ACCOUNT.to_owned(),
            decisions_topic: None,
            limits,
        };
        let (machine, connections) = Machine::new(&config, sinks, seed, now)?;
        let Connections { mut subscribing, mut publishing } = connections;
        subscribing.event_capacity = plan.bridge.event_capacity;
        publishing.event_capacity = plan.bridge.event_capacity;
        let client = |options, seed| Client::new(options, plan.bridge.connection, seed, now);
        Ok(Self {
            run,
            machine,
            clients: [client(subscribing, seed ^ 1), client(publishing, seed ^ 2)],
            inbox: VecDeque::new(),
            stream: None,
            sending: None,
            readiness,
            is_older: plan.bridge.is_older,
            limits,
            epoch: None,
            unacknowledged: 0,
            publishing: BTreeMap::new(),
            acks: (0, Vec::new()),
        })
    }

    /// One of its clients.
    pub fn client(&mut self, index: usize) -> &mut Client {
        let [subscribing, publishing] = &mut self.clients;
        if index == SUBSCRIBING { subscribing } else { publishing }
    }

    /// News of a stream, when the machine gets to it.
    pub fn hear(&mut self, stream: StreamId, event: StreamEvent) {
        self.inbox.push_back((stream, event));
    }

    /// SIGTERM.
    pub fn stop(&mut self, now: Now) {
        self.machine.begin_shutdown(now);
    }

    /// It has ended in order.
    pub fn is_gone(&self) -> bool {
        self.clients.iter().all(Client::is_gone)
    }

    /// Reasons that it shows on its `/readyz`.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// A socket took no more, although there is more to write.
    pub fn has_more(&self) -> bool {
        self.clients.iter().any(Client::has_more)
    }

    /// When to work at the latest.
    pub fn wake(&self, now: Now) -> tokio::time::Instant {
        let clients = self.clients.iter().filter_map(Client::wake);
        clients.fold(self.machine.wake(now), tokio::time::Instant::min)
    }

    /// Works until nothing more is possible now, each socket taking up to `packets` packets. A crash ends it in the
    /// middle: what it had done is done.
    pub fn work(&mut self, now: Now, packets: usize, crash: &mut Crash) -> Done {
        let mut done = Done::default();
        for client in &mut self.clients {
            client.open_socket(packets);
        }
        loop {
            let mut has_worked = false;
            for client in &mut self.clients {
                has_worked |= client.work(now);
            }
            self.take_network_requests(&mut done);
            if crash.at("bridge: between two packets") {
                return done;
            }
            has_worked |= self.handle_events(now, &mut done, crash);
            if crash.is_due() {
                return done;
            }
            self.machine.advance(now);
            has_worked |= self.carry_out(&mut done, crash);
            if crash.is_due() || !has_worked {
                self.measure(&mut done);
                return done;
            }
        }
    }

    fn handle_events(&mut self, now: Now, done: &mut Done, crash: &mut Crash) -> bool {
        let mut has_worked = false;
        loop {
            let takes_messages = self.machine.takes_messages();
            let [subscribing, publishing] = &mut self.clients;
            let input = if let Some(event) = subscribing.event(takes_messages) {
                self.note(&event);
                Input::Subscribing(event)
            } else if let Some(event) = publishing.event(true) {
                self.note_answer(&event, done);
                Input::Publishing(event)
            } else if let Some((stream, event)) = self.inbox.pop_front() {
                if self.stream != Some(stream) {
                    continue;
                }
                self.note_message(&event, done);
                Input::Runtime(event)
            } else {
                return has_worked;
            };
            has_worked = true;
            let label = match &input {
                Input::Subscribing(Event::Message(_)) => "bridge: behind a message",
                Input::Subscribing(_) => "bridge: behind news of the broker",
                Input::Publishing(_) => "bridge: behind an answer of the broker",
                Input::Runtime(_) => "bridge: behind a message of the runtime",
            };
            self.machine.handle(input, now);
            self.carry_out(done, crash);
            if crash.is_due() || crash.at(label) {
                return true;
            }
        }
    }

    /// Counts what is at the machine and not acknowledged at the broker. News of a connection overtake its messages, so that
    /// messages of an earlier one may still come: they have no PUBACK to wait for.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Connected { epoch, .. } => (self.epoch, self.unacknowledged) = (Some(*epoch), 0),
            Event::Disconnected(_) => (self.epoch, self.unacknowledged) = (None, 0),
            Event::Message(message) if self.epoch == Some(message.epoch) => self.unacknowledged += 1,
            _ => {}
        }
    }

    fn carry_out(&mut self, done: &mut Done, crash: &mut Crash) -> bool {
        let mut has_worked = false;
        for action in self.machine.take_actions() {
            has_worked = true;
            let label = match action {
                Action::Subscribing(request) => {
                    let is_ack = matches!(request, Request::Acknowledge { .. });
                    self.note_acks(&request);
                    self.client(SUBSCRIBING).request(request);
                    if is_ack { "bridge: before a PUBACK" } else { "bridge: before a SUBSCRIBE" }
                }
                Action::Publishing(request) => {
                    self.note_publication(&request, done);
                    self.client(PUBLISHING).request(request);
                    "bridge: before a PUBLISH"
                }
                Action::Open(open) => {
                    let open = if self.is_older { older_open(open) } else { open };
                    done.to_runtime.push(ToRuntime::Open(open));
                    "bridge: behind an Open"
                }
                Action::Send(message) => {
                    let Some(message) = self.said_by(message) else { continue };
                    if let process_request::Message::Acknowledged(report) = &message {
                        self.note_confirmation(report, done);
                    }
                    if let process_request::Message::Batch(batch) = &message {
                        let sent = batch.deliveries.iter();
                        done.facts
                            .extend(sent.map(|delivery| Fact::Sent { bridge: self.run, delivery: delivery.clone() }));
                    }
                    done.to_runtime.push(ToRuntime::Send(message));
                    "bridge: behind a message to the runtime"
                }
                Action::Close => {
                    self.stream = None;
                    done.to_runtime.push(ToRuntime::Close);
                    "bridge: behind the end of a stream"
                }
                Action::Finish => {
                    done.to_runtime.push(ToRuntime::Finish);
                    "bridge: after its shutdown"
                }
            };
            if crash.at(label) {
                break;
            }
        }
        has_worked
    }

    fn take_network_requests(&mut self, done: &mut Done) {
        for (index, client) in self.clients.iter_mut().enumerate() {
            for request in client.take_network_requests() {
                if index == SUBSCRIBING && matches!(request, NetworkRequest::Send(_, ClientPacket::Puback { .. })) {
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                }
                done.network_requests.push((index, request));
            }
        }
    }

    /// Tells the checker of a message from the runtime.
    fn note_message(&self, event: &StreamEvent, done: &mut Done) {
        if let StreamEvent::Message(message) = event {
            match message {
                process_response::Message::Committed(committed) => {
                    let outcomes = committed.outcomes.iter().cloned();
                    done.facts.extend(outcomes.map(|outcome| Fact::Outcome { bridge: self.run, outcome }));
                }
                process_response::Message::Opened(opened) => {
                    done.facts.push(Fact::Opened { bridge: self.run, opened: opened.clone() });
                }
                _ => {}
            }
        }
    }

    /// A message as a bridge of its release says it; `None`: it does not.
    fn said_by(&self, message: process_request::Message) -> Option<process_request::Message> {
        use process_request::Message;
        if !self.is_older {
            return Some(message);
        }
        match message {
            Message::Acknowledged(_) | Message::Credit(_) => None,
            Message::Batch(mut batch) => {
                for delivery in &mut batch.deliveries {
                    (delivery.connection, delivery.interrupted, delivery.sparse) = (0, false, false);
                    delivery.envelope_sha256 = bytes::Bytes::new();
                    for tick in &mut delivery.ticks {
                        tick.ordinal = None;
                        tick.content_sha256 = bytes::Bytes::new();
                    }
                }
                Some(Message::Batch(batch))
            }
            other => Some(other),
        }
    }

    fn measure(&self, done: &mut Done) {
        // The last one comes while there is room for the ticks of the largest, and each counts for one tick at least.
        let bounds = &self.limits.unacknowledged;
        done.facts.push(Fact::Measured {
            what: "messages at the bridge without a written PUBACK",
            value: self.unacknowledged,
            bound: (bounds.ticks + 1).saturating_sub(bounds.message_ticks),
        });
    }
}

/// An `Open` as the release before sent it.
fn older_open(open: v1::Open) -> v1::Open {
    let v1::Open { account, broker_url, session_present, run, .. } = open;
    v1::Open { account, broker_url, session_present, run, ..v1::Open::default() }
}
