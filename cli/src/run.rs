//! `intuition run`: a broker, for each account a runtime and a bridge, and each feed, in this process.

mod account;
mod accounts;
mod algorithms;
mod deciders;
mod error;
mod feed_plan;
mod feeding;
mod feeds;
mod joined;
mod local;
mod names;
mod presence;
mod settings;
mod topics;
mod watch;
mod watchdog;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use algo_runtime::settings::AlgorithmRef;
use bridge::{MqttConfig, Session};
use futures::future::join_all;
use intuition_common::{exit, secret::Secret, shutdown, telemetry};
use intuition_mqtt::{Address, Credentials, Fixed, Options};
use intuition_resources::{Feed, Indicator, TradingAlgo};
use quote_files::STDIN;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    account::Account,
    algorithms::StateReporter,
    error::RunError,
    feeding::{Feeding, Plan},
    feeds::Feeds,
    local::{Local, SHUTDOWN_TIMEOUT},
    watch::{End, Watch},
};
use crate::{
    args::{Choice, FeedArgs, RunArgs},
    feed::{
        files::{self, OpenFile},
        publisher::PublishError,
        quote::Sources,
        resume::Names,
    },
    init,
    manifest::{self, Place},
    output::{self, Letters, Summary, say},
    source_topics::KnownSources,
    validate,
};

/// Runs `intuition run`.
pub(crate) fn command(args: &RunArgs) -> ExitCode {
    if let Err(error) = telemetry::init(&args.log) {
        return exit::report(&error, exit::USAGE);
    }
    let is_stdin = |path: &PathBuf| path == Path::new(STDIN);
    if args.feed.paths.iter().any(is_stdin) && args.manifests.files.iter().any(is_stdin) {
        return exit::report(&RunError::ShareStdin, exit::USAGE);
    }
    let mut checked = match args.builtin {
        Some(Choice(builtin)) => {
            validate::check_documents(manifest::parse(Path::new("--builtin"), &init::manifest(builtin)), true)
        }
        None => validate::check(&args.manifests, args.algorithm_address.is_none()),
    };
    let (feeds, indicators) = (std::mem::take(&mut checked.feeds), std::mem::take(&mut checked.indicators));
    let deciders = deciders::of(checked, args, !indicators.is_empty());
    let algos = match deciders {
        Ok(algos) => algos,
        Err(problems) => return validate::tell(&problems),
    };
    match try_command(args, Manifests { algos, feeds, indicators }) {
        Ok((End::Complete | End::Elapsed | End::Closed, _)) => ExitCode::SUCCESS,
        Ok((End::Interrupted, code)) => ExitCode::from(code.unwrap_or(1)),
        Err(error) => exit::report(&error, error.code()),
    }
}

/// The manifests of a run.
struct Manifests {
    /// Accounts with their algorithms.
    algos: Vec<(TradingAlgo, AlgorithmRef)>,
    feeds: Vec<(Place, Feed)>,
    indicators: Vec<Indicator>,
}

/// The quotes that a run publishes itself.
struct Quotes {
    files: Vec<OpenFile>,
    feeds: Feeds,
}

