//! A bridge between broker, runtime and clock, as a step function: events and times go in, actions come out.
//!
//! [`Machine`] has no task, socket, clock or entropy. The loop around it passes events in ([`Machine::handle`]), lets the machine
//! go on ([`Machine::advance`]), and carries out the actions in their order ([`Machine::take_actions`]). It comes back at
//! [`Machine::wake`] at the latest. Two machines with the same seed and the same events give the same actions.

mod events;
mod publisher;
mod responses;
mod runtime_stream;
mod seeds;
mod shutdown;
mod subscriber;
mod warnings;

use std::time::Duration;

use intuition_api::v1::{Credit, Marker, Open, process_request, process_response};
use intuition_common::{
    clock::Now,
    planted::{self, Mistake},
    readiness::Readiness,
};
use tokio::{sync::mpsc, time::Instant};

pub use self::shutdown::Phase;
use self::{
    publisher::Publisher, runtime_stream::RuntimeStream, seeds::Seeds, shutdown::ShutdownStep,
    subscriber::QuoteSubscriber, warnings::BrokerWarnings,
};
use crate::{
    Published,
    config::{Config, ConfigError, Limits},
    metrics::Metrics,
    readiness::{self, ReadinessReporter},
    render,
    runtime::RuntimeError,
};
use intuition_mqtt::{self as mqtt, Options};

/// Longest time between two turns: a third of the heartbeat's age at which `/healthz` reports a hang.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// An event around a bridge.
#[derive(Debug)]
pub enum Input {
    /// On the connection that quotes come on. Messages are given only while [`Machine::takes_messages`].
    Subscribing(mqtt::Event),
    /// On the connection that decisions go out on.
    Publishing(mqtt::Event),
    /// On the stream to the runtime that the last [`Action::Open`] asked for.
    Runtime(StreamEvent),
}

/// An event of the stream to the runtime.
#[derive(Debug)]
pub enum StreamEvent {
    /// The stream has been opened. The runtime's first message is still to come.
    Connected,
    /// A message came.
    Message(process_response::Message),
    /// The stream, or the attempt to open one, has ended.
    Ended(RuntimeError),
}

/// A request to the loop around the machine, which carries it out without waiting.
#[derive(Debug)]
pub enum Action {
    /// Hand this to the connection that quotes come on.
    Subscribing(mqtt::Request),
    /// Hand this to the connection that decisions go out on.
    Publishing(mqtt::Request),
    /// Open a stream to the runtime with this as its first message. There is none at this time.
    Open(Open),
    /// Send this on the stream.
    Send(process_request::Message),
    /// Give the stream up, or the attempt to open one. It has no further events.
    Close,
    /// Close the sending side of the stream behind all of its messages. [`StreamEvent::Ended`] follows when the runtime has read them
    /// and has closed its side too.
    Finish,
}

/// The outlets of a bridge beside its connections.
pub struct Sinks {
    /// Parts that are missing, and warnings. Made with [`PARTS`](crate::PARTS).
    pub readiness: Readiness,
    /// Counters.
    pub metrics: Metrics,
    /// Receives every outbox entry once the broker has it; decisions come in order.
    pub published: Option<mpsc::UnboundedSender<Published>>,
}

/// The two connections to the broker that a machine works with.
#[derive(Debug, Clone)]
pub struct Connections {
    /// Quotes come on it.
    pub subscribing: Options,
    /// Decisions go out on it, and it has the last will.
    pub publishing: Options,
}

/// See the module.
pub struct Machine {
    actions: Vec<Action>,
    subscriber: QuoteSubscriber,
    publisher: Publisher,
    stream: RuntimeStream,
    readiness: ReadinessReporter,
    broker: BrokerWarnings,
    metrics: Metrics,
    limits: Limits,
    /// The broker is asked to keep the session.
    keeps_session: bool,
    /// A connection of this run had a session, or made one.
    had_session: bool,
    /// The loss of the session is counted already, before the runtime reports it too.
    loss_reported: bool,
    /// The end of the warning about a ledger that went back.
    ledger_warning_until: Option<Instant>,
    shutdown: Option<ShutdownStep>,
}

impl Machine {
    /// A bridge that has reached nothing yet, with the connections that it works with. `seed`: names the run, so that no two
    /// runs of an account may have the same, and draws all pauses. `now`: the beginning of the run.
    pub fn new(config: &Config, sinks: Sinks, seed: u64, now: Now) -> Result<(Self, Connections), ConfigError> {
        let Sinks { readiness, metrics, published } = sinks;
        let seeds = Seeds::of(seed);
        let mut checked = config.check(seeds.client)?;
        let name = format!("{:016x}", seeds.run);
        checked.publishing.last_will = Some(render::will(&checked.topics, &checked.account, &name, now.micros));
        let connections = Connections { subscribing: checked.subscribing, publishing: checked.publishing };
        let Options { client_id, session_expiry, clean_start, .. } = &connections.subscribing;
        let mut machine = Self {
            actions: Vec::new(),
            subscriber: QuoteSubscriber::new(checked.topics.filters(), &checked.limits, &seeds),
            broker: BrokerWarnings::new(*session_expiry),
            keeps_session: !clean_start,
            stream: RuntimeStream::new(
                checked.account.clone(),
                checked.broker_url,
                client_id.clone(),
                seeds.run,
                seeds.stream,
                now.instant,
            ),
            readiness: ReadinessReporter::new(readiness, checked.account.clone()),
            publisher: Publisher::new(
                checked.topics,
                checked.account,
                name,
                &checked.limits,
                published,
                seeds.publisher,
            ),
            metrics,
            limits: checked.limits,
            had_session: false,
            loss_reported: false,
            ledger_warning_until: None,
            shutdown: None,
        };
        machine.readiness.set_ready(readiness::PUBLISHING);
        Ok((machine, connections))
    }

