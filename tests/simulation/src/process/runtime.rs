//! The process of a runtime: the writer, the streams of bridges to it, and the calls of the operator.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use algo_runtime::backend::LinkEvent;
use algo_runtime::{
    engine::{LinkAction, LinkId},
    metrics::Metrics,
    responses::{Reader, responses},
    settings::Settings,
    writer::{Command, SourcesCommand, TradingCommand, Writer, WriterDeps, WriterError},
};
use intuition_api::{
    part,
    v1::{self, process_request, process_response},
};
use intuition_common::{
    clock::{Clock, Now},
    readiness::Readiness,
};
use prometheus_client::registry::Registry;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::bridge::StreamId;
use crate::{
    facts::RunId,
    plan::Plan,
    storage::{ACCOUNT, Disk},
    world::crash::Crash,
};

/// Time between two ticks of the writer.
const TICK: Duration = Duration::from_secs(10);

/// The steps of a runtime between which it may die.
pub const STEPS: [&str; 3] =
    ["runtime: before a commit", "runtime: behind a commit, before its answers", "runtime: between two answers"];

/// A call of the operator.
#[derive(Debug, Clone)]
pub enum Call {
    /// `Account`.
    Account,
    /// `Configure`.
    Configure(v1::ConfigureRequest),
    /// `SetTradingState`.
    SetTradingState(v1::SetTradingStateRequest),
    /// `Close`.
    Close(v1::CloseRequest),
    /// `Sources`.
    Sources,
    /// `ResetSource`.
    ResetSource(v1::ResetSourceRequest),
}

/// The answer to a call.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Call::Account`].
    Account(Box<v1::AccountResponse>),
    /// To [`Call::Configure`].
    Configure(v1::ConfigureResponse),
    /// To [`Call::SetTradingState`].
    SetTradingState(v1::SetTradingStateResponse),
    /// To [`Call::Close`].
    Close(v1::CloseResponse),
    /// To [`Call::Sources`].
    Sources(Vec<v1::Source>),
    /// To [`Call::ResetSource`].
    ResetSource(v1::ResetSourceResponse),
    /// The call failed.
    Failed,
}

/// Names a call; never given twice.
pub type CallId = u64;

/// A call whose answer is awaited.
enum Awaited {
    Account(oneshot::Receiver<Result<v1::AccountResponse, Status>>),
    Configure(oneshot::Receiver<Result<v1::ConfigureResponse, Status>>),
    SetTradingState(oneshot::Receiver<Result<v1::SetTradingStateResponse, Status>>),
    Close(oneshot::Receiver<Result<v1::CloseResponse, Status>>),
    Sources(oneshot::Receiver<Result<Vec<v1::Source>, Status>>),
    ResetSource(oneshot::Receiver<Result<v1::ResetSourceResponse, Status>>),
}

/// The runtime's end of a bridge's stream.
struct Stream {
    id: StreamId,
    reader: Reader,
    ended: CancellationToken,
}

/// What a runtime did in one piece of work.
#[derive(Default)]
pub struct Done {
    /// To bridges, in order; an error ends the stream.
    pub to_bridge: Vec<(StreamId, Result<process_response::Message, Status>)>,
    /// Streams that ended without a word.
    pub closed: Vec<StreamId>,
    /// To remote algorithms, with the life of the link.
    pub errands: Vec<(u64, LinkAction)>,
    /// To callers.
    pub answers: Vec<(CallId, Answer)>,
}

/// See the module.
pub struct Runtime {
    /// Its run.
    pub run: RunId,
    writer: Option<Writer>,
    queue: VecDeque<Command>,
    streams: BTreeMap<StreamId, Stream>,
    awaited: Vec<(CallId, Awaited)>,
    room: Arc<AtomicBool>,
    readiness: Readiness,
    group_ticks: usize,
    next_tick: Instant,
    is_older: bool,
}