/// The end of the run, and the exit code of the signal, if one ended it.
fn try_command(args: &RunArgs, manifests: Manifests) -> Result<(End, Option<u8>), RunError> {
    let files = files::open(&args.feed.paths, &args.feed.files, args.data_dir.is_some()).map_err(RunError::OpenFeed)?;
    say(&feeding::check(&files, args.feed.allow_bad_lines).map_err(RunError::CheckFeed)?);
    let has_feed = !files.is_empty();
    let tokio = tokio::runtime::Runtime::new().map_err(RunError::StartTokio)?;
    tokio.block_on(async {
        // Before the folder is created, so that a signal leaves no folder behind.
        let signals = shutdown::signals().map_err(RunError::WaitForSignals)?;
        let signal = signals.first.clone();
        let temporary = match &args.data_dir {
            Some(_) => None,
            None => Some(TempDir::with_prefix("intuition-").map_err(RunError::MakeFolder)?),
        };
        let data_dir = args.data_dir.as_deref().or(temporary.as_ref().map(TempDir::path)).unwrap_or(Path::new("."));
        let (tasks, broker_stop) = (TaskTracker::new(), CancellationToken::new());
        let broker = broker(args, &tasks, &broker_stop).await?;
        let (accounts, feeds) = prepare(args, manifests, &broker.mqtt)?;
        if args.broker.is_some() && !args.force {
            let names: Vec<_> = accounts.iter().map(|account| account.settings.account.clone()).collect();
            let Broker { mqtt, address } = &broker;
            presence::check(&names, mqtt, address, &tasks, &signal).await.map_err(RunError::Presence)?;
        }
        let (mut locals, mut reporter) = (Vec::new(), StateReporter::default());
        let outcome = match start(args, accounts, data_dir, &mut locals, &mut reporter, &signal).await {
            Ok(true) => {
                let quotes = Quotes { files, feeds };
                run(args, quotes, &broker, locals, reporter, &tasks, &signal).await
            }
            Ok(false) => {
                let summaries = summarise(locals, Duration::ZERO).await?;
                output::write_summaries(args.output, &summaries, &[]).map_err(RunError::Write)?;
                Ok(if has_feed { End::Interrupted } else { End::Complete })
            }
            Err(error) => {
                stop(locals).await?;
                Err(error)
            }
        };
        broker_stop.cancel();
        tasks.close();
        // Connections that hang must not delay the exit.
        drop(tokio::time::timeout(SHUTDOWN_TIMEOUT, tasks.wait()).await);
        outcome.map(|end| (end, signals.exit_code()))
    })
}

/// The accounts with the channels of this run, and its feeds.
fn prepare(args: &RunArgs, manifests: Manifests, mqtt: &MqttConfig) -> Result<(Vec<Account>, Feeds), RunError> {
    let Manifests { algos, feeds, indicators } = manifests;
    let options = feed_plan::Options {
        files_dir: args.files_dir.as_deref(),
        exchange_ca: args.exchange_ca.as_ref(),
        postgres_url: args.postgres_url_file.as_ref(),
        postgres_ca: args.postgres_ca.as_ref(),
    };
    let (planned, mut notes) = feed_plan::of(&feeds, options, mqtt).map_err(RunError::PlanFeed)?;
    let topics = feed_plan::topics(&feeds, &mqtt.topic_prefix);
    let known = KnownSources::below(&mqtt.topic_prefix, topics, indicators.iter().map(validate::indicator_name));
    let manifests = accounts::Manifests { algos, indicators: &indicators, known: &known };
    let (accounts, more) = accounts::of(manifests, &planned, mqtt, args.broker.is_some())?;
    notes.extend(more);
    say(&notes);
    Ok((accounts, Feeds::new(planned)))
}

/// Starts the runtimes and waits for their algorithms; `false`: `signal` came first.
async fn start(
    args: &RunArgs,
    accounts: Vec<Account>,
    data_dir: &Path,
    locals: &mut Vec<Local>,
    reporter: &mut StateReporter,
    signal: &CancellationToken,
) -> Result<bool, RunError> {
    for (place, account) in accounts.into_iter().enumerate() {
        let (name, addr) = (account.settings.account.clone(), local::runtime_addr(args.runtime_addr, place));
        let local = Local::start(account, data_dir, addr).await.map_err(|error| RunError::local(name, error))?;
        locals.push(local);
    }
    algorithms::wait(locals, reporter, signal).await
}

