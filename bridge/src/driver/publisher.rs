//! The connection that decisions, dead letters and the state go out on.

use std::time::Duration;

use intuition_api::{topic::OwnTopics, v1::OutboxEntry};
use intuition_common::{backoff::Backoff, clock::Clock};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    Published,
    board::{self, Board},
    metrics::Metrics,
    mqtt::{Code, Event, Events, Link, Message},
    outbox::Outbox,
    render,
    runtime::RuntimeError,
};

/// Names the state topic's messages; outbox positions begin at 1.
const STATE_TOKEN: u64 = 0;
/// A third of what the broker keeps the state for.
const STATE_REFRESH: Duration = Duration::from_mins(1);

pub(super) struct Outgoing {
    message: Message,
    entry: OutboxEntry,
}

pub(super) struct Publisher {
    link: Link,
    events: Events,
    /// The connection's; `None` without one.
    epoch: Option<u64>,
    window: usize,
    pub(super) outbox: Outbox<Outgoing>,
    topics: OwnTopics,
    account: String,
    session: String,
    published: Option<mpsc::UnboundedSender<Published>>,
    backoff: Backoff,
    /// When a refused entry is tried again.
    retry_at: Option<Instant>,
    state: State,
    /// The broker keeps retained messages: without them there is no state.
    retains: bool,
}

/// The state topic.
#[derive(Default)]
struct State {
    online: bool,
    since_micros: i64,
    /// When it was last published on this connection.
    told: Option<Instant>,
    /// Without a PUBACK.
    underway: usize,
    refused: bool,
}

impl Publisher {
    pub(super) fn new(
        link: Link,
        events: Events,
        topics: OwnTopics,
        account: String,
        session: String,
        published: Option<mpsc::UnboundedSender<Published>>,
    ) -> Self {
        Self {
            link,
            events,
            epoch: None,
            window: 0,
            outbox: Outbox::default(),
            topics,
            account,
            session,
            published,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(10)),
            retry_at: None,
            state: State::default(),
            retains: true,
        }
    }

    /// The next event, or `None` once the connection's task has ended. May be abandoned at any time.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    pub(super) fn connected(&mut self, epoch: u64, window: usize, retains: bool) {
        self.epoch = Some(epoch);
        self.retains = retains;
        self.window = window;
        self.outbox.connected(window);
        self.state.told = None;
        self.state.underway = 0;
        // What was being tried again may have gone down with the connection.
        if self.outbox.blocked_at().is_some() && self.retry_at.is_none() {
            self.retry_at = Some(Instant::now() + self.backoff.pause());
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.epoch = None;
        self.window = 0;
        self.outbox.disconnected();
        self.state.told = None;
        self.state.underway = 0;
    }

    /// Leaves the place to whoever has taken over.
    pub(super) fn stand_down(&self) {
        if let Some(epoch) = self.epoch {
            self.link.stand_down(epoch);
        }
    }

    /// Begins again with another outbox.
    pub(super) fn restart(&mut self, outbox: Outbox<Outgoing>) {
        self.outbox = outbox;
        self.outbox.connected(self.window);
        self.retry_at = None;
    }

    /// Takes an entry to be published.
    pub(super) fn take(&mut self, entry: OutboxEntry) -> Result<(), RuntimeError> {
        let Some(message) = render::message(&self.topics, &entry) else {
            return Err(RuntimeError::Breach(format!("outbox position {} is empty", entry.position)));
        };
        let position = entry.position;
        let pushed = self.outbox.push(position, || Outgoing { message, entry });
        pushed.map(|_| ()).map_err(|error| RuntimeError::Breach(error.to_string()))
    }

    /// Sends what the connection takes.
    pub(super) fn send(&mut self, now: Instant) {
        let Some(epoch) = self.epoch else { return };
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            if let Some((position, outgoing)) = self.outbox.retry() {
                self.link.publish(epoch, position, outgoing.message.clone());
            } else if self.outbox.blocked_at().is_some() {
                // What was sent before the refusal still fills the window.
                self.retry_at = Some(now + self.backoff.pause());
            }
        }
        while let Some((position, outgoing)) = self.outbox.next_to_send() {
            self.link.publish(epoch, position, outgoing.message.clone());
        }
    }

    /// The broker answered a publish.
    pub(super) fn answered(&mut self, token: u64, code: Code, board: &mut Board, metrics: &Metrics, now: Instant) {
        if token == STATE_TOKEN {
            self.state_answered(code);
            return;
        }
        for (_, outgoing) in self.outbox.answered(token, code.is_success()) {
            metrics.published.inc();
            if let Some(published) = &self.published {
                let Outgoing { message, entry } = outgoing;
                // Whoever asked for them may have left.
                drop(published.send(Published { topic: message.topic, payload: message.payload, entry }));
            }
        }
        if !code.is_success() {
            metrics.refused.inc();
            let topic = self.outbox.get(token).map_or("", |outgoing| outgoing.message.topic.as_str());
            let message = format!("the broker refused to take `{topic}`: {} (0x{:02x})", code.name, code.value);
            board.lack(board::PUBLISHING, code.name, &message);
            if self.retry_at.is_none() {
                self.retry_at = Some(now + self.backoff.pause());
            }
        } else if self.outbox.blocked_at().is_none() {
            self.backoff.reset();
            self.retry_at = None;
            board.have(board::PUBLISHING);
        }
    }

    fn state_answered(&mut self, code: Code) {
        self.state.underway = self.state.underway.saturating_sub(1);
        if !code.is_success() && !self.state.refused {
            tracing::warn!(algo = self.account, topic = self.topics.state(), reason = code.name, "state refused");
        }
        self.state.refused = !code.is_success();
    }

    /// Publishes whether the bridge is ready, at a broker with retained messages: when that changes, and again before the
    /// broker forgets it.
    pub(super) fn announce(&mut self, online: bool, now: Instant, clock: &dyn Clock) {
        let state = &mut self.state;
        if online != state.online || state.since_micros == 0 {
            (state.online, state.since_micros, state.told) = (online, clock.now_micros(), None);
        }
        let Some(epoch) =
            self.epoch.filter(|_| self.retains && state.told.is_none_or(|told| told + STATE_REFRESH <= now))
        else {
            return;
        };
        state.told = Some(now);
        state.underway += 1;
        let message = render::state(&self.topics, online, &self.account, &self.session, state.since_micros);
        self.link.publish(epoch, STATE_TOKEN, message);
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.epoch?;
        let refresh = self.state.told.map(|told| told + STATE_REFRESH);
        [self.retry_at, refresh].into_iter().flatten().min()
    }

    /// Waits for the broker to take the last state, disconnects and waits for the task to end.
    pub(super) async fn farewell(&mut self) {
        while self.epoch.is_some() && self.state.underway > 0 {
            match self.next().await {
                Some(Event::Published { token: STATE_TOKEN, code }) => self.state_answered(code),
                Some(Event::Disconnected(_)) | None => self.disconnected(),
                Some(_) => {}
            }
        }
        self.link.disconnect();
        while self.events.recv().await.is_some() {}
    }
}