    /// Takes an event. Events of a stream that was given up have no effect.
    pub fn handle(&mut self, input: Input, now: Now) {
        match (self.phase(), input) {
            (Phase::Working | Phase::Draining, Input::Subscribing(event)) => self.on_subscriber(event, now),
            (Phase::Working | Phase::Draining, Input::Publishing(event)) => self.on_publisher(event, now.instant),
            (Phase::Working | Phase::Draining, Input::Runtime(event)) => self.on_stream(event, now.instant),
            (Phase::Finishing { .. }, Input::Runtime(StreamEvent::Ended(_))) => self.next_step(now),
            (Phase::Finishing { .. } | Phase::Disconnecting { .. }, _) => {}
        }
    }

    /// Carries out all work that has become possible.
    pub fn advance(&mut self, now: Now) {
        if self.shutdown.is_some() {
            self.advance_shutdown(now);
            return;
        }
        let instant = now.instant;
        self.broker.expire(instant, &mut self.readiness);
        if let Some(error) = self.stream.stalled(instant) {
            self.end_stream(&error, instant);
        }
        self.expire_ledger_warning(instant);
        let outbox = &mut self.publisher.outbox;
        self.stream.open_when_due(instant, || outbox.begin_stream(), &mut self.actions);
        if let Some(steps) = self.subscriber.retry_when_due(instant) {
            self.perform(steps);
            self.subscriber.update_readiness_and_retry(&mut self.readiness, instant);
        }
        self.pass_on(instant, self.limits.batches);
        self.publisher.announce(self.readiness.is_ready(), now, &mut self.actions);
        self.metrics.unacknowledged.set(self.subscriber.inflight.unacknowledged_ticks() as u64);
        let oldest = self.subscriber.inflight.oldest().map_or(0, |arrived| now.micros.saturating_sub(arrived));
        self.metrics.inbound.oldest(oldest);
        self.metrics.unpublished.set(self.publisher.outbox.unpublished() as u64);
    }

    /// The actions since the last call, in the order in which they are to be carried out.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Whether the connection that quotes come on may hand over all of its events. False: those that are neither messages nor
    /// answers to subscriptions alone. The connection stops reading then, and its end shows all the same.
    pub fn takes_messages(&self) -> bool {
        self.shutdown.is_none() && (self.subscriber.inflight.has_room() || planted::is(Mistake::ReadsWithoutRoom))
    }

    /// When [`Machine::advance`] is to be called at the latest.
    pub fn wake(&self, now: Now) -> Instant {
        if let Some(step) = &self.shutdown {
            return step.wake(self.publisher.wake_to_send(now.instant), now.instant);
        }
        let publisher = self.publisher.wake(now.instant);
        let times = [self.stream.wake(), self.subscriber.wake(), publisher, self.ledger_warning_until];
        times.into_iter().flatten().fold(now.instant + MAX_IDLE, Instant::min)
    }

    /// Moves publications, deliveries, reports and acknowledgements one step further. Deliveries go to the runtime while it
    /// has fewer than `batches`.
    fn pass_on(&mut self, now: Instant, batches: usize) {
        self.publisher.send(&mut self.readiness, &self.metrics, now, &mut self.actions);
        self.send_marker();
        while self.stream.takes_batches(batches) {
            let batch = self.subscriber.next_batch(&self.limits);
            let Some(last) = batch.last().map(|delivery| delivery.number) else { break };
            self.stream.send_batch(batch, last, now, &mut self.actions);
            self.send_marker();
        }
        self.report();
        let outbox = &self.publisher.outbox;
        self.subscriber.acknowledge(|first, last| outbox.is_done(first, last), &mut self.actions);
    }

    /// Reports done positions to the runtime, and gives it credit.
    fn report(&mut self) {
        if !self.stream.is_open() {
            return;
        }
        let has_queues = self.stream.has_queues();
        while let Some(report) = self.publisher.outbox.report(has_queues) {
            self.stream.send(process_request::Message::Published(report), &mut self.actions);
        }
        if has_queues && let Some(bytes) = self.publisher.room.give() {
            self.stream.send(process_request::Message::Credit(Credit { bytes }), &mut self.actions);
        }
    }

    fn send_marker(&mut self) {
        if self.stream.is_open()
            && let Some(channels_version) = self.subscriber.inflight.take_marker()
        {
            let marker = process_request::Message::Marker(Marker { channels_version });
            self.stream.send(marker, &mut self.actions);
        }
    }
}

#[cfg(test)]
mod tests;
