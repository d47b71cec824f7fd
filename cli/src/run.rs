//! `intuition run`: a broker, and for each manifest a runtime and a bridge, in this process.

mod feeding;
mod local;
mod settings;
mod watch;
mod watchdog;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use bridge::{MqttConfig, Session, mqtt::Options};
use intuition_common::{exit, secret::Secret, shutdown, telemetry};
use intuition_operator::resource::TradingAlgo;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    feeding::Feeding,
    local::{Local, LocalError, PATIENCE},
    watch::{End, Watch},
    watchdog::Away,
};
use crate::{
    args::RunArgs,
    feed::{Feed, FeedError, publisher::PublishError},
    output::{self, Summary},
    validate,
};

/// What shells say of a process that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Why a run ended with an error.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    ReadFeed(FeedError),
    #[cfg(not(feature = "embedded-broker"))]
    #[error("this build has no embedded broker: name one by --broker")]
    NeedBroker,
    #[error("cannot read the password file {}", path.display())]
    ReadPassword { path: PathBuf, source: io::Error },
    #[error("nobody takes the topic {topic}: {channels}")]
    MissTaker { topic: String, channels: String },
    #[error("cannot make a temporary folder for the ledgers")]
    MakeFolder(#[source] io::Error),
    #[error("cannot start the async runtime")]
    StartTokio(#[source] io::Error),
    #[error("cannot wait for signals")]
    WaitForSignals(#[source] io::Error),
    #[cfg(feature = "embedded-broker")]
    #[error(transparent)]
    Broker(crate::broker::BrokerError),
    #[error("{account}")]
    Local { account: String, source: LocalError },
    #[error("the feed failed")]
    Feed(#[source] PublishError),
    #[error("no progress for 30 seconds: {0}")]
    Stall(String),
    #[error("{}: the broker refuses the connection, {}: {}", .0.part, .0.reason, .0.message)]
    Refused(Away),
    #[error("{}: missing for 60 seconds, {}: {}", .0.part, .0.reason, .0.message)]
    Gone(Away),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

impl RunError {
    const fn code(&self) -> u8 {
        match self {
            Self::ReadFeed(_) | Self::ReadPassword { .. } | Self::MissTaker { .. } => exit::USAGE,
            #[cfg(not(feature = "embedded-broker"))]
            Self::NeedBroker => exit::USAGE,
            _ => 1,
        }
    }
}

/// Runs `intuition run`.
pub(crate) fn command(args: &RunArgs) -> ExitCode {
    if let Err(error) = telemetry::init(&args.log) {
        return exit::report(&error, exit::USAGE);
    }
    let checked = validate::check(&args.manifests);
    if !checked.problems.is_empty() {
        return validate::tell(&checked.problems);
    }
    match try_command(args, &checked.algos) {
        Ok(End::Complete | End::Closed) => ExitCode::SUCCESS,
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => exit::report(&error, error.code()),
    }
}

fn try_command(args: &RunArgs, algos: &[TradingAlgo]) -> Result<End, RunError> {
    let feed = args.feed.as_ref().map(|path| Feed::read(path, &args.column)).transpose().map_err(RunError::ReadFeed)?;
    let temporary = match &args.data_dir {
        Some(_) => None,
        None => Some(TempDir::with_prefix("intuition-").map_err(RunError::MakeFolder)?),
    };
    let data_dir = args.data_dir.as_deref().or(temporary.as_ref().map(TempDir::path)).unwrap_or(Path::new("."));
    let tokio = tokio::runtime::Runtime::new().map_err(RunError::StartTokio)?;
    tokio.block_on(async {
        let signal = shutdown::on_signal().map_err(RunError::WaitForSignals)?;
        let (tasks, broker_stop) = (TaskTracker::new(), CancellationToken::new());
        let mqtt = broker(args, &tasks, &broker_stop).await?;
        let mut locals = Vec::new();
        let outcome = match start(algos, data_dir, &mut locals).await {
            Ok(()) => run(args, feed, &mqtt, locals, &tasks, &signal).await,
            Err(error) => {
                stop(locals).await?;
                Err(error)
            }
        };
        broker_stop.cancel();
        tasks.close();
        // Connections that hang must not keep the process.
        drop(tokio::time::timeout(PATIENCE, tasks.wait()).await);
        outcome
    })
}

async fn start(algos: &[TradingAlgo], data_dir: &Path, locals: &mut Vec<Local>) -> Result<(), RunError> {
    for algo in algos {
        if algo.spec.broker.is_some() {
            tracing::warn!(algo = validate::account(algo), "spec.broker is not for local runs: see --broker");
        }
        let failed = |source| RunError::Local { account: validate::account(algo), source };
        locals.push(Local::start(algo, data_dir).await.map_err(failed)?);
    }
    Ok(())
}

async fn run(
    args: &RunArgs,
    feed: Option<Feed>,
    mqtt: &MqttConfig,
    mut locals: Vec<Local>,
    tasks: &TaskTracker,
    signal: &CancellationToken,
) -> Result<End, RunError> {
    let mut feeding = match feed.map(|feed| feeding(args, feed, mqtt, &locals)).transpose() {
        Ok(feeding) => feeding,
        Err(error) => {
            stop(locals).await?;
            return Err(error);
        }
    };
    say_what_was_decided_earlier(feeding.as_ref(), &locals);
    let closed = CancellationToken::new();
    let (published, receiver) = mpsc::unbounded_channel();
    let (format, bar, reader_gone) = (args.output, feeding.as_ref().map(Feeding::bar), closed.clone());
    let writer =
        tokio::task::spawn_blocking(move || output::write_decisions(format, receiver, bar.as_ref(), &reader_gone));
    for local in &mut locals {
        local.connect(mqtt, &published);
    }
    drop(published);
    let mut watch = Watch::new(&locals, feeding.as_mut(), tasks);
    let end = watch.run(signal, &closed).await;
    let elapsed = watch.elapsed();
    if let Some(feeding) = feeding {
        feeding.finish(PATIENCE).await;
    }
    let summaries = summarise(locals, elapsed).await;
    writer.await.unwrap_or(Ok(())).map_err(RunError::Write)?;
    let (end, summaries) = (end?, summaries?);
    if end != End::Closed {
        output::write_summaries(format, &summaries).map_err(RunError::Write)?;
    }
    Ok(end)
}

/// The feed, if somebody takes its topic.
fn feeding(args: &RunArgs, feed: Feed, mqtt: &MqttConfig, locals: &[Local]) -> Result<Feeding, RunError> {
    let topic = &args.topic;
    if !locals.iter().any(|local| local.takes(topic)) {
        let wanted = |local: &Local| format!("{} takes {}", local.account, local.channels().join(", "));
        let channels = locals.iter().map(wanted).collect::<Vec<_>>().join("; ");
        return Err(RunError::MissTaker { topic: topic.clone(), channels });
    }
    let address = args.broker.clone();
    // The embedded broker's address was printed by an address; it reads back.
    let address = address.or_else(|| mqtt.url.parse().ok()).ok_or(RunError::Stall(mqtt.url.clone()))?;
    let client_id = format!("{}.feed.{:08x}", mqtt.client_id_prefix, rand::random::<u32>());
    let options = Options {
        username: mqtt.username.clone(),
        password: mqtt.password.clone(),
        ca_file: mqtt.ca_file.clone(),
        ..Options::new(address, client_id)
    };
    Ok(Feeding::new(feed, topic, args.rate, options, locals))
}

fn say_what_was_decided_earlier(feeding: Option<&Feeding>, locals: &[Local]) {
    let Some(feeding) = feeding else { return };
    let mut stderr = io::stderr().lock();
    for local in locals {
        let (earlier, total) = feeding.decided_earlier(local);
        if earlier > 0 {
            let account = &local.account;
            // Nothing is left to be done for a closed stderr.
            drop(writeln!(stderr, "{account}: {earlier} of {total} lines of the feed were decided earlier"));
        }
    }
}

async fn stop(locals: Vec<Local>) -> Result<(), RunError> {
    summarise(locals, Duration::ZERO).await.map(drop)
}

/// Stops everything, and says what each account did. The first error of all is told, after everything is stopped.
async fn summarise(locals: Vec<Local>, elapsed: Duration) -> Result<Vec<Summary>, RunError> {
    let (mut summaries, mut failed) = (Vec::new(), Ok(()));
    for local in locals {
        let (account, start) = (local.account.clone(), local.start.clone());
        let (end, outcome) = local.stop().await;
        summaries.push(Summary::between(&start, &end, elapsed));
        failed = failed.and(outcome.map_err(|source| RunError::Local { account, source }));
    }
    failed.map(|()| summaries)
}

/// The broker to use: the one that was named, or an embedded one.
async fn broker(args: &RunArgs, tasks: &TaskTracker, stop: &CancellationToken) -> Result<MqttConfig, RunError> {
    let url = match &args.broker {
        Some(address) => address.to_string(),
        None => embedded(tasks, stop).await?,
    };
    let read = |path: &PathBuf| {
        Secret::from_file(path).map_err(|source| RunError::ReadPassword { path: path.clone(), source })
    };
    Ok(MqttConfig {
        username: args.mqtt_username.clone(),
        password: args.mqtt_password_file.as_ref().map(read).transpose()?,
        ca_file: args.mqtt_ca_file.clone(),
        session: if args.data_dir.is_some() { Session::Persistent } else { Session::Temporary },
        ..MqttConfig::new(url)
    })
}

#[cfg(feature = "embedded-broker")]
async fn embedded(tasks: &TaskTracker, stop: &CancellationToken) -> Result<String, RunError> {
    let address = crate::broker::start(tasks, stop.clone()).await.map_err(RunError::Broker)?;
    tracing::info!(%address, "embedded broker");
    Ok(format!("mqtt://{address}"))
}

#[cfg(not(feature = "embedded-broker"))]
async fn embedded(_: &TaskTracker, _: &CancellationToken) -> Result<String, RunError> {
    Err(RunError::NeedBroker)
}
