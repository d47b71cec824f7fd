//! The one writer: a thread that owns the engine and the ledger, takes whatever waits as one group, commits it once, and
//! only then answers. So one disk sync serves many quotes, and nothing is answered that is not durable. It never waits for
//! a backend: its reports come as commands like any other.
//!
//! - `stream`: the stream to the bridge; `bridge`: the writer's end of it; `parts`: messages of bounded size.
//! - `reports`: when reports about the outbox are saved. `backends`: the links to backends.
//! - `recovery`: after a commit that failed, and when the ledger's files were taken away.
//! - `trading`: the calls about the trading state. `sources`: the calls about sources.
//! - `gaps`: the log lines about missing numbers; `denials`: those about denied signals.

mod backends;
mod bridge;
mod denials;
mod gaps;
mod parts;
mod recovery;
mod reports;
mod sources;
mod stream;
mod trading;

use std::{io, sync::Arc, time::Instant};

use intuition_api::v1::{
    AccountResponse, ConfigureRequest, ConfigureResponse, Open, process_request, process_response::Message,
};
use intuition_common::{clock::Clock, heartbeat::Heartbeat, readiness::Readiness};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot, watch},
    time::error::Elapsed,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::{backends::Backends, bridge::Bridge, reports::Reports};
pub(crate) use self::{sources::Command as SourcesCommand, trading::Command as TradingCommand};
use crate::{
    backend::{Report, link::Links},
    engine::{Engine, LinkId, RequestError, Tally},
    ledger::{Ledger, LedgerError},
    metrics::Metrics,
    service::responses::Responses,
    settings::{InitialTrading, Settings, SettingsError},
    sizes::Sizes,
};

/// The part of [`Readiness`] that a runtime provides: it lacks it until the ledger is open, and while it cannot commit.
pub const READY_PART: &str = "ledger";
/// The part of [`Readiness`] that an algorithm out of process provides: it lacks it while it cannot be asked.
pub const ALGORITHM_PART: &str = "algorithm";
/// Part of the readiness: the account may use all channels of its algorithm.
pub const TOPICS_PART: &str = "topics";

/// Ticks that end a group: large enough to share a sync, small enough that the first of them does not wait long.
const GROUP_TICKS: usize = 4_096;
/// Outbox entries and decisions read at once, at most.
const PAGE: usize = 1_000;

type Reply<T> = oneshot::Sender<Result<T, Status>>;

/// A request to the writer.
pub(crate) enum Command {
    /// A bridge opened a stream, which replaces the stream before. The writer cancels `ended` when it ends the stream.
    Open { stream: u64, open: Open, responses: Responses, ended: CancellationToken },
    /// A message on a stream. `room` is its share of the bytes that may wait for the writer.
    Request { stream: u64, message: process_request::Message, room: Option<OwnedSemaphorePermit> },
    /// The responses of the stream were full and have room again: entries of the outbox go on.
    Room,
    /// The bridge closed its side.
    Close { stream: u64 },
    /// See the contract.
    Configure { request: ConfigureRequest, reply: Reply<ConfigureResponse> },
    /// See the contract.
    Account { account: String, reply: Reply<AccountResponse> },
    /// Lists, resets or forgets sources.
    Sources(sources::Command),
    /// Sets the trading state, or sells holdings by hand.
    Trading(trading::Command),
    /// A backend, or its end, through the link of an engine.
    Report { life: u64, link: LinkId, report: Report },
    /// Time passes: who waits is told that it is not in vain.
    Tick,
    /// Answers nothing more and closes the ledger.
    Stop,
}

/// An answer that waits for the commit.
enum Answer {
    Stream {
        stream: u64,
        message: Message,
    },
    /// The outbox, from the ledger.
    Outbox,
    Account(Reply<AccountResponse>),
    Configure(Reply<ConfigureResponse>, ConfigureResponse),
    Sources(sources::Answer),
    Trading(trading::Answer),
}

/// The answers of a group that was not committed, and the error of the ledger.
type Uncommitted = Box<(Vec<Answer>, LedgerError)>;

