//! The process `intuition-operator run`: from its arguments to its exit code.

use std::{error::Error, io, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use futures::FutureExt as _;
use intuition_common::{
    backoff::Backoff,
    clock::{Clock, SystemClock},
    exit::{self, with_causes},
    http::{self, Heartbeats, Pages},
    readiness::Readiness,
    shutdown, telemetry,
};
use kube::{Api, Client, Config};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    args::RunArgs,
    backends::{self, ServeError, store::DirectoryStore},
    controllers,
    kubernetes::{
        call::{CallError, code},
        rights::Rights,
    },
    lease::{Election, LeaseError},
    metrics::Metrics,
    reconcile::context::OperatorContext,
    settings::{Settings, SettingsError, credentials::CredentialsDir},
};

/// Readiness part: the API server answers, knows the kinds and grants the rights.
const API: &str = "api";
/// Delays between two attempts to reach the API server.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(500);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(15);

/// Errors that end the process.
#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error(transparent)]
    Log(telemetry::TelemetryError),
    #[error("cannot read the settings {}", path.display())]
    ReadSettings { path: PathBuf, source: io::Error },
    #[error("cannot use the settings {}", path.display())]
    UseSettings { path: PathBuf, source: SettingsError },
    #[error("cannot start the async runtime")]
    StartTokio(#[source] io::Error),
    #[error("cannot wait for signals")]
    WaitForSignals(#[source] io::Error),
    #[error("cannot listen on {addr} ({flag})")]
    Listen { addr: SocketAddr, flag: &'static str, source: io::Error },
    #[error("cannot serve /healthz, /readyz and /metrics any more (--http-addr)")]
    ServePages(#[source] io::Error),
    #[error("cannot serve the directory of algorithms any more (--backends-addr)")]
    ServeDirectory(#[source] Box<dyn Error + Send + Sync>),
    #[error("cannot find out how to reach the API server: neither a kubeconfig nor a service account is there")]
    FindCluster(#[source] kube::config::InferConfigError),
    #[error("cannot set up the connection to the API server")]
    Connect(#[source] kube::Error),
    #[error("cannot take part in the election")]
    Elect(#[source] LeaseError),
    #[error("lost the lead: another replica works from here on")]
    LoseLead,
}

impl ProcessError {
    const fn code(&self) -> u8 {
        match self {
            Self::Log(_) | Self::ReadSettings { .. } | Self::UseSettings { .. } => exit::USAGE,
            _ => 1,
        }
    }
}

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &RunArgs) -> ExitCode {
    match try_run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, error.code()),
    }
}

fn try_run(args: &RunArgs) -> Result<(), ProcessError> {
    telemetry::init(&args.log).map_err(ProcessError::Log)?;
    let path = || args.settings.clone();
    let text = std::fs::read_to_string(&args.settings)
        .map_err(|source| ProcessError::ReadSettings { path: path(), source })?;
    let settings = Settings::parse(&text).map_err(|source| ProcessError::UseSettings { path: path(), source })?;
    // Fails only if a provider was installed before, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let tokio = tokio::runtime::Runtime::new().map_err(ProcessError::StartTokio)?;
    tokio.block_on(run_until_shutdown(args, Arc::new(settings)))
}

async fn run_until_shutdown(args: &RunArgs, settings: Arc<Settings>) -> Result<(), ProcessError> {
    let shutdown = shutdown::on_signal().map_err(ProcessError::WaitForSignals)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let readiness = Readiness::new(&[API], Arc::clone(&clock));
    let mut pages = JoinSet::new();
    if let Some(addr) = args.http_addr {
        let listener = listen(addr, "--http-addr").await?;
        let (readiness, heartbeats) = (readiness.clone(), Heartbeats::default());
        let shown = Pages { readiness, registry: Arc::new(registry), heartbeats, status: None };
        pages.spawn(http::serve(listener, shown, CancellationToken::new()));
    }
    let mut config = Config::infer().await.map_err(ProcessError::FindCluster)?;
    // The controller retries, with metrics and a growing delay.
    config.default_retry = false;
    let shared = OperatorContext {
        client: Client::try_from(config).map_err(ProcessError::Connect)?,
        settings,
        credentials: CredentialsDir(args.broker_credentials_dir.clone()),
        clock,
        rights: Rights::shown_by(readiness.clone()),
        metrics,
        resync: Duration::from_secs(args.resync_seconds),
        concurrency: args.concurrency,
        instance: args.identity.clone(),
        leader: None,
    };
    let scopes = scopes(&args.watch_namespace);
    let mut directory = JoinSet::new();
    if let Some(addr) = args.backends_addr {
        let listener = listen(addr, "--backends-addr").await?;
        directory.spawn(serve_directory(listener, shared.clone(), scopes.clone(), shutdown.clone()));
    }
    let working = async {
        if wait_for_api(&shared.client, &scopes, Some(&readiness), &shutdown).await {
            lead(args, &shared, &scopes, &shutdown).await
        } else {
            Ok(())
        }
    };
    let outcome = tokio::select! {
        outcome = working => outcome,
        error = http::failed(&mut pages) => Err(ProcessError::ServePages(error)),
        error = directory_failed(&mut directory) => Err(ProcessError::ServeDirectory(error)),
    };
    // Shut down even without a signal: losing leadership ends the process.
    shutdown.cancel();
    while directory.join_next().await.is_some() {}
    // A client that still reads a page must not delay the exit.
    pages.shutdown().await;
    outcome
}

async fn listen(addr: SocketAddr, flag: &'static str) -> Result<TcpListener, ProcessError> {
    TcpListener::bind(addr).await.map_err(|source| ProcessError::Listen { addr, flag, source })
}

/// Serves the directory of algorithms on every replica until `shutdown` is cancelled.
async fn serve_directory(
    listener: TcpListener,
    shared: OperatorContext,
    scopes: Vec<Option<String>>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let book = Arc::new(DirectoryStore::new(&scopes));
    let keeping = backends::watch_into(&shared.client, &scopes, &book, &shared.metrics, &shutdown);
    let keeping = async {
        keeping.await;
        Ok(())
    };
    tokio::try_join!(backends::serve(listener, Arc::clone(&book), shutdown.clone()), keeping)?;
    Ok(())
}

/// Waits until the directory fails, with an error or by a panic. A directory that returns without an error has not
/// failed.
async fn directory_failed(directory: &mut JoinSet<Result<(), ServeError>>) -> Box<dyn Error + Send + Sync> {
    while let Some(ended) = directory.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(error) => return error.into(),
        }
    }
    std::future::pending().await
}

/// Reconciles while this replica leads. Losing the lead ends the process: its caches and memory may be stale from then
/// on.
async fn lead(
    args: &RunArgs,
    shared: &OperatorContext,
    scopes: &[Option<String>],
    shutdown: &CancellationToken,
) -> Result<(), ProcessError> {
    let Some(namespace) = &args.lease_namespace else {
        reconcile_scopes(shared, scopes, shutdown).await;
        return Ok(());
    };
    let leases = Api::namespaced(shared.client.clone(), namespace);
    let election = Election::new(leases, &args.lease_name, &args.identity, Arc::clone(&shared.clock));
    let Some(leadership) = election.acquire(shutdown).await.map_err(ProcessError::Elect)? else { return Ok(()) };
    let lost = leadership.lost();
    // Every pass checks the lead by the clock: the process may have been frozen meanwhile.
    let leading = OperatorContext { leader: Some(leadership.token()), ..shared.clone() };
    tokio::select! {
        biased;
        // Passes under way are dropped: the next leader may work on the same objects by now.
        () = lost.cancelled() => return Err(ProcessError::LoseLead),
        () = reconcile_scopes(&leading, scopes, shutdown) => {}
    }
    leadership.release().await;
    Ok(())
}

/// The namespaces to watch, each with watches of its own; `None` stands for all of them.
fn scopes(namespaces: &[String]) -> Vec<Option<String>> {
    let named: Vec<_> = namespaces.iter().filter(|namespace| !namespace.is_empty()).cloned().map(Some).collect();
    if named.is_empty() { vec![None] } else { named }
}

/// Waits until the API server answers, knows the kinds and grants the rights for at least one of the namespaces: a
/// deleted namespace takes its Role along and must not stop the others. Returns `false` on shutdown.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the pauses")]
async fn wait_for_api(
    client: &Client,
    scopes: &[Option<String>],
    readiness: Option<&Readiness>,
    shutdown: &CancellationToken,
) -> bool {
    let mut backoff = Backoff::new(MIN_RETRY_DELAY, MAX_RETRY_DELAY, rand::random());
    loop {
        let checks = scopes.iter().map(|namespace| controllers::check(client, namespace.as_deref()).boxed());
        let outcome = shutdown.run_until_cancelled(futures::future::select_ok(checks)).await;
        let error = match outcome {
            None => return false,
            Some(Ok(_)) => break,
            Some(Err(error)) => error,
        };
        let (reason, message) = explain(&error);
        tracing::warn!(reason, namespaces = ?scopes, "cannot list resources, trying again: {message}");
        if let Some(readiness) = readiness {
            readiness.set_missing(API, reason, &message);
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(backoff.pause())).await.is_none() {
            return false;
        }
    }
    if let Some(readiness) = readiness {
        readiness.set_ready(API);
    }
    true
}

fn explain(error: &CallError) -> (&'static str, String) {
    let (reason, advice) = match error {
        error if error.is(code::NOT_FOUND) => (
            "UnknownKind",
            ": the cluster does not know the kinds TradingAlgo and Algorithm, apply crds/tradingalgo.yaml and crds/algorithm.yaml",
        ),
        error if error.is(code::FORBIDDEN) => ("Forbidden", ": the service account lacks its role"),
        CallError::Refuse(_) | CallError::Read(_) => ("ApiRefused", ""),
        CallError::Reach(_) | CallError::TimeOut => ("ApiUnreachable", ""),
    };
    (reason, format!("{}{advice}", with_causes(error)))
}

/// Reconciles until shutdown. Each namespace starts when the API server answers for it.
async fn reconcile_scopes(shared: &OperatorContext, scopes: &[Option<String>], ending: &CancellationToken) {
    shared.metrics.lead(true);
    tracing::info!(namespaces = ?scopes.iter().flatten().collect::<Vec<_>>(), "reconciling");
    let controllers = scopes.iter().map(|namespace| async move {
        if wait_for_api(&shared.client, std::slice::from_ref(namespace), None, ending).await {
            controllers::run(shared.clone(), namespace.clone(), ending.clone()).await;
        }
    });
    futures::future::join_all(controllers).await;
    shared.metrics.lead(false);
}
