//! The one writer: owns the engine and the ledger, takes the commands of a group, commits the group once, and only then
//! answers. So one disk sync serves many quotes, and nothing is answered that is not durable. It never waits for a backend:
//! the events of backends come as commands like any other.
//!
//! [`Writer`] is a step function: commands and times come in as arguments; answers go out through the replies of commands
//! and the queue of responses, actions on links through [`Writer::take_link_actions`]. It reads no clock, starts no thread,
//! needs no async runtime, and draws names from a generator that is seeded. In production `thread` drives it.
//!
//! - `thread`: the loop that drives it. `command`: the requests. `sizes`: the bounds.
//! - `answer`: the answers that wait for a commit.
//! - `stream`: the stream to the bridge; `bridge`: the writer's end of it; `committed`: messages of bounded size.
//! - `reports`: when reports about the outbox are saved. `backends`: the actions on links to backends.
//! - `recovery`: after a commit that failed, and when the ledger's files were taken away.
//! - `journal`: entries are dropped. `trading`: the calls about the trading state. `sources`: the calls about sources. `space`: the room on the ledger's volume.
//! - `gaps`: the log lines about missing numbers; `denials`: those about denied signals; `notices`: those about other facts.

mod answer;
mod backends;
mod bridge;
mod command;
mod committed;
mod denials;
mod gaps;
mod journal;
mod notices;
mod recovery;
mod reply;
mod reports;
mod sizes;
mod sources;
mod space;
mod stream;
mod thread;
mod trading;
mod visits;

use std::{io, sync::Arc, time::Duration};

use intuition_api::part;
use intuition_common::{
    clock::Now,
    planted::{self, Mistake},
    readiness::Readiness,
};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use tokio::{sync::watch, time::Instant};
use tonic::Status;

pub(crate) use self::thread::WriterThread;
use self::{
    answer::{Answer, Uncommitted},
    backends::Backends,
    bridge::Bridge,
    notices::log_notices,
    reply::{refuse, status_of},
    reports::Reports,
    space::SpaceWatch,
    visits::Visits,
};
pub use self::{
    command::Command, journal::Command as JournalCommand, reply::Reply, sizes::Sizes,
    sources::Command as SourcesCommand, trading::Command as TradingCommand,
};
use crate::{
    engine::{Engine, LinkAction, SettledBatch, Tally},
    identity::Identities,
    ledger::{Ledger, LedgerError, OutboxRow},
    metrics::Metrics,
    settings::{InitialTrading, Settings, SettingsError},
};

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
///
/// A driver calls [`Writer::handle`] for each command of a group and then [`Writer::settle`]; where no command comes, it
/// settles an empty group at [`Writer::deadline`]. After each [`Writer::settle`], and after [`Writer::start`], it carries out
/// [`Writer::take_link_actions`].
pub struct Writer {
    engine: Engine,
    ledger: Box<dyn Ledger>,
    settings: Settings,
    sizes: Sizes,
    metrics: Metrics,
    readiness: Readiness,
    /// Draws the names of sessions and ledgers.
    rng: ChaCha8Rng,
    stopwatch: Stopwatch,
    /// The last commit failed.
    failing: bool,
    /// The ledger was taken over, as a read of it showed: the writer ends with the group.
    taken_over: Option<LedgerError>,
    tally: watch::Sender<Arc<Tally>>,
    bridge: Option<Bridge>,
    visits: Visits,
    /// Of the group that is not settled yet.
    answers: Vec<Answer>,
    reports: Reports,
    backends: Backends,
    gap_log: gaps::GapLog,
    denial_log: denials::DenialLog,
    space_watch: SpaceWatch,
}

/// Time since a moment that stays the same. The writer reads it around each commit: for the metric, and so that the time
/// in which a bridge does not read excludes the time that a commit takes.
pub type Stopwatch = Box<dyn Fn() -> Duration + Send>;