impl Runtime {
    /// Starts the process.
    pub fn start(
        plan: &Plan,
        settings: Settings,
        disk: &Disk,
        (run, seed): (RunId, u64),
        clock: Arc<dyn Clock>,
        now: Now,
    ) -> Result<Self, WriterError> {
        let readiness = Readiness::new(&part::runtime::ALL, clock);
        let ledger = disk.open(run).map_err(WriterError::UseLedger)?;
        let deps = WriterDeps {
            settings,
            sizes: plan.runtime.sizes,
            metrics: Metrics::register(&mut Registry::default()),
            readiness: readiness.clone(),
            seed,
            stopwatch: Box::new(|| Duration::ZERO),
        };
        let writer = Writer::start(ledger, deps, now)?;
        Ok(Self {
            run,
            writer: Some(writer),
            queue: VecDeque::new(),
            streams: BTreeMap::new(),
            awaited: Vec::new(),
            room: Arc::default(),
            readiness,
            group_ticks: plan.runtime.sizes.group_ticks,
            next_tick: now.instant + TICK,
            is_older: plan.runtime.is_older,
        })
    }

    /// What is missing, on its `/readyz`.
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// A bridge opens a stream.
    pub fn open(&mut self, id: StreamId, open: v1::Open, sizes: algo_runtime::responses::Sizes) {
        let room = Arc::clone(&self.room);
        let (queue, reader) = responses(sizes, move || room.store(true, Ordering::Relaxed));
        let ended = CancellationToken::new();
        self.streams.insert(id, Stream { id, reader, ended: ended.clone() });
        let open = if self.is_older { older_open(open) } else { open };
        self.queue.push_back(Command::Open { stream: id, open, responses: queue, ended });
    }

    /// A message came on a stream.
    pub fn request(&mut self, id: StreamId, message: process_request::Message) {
        let is_read = self.streams.get(&id).is_some_and(|stream| !stream.ended.is_cancelled());
        let is_known =
            !matches!(message, process_request::Message::Acknowledged(_) | process_request::Message::Credit(_));
        if is_read && (is_known || !self.is_older) {
            self.queue.push_back(Command::Request { stream: id, message, room: None });
        }
    }

    /// A bridge closed its side, or its connection broke.
    pub fn close(&mut self, id: StreamId, has_broken: bool) {
        if has_broken {
            self.streams.remove(&id);
        }
        self.queue.push_back(Command::Close { stream: id });
    }

    /// A call of the operator.
    pub fn call(&mut self, id: CallId, call: Call) {
        fn pair<T>(awaited: impl FnOnce(oneshot::Receiver<T>) -> Awaited) -> (oneshot::Sender<T>, Awaited) {
            let (sender, receiver) = oneshot::channel();
            (sender, awaited(receiver))
        }
        let (command, awaited) = match call {
            Call::Account => {
                let (reply, awaited) = pair(Awaited::Account);
                (Command::Account { account: ACCOUNT.to_owned(), reply }, awaited)
            }
            Call::Configure(request) => {
                let (reply, awaited) = pair(Awaited::Configure);
                (Command::Configure { request, reply }, awaited)
            }
            Call::SetTradingState(request) => {
                let (reply, awaited) = pair(Awaited::SetTradingState);
                (Command::Trading(TradingCommand::Set { request, reply }), awaited)
            }
            Call::Close(request) => {
                let (reply, awaited) = pair(Awaited::Close);
                (Command::Trading(TradingCommand::Close { request, reply }), awaited)
            }
            Call::Sources => {
                let (reply, awaited) = pair(Awaited::Sources);
                let account = ACCOUNT.to_owned();
                (Command::Sources(SourcesCommand::List { account, after: None, reply }), awaited)
            }
            Call::ResetSource(request) => {
                let (reply, awaited) = pair(Awaited::ResetSource);
                (Command::Sources(SourcesCommand::Reset { request, reply }), awaited)
            }
        };
        self.queue.push_back(command);
        self.awaited.push((id, awaited));
    }

    /// A report of a link.
    pub fn report(&mut self, life: u64, link: LinkId, report: LinkEvent) {
        self.queue.push_back(Command::LinkEvent { life, link, event: report });
    }

    /// When to work at the latest.
    pub fn wake(&self) -> Instant {
        let deadline = self.writer.as_ref().and_then(Writer::deadline);
        deadline.map_or(self.next_tick, |deadline| deadline.min(self.next_tick))
    }

