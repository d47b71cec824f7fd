//! Connects the pure cores to broker, runtime and clock. One task, so that nothing happens at the same time as anything
//! else and the order of quotes is never in question.

mod farewell;
mod publisher;
mod quotes;
mod responses;
mod session;
mod warnings;

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use intuition_api::v1::{Credit, Holding, Marker, process_request};
use intuition_common::{clock::Clock, exit::with_causes, heartbeat::Heartbeat};
use tokio::time::{self, Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{publisher::Publisher, quotes::Quotes, session::Session, warnings::BrokerWarnings};
use crate::{
    BridgeError, Parts,
    board::{self, Board},
    config::{Checked, Limits},
    metrics::Metrics,
    mqtt::{Event, Link},
    render,
    subscriptions::Step,
};

/// The connection that quotes come on, in metrics and errors.
const SUBSCRIBING: &str = "subscribing";
/// The connection that decisions go out on, in metrics and errors.
const PUBLISHING: &str = "publishing";
/// Events of one kind that are taken before the others get their turn.
const BURST: usize = 512;
/// Longest time between two turns, a third of the age from which on `/healthz` takes a heartbeat for a hang.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) struct Driver {
    quotes: Quotes,
    publisher: Publisher,
    session: Session,
    board: Board,
    broker: BrokerWarnings,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    heartbeat: Heartbeat,
    limits: Limits,
    /// The broker is asked to keep the session.
    keeps_session: bool,
    /// A connection of this run had a session, or made one.
    had_session: bool,
    /// The loss of the session is counted already, before the runtime reports it too.
    loss_reported: bool,
    /// Until when a ledger that has gone back is warned of.
    ledger_warning_until: Option<Instant>,
}

impl Driver {
    pub(crate) fn new(
        mut checked: Checked,
        endpoint: tonic::transport::Endpoint,
        parts: Parts,
        tasks: &TaskTracker,
    ) -> Result<Self, BridgeError> {
        let run: u64 = rand::random();
        let name = format!("{run:016x}");
        let started = parts.clock.now_micros();
        checked.publishing.last_will = Some(render::will(&checked.topics, &checked.account, &name, started));
        let (link, events) = Link::start(checked.publishing, tasks).map_err(BridgeError::Connect)?;
        let publisher = Publisher::new(
            link,
            events,
            checked.topics.clone(),
            checked.account.clone(),
            name,
            &checked.limits,
            parts.published,
        );
        let client_id = checked.subscribing.client_id.clone();
        let broker = BrokerWarnings::new(checked.subscribing.session_expiry);
        let keeps_session = !checked.subscribing.clean_start;
        let (link, events) = Link::start(checked.subscribing, tasks).map_err(BridgeError::Connect)?;
        Ok(Self {
            quotes: Quotes::new(link, events, checked.topics.filters().to_vec(), checked.limits.unacknowledged),
            publisher,
            session: Session::new(endpoint, checked.account.clone(), checked.broker_url, client_id, run),
            board: Board::new(parts.readiness, checked.account),
            broker,
            metrics: parts.metrics,
            clock: parts.clock,
            heartbeat: parts.heartbeat,
            limits: checked.limits,
            keeps_session,
            had_session: false,
            loss_reported: false,
            ledger_warning_until: None,
        })
    }

