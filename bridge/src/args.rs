//! The command line of `bridge`, every flag also by environment variable.

mod tuning;

use std::{io, net::SocketAddr, sync::Arc};

use bridge::{BridgeDeps, BridgeError, Config, Metrics, MqttConfig, PARTS, Session};
use clap::Parser;
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
use tokio::{net::TcpListener, task::JoinSet};

use self::tuning::TuningArgs;

/// Connects one algo-runtime to MQTT: quotes in, decisions out, nothing lost.
#[derive(Debug, Parser)]
#[command(name = "bridge", version)]
pub(crate) struct Args {
    #[command(flatten)]
    broker: BrokerArgs,
    /// Runtime: `http://HOST:PORT` or `unix:/PATH`.
    #[arg(short, long, env = "INTUITION_RPC", value_name = "URL")]
    rpc: String,
    /// Account, `<namespace>/<name>`.
    #[arg(long, env = "INTUITION_ALGO", value_name = "ACCOUNT")]
    algo: String,
    /// Prefix of client ids.
    #[arg(long, env = "INTUITION_CLIENT_ID_PREFIX", value_name = "TEXT", default_value = "intuition")]
    client_id_prefix: String,
    /// First levels of the account's topics, `PREFIX/<namespace>/<name>/...`: one or more. Two installations on one broker
    /// need different prefixes.
    #[arg(long, env = "INTUITION_TOPIC_PREFIX", value_name = "PREFIX", default_value = PREFIX)]
    topic_prefix: String,
    /// Topic for decisions instead of PREFIX/<namespace>/<name>/decisions.
    #[arg(long, env = "INTUITION_DECISIONS_TOPIC", value_name = "TOPIC")]
    decisions_topic: Option<String>,
    /// Address for /healthz, /readyz and /metrics.
    #[arg(long, env = "INTUITION_HTTP_ADDR", value_name = "ADDR")]
    http_addr: Option<SocketAddr>,
    #[command(flatten)]
    tuning: TuningArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Errors that end the bridge.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MainError {
    /// The password file cannot be read.
    #[error(transparent)]
    ReadPassword(PasswordError),
    /// The address is in use, or this process has no right to it.
    #[error("cannot listen on {addr} for --http-addr")]
    Listen {
        /// The value as given.
        addr: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The server of the pages has ended: probes and scrapes would fail without a log line.
    #[error("cannot serve /healthz, /readyz and /metrics any more (--http-addr)")]
    ServePages(#[source] io::Error),
    /// Without signals the process cannot shut down in order.
    #[error("cannot watch for signals")]
    WatchSignals(#[source] io::Error),
    /// The bridge could not start, or ended by itself.
    #[error(transparent)]
    Run(#[from] BridgeError),
}

impl MainError {
    /// Whether the arguments are the cause, and not the machine.
    pub(crate) const fn is_usage(&self) -> bool {
        match self {
            Self::ReadPassword(_) => true,
            Self::Run(error) => error.is_usage(),
            Self::Listen { .. } | Self::ServePages(_) | Self::WatchSignals(_) => false,
        }
    }
}

/// Runs the bridge until a signal ends it.
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
        heartbeats.watch("the driver of the bridge", heartbeat.clone());
        let pages = Pages { readiness: readiness.clone(), registry: Arc::new(registry), heartbeats, status: None };
        servers.spawn(http::serve(listener, pages, shutdown.clone()));
    }
    let bridge = bridge::run(config, BridgeDeps { readiness, metrics, clock, heartbeat, published: None }, shutdown);
    let outcome = tokio::select! {
        outcome = bridge => outcome.map_err(MainError::from),
        error = http::failed(&mut servers) => Err(MainError::ServePages(error)),
    };
    // An open page must not delay the end.
    servers.shutdown().await;
    outcome
}

impl Args {
    fn config(self) -> Result<Config, MainError> {
        let credentials = self.broker.credentials().map_err(MainError::ReadPassword)?;
        Ok(Config {
            limits: self.tuning.limits(),
            mqtt: self.tuning.mqtt(MqttConfig {
                credentials,
                client_id_prefix: self.client_id_prefix,
                topic_prefix: self.topic_prefix,
                session: Session::Persistent,
                ..MqttConfig::new(self.broker.mqtt)
            }),
            runtime_url: self.rpc,
            account: self.algo,
            decisions_topic: self.decisions_topic,
        })
    }
}