/// Why the writer ended.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The ledger cannot go on.
    #[error("the ledger cannot go on")]
    UseLedger(#[source] LedgerError),
    /// The ledger's state cannot be taken up under the settings.
    #[error("cannot take the ledger up under these settings")]
    TakeUp(#[source] SettingsError),
    /// The system gives no timer.
    #[error("cannot start a timer")]
    KeepTime(#[source] io::Error),
}

/// See the module.
pub(crate) struct Writer {
    engine: Engine,
    ledger: Box<dyn Ledger>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    readiness: Readiness,
    /// The last commit failed.
    failing: bool,
    files_checked: Instant,
    tally: watch::Sender<Arc<Tally>>,
    heartbeat: Heartbeat,
    bridge: Option<Bridge>,
    reports: Reports,
    /// Waits for commands with a deadline.
    timer: tokio::runtime::Runtime,
    backends: Backends,
    gap_log: gaps::GapLog,
    denial_log: denials::DenialLog,
}

/// What a writer works with.
pub(crate) struct Equipment {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    /// To backends.
    pub(crate) links: Links,
    /// The far end of [`Writer::run`]'s commands.
    pub(crate) commands: mpsc::Sender<Command>,
}

impl Writer {
    /// Takes the ledger up, and commits what the settings of the start change.
    pub(crate) fn start(mut ledger: Box<dyn Ledger>, equipment: Equipment) -> Result<Self, WriterError> {
        let Equipment { settings, clock, metrics, readiness, links, commands } = equipment;
        let engine = take_up(ledger.as_mut(), &settings, clock.as_ref())?;
        // What is in force now is in the ledger. The state of the start must not come back after a failed commit.
        let mut settings = settings;
        settings.initial.trading = InitialTrading::Recorded;
        let tally = watch::Sender::new(Arc::new(engine.tally()));
        let backends = Backends::new(links, commands);
        let timer =
            tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(WriterError::KeepTime)?;
        let mut writer = Self {
            engine,
            ledger,
            settings,
            clock,
            metrics,
            readiness,
            failing: false,
            files_checked: Instant::now(),
            tally,
            heartbeat: Heartbeat::new(),
            bridge: None,
            reports: Reports::default(),
            timer,
            backends,
            gap_log: gaps::GapLog::default(),
            denial_log: denials::DenialLog::default(),
        };
        writer.see_to_backends();
        // Last, so that nobody sees a runtime that lacks nothing before it is known what its algorithm lacks.
        writer.readiness.have(READY_PART);
        Ok(writer)
    }

    /// The account after each commit, kept current while somebody watches.
    pub(crate) fn tally(&self) -> watch::Sender<Arc<Tally>> {
        self.tally.clone()
    }

    /// Beats at each turn of [`Writer::run`].
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Serves commands until [`Command::Stop`], or until nobody can send any.
    pub(crate) fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), WriterError> {
        let mut running = true;
        while running {
            self.heartbeat.beat();
            let mut next = match self.next(&mut commands) {
                Ok(None) => break,
                Ok(command) => command,
                Err(Elapsed { .. }) => None,
            };
            let mut answers = Vec::new();
            let mut ticks = 0;
            while let Some(command) = next {
                ticks += weight(&command);
                if matches!(command, Command::Stop) {
                    running = false;
                    break;
                }
                self.handle(command, &mut answers);
                next = if ticks < GROUP_TICKS { commands.try_recv().ok() } else { None };
            }
            self = self.settle(answers)?;
            self.check_files()?;
        }
        self.end_stream(Status::unavailable("the runtime is shutting down"));
        self.save_reports();
        self.ledger.close().map_err(WriterError::UseLedger)
    }

    fn handle(&mut self, command: Command, answers: &mut Vec<Answer>) {
        match command {
            Command::Open { stream, open, responses, ended } => self.open(stream, &open, (responses, ended), answers),
            Command::Request { stream, message, room: _room } => {
                if self.is_open(stream)
                    && let Err(error) = self.request(stream, message, answers)
                {
                    self.end_stream(status_of(&error));
                }
            }
            Command::Close { stream } => {
                if self.is_open(stream) {
                    self.bridge = None;
                    self.engine.drop_backlog();
                }
            }
            Command::Configure { request, reply } => match self.engine.check_account(&request.account) {
                Ok(()) => {
                    let response = self.engine.configure(&request, self.clock.now_micros());
                    answers.push(Answer::Configure(reply, response));
                }
                Err(error) => respond(reply, Err(status_of(&error))),
            },
            Command::Account { account, reply } => match self.engine.check_account(&account) {
                Ok(()) => answers.push(Answer::Account(reply)),
                Err(error) => respond(reply, Err(status_of(&error))),
            },
            Command::Sources(command) => answers.extend(self.sources(command).map(Answer::Sources)),
            Command::Trading(command) => answers.extend(self.trading(command).map(Answer::Trading)),
            Command::Report { life, link, report } => {
                if life == self.backends.life {
                    self.engine.hear(link, report, self.clock.now_micros());
                }
            }
            Command::Tick => self.ask_to_wait(),
            // Entries follow every group for which there is room. The loop ends the group before it stops.
            Command::Room | Command::Stop => {}
        }
    }

    /// Decides the ticks that have their turn, commits the group, then answers it. A failed commit answers all with the reason
    /// and takes up the state of the last one.
    fn settle(mut self, answers: Vec<Answer>) -> Result<Self, WriterError> {
        match self.finish(answers) {
            Ok(()) => Ok(self),
            Err(uncommitted) => self.recover(*uncommitted),
        }
    }

    fn finish(&mut self, answers: Vec<Answer>) -> Result<(), Uncommitted> {
        let settled = match self.engine.advance(self.clock.now_micros(), self.ledger.as_mut()) {
            Ok(settled) => settled,
            Err(error) => return Err(Box::new((answers, error))),
        };
        let began = Instant::now();
        let changes = if self.reports.is_due(self.engine.unsaved_reports(), began) {
            self.engine.take_all_changes()
        } else {
            self.engine.take_changes()
        };
        if let Some(changes) = &changes {
            if let Err(error) = self.ledger.commit(changes) {
                return Err(Box::new((answers, error)));
            }
            self.metrics.committed(began.elapsed());
            self.tell_gaps(&changes.gaps);
            self.tell_denials();
            if std::mem::take(&mut self.failing) {
                self.readiness.have(READY_PART);
            }
        }
        self.reports.note(self.engine.unsaved_reports(), began);
        for settled in &settled {
            self.metrics.count(&settled.outcomes);
        }
        for answer in answers {
            self.answer(answer);
        }
        self.send_commit(changes.as_ref().map_or(&[], |changes| &changes.outbox), settled);
        self.send_outbox();
        self.tell_channels();
        self.end_unread_stream();
        self.see_to_backends();
        if self.tally.receiver_count() > 0 {
            self.tally.send_replace(Arc::new(self.engine.tally()));
        }
        Ok(())
    }

    fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Stream { stream, message } => self.say(stream, message),
            Answer::Outbox => self.send_outbox(),
            Answer::Account(reply) => respond(reply, Ok(self.account())),
            Answer::Configure(reply, response) => respond(reply, Ok(response)),
            Answer::Sources(answer) => answer.give(),
            Answer::Trading(answer) => answer.give(),
        }
    }
}

