//! The loop around a session: it carries actions out, brings events back, and hands outputs over at the pace of their taker.

use std::{collections::HashMap, sync::Arc, time::Duration};

use intuition_common::clock::{Clock, Now};
use rustls::ClientConfig;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use url::Url;
use web_client::{TlsError, client_config};

use super::{
    rest,
    socket::{Command, Incoming, MAX_WAITING, Socket},
};
use crate::{
    config::{Config, ConfigError},
    quote::Output,
    session::{Action, ConnectionId, Event, Session, status::Status},
};

/// Events that wait for the loop, and those that one turn takes.
const MAX_EVENTS: usize = 64;
/// Commands that wait for one connection. The session paces them, so that a full channel means a socket that is stuck.
const MAX_COMMANDS: usize = 64;
/// Least time between two reports of a status that differs in counters alone.
const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// The outlets of a session.
#[derive(Debug)]
pub struct Sinks {
    /// Takes outputs. Its room is the credit of the session: a full channel holds the exchange's sockets back.
    pub outputs: mpsc::Sender<Output>,
    /// Receives the state of the session.
    pub status: watch::Sender<Status>,
}

/// A session cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be parsed.
    #[error("cannot parse an address: {0}")]
    ParseUrl(#[from] url::ParseError),
}

/// Runs a session until `stop`, or until the receiver of outputs is gone. `seed` draws all pauses.
pub async fn run(
    config: &Config,
    sinks: Sinks,
    clock: &dyn Clock,
    seed: u64,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let session = Session::new(config, seed)?;
    let (url, rest_url) = (Url::parse(&config.url)?, Url::parse(&config.rest_url)?);
    let is_secure = url.scheme() == "wss" || rest_url.scheme() == "https";
    let tls = if is_secure { Some(client_config(config.ca_file.as_deref())?) } else { None };
    let (events, received) = mpsc::channel(MAX_EVENTS);
    let driver = Driver {
        session,
        url,
        rest_url,
        tls,
        request_timeout: config.limits.request_timeout,
        events,
        room: Arc::new(Semaphore::new(MAX_WAITING)),
        commands: HashMap::new(),
        sockets: JoinSet::new(),
        fetches: JoinSet::new(),
    };
    driver.run(received, sinks, clock, stop).await;
    Ok(())
}

struct Driver {
    session: Session,
    url: Url,
    rest_url: Url,
    tls: Option<Arc<ClientConfig>>,
    request_timeout: Duration,
    events: mpsc::Sender<Incoming>,
    room: Arc<Semaphore>,
    commands: HashMap<ConnectionId, mpsc::Sender<Command>>,
    sockets: JoinSet<()>,
    fetches: JoinSet<Event>,
}

impl Driver {
    async fn run(
        mut self,
        mut received: mpsc::Receiver<Incoming>,
        sinks: Sinks,
        clock: &dyn Clock,
        stop: CancellationToken,
    ) {
        let mut reporter = Reporter { status: sinks.status, next: None, is_behind: false };
        loop {
            let now = Now::read(clock);
            self.session.advance(now);
            for action in self.session.take_actions() {
                self.perform(action, now);
            }
            reporter.report(&self.session, now.instant);
            tokio::select! {
                () = stop.cancelled() => return,
                permit = sinks.outputs.reserve(), if self.session.has_output() => {
                    let Ok(permit) = permit else { return };
                    if let Some(output) = self.session.take_output() {
                        permit.send(output);
                    }
                    while self.session.has_output() && let Ok(permit) = sinks.outputs.try_reserve() {
                        if let Some(output) = self.session.take_output() {
                            permit.send(output);
                        }
                    }
                }
                Some(event) = received.recv(), if self.session.takes_frames() => {
                    let now = Now::read(clock);
                    self.take(event, now);
                    for _ in 1..MAX_EVENTS {
                        let Ok(event) = received.try_recv() else { break };
                        self.take(event, now);
                    }
                }
                Some(Ok(event)) = self.fetches.join_next(), if !self.fetches.is_empty() => {
                    self.session.handle(event, Now::read(clock));
                }
                Some(_) = self.sockets.join_next(), if !self.sockets.is_empty() => {}
                () = sleep_until(reporter.wake(self.session.wake(now))) => {}
            }
        }
    }

    fn take(&mut self, Incoming { event, .. }: Incoming, now: Now) {
        if let Event::Ended(id, _) = &event {
            self.commands.remove(id);
        }
        self.session.handle(event, now);
    }

    fn perform(&mut self, action: Action, now: Now) {
        match action {
            Action::Open(id) => {
                let (commands, received) = mpsc::channel(MAX_COMMANDS);
                self.commands.insert(id, commands);
                let socket = Socket {
                    id,
                    url: self.url.clone(),
                    tls: self.tls.clone(),
                    events: self.events.clone(),
                    room: Arc::clone(&self.room),
                };
                self.sockets.spawn(socket.run(received));
            }
            Action::Send(id, text) => self.command(id, Command::Send(text), now),
            Action::Ping(id) => self.command(id, Command::Ping, now),
            Action::Close(id) => {
                self.commands.remove(&id);
            }
            Action::Fetch(id, path) => {
                let (base, tls, longest) = (self.rest_url.clone(), self.tls.clone(), self.request_timeout);
                self.fetches
                    .spawn(async move { Event::Fetched(id, rest::fetch(&base, &path, tls.as_ref(), longest).await) });
            }
        }
    }

    fn command(&mut self, id: ConnectionId, command: Command, now: Now) {
        let Some(commands) = self.commands.get(&id) else { return };
        if commands.try_send(command).is_err() {
            self.commands.remove(&id);
            self.session.handle(Event::Ended(id, "the connection takes no messages".to_owned()), now);
        }
    }
}

/// Reports the status when it differs: connections at once, counters at a slow pace.
struct Reporter {
    status: watch::Sender<Status>,
    next: Option<Instant>,
    /// The session may differ from the last report.
    is_behind: bool,
}

impl Reporter {
    fn report(&mut self, session: &Session, now: Instant) {
        let is_due = self.next.is_none_or(|next| next <= now);
        if !is_due && session.is_connected() == self.status.borrow().is_connected {
            self.is_behind = true;
            return;
        }
        self.next = Some(now + STATUS_PAUSE);
        self.is_behind = false;
        self.status.send_if_modified(|status| {
            let current = session.status();
            let differs = *status != current;
            *status = current;
            differs
        });
    }
    /// When a report is due at the latest, in a loop that wakes at `wake`.
    fn wake(&self, wake: Instant) -> Instant {
        self.next.filter(|_| self.is_behind).map_or(wake, |next| next.min(wake))
    }
}