/// The arguments of [`Writer::start`] beside the ledger.
pub struct WriterDeps {
    /// The settings of the start.
    pub settings: Settings,
    /// Bounds.
    pub sizes: Sizes,
    /// Counts.
    pub metrics: Metrics,
    /// The parts of [`part::runtime`]. Lacks the ledger until the writer has started and while it cannot commit, the algorithm
    /// while one out of process cannot be asked, the topics while the account may not use channels of its algorithm.
    pub readiness: Readiness,
    /// Names of sessions and ledgers follow from it, and the chance of the engine. Each start of an account needs another
    /// seed: with the same seed two sessions would have one name.
    pub seed: u64,
    /// Shows how long commits take.
    pub stopwatch: Stopwatch,
}

impl Writer {
    /// Takes the ledger up, and commits the changes by the settings of the start.
    pub fn start(mut ledger: Box<dyn Ledger>, deps: WriterDeps, now: Now) -> Result<Self, WriterError> {
        let WriterDeps { mut settings, sizes, metrics, readiness, seed, stopwatch } = deps;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let engine = take_up(ledger.as_mut(), &settings, sizes.engine, rng.random(), now)?;
        // The effective state is in the ledger now. The state of the start must not come back after a failed commit.
        if !planted::is(Mistake::StartStateAgain) {
            settings.initial.trading = InitialTrading::Recorded;
        }
        let tally = watch::Sender::new(Arc::new(engine.tally()));
        let visits = Visits::new(engine.last_runs(), rng.random(), now.instant);
        let mut writer = Self {
            engine,
            ledger,
            settings,
            sizes,
            metrics,
            readiness,
            rng,
            stopwatch,
            failing: false,
            taken_over: None,
            tally,
            bridge: None,
            visits,
            answers: Vec::new(),
            reports: Reports::new(&sizes),
            backends: Backends::default(),
            gap_log: gaps::GapLog::default(),
            denial_log: denials::DenialLog::default(),
            space_watch: SpaceWatch::default(),
        };
        writer.update_backends();
        // Report ready last, after the algorithm's readiness is known.
        writer.readiness.set_ready(part::runtime::LEDGER);
        Ok(writer)
    }

    /// The account after each commit, kept current while there are receivers.
    pub fn tally(&self) -> watch::Sender<Arc<Tally>> {
        self.tally.clone()
    }

    /// Its bounds.
    pub const fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// When an empty group is to be settled at the latest, to save reports about the outbox. `None`: no report waits.
    pub fn deadline(&self) -> Option<Instant> {
        self.reports.deadline()
    }

    /// The actions on links to backends since the last call, in order. Each has the life of its link, which
    /// [`Command::LinkEvent`] returns with the link's events. A failed commit ends the life: actions end its links, and later
    /// actions belong to the next life.
    pub fn take_link_actions(&mut self) -> Vec<(u64, LinkAction)> {
        self.backends.take_link_actions()
    }