/// The engine as of the last commit, with the settings of the start taken up and committed.
fn take_up(ledger: &mut dyn Ledger, settings: &Settings, clock: &dyn Clock) -> Result<Engine, WriterError> {
    let snapshot = ledger.snapshot().map_err(WriterError::UseLedger)?;
    let mut engine = Engine::start(snapshot, settings, Sizes::DESIGN, rand::random(), clock.now_micros())
        .map_err(WriterError::TakeUp)?;
    if let Some(changes) = engine.take_changes() {
        ledger.commit(&changes).map_err(WriterError::UseLedger)?;
    }
    Ok(engine)
}

fn weight(command: &Command) -> usize {
    match command {
        Command::Request { message: process_request::Message::Batch(batch), .. } => {
            batch.deliveries.iter().map(|delivery| delivery.ticks.len()).sum()
        }
        _ => 1,
    }
}

fn status_of(error: &RequestError) -> Status {
    match error {
        RequestError::OtherAccount { .. } => Status::not_found(error.to_string()),
        RequestError::BreakContract(_) => Status::invalid_argument(error.to_string()),
        RequestError::Overload(_) => Status::resource_exhausted(error.to_string()),
        RequestError::ReadLedger { .. } => Status::internal(error.to_string()),
    }
}

/// Whoever asked may have gone; then nobody misses the answer.
fn respond<T>(reply: Reply<T>, answer: Result<T, Status>) {
    drop(reply.send(answer));
}

#[cfg(test)]
mod tests;
