//! The command line of `feed`, every flag also by environment variable.

use std::{fs, io, net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Parser;
use feed::{Config, DatabaseFiles, FeedDeps, FeedError, Metrics, PARTS};
use intuition_api::topic::PREFIX;
use intuition_common::{
    clock::{Clock, SystemClock},
    heartbeat::Heartbeat,
    http::{self, Heartbeats, Pages},
    readiness::Readiness,
    shutdown,
    telemetry::LogArgs,
};
use intuition_mqtt::{BrokerArgs, PasswordError};
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// Publishes the quotes of a source on MQTT: each numbered, none lost, none invented.
#[derive(Debug, Parser)]
#[command(name = "feed", version)]
pub(crate) struct Args {
    #[command(flatten)]
    broker: BrokerArgs,
    /// Feed, `<namespace>/<name>`.
    #[arg(long, env = "INTUITION_FEED", value_name = "FEED")]
    feed: String,
    /// File with the spec of the feed, as JSON.
    #[arg(long, env = "INTUITION_SETTINGS", value_name = "FILE")]
    settings: PathBuf,
    /// Folder in which the claim or the `ConfigMap` of a file is mounted.
    #[arg(long, env = "INTUITION_FILES_DIR", value_name = "DIR", default_value = ".")]
    files_dir: PathBuf,
    /// File with the certificates that an exchange's TLS is to trust in place of the machine's, PEM.
    #[arg(long, env = "INTUITION_EXCHANGE_CA", value_name = "FILE")]
    exchange_ca: Option<PathBuf>,
    /// File with the URL of the database of a table, as in `postgresql://user:password@host:5432/database`. It is read again at
    /// every attempt to connect.
    #[arg(long, env = "INTUITION_POSTGRES_URL_FILE", value_name = "FILE")]
    postgres_url_file: Option<PathBuf>,
    /// PEM file of the authorities that the database's certificate comes from. With it TLS is required and the certificate is
    /// checked.
    #[arg(long, env = "INTUITION_POSTGRES_CA", value_name = "FILE", requires = "postgres_url_file")]
    postgres_ca: Option<PathBuf>,
    /// Folder with the two as `postgres-url` and `postgres-ca.crt`, the latter optional: a Secret as it is mounted.
    #[arg(long, env = "INTUITION_POSTGRES_CREDENTIALS_DIR", value_name = "DIR", conflicts_with = "postgres_url_file")]
    postgres_credentials_dir: Option<PathBuf>,
    /// Prefix of the client id, `TEXT.<namespace>.<name>.feed`.
    #[arg(long, env = "INTUITION_CLIENT_ID_PREFIX", value_name = "TEXT", default_value = "intuition")]
    client_id_prefix: String,
    /// First levels of the feed's topics, `PREFIX/<namespace>/feed.<name>/...`: one or more.
    #[arg(long, env = "INTUITION_TOPIC_PREFIX", value_name = "PREFIX", default_value = PREFIX)]
    topic_prefix: String,
    /// Address for /healthz, /readyz, /metrics and /status. With it a source that has failed does not end the process: /readyz shows
    /// the reason, and the source is started again after a pause.
    #[arg(long, env = "INTUITION_HTTP_ADDR", value_name = "ADDR")]
    http_addr: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Errors that end the feed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MainError {
    /// The password file cannot be read.
    #[error(transparent)]
    ReadPassword(PasswordError),
    /// The settings file is missing.
    #[error("cannot read the settings file {}", path.display())]
    ReadSettings {
        /// The value as given.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The settings are no JSON.
    #[error("the settings file {} holds no JSON", path.display())]
    ParseSettings {
        /// The value as given.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The address is in use, or this process has no right to it.
    #[error("cannot listen on {addr} for --http-addr")]
    Listen {
        /// The value as given.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The server of the pages has ended: probes and scrapes would fail without a log line.
    #[error("cannot serve /healthz, /readyz, /metrics and /status any more (--http-addr)")]
    ServePages(#[source] io::Error),
    /// Without signals the process cannot shut down in order.
    #[error("cannot watch for signals")]
    WatchSignals(#[source] io::Error),
    /// The feed could not start, or ended by itself.
    #[error(transparent)]
    Run(FeedError),
}

impl MainError {
    /// Whether arguments, settings or the source are the cause, and not the machine.
    pub(crate) const fn is_usage(&self) -> bool {
        match self {
            Self::ReadPassword(_) | Self::ReadSettings { .. } | Self::ParseSettings { .. } => true,
            Self::Run(error) => error.is_usage(),
            Self::Listen { .. } | Self::ServePages(_) | Self::WatchSignals(_) => false,
        }
    }
}

/// Runs the feed until a signal ends it.
pub(crate) async fn run(args: Args) -> Result<(), MainError> {
    let http_addr = args.http_addr;
    let config = args.config()?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let readiness = Readiness::new(&PARTS, Arc::clone(&clock));
    let heartbeat = Heartbeat::new();
    let shutdown = shutdown::on_signal().map_err(MainError::WatchSignals)?;
    let mut servers = JoinSet::new();
    if let Some(addr) = http_addr {
        let listener = TcpListener::bind(addr).await.map_err(|source| MainError::Listen { addr, source })?;
        let heartbeats = Heartbeats::default();
        heartbeats.watch("the driver of the feed", heartbeat.clone());
        let shown = metrics.clone();
        let status: Arc<dyn Fn() -> Value + Send + Sync> = Arc::new(move || shown.status());
        let pages =
            Pages { readiness: readiness.clone(), registry: Arc::new(registry), heartbeats, status: Some(status) };
        servers.spawn(http::serve(listener, pages, shutdown.clone()));
    }
    let deps = FeedDeps { readiness, metrics, clock, heartbeat, ends_with_source: http_addr.is_none(), marks: None };
    let outcome = tokio::select! {
        outcome = feed::run(&config, deps, shutdown) => outcome.map_err(MainError::Run),
        error = http::failed(&mut servers) => Err(MainError::ServePages(error)),
    };
    // An open page must not delay the end.
    servers.shutdown().await;
    outcome
}

impl Args {
    fn config(self) -> Result<Config, MainError> {
        let credentials = self.broker.credentials().map_err(MainError::ReadPassword)?;
        let path = self.settings;
        let text = fs::read(&path).map_err(|source| MainError::ReadSettings { path: path.clone(), source })?;
        let spec = serde_json::from_slice(&text).map_err(|source| MainError::ParseSettings { path, source })?;
        Ok(Config {
            feed: self.feed,
            spec,
            broker: self.broker.mqtt,
            credentials,
            client_id_prefix: self.client_id_prefix,
            topic_prefix: self.topic_prefix,
            files: self.files_dir,
            exchange_ca: self.exchange_ca,
            database: database(self.postgres_credentials_dir, self.postgres_url_file, self.postgres_ca),
        })
    }
}

/// The files with the login of a database.
fn database(folder: Option<PathBuf>, url: Option<PathBuf>, authorities: Option<PathBuf>) -> Option<DatabaseFiles> {
    folder.map(DatabaseFiles::Folder).or_else(|| url.map(|url| DatabaseFiles::Named { url, authorities }))
}
