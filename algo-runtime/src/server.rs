//! A runtime in this process: ledger, writer and gRPC server, started together and stopped in order.

#![expect(
    clippy::disallowed_methods,
    reason = "an edge: it draws the seed of the writer, and logs how long the ledger took to open"
)]

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use intuition_api::{
    bounds::{LARGEST_MESSAGE_BYTES, MESSAGE_BYTES},
    part, reason,
    v1::{self, runtime_server::RuntimeServer},
};
use intuition_common::{
    clock::{Clock, Now},
    grpc::{self, Limits, ServeError},
    heartbeat::Heartbeat,
    http::HUNG_AFTER,
    readiness::Readiness,
};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::Routes;

use crate::{
    backend::link::Links,
    dropper::Dropper,
    engine::Tally,
    journal_task::JournalTask,
    ledger::{LedgerError, sqlite::SqliteLedger},
    metrics::Metrics,
    service::Service,
    settings::{Settings, SettingsError},
    verifier::Verifier,
    writer::{Command, Sizes, Writer, WriterDeps, WriterError, WriterThread},
};

/// One bridge, the operator's replicas, and people need a handful of everything.
const LIMITS: Limits =
    Limits { name: "gRPC", connections: 64, calls: 32, connection_calls: 8, first_message: MESSAGE_BYTES };
/// Requests that wait for the writer; behind them HTTP/2 flow control holds the bridge back.
const COMMANDS_AHEAD: usize = 256;
/// How often who waits for an algorithm is told so.
const TICK_INTERVAL: Duration = Duration::from_secs(10);
/// How often the heartbeat of the writer is looked at.
const HEARTBEAT_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The reason of [`part::runtime::LEDGER`] while the writer answers nothing for longer than [`HUNG_AFTER`].
const NOT_ANSWERING: &str = "LedgerNotAnswering";
/// How long a backend may take for an answer, where nothing else is said.
pub const ALGORITHM_DEADLINE: Duration = Duration::from_secs(10);
/// For connections to end by themselves once everything is answered: a peer that is frozen never ends its own.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// What a runtime is started with.
pub struct Config {
    /// What it shall do.
    pub settings: Settings,
    /// Folder of the ledger; made where it does not exist.
    pub data_dir: PathBuf,
    /// Tells the time of commits.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub metrics: Metrics,
    /// The parts of [`part::runtime`]. Lacks the ledger until it is open and while it cannot be written, the algorithm while one
    /// out of process cannot be asked.
    pub readiness: Readiness,
    /// How long a backend may take for an answer.
    pub algorithm_deadline: Duration,
}

