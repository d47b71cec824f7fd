//! The command line of `intuition-operator`, every flag also by environment variable.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use intuition_common::telemetry::LogArgs;
use intuition_resources::{Algorithm, Feed, Indicator, TradingAlgo};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

/// The operator of Intuition.
#[derive(Debug, Parser)]
#[command(name = "intuition-operator", version)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reconcile every `TradingAlgo`, `Algorithm`, `Feed` and `Indicator` of a cluster.
    Run(Box<RunArgs>),
    /// Print the definition of a resource (CRD) as YAML.
    Crd {
        /// The kind.
        #[arg(value_enum, default_value_t)]
        kind: Kind,
    },
    /// Print the reference of all resources as Markdown.
    Reference,
}

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Kind {
    /// `TradingAlgo`.
    #[default]
    TradingAlgo,
    /// `Algorithm`.
    Algorithm,
    /// `Feed`.
    Feed,
    /// `Indicator`.
    Indicator,
}

impl Kind {
    /// Its CRD.
    pub fn definition(self) -> CustomResourceDefinition {
        match self {
            Self::TradingAlgo => TradingAlgo::crd(),
            Self::Algorithm => Algorithm::crd(),
            Self::Feed => Feed::crd(),
            Self::Indicator => Indicator::crd(),
        }
    }
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// YAML file with the settings of runtimes and bridges.
    #[arg(long, env = "INTUITION_SETTINGS", value_name = "FILE")]
    pub settings: PathBuf,
    /// Namespaces to watch; all without it.
    #[arg(long, env = "INTUITION_WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',')]
    pub watch_namespace: Vec<String>,
    /// Namespace of the Lease for leader election; without it there must be one replica.
    #[arg(long, env = "INTUITION_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Name of the Lease.
    #[arg(long, env = "INTUITION_LEASE_NAME", value_name = "NAME", default_value = "intuition-operator")]
    pub lease_name: String,
    /// Identity of this replica: its pod's name.
    #[arg(long, env = "INTUITION_IDENTITY", value_name = "NAME", default_value = "intuition-operator")]
    pub identity: String,
    /// Address of /healthz, /readyz and /metrics; none without it.
    #[arg(long, env = "INTUITION_HTTP_ADDR", value_name = "ADDR")]
    pub http_addr: Option<SocketAddr>,
    /// Address of the gRPC service `intuition.v1.Backends`, the directory of algorithms for programs; none without it.
    #[arg(long, env = "INTUITION_BACKENDS_ADDR", value_name = "ADDR")]
    pub backends_addr: Option<SocketAddr>,
    /// Folder with `username`, `password` and `ca.crt` for the default broker, each optional.
    #[arg(long, env = "INTUITION_BROKER_CREDENTIALS_DIR", value_name = "DIR")]
    pub broker_credentials_dir: Option<PathBuf>,
    /// Resources that are reconciled at the same time, in each namespace with watches of its own.
    #[arg(long, env = "INTUITION_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Seconds between two passes over a settled resource, which read its account.
    #[arg(long, env = "INTUITION_RESYNC_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub resync_seconds: u64,
    /// Format and level of logs.
    #[command(flatten)]
    pub log: LogArgs,
}