async fn run(
    args: &RunArgs,
    Quotes { files, mut feeds }: Quotes,
    broker: &Broker,
    mut locals: Vec<Local>,
    reporter: StateReporter,
    tasks: &TaskTracker,
    signal: &CancellationToken,
) -> Result<End, RunError> {
    let mut feeding = match feeding(args, files, broker, &locals) {
        Ok(feeding) => feeding,
        Err(error) => {
            stop(locals).await?;
            return Err(error);
        }
    };
    say_how_it_starts(args, feeding.as_ref(), broker, &locals);
    say(&feeds.lines());
    say(&feeds.untaken(&locals, &wanted(&locals)));
    if args.broker.is_none() {
        say(&joined::lost(&locals));
    }
    let closed = CancellationToken::new();
    let (published, receiver) = mpsc::unbounded_channel();
    let (format, bar, reader_gone) = (args.output, feeding.as_ref().map(Feeding::bar), closed.clone());
    let sources = feeding.as_ref().map(Feeding::sources);
    let letters = Letters::new(sources.clone());
    let writer = tokio::task::spawn_blocking(move || {
        output::write_decisions(format, receiver, letters, bar.as_ref(), &reader_gone)
    });
    for local in &mut locals {
        local.connect(&broker.mqtt, &published);
    }
    drop(published);
    let mut watch = Watch::new(&locals, feeding.as_mut(), &mut feeds, reporter, tasks);
    let end = watch.run(signal, &closed, args.time).await;
    let elapsed = watch.elapsed();
    if let Some(feeding) = feeding {
        feeding.finish(SHUTDOWN_TIMEOUT).await;
    }
    let published = feeds.finish(SHUTDOWN_TIMEOUT).await;
    let summaries = summarise(locals, elapsed).await;
    writer.await.unwrap_or(Ok(())).map_err(RunError::Write)?;
    // The error of a failed runtime comes first: it is the cause of its bridge's error.
    let summaries = summaries?;
    // Rows before a bad one are decided, and their summary counts.
    let is_fed = summaries.iter().any(Summary::has_ticks);
    let shows = match &end {
        Ok(End::Complete | End::Elapsed | End::Interrupted) | Err(RunError::Feed(PublishError::Read(_))) => true,
        Err(RunError::EndFeed { .. }) => is_fed,
        _ => false,
    };
    if shows {
        output::write_summaries(format, &summaries, &published).map_err(RunError::Write)?;
    }
    let end = end?;
    let mut decided = summaries.iter().filter(|summary| summary.has_ticks()).peekable();
    match sources {
        Some(sources) if end == End::Complete && decided.peek().is_some() && decided.all(Summary::is_all_dead) => {
            Err(RunError::NothingUsable(names(&sources)))
        }
        _ => Ok(end),
    }
}

/// The feed, if there are files and an algorithm takes their topic.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws a client identifier")]
fn feeding(
    args: &RunArgs,
    files: Vec<OpenFile>,
    broker: &Broker,
    locals: &[Local],
) -> Result<Option<Feeding>, RunError> {
    if files.is_empty() {
        return Ok(None);
    }
    let Broker { address, mqtt } = broker;
    let FeedArgs { topic, source, restart, rate, allow_bad_lines, .. } = &args.feed;
    if !locals.iter().any(|local| local.takes(topic)) {
        return Err(RunError::MissTaker { topic: topic.clone(), channels: wanted(locals) });
    }
    let client_id = format!("{}.feed.{:08x}", mqtt.client_id_prefix, rand::random::<u32>());
    let options = Options { credentials: mqtt.credentials.clone(), ..Options::new(address.clone(), client_id) };
    let names = Names { given: source, restart: *restart, topic, data_dir: args.data_dir.as_deref() };
    let plan = Plan { files, names, rate: *rate, allow_bad_lines: *allow_bad_lines };
    let (feeding, notes) = Feeding::new(plan, options, locals).map_err(RunError::Resume)?;
    say(&notes);
    Ok(Some(feeding))
}

/// The files of a feed, for a person.
fn names(sources: &Sources) -> String {
    sources.0.iter().map(|(_, file)| file.as_str()).collect::<Vec<_>>().join(", ")
}

/// The channels of each algorithm, for a person.
fn wanted(locals: &[Local]) -> String {
    let wanted = |local: &Local| format!("{} takes {}", local.account, local.channels().join(", "));
    locals.iter().map(wanted).collect::<Vec<_>>().join("; ")
}

