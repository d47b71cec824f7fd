//! Connects the machine to broker, source and clock. One task, so that the order of quotes is never in question.

use std::sync::Arc;

use futures::FutureExt as _;
use intuition_common::{
    clock::{Clock, Now},
    heartbeat::Heartbeat,
    readiness::Readiness,
};
use intuition_mqtt::{Event, Events, Link, LinkError};
use tokio::{sync::oneshot, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, ConfigError, Metrics,
    config::Checked,
    machine::{Action, Input, Machine, Mark, Phase},
    source::{Source, SourceEvent, SourceEvents},
};

/// Events of the broker that are taken before the others get their turn.
const BURST_EVENTS: usize = 512;

/// The dependencies of a feed.
pub struct FeedDeps {
    /// Readiness of the parts, made with [`PARTS`](crate::PARTS).
    pub readiness: Readiness,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Beaten at every turn of the driver, at least every 10 seconds.
    pub heartbeat: Heartbeat,
    /// Whether a source that failed for good ends the run. Otherwise the run waits for the shutdown, so that its pages show the
    /// reason.
    pub ends_with_source: bool,
    /// Gets the last quote of each source and topic that the broker has: once the source has given all of its quotes, or when
    /// the shutdown has ended the run.
    pub marks: Option<oneshot::Sender<Vec<Mark>>>,
}

/// Errors that keep a feed from starting, or end it.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The configuration is wrong.
    #[error(transparent)]
    Configure(ConfigError),
    /// The connection to the broker cannot be set up.
    #[error("cannot set up the connection to the broker")]
    Connect(#[source] LinkError),
    /// The source gives no further quote until a person changes something.
    #[error("{message} ({reason})")]
    Source {
        /// CamelCase code.
        reason: &'static str,
        /// A sentence for a person.
        message: String,
    },
    /// The task of the connection to the broker is gone.
    #[error("the task of the connection to the broker ended by itself: start the feed again, and report the log")]
    LoseConnection,
}

impl FeedError {
    /// Whether the configuration or the source is the cause, and not the machine or the feed.
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::LoseConnection)
    }
}

/// Runs a feed until `shutdown` is cancelled. Faults of broker, network and source are waited out, and shown on
/// `deps.readiness`.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the number that names the run")]
pub async fn run(config: &Config, deps: FeedDeps, shutdown: CancellationToken) -> Result<(), FeedError> {
    let FeedDeps { readiness, metrics, clock, heartbeat, ends_with_source, marks } = deps;
    let tasks = TaskTracker::new();
    let Checked { settings, options, source } =
        config.check(Arc::clone(&clock), tasks.clone()).map_err(FeedError::Configure)?;
    let machine = Machine::new(settings, source.beginning(), metrics, readiness, rand::random());
    let (link, events) = Link::start(options, &tasks).map_err(FeedError::Connect)?;
    let driver = Driver { machine, link, events, source, started: None, clock, heartbeat, ends_with_source, marks };
    let outcome = driver.run(shutdown).await;
    tasks.close();
    tasks.wait().await;
    outcome
}

/// A started source.
struct Started {
    /// `None`: it has ended.
    events: Option<SourceEvents>,
    stop: CancellationToken,
}

struct Driver {
    machine: Machine,
    link: Link,
    events: Events,
    source: Box<dyn Source>,
    started: Option<Started>,
    clock: Arc<dyn Clock>,
    heartbeat: Heartbeat,
    ends_with_source: bool,
    marks: Option<oneshot::Sender<Vec<Mark>>>,
}

/// The next event.
enum Next {
    Broker(Option<Event>),
    Source(Option<SourceEvent>),
    Time,
    Shutdown,
}

impl Driver {
    async fn run(mut self, shutdown: CancellationToken) -> Result<(), FeedError> {
        let outcome = loop {
            match self.next(&shutdown).await {
                Next::Broker(None) => break Err(FeedError::LoseConnection),
                Next::Broker(Some(event)) => self.handle(Input::Broker(event)),
                Next::Source(event) => self.source(event),
                Next::Time => {}
                Next::Shutdown => break Ok(()),
            }
            self.burst();
            self.advance();
            if self.machine.is_complete() {
                self.give_marks();
            }
            if self.ends_with_source && self.machine.failure().is_some() {
                break Ok(());
            }
        };
        if outcome.is_ok() {
            self.shut_down().await;
        }
        self.stop_source();
        if outcome.is_ok() && self.machine.failure().is_none() {
            self.give_marks();
        }
        let failure = self.machine.failure();
        let failure = failure.map(|(reason, message)| FeedError::Source { reason, message: message.to_owned() });
        outcome.and(failure.map_or(Ok(()), Err))
    }

    async fn next(&mut self, shutdown: &CancellationToken) -> Next {
        let wake = self.machine.wake(self.now());
        let takes_quotes = self.machine.takes_quotes();
        let source = self.started.as_mut().and_then(|started| started.events.as_mut()).filter(|_| takes_quotes);
        tokio::select! {
            () = shutdown.cancelled() => Next::Shutdown,
            event = self.events.recv() => Next::Broker(event),
            event = next_of(source) => Next::Source(event),
            () = time::sleep_until(wake) => Next::Time,
        }
    }

    /// Takes the waiting events of the broker, so that the answers to them go out together.
    fn burst(&mut self) {
        for _ in 0..BURST_EVENTS {
            let Some(Some(event)) = self.events.recv().now_or_never() else { break };
            self.handle(Input::Broker(event));
        }
    }

    fn source(&mut self, event: Option<SourceEvent>) {
        if let Some(event) = event {
            self.handle(Input::Source(event));
            return;
        }
        if let Some(started) = &mut self.started {
            started.events = None;
        }
        self.handle(Input::SourceGone);
    }

    fn handle(&mut self, input: Input) {
        self.machine.handle(input, self.now());
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
                Action::Broker(request) => self.link.submit(request),
                Action::Start(position) => {
                    self.stop_source();
                    let stop = CancellationToken::new();
                    let events = self.source.start(position, stop.clone());
                    self.started = Some(Started { events: Some(events), stop });
                }
                Action::Stop => self.stop_source(),
            }
        }
    }

    fn give_marks(&mut self) {
        if let Some(receiver) = self.marks.take() {
            // A process that no longer waits for them has dropped the other end.
            drop(receiver.send(self.machine.marks()));
        }
    }

    fn stop_source(&mut self) {
        if let Some(started) = self.started.take() {
            started.stop.cancel();
        }
    }

    fn now(&self) -> Now {
        Now::read(self.clock.as_ref())
    }

    /// Ends the run. Each wait has a bound.
    async fn shut_down(&mut self) {
        self.machine.begin_shutdown(self.now());
        self.carry_out();
        loop {
            if let Phase::Disconnecting { until } = self.machine.phase() {
                drop(time::timeout_at(until, async { while self.events.recv().await.is_some() {} }).await);
                return;
            }
            let wake = self.machine.wake(self.now());
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.handle(Input::Broker(event)),
                    None => return,
                },
                () = time::sleep_until(wake) => {}
            }
            self.advance();
        }
    }
}

async fn next_of(source: Option<&mut SourceEvents>) -> Option<SourceEvent> {
    match source {
        Some(source) => source.recv().await,
        None => std::future::pending().await,
    }
}