/// Why a runtime did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The settings cannot be used; the ledger was not touched.
    #[error("cannot use the settings")]
    UseSettings(#[source] SettingsError),
    /// The ledger cannot be opened.
    #[error("cannot open the ledger")]
    OpenLedger(#[source] LedgerError),
    /// The writer did not start, or ended.
    #[error("cannot trade")]
    Trade(#[source] WriterError),
    /// The server failed.
    #[error("cannot answer calls")]
    Serve(#[source] ServeError),
    /// The listening socket cannot be used.
    #[error("cannot use the listening socket")]
    UseSocket(#[source] std::io::Error),
    /// The reflection service cannot be built from the compiled contract.
    #[error("cannot describe the contract by reflection")]
    Reflect(#[source] tonic_reflection::server::Error),
    /// The thread that writes ended without a word.
    #[error("the writer ended unexpectedly")]
    LoseWriter,
}

impl RuntimeError {
    /// Whether it is what the runtime was told that is wrong.
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::UseSettings(_) | Self::Trade(WriterError::TakeUp(_)))
    }
}

/// A runtime that runs.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    tally: watch::Sender<Arc<Tally>>,
    heartbeat: Heartbeat,
    commands: mpsc::Sender<Command>,
    ended: CancellationToken,
    end: oneshot::Receiver<Result<(), RuntimeError>>,
}

impl Running {
    /// The account, after every commit and whenever its algorithm said something. Kept current while somebody holds a
    /// receiver, from the first on.
    pub fn tally(&self) -> watch::Receiver<Arc<Tally>> {
        let receiver = self.tally.subscribe();
        // Shows what happened before. A queue that is full has something in it that does the same.
        drop(self.commands.try_send(Command::Tick));
        receiver
    }

    /// Beats at each turn of the writer, at least every 10 s.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Whether it has ended, by itself or as it was told.
    pub fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Waits for the end: after `shutdown` was cancelled, everything that was taken is committed and the ledger is
    /// closed; an error comes by itself.
    pub async fn stopped(self) -> Result<(), RuntimeError> {
        self.end.await.unwrap_or(Err(RuntimeError::LoseWriter))
    }
}

/// Opens the ledger, commits what the settings change, and serves until `shutdown` is cancelled.
pub async fn start(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<Running, RuntimeError> {
    config.settings.check().map_err(RuntimeError::UseSettings)?;
    let addr = listener.local_addr().map_err(RuntimeError::UseSocket)?;
    let (readiness, data_dir) = (config.readiness.clone(), config.data_dir.clone());
    let (commands, receiver) = mpsc::channel(COMMANDS_AHEAD);
    let task = JournalTask {
        account: config.settings.account.clone(),
        data_dir: data_dir.clone(),
        commands: commands.clone(),
        metrics: config.metrics.clone(),
        readiness: readiness.clone(),
    };
    let dropper = Dropper { task: task.clone(), clock: Arc::clone(&config.clock) };
    let keepers = (Verifier { task }, dropper);
    let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
    let links = Links::new(Handle::current(), tasks.clone(), ending.clone(), config.algorithm_deadline);
    let reports = commands.clone();
    let opening = tokio::task::spawn_blocking(move || open(config, links, reports));
    let writer = opening.await.map_err(|_| RuntimeError::LoseWriter)??;
    let (tally, heartbeat) = (writer.tally(), writer.heartbeat());
    heartbeat.beat();
    let (ended, writer_end) = oneshot::channel();
    std::thread::Builder::new()
        .name("ledger-writer".to_owned())
        .spawn(move || drop(ended.send(writer.run(receiver))))
        .map_err(RuntimeError::UseSocket)?;
    let (end, stopped) = oneshot::channel();
    let ended = CancellationToken::new();
    let has_ended = ended.clone();
    let running =
        Running { addr, tally, heartbeat: heartbeat.clone(), commands: commands.clone(), ended, end: stopped };
    tasks.clone().spawn(async move {
        let serving = shutdown.child_token();
        let service = Service::new(commands.clone(), data_dir, tasks, serving.clone());
        let serving = serve(listener, (service, keepers, commands), writer_end, serving, ending);
        let outcome = tokio::select! {
            outcome = serving => outcome,
            never = watch_writer(&heartbeat, &readiness) => match never {},
        };
        readiness.set_missing(part::runtime::LEDGER, reason::STOPPED, "the runtime has stopped");
        drop(end.send(outcome));
        has_ended.cancel();
    });
    Ok(running)
}

fn open(config: Config, links: Links, commands: mpsc::Sender<Command>) -> Result<WriterThread, RuntimeError> {
    // Only a ledger's record can stand in for settings that cannot be used.
    if let Err(error) = config.settings.live.check()
        && !SqliteLedger::is_in(&config.data_dir).map_err(RuntimeError::OpenLedger)?
    {
        return Err(RuntimeError::UseSettings(error));
    }
    let account = &config.settings.account;
    let ledger = SqliteLedger::open(&config.data_dir, account).map_err(RuntimeError::OpenLedger)?;
    let Config { settings, clock, metrics, readiness, .. } = config;
    let began = Instant::now();
    let stopwatch = Box::new(move || began.elapsed());
    let (sizes, seed) = (Sizes::default(), rand::random());
    let deps = WriterDeps { settings, sizes, metrics, readiness, seed, stopwatch };
    let started = Writer::start(Box::new(ledger), deps, Now::read(clock.as_ref()));
    let thread = started.and_then(|writer| WriterThread::new(writer, clock, links, commands));
    thread.map_err(|error| match error {
        WriterError::UseLedger(error) => RuntimeError::OpenLedger(error),
        error @ (WriterError::TakeUp(_) | WriterError::KeepTime(_)) => RuntimeError::Trade(error),
    })
}

async fn serve(
    listener: TcpListener,
    (service, (verifier, dropper), commands): (Service, (Verifier, Dropper), mpsc::Sender<Command>),
    writer_end: oneshot::Receiver<Result<(), WriterError>>,
    serving: CancellationToken,
    ending: CancellationToken,
) -> Result<(), RuntimeError> {
    // A writer that ends takes the server with it; a server that is told to end stops the writer.
    let _links = ending.drop_guard();
    let writer_end = async {
        // Without a word only a panic ends it.
        let outcome = writer_end.await.map_or(Err(RuntimeError::LoseWriter), |end| end.map_err(RuntimeError::Trade));
        serving.cancel();
        outcome
    };
    let stopping = async {
        // The writer closes the ledger once verifier and dropper read no more.
        let ticking = serving.run_until_cancelled(keep_ticking(&commands));
        tokio::join!(ticking, verifier.run(serving.clone()), dropper.run(serving.clone()));
        drop(commands.send(Command::Stop).await);
    };
    let served = async {
        let drain_deadline = async {
            serving.cancelled().await;
            tokio::time::sleep(DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            served = serve_grpc(listener, service, serving.clone()) => served,
            () = drain_deadline => Ok(()),
        }
    };
    let (served, written, ()) = tokio::join!(served, writer_end, stopping);
    written.and(served)
}

/// Shows on `/readyz` while the writer answers nothing: most likely its disk hangs in a sync.
async fn watch_writer(heartbeat: &Heartbeat, readiness: &Readiness) -> Infallible {
    let mut looks = tokio::time::interval(HEARTBEAT_CHECK_INTERVAL);
    loop {
        looks.tick().await;
        let age = heartbeat.age();
        if age <= HUNG_AFTER {
            readiness.set_ready_if_missing_for(part::runtime::LEDGER, NOT_ANSWERING);
        } else {
            let message = format!("the ledger has answered nothing for {} seconds: its volume may hang", age.as_secs());
            readiness.set_missing_unless_other_reason(part::runtime::LEDGER, NOT_ANSWERING, &message);
        }
    }
}

async fn keep_ticking(commands: &mpsc::Sender<Command>) {
    let mut ticks = tokio::time::interval(TICK_INTERVAL);
    loop {
        ticks.tick().await;
        // One that is missed is made up for by the next.
        drop(commands.try_send(Command::Tick));
    }
}

async fn serve_grpc(listener: TcpListener, service: Service, serving: CancellationToken) -> Result<(), RuntimeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<RuntimeServer<Service>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(RuntimeError::Reflect)?;
    let runtime = RuntimeServer::new(service)
        .max_decoding_message_size(LARGEST_MESSAGE_BYTES)
        .max_encoding_message_size(LARGEST_MESSAGE_BYTES);
    let routes = Routes::new(health_service).add_service(reflection).add_service(runtime);
    let outcome = grpc::serve(listener, routes, LIMITS, serving.clone()).await.map_err(RuntimeError::Serve);
    // Also where serving ends by itself: the writer must not wait for commands for ever.
    serving.cancel();
    outcome
}