    /// Commands that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Takes one group, commits and answers it. An error: the process has ended by itself.
    pub fn work(&mut self, now: Now, crash: &mut Crash) -> Result<Done, WriterError> {
        if now.instant >= self.next_tick {
            self.next_tick = now.instant + TICK;
            self.queue.push_back(Command::Tick);
        }
        if self.room.swap(false, Ordering::Relaxed) {
            self.queue.push_back(Command::Room);
        }
        let mut done = Done::default();
        let Some(mut writer) = self.writer.take() else { return Ok(done) };
        let mut ticks = 0;
        while ticks < self.group_ticks
            && let Some(command) = self.queue.pop_front()
        {
            ticks += command.ticks();
            writer.handle(command, now);
            if crash.at("runtime: before a commit") {
                return Ok(done);
            }
        }
        let mut writer = writer.settle(now)?;
        done.errands = writer.take_link_actions();
        self.writer = Some(writer);
        if crash.at("runtime: behind a commit, before its answers") {
            return Ok(done);
        }
        self.answer(now, &mut done, crash);
        Ok(done)
    }

    /// SIGTERM.
    pub fn stop(mut self, now: Now) -> Done {
        let mut done = Done::default();
        if let Some(writer) = self.writer.take() {
            // An error is told by the next start.
            drop(writer.stop());
        }
        self.answer(now, &mut done, &mut Crash::default());
        done
    }

    fn answer(&mut self, now: Now, done: &mut Done, crash: &mut Crash) {
        let is_older = self.is_older;
        for stream in self.streams.values_mut() {
            while let Some(response) = stream.reader.try_next(now.instant) {
                let message = match response {
                    Ok(v1::ProcessResponse { message: Some(message) }) => Ok(message),
                    Ok(v1::ProcessResponse { message: None }) => continue,
                    Err(status) => Err(status),
                };
                done.to_bridge
                    .push((stream.id, message.map(|message| if is_older { older(message) } else { message })));
                if crash.at("runtime: between two answers") {
                    return;
                }
            }
            if stream.reader.has_ended() {
                done.closed.push(stream.id);
            }
        }
        self.streams.retain(|_, stream| !stream.reader.has_ended());
        self.awaited.retain_mut(|(id, awaited)| match awaited.take() {
            Some(answer) => {
                done.answers.push((*id, answer));
                false
            }
            None => true,
        });
    }
}

impl Awaited {
    fn take(&mut self) -> Option<Answer> {
        fn taken<T>(receiver: &mut oneshot::Receiver<Result<T, Status>>, answer: fn(T) -> Answer) -> Option<Answer> {
            match receiver.try_recv() {
                Ok(Ok(response)) => Some(answer(response)),
                Ok(Err(_)) | Err(oneshot::error::TryRecvError::Closed) => Some(Answer::Failed),
                Err(oneshot::error::TryRecvError::Empty) => None,
            }
        }
        match self {
            Self::Account(receiver) => taken(receiver, |response| Answer::Account(Box::new(response))),
            Self::Configure(receiver) => taken(receiver, Answer::Configure),
            Self::SetTradingState(receiver) => taken(receiver, Answer::SetTradingState),
            Self::Close(receiver) => taken(receiver, Answer::Close),
            Self::Sources(receiver) => taken(receiver, Answer::Sources),
            Self::ResetSource(receiver) => taken(receiver, Answer::ResetSource),
        }
    }
}

/// An `Open` as the release before understood it.
fn older_open(open: v1::Open) -> v1::Open {
    let v1::Open { account, broker_url, session_present, run, .. } = open;
    v1::Open { account, broker_url, session_present, run, ..v1::Open::default() }
}

/// A message as the release before sent it.
fn older(message: process_response::Message) -> process_response::Message {
    match message {
        process_response::Message::Opened(opened) => {
            let v1::Opened { ledger_id, published_through, held, .. } = opened;
            process_response::Message::Opened(v1::Opened { ledger_id, published_through, held, ..Default::default() })
        }
        other => other,
    }
}