fn say_how_it_starts(args: &RunArgs, feeding: Option<&Feeding>, broker: &Broker, locals: &[Local]) {
    let Broker { address, mqtt } = broker;
    let line = |local: &Local| {
        let account = &local.account;
        match feeding.map(|feeding| feeding.decided_earlier(local)) {
            None => {
                let channels = local.channels().join(", ");
                Some(format!("{account}: waiting for quotes on {channels} at {address}, Ctrl-C ends the run"))
            }
            Some(0) => None,
            Some(earlier) => Some(format!("{account}: {earlier} rows of the feed were decided earlier")),
        }
    };
    say(&locals.iter().filter_map(line).collect::<Vec<_>>());
    if feeding.is_none() && args.broker.is_some() {
        say(&locals.iter().map(|local| local.output_line(&mqtt.topic_prefix)).collect::<Vec<_>>());
    }
    if feeding.is_none() || args.runtime_addr.is_some() {
        say(&locals.iter().filter_map(Local::halt_line).collect::<Vec<_>>());
    }
}

async fn stop(locals: Vec<Local>) -> Result<(), RunError> {
    summarise(locals, Duration::ZERO).await.map(drop)
}

/// Stops all accounts at the same time, and returns the summaries in the order of the accounts. The first error is returned
/// after everything is stopped.
async fn summarise(locals: Vec<Local>, elapsed: Duration) -> Result<Vec<Summary>, RunError> {
    let (mut summaries, mut failed) = (Vec::new(), Ok(()));
    let stops = locals.into_iter().map(|local| async {
        let (account, start) = (local.account.clone(), Arc::clone(&local.start));
        (account, start, local.stop().await)
    });
    for (account, start, (end, outcome)) in join_all(stops).await {
        summaries.push(Summary::between(&start, &end, elapsed));
        failed = failed.and(outcome.map_err(|error| RunError::local(account, error)));
    }
    failed.map(|()| summaries)
}

/// The broker to use.
struct Broker {
    address: Address,
    /// Credentials and prefixes for the bridges.
    mqtt: MqttConfig,
}

/// The broker to use: the broker of the flags, or an embedded one.
async fn broker(args: &RunArgs, tasks: &TaskTracker, stop: &CancellationToken) -> Result<Broker, RunError> {
    let address = match &args.broker {
        Some(address) => address.clone(),
        None => embedded(tasks, stop).await?,
    };
    let read = |path: &PathBuf| {
        Secret::from_file(path).map_err(|source| RunError::ReadPassword { path: path.clone(), source })
    };
    let mqtt = MqttConfig {
        credentials: Credentials::Fixed(Fixed {
            username: args.mqtt_username.clone(),
            password: args.mqtt_password_file.as_ref().map(read).transpose()?,
            ca_file: args.mqtt_ca_file.clone(),
        }),
        session: if args.data_dir.is_some() { Session::Persistent } else { Session::Temporary },
        ..MqttConfig::new(address.to_string())
    };
    // The embedded broker has no other clients.
    let mqtt = if args.broker.is_some() && !args.as_cluster {
        names::separate(mqtt, args.data_dir.as_deref()).map_err(RunError::Names)?
    } else {
        mqtt
    };
    Ok(Broker { address, mqtt })
}

#[cfg(feature = "embedded-broker")]
async fn embedded(tasks: &TaskTracker, stop: &CancellationToken) -> Result<Address, RunError> {
    let address = crate::broker::start(tasks, stop.clone()).await.map_err(RunError::Broker)?;
    tracing::info!(%address, "embedded broker");
    Ok(Address { host: address.ip().to_string(), port: address.port(), tls: false })
}

#[cfg(not(feature = "embedded-broker"))]
#[expect(clippy::unused_async, reason = "same signature as with an embedded broker")]
async fn embedded(_: &TaskTracker, _: &CancellationToken) -> Result<Address, RunError> {
    Err(RunError::NeedBroker)
}
