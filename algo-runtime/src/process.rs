//! The process `algo-runtime`: from its arguments to its exit code.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use intuition_api::part;
use intuition_common::{
    clock::{Clock, SystemClock},
    exit,
    http::{self, Heartbeats, Pages},
    readiness::Readiness,
    shutdown, telemetry,
};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    args::{ArgsError, ServeArgs},
    metrics::Metrics,
    server::{self, Config, RuntimeError},
};

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error("the arguments cannot be used")]
    UseArguments(#[source] ArgsError),
    #[error(transparent)]
    Log(telemetry::TelemetryError),
    #[error("cannot start the async runtime")]
    StartTokio(#[source] std::io::Error),
    #[error("cannot wait for signals")]
    WaitForSignals(#[source] std::io::Error),
    #[error("cannot listen on {addr} ({flag})")]
    Listen { addr: SocketAddr, flag: &'static str, source: std::io::Error },
    #[error("cannot serve /healthz, /readyz and /metrics any more (--http-addr)")]
    ServePages(#[source] std::io::Error),
    #[error("the runtime has failed")]
    Run(#[source] RuntimeError),
}

impl ProcessError {
    const fn code(&self) -> u8 {
        match self {
            Self::UseArguments(_) | Self::Log(_) => exit::USAGE,
            Self::Run(error) if error.is_usage() => exit::USAGE,
            _ => 1,
        }
    }
}

/// Serves until SIGTERM or SIGINT.
pub fn serve(args: &ServeArgs) -> ExitCode {
    match try_serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, error.code()),
    }
}

fn try_serve(args: &ServeArgs) -> Result<(), ProcessError> {
    telemetry::init(&args.log).map_err(ProcessError::Log)?;
    let settings = args.settings().map_err(ProcessError::UseArguments)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let readiness = Readiness::new(&[part::runtime::LEDGER], Arc::clone(&clock));
    let config = Config {
        settings,
        data_dir: args.data_dir.clone().unwrap_or_default(),
        clock,
        metrics,
        readiness: readiness.clone(),
        algorithm_deadline: Duration::from_secs_f64(args.algorithm_deadline),
    };
    let tokio = tokio::runtime::Runtime::new().map_err(ProcessError::StartTokio)?;
    let pages = Pages { readiness, registry: Arc::new(registry), heartbeats: Heartbeats::default(), status: None };
    let outcome = tokio.block_on(run(args, config, pages));
    // A ledger that was still being opened is let go as it is: until it is open, nothing in it depends on this process.
    tokio.shutdown_background();
    outcome
}

async fn run(args: &ServeArgs, config: Config, pages: Pages) -> Result<(), ProcessError> {
    let shutdown = shutdown::on_signal().map_err(ProcessError::WaitForSignals)?;
    let listener = listen(args.addr, "--addr").await?;
    let mut servers = JoinSet::new();
    let heartbeats = pages.heartbeats.clone();
    if let Some(addr) = args.http_addr {
        // Before the ledger is opened: a large one takes a while, and must not look as if nobody were there.
        servers.spawn(http::serve(listen(addr, "--http-addr").await?, pages, shutdown.clone()));
    }
    let account = config.settings.account.clone();
    let Some(running) = shutdown.run_until_cancelled(server::start(config, listener, shutdown.clone())).await else {
        return Ok(());
    };
    let running = running.map_err(ProcessError::Run)?;
    let algorithm = running.tally().borrow().account.algorithm.clone();
    tracing::info!(addr = %running.addr, account, algorithm, "serving");
    heartbeats.watch("the writer of the ledger", running.heartbeat());
    let outcome = tokio::select! {
        outcome = running.stopped() => outcome.map_err(ProcessError::Run),
        error = http::failed(&mut servers) => Err(ProcessError::ServePages(error)),
    };
    // A page being read must not hold up the end.
    servers.shutdown().await;
    outcome
}

async fn listen(addr: SocketAddr, flag: &'static str) -> Result<TcpListener, ProcessError> {
    TcpListener::bind(addr).await.map_err(|source| ProcessError::Listen { addr, flag, source })
}