    /// Works until `shutdown` is cancelled. A connection whose task has ended before is an error: neither a restart of the
    /// connection nor the rest of the bridge could be trusted then. The broker publishes the last will.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), BridgeError> {
        self.board.have(board::PUBLISHING);
        loop {
            let wake = self.wake();
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.quotes.next() => self.on_quotes(event.ok_or(BridgeError::LoseConnection(SUBSCRIBING))?),
                event = self.publisher.next() => {
                    self.on_publisher(event.ok_or(BridgeError::LoseConnection(PUBLISHING))?);
                }
                said = self.session.next() => self.on_session(said),
                () = time::sleep_until(wake) => {}
            }
            self.burst();
            self.advance(Instant::now());
        }
        self.farewell().await;
        Ok(())
    }

    /// Takes what is there already, so that it goes on its way in one batch.
    fn burst(&mut self) {
        for _ in 0..BURST {
            let Some(Some(event)) = self.quotes.next().now_or_never() else { break };
            self.on_quotes(event);
        }
        for _ in 0..BURST {
            let Some(Some(event)) = self.publisher.next().now_or_never() else { break };
            self.on_publisher(event);
        }
        for _ in 0..BURST {
            let Some(said) = self.session.next().now_or_never() else { break };
            self.on_session(said);
        }
    }

    fn on_quotes(&mut self, event: Event) {
        match event {
            Event::Connected { epoch, session_present, capabilities } => {
                self.metrics.connected(SUBSCRIBING);
                self.board.have(board::BROKER);
                self.broker.connected(&capabilities, &mut self.board);
                if !session_present {
                    // Packet ids begin anew: nothing may reach the runtime as if it were of the session before.
                    self.session.lose_broker_session();
                    self.quotes.subscriptions.stream_ended();
                    self.loss_reported = self.had_session;
                    if self.had_session {
                        self.report_loss();
                    }
                }
                self.had_session = self.keeps_session;
                let steps = self.quotes.connected(epoch, session_present, capabilities.subscription_ids);
                self.session.allow();
                if self.session.is_standing_down(Instant::now()) {
                    self.quotes.stand_down();
                }
                self.perform(steps);
            }
            Event::Disconnected(error) => {
                self.metrics.inbound.disconnected(SUBSCRIBING, error.reason());
                self.board.lack(board::BROKER, error.reason(), &with_causes(&error));
                self.quotes.disconnected();
            }
            Event::Message(message) => self.quotes.take(message, self.clock.now_micros(), &self.metrics),
            Event::Subscribed { token, code } => {
                let steps = self.quotes.subscriptions.subscribed(token, code);
                self.perform(steps);
            }
            Event::Unsubscribed { token, code } => {
                let steps = self.quotes.subscriptions.unsubscribed(token, code);
                self.perform(steps);
            }
            Event::AcksWritten { epoch, through } => {
                self.quotes.written(epoch, through, self.clock.now_micros(), &self.metrics);
            }
            Event::AcksConfirmed { epoch, through } => self.session.acknowledged(epoch, through),
            Event::Published { .. } => {}
        }
        self.quotes.show(&mut self.board, Instant::now());
    }

    fn on_publisher(&mut self, event: Event) {
        match event {
            Event::Connected { epoch, capabilities, .. } => {
                self.metrics.connected(PUBLISHING);
                if !warnings::of_publisher(&capabilities, &mut self.board) {
                    return;
                }
                self.publisher.connected(epoch, capabilities, Instant::now());
                if self.session.is_standing_down(Instant::now()) {
                    self.publisher.stand_down();
                }
            }
            Event::Disconnected(error) => {
                self.metrics.inbound.disconnected(PUBLISHING, error.reason());
                self.board.lack(board::PUBLISHER, error.reason(), &with_causes(&error));
                self.publisher.disconnected(&error, &mut self.board, &self.metrics, Instant::now());
            }
            Event::Published { token, code } => {
                self.publisher.answered(token, code, &mut self.board, &self.metrics, Instant::now());
            }
            Event::Message(_)
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::AcksWritten { .. }
            | Event::AcksConfirmed { .. } => {}
        }
    }

    /// The broker has no session, although it was to keep one.
    fn report_loss(&mut self) {
        let Session { broker_url, client_id, .. } = &self.session;
        self.metrics.sessions_lost.inc();
        tracing::warn!(broker = broker_url, client_id, "{}", warnings::SESSION_LOST);
        self.broker.lost_session(Instant::now(), &mut self.board);
    }

    fn perform(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Hold(filters) => {
                    self.session.send(process_request::Message::Holding(Holding { filters }));
                }
                Step::Mark(channels_version) => self.quotes.inflight.mark(channels_version),
                Step::Subscribe { token, filter } => self.quotes.subscribe(token, filter),
                Step::Unsubscribe { token, filter } => self.quotes.unsubscribe(token, filter),
            }
        }
    }

    /// Does everything that has become possible.
    fn advance(&mut self, now: Instant) {
        self.heartbeat.beat();
        self.broker.expire(now, &mut self.board);
        if let Some(error) = self.session.stalled(now) {
            self.end_session(&error);
        }
        self.expire_ledger_warning(now);
        let outbox = &mut self.publisher.outbox;
        self.session.open_when_due(now, || outbox.begin_stream());
        if let Some(steps) = self.quotes.retry_when_due(now) {
            self.perform(steps);
            self.quotes.show(&mut self.board, now);
        }
        self.pass_on(now, self.limits.batches);
        self.publisher.announce(self.board.is_ready(), now, self.clock.as_ref());
        self.metrics.unacknowledged.set(self.quotes.inflight.unacknowledged_ticks() as u64);
        let oldest = self.quotes.inflight.oldest().map_or(0, |arrived| self.clock.now_micros().saturating_sub(arrived));
        self.metrics.inbound.oldest(oldest);
        self.metrics.unpublished.set(self.publisher.outbox.unpublished() as u64);
    }

    /// Brings everything that is under way one step further. Deliveries go to the runtime while fewer than
    /// `batches` are there.
    fn pass_on(&mut self, now: Instant, batches: usize) {
        self.publisher.send(&mut self.board, &self.metrics, now);
        self.send_marker();
        while self.session.takes_batches(batches) {
            let batch = self.quotes.next_batch(&self.limits, &self.metrics);
            let Some(last) = batch.last().map(|delivery| delivery.number) else { break };
            self.session.send_batch(batch, last, now);
            self.send_marker();
        }
        self.report();
        let outbox = &self.publisher.outbox;
        self.quotes.acknowledge(|first, last| outbox.is_done(first, last));
    }

    /// Reports done positions to the runtime, and gives it credit.
    fn report(&mut self) {
        if !self.session.is_open() {
            return;
        }
        let has_queues = self.session.has_queues();
        while let Some(report) = self.publisher.outbox.report(has_queues) {
            self.session.send(process_request::Message::Published(report));
        }
        if has_queues && let Some(bytes) = self.publisher.room.give() {
            self.session.send(process_request::Message::Credit(Credit { bytes }));
        }
    }

    fn send_marker(&mut self) {
        if self.session.is_open()
            && let Some(channels_version) = self.quotes.inflight.take_marker()
        {
            self.session.send(process_request::Message::Marker(Marker { channels_version }));
        }
    }

    fn wake(&self) -> Instant {
        let publisher = self.publisher.wake(Instant::now());
        let times = [self.session.wake(), self.quotes.wake(), publisher, self.ledger_warning_until];
        times.into_iter().flatten().fold(Instant::now() + IDLE, Instant::min)
    }
}

#[cfg(test)]
mod tests;
