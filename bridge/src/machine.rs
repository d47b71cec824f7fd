//! A bridge between broker, runtime and clock, as a step function: events and times go in, actions come out.
//!
//! [`Machine`] has no task, socket, clock or entropy. The loop around it passes events in ([`Machine::handle`]), lets the machine
//! go on ([`Machine::advance`]), and carries out the actions in their order ([`Machine::take_actions`]). It comes back at
//! [`Machine::wake`] at the latest. Two machines with the same seed and the same events give the same actions.

mod events;
mod farewell;
mod publisher;
mod quotes;
mod responses;
mod seeds;
mod session;
mod warnings;

use std::time::Duration;

use intuition_api::v1::{Credit, Marker, Open, process_request, process_response};
use intuition_common::{
    clock::Now,
    planted::{self, Fault},
    readiness::Readiness,
};
use tokio::{sync::mpsc, time::Instant};

pub use self::farewell::Phase;
use self::{
    farewell::Farewell, publisher::Publisher, quotes::Quotes, seeds::Seeds, session::Session, warnings::BrokerWarnings,
};
use crate::{
    Published,
    config::{Config, ConfigError, Limits},
    metrics::Metrics,
    mqtt::{self, Options},
    readiness::{self, ReadinessReporter},
    render,
    runtime::RuntimeError,
};

/// Longest time between two turns, a third of the age from which on `/healthz` takes a heartbeat for a hang.
const IDLE: Duration = Duration::from_secs(10);

/// An event around a bridge.
#[derive(Debug)]
pub enum Input {
    /// On the connection that quotes come on. Messages are given only while [`Machine::takes_messages`].
    Subscribing(mqtt::Event),
    /// On the connection that decisions go out on.
    Publishing(mqtt::Event),
    /// On the stream to the runtime that the last [`Action::Open`] asked for.
    Runtime(Said),
}

/// An event of the stream to the runtime.
#[derive(Debug)]
pub enum Said {
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
    /// Close the sending side of the stream behind all of its messages. [`Said::Ended`] follows when the runtime has read them
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
    quotes: Quotes,
    publisher: Publisher,
    session: Session,
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
    /// Until when a ledger that has gone back is warned of.
    ledger_warning_until: Option<Instant>,
    farewell: Option<Farewell>,
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
            quotes: Quotes::new(checked.topics.filters().to_vec(), &checked.limits, seeds.quotes),
            broker: BrokerWarnings::new(*session_expiry),
            keeps_session: !clean_start,
            session: Session::new(
                checked.account.clone(),
                checked.broker_url,
                client_id.clone(),
                seeds.run,
                seeds.session,
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
            farewell: None,
        };
        machine.readiness.set_ready(readiness::PUBLISHING);
        Ok((machine, connections))
    }

    /// Takes an event. Events of a stream that was given up have no effect.
    pub fn handle(&mut self, input: Input, now: Now) {
        match (self.phase(), input) {
            (Phase::Working | Phase::Draining, Input::Subscribing(event)) => self.on_quotes(event, now),
            (Phase::Working | Phase::Draining, Input::Publishing(event)) => self.on_publisher(event, now.instant),
            (Phase::Working | Phase::Draining, Input::Runtime(said)) => self.on_session(said, now.instant),
            (Phase::Finishing { .. }, Input::Runtime(Said::Ended(_))) => self.next_step(now),
            (Phase::Finishing { .. } | Phase::Disconnecting { .. }, _) => {}
        }
    }

    /// Does everything that has become possible.
    pub fn advance(&mut self, now: Now) {
        if self.farewell.is_some() {
            self.advance_farewell(now);
            return;
        }
        let instant = now.instant;
        self.broker.expire(instant, &mut self.readiness);
        if let Some(error) = self.session.stalled(instant) {
            self.end_session(&error, instant);
        }
        self.expire_ledger_warning(instant);
        let outbox = &mut self.publisher.outbox;
        self.session.open_when_due(instant, || outbox.begin_stream(), &mut self.actions);
        if let Some(steps) = self.quotes.retry_when_due(instant) {
            self.perform(steps);
            self.quotes.show(&mut self.readiness, instant);
        }
        self.pass_on(instant, self.limits.batches);
        self.publisher.announce(self.readiness.is_ready(), now, &mut self.actions);
        self.metrics.unacknowledged.set(self.quotes.inflight.unacknowledged_ticks() as u64);
        let oldest = self.quotes.inflight.oldest().map_or(0, |arrived| now.micros.saturating_sub(arrived));
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
        self.farewell.is_none() && (self.quotes.inflight.has_room() || planted::is(Fault::ReadsWithoutRoom))
    }

    /// When [`Machine::advance`] is to be called at the latest.
    pub fn wake(&self, now: Now) -> Instant {
        if let Some(farewell) = &self.farewell {
            return farewell.wake(self.publisher.wake_to_send(now.instant), now.instant);
        }
        let publisher = self.publisher.wake(now.instant);
        let times = [self.session.wake(), self.quotes.wake(), publisher, self.ledger_warning_until];
        times.into_iter().flatten().fold(now.instant + IDLE, Instant::min)
    }

    /// Brings everything that is under way one step further. Deliveries go to the runtime while fewer than
    /// `batches` are there.
    fn pass_on(&mut self, now: Instant, batches: usize) {
        self.publisher.send(&mut self.readiness, &self.metrics, now, &mut self.actions);
        self.send_marker();
        while self.session.takes_batches(batches) {
            let batch = self.quotes.next_batch(&self.limits);
            let Some(last) = batch.last().map(|delivery| delivery.number) else { break };
            self.session.send_batch(batch, last, now, &mut self.actions);
            self.send_marker();
        }
        self.report();
        let outbox = &self.publisher.outbox;
        self.quotes.acknowledge(|first, last| outbox.is_done(first, last), &mut self.actions);
    }

    /// Reports done positions to the runtime, and gives it credit.
    fn report(&mut self) {
        if !self.session.is_open() {
            return;
        }
        let has_queues = self.session.has_queues();
        while let Some(report) = self.publisher.outbox.report(has_queues) {
            self.session.send(process_request::Message::Published(report), &mut self.actions);
        }
        if has_queues && let Some(bytes) = self.publisher.room.give() {
            self.session.send(process_request::Message::Credit(Credit { bytes }), &mut self.actions);
        }
    }

    fn send_marker(&mut self) {
        if self.session.is_open()
            && let Some(channels_version) = self.quotes.inflight.take_marker()
        {
            let marker = process_request::Message::Marker(Marker { channels_version });
            self.session.send(marker, &mut self.actions);
        }
    }
}

#[cfg(test)]
mod tests;