    /// Takes a command into the group. Refusals are answered at once, everything else by [`Writer::settle`].
    pub fn handle(&mut self, command: Command, now: Now) {
        match command {
            Command::Open { stream, open, responses, ended } => {
                self.open(stream, &open, (responses, ended), now.instant);
            }
            Command::Request { stream, message, room: _room } => {
                if self.is_open(stream)
                    && let Err(error) = self.request(stream, message, now.instant)
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
                    let response = self.engine.configure(&request, now.micros);
                    self.answers.push(Answer::Configure(reply, response));
                }
                Err(error) => refuse(reply, &error),
            },
            Command::Account { account, reply } => match self.engine.check_account(&account) {
                Ok(()) => self.answers.push(Answer::Account(reply)),
                Err(error) => refuse(reply, &error),
            },
            Command::Sources(command) => {
                let answer = self.sources(command, now.micros);
                self.answers.extend(answer.map(Answer::Sources));
            }
            Command::Trading(command) => {
                let answer = self.trading(command, now.micros);
                self.answers.extend(answer.map(Answer::Trading));
            }
            Command::Journal(command) => self.journal(command),
            Command::LinkEvent { life, link, event } => {
                if life == self.backends.life {
                    self.engine.on_link_event(link, event, now.micros);
                }
            }
            Command::Tick => self.send_waiting(now.instant),
            // Entries follow every group for which there is room. The driver stops the writer.
            Command::Room | Command::Stop => {}
        }
        log_notices(&mut self.engine);
    }

    /// Ends the group: decides the ticks that can be decided, commits once, then answers. A failed commit answers all
    /// commands with the reason and takes up the state of the last commit. After an error the writer has ended.
    pub fn settle(mut self, now: Now) -> Result<Self, WriterError> {
        let answers = std::mem::take(&mut self.answers);
        let mut now = now;
        match self.finish(answers, &mut now) {
            Ok(()) => Ok(self),
            Err(uncommitted) => self.recover(*uncommitted, now),
        }
    }

    /// Moves `now` on by the time that it takes to decide and to commit: a disk that hangs must not count as a bridge that
    /// does not read.
    fn finish(&mut self, mut answers: Vec<Answer>, now: &mut Now) -> Result<(), Uncommitted> {
        let began = (self.stopwatch)();
        let settled = self.engine.advance(now.micros, self.ledger.as_mut());
        let decided = (self.stopwatch)();
        log_notices(&mut self.engine);
        self.metrics.stale(self.engine.stale_inputs());
        *now = after(*now, decided.saturating_sub(began));
        let mut settled = match settled {
            Ok(settled) => settled,
            Err(error) => return Err(Box::new((answers, error))),
        };
        let before_commit = now.instant;
        let changes = if self.reports.is_due(self.engine.unsaved_reports(), before_commit) {
            self.engine.take_all_changes()
        } else {
            self.engine.take_changes()
        };
        if planted::is(Mistake::AnswerBeforeCommit) {
            self.answer_group(std::mem::take(&mut answers), &[], std::mem::take(&mut settled), before_commit);
        }
        if let Some(changes) = &changes {
            let committed = self.ledger.commit(changes);
            let took = (self.stopwatch)().saturating_sub(decided);
            *now = after(*now, took);
            if let Err(error) = committed {
                return Err(Box::new((answers, error)));
            }
            self.metrics.committed(took);
            self.log_gaps(&changes.gaps);
            self.log_denials(now.micros);
            if std::mem::take(&mut self.failing) {
                self.readiness.set_ready(part::runtime::LEDGER);
            }
        }
        self.reports.note(self.engine.unsaved_reports(), before_commit);
        self.answer_group(answers, changes.as_ref().map_or(&[], |changes| &changes.outbox), settled, now.instant);
        if let Some(error) = self.taken_over.take() {
            return Err(Box::new((Vec::new(), error)));
        }
        self.update_backends();
        if self.tally.receiver_count() > 0 {
            self.tally.send_replace(Arc::new(self.engine.tally()));
        }
        Ok(())
    }

    /// Answers a group that was committed, with these entries of the outbox.
    fn answer_group(&mut self, answers: Vec<Answer>, rows: &[OutboxRow], settled: Vec<SettledBatch>, now: Instant) {
        for settled in &settled {
            self.metrics.count(&settled.outcomes);
        }
        for answer in answers {
            self.answer(answer, now);
        }
        self.send_commit(rows, settled, now);
        self.send_outbox(now);
        self.send_channels(now);
        self.end_unread_stream(now);
    }

    /// Ends the stream, saves reports about the outbox, and closes the ledger. Commands since the last [`Writer::settle`]
    /// are given up.
    pub fn stop(mut self) -> Result<(), WriterError> {
        self.end_stream(Status::unavailable("the runtime is shutting down"));
        self.save_reports();
        self.ledger.close().map_err(WriterError::UseLedger)
    }
}

/// The engine as of the last commit, with the settings of the start taken up and committed.
fn take_up(
    ledger: &mut dyn Ledger,
    settings: &Settings,
    sizes: crate::sizes::Sizes,
    seed: u64,
    now: Now,
) -> Result<Engine, WriterError> {
    let mut identities = Identities::new(sizes);
    let snapshot = ledger.read(&mut |row| identities.load(&row)).map_err(WriterError::UseLedger)?;
    let mut engine =
        Engine::take_up((snapshot, identities), settings, sizes, seed, now.micros).map_err(WriterError::TakeUp)?;
    log_notices(&mut engine);
    if let Some(changes) = engine.take_changes() {
        ledger.commit(&changes).map_err(WriterError::UseLedger)?;
    }
    Ok(engine)
}

/// Both clocks, a while later.
fn after(now: Now, took: Duration) -> Now {
    let micros = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
    Now { instant: now.instant + took, micros: now.micros.saturating_add(micros) }
}

#[cfg(test)]
mod tests;
