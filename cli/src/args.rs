//! The flags.

mod builtin;
mod feed;
mod trading;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use algo_runtime::backend;
use clap::{Args, Parser, Subcommand};
use intuition_common::{duration, telemetry::LogArgs};
use intuition_mqtt::Address;

pub(crate) use self::{
    builtin::Choice,
    feed::{FeedArgs, FeedCommand, FileArgs, InspectArgs},
    trading::{AccountsArgs, AtArgs, CloseArgs, ClusterArgs, HaltArgs, ResumeArgs, WaitArgs},
};
use crate::{
    output::{AnswerFormat, Format},
    validate::samples::{Property, Sample},
};

/// Runs trading algorithms: the manifests that a cluster runs, on this machine.
#[derive(Debug, Parser)]
#[command(name = "intuition", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List algorithms and the parameters that they take: those built in, those served at addresses, and a cluster's.
    Backends(BackendsArgs),
    /// Sell holdings of an account that is halted or reducing, each symbol whole at its next quote.
    ///
    /// The sale does not wait for the algorithm. An account that is Active has to be halted first. The symbols that still
    /// wait are dropped by --cancel and by the return to Active.
    Close(Box<CloseArgs>),
    /// Check a server of algorithms against the contract, and report failures with their reasons.
    Conform(ConformArgs),
    /// Inspect files of quotes.
    #[command(subcommand)]
    Feed(FeedCommand),
    /// Stop the trading of accounts: every signal is denied until `intuition resume`.
    ///
    /// Sets the annotation `intuition.dev/halt` of the resources, also where the spec is invalid, and waits until the operator
    /// confirms that the state is in force. `kubectl apply` leaves the annotation alone. Exit code 1: at least
    /// one account is not confirmed. An account that fails does not keep the others from being halted.
    Halt(Box<HaltArgs>),
    /// Let accounts only sell: buys are denied until `intuition resume`.
    ///
    /// As `intuition halt`, by the annotation `intuition.dev/reduce`.
    Reduce(Box<HaltArgs>),
    /// End the stops of `intuition halt` and `intuition reduce`, and name the causes that remain.
    ///
    /// Removes both annotations. Causes of the spec (`tradingState`, `suspend`) and of the runtime itself remain. Exit code
    /// 1: at least one account is not Active afterwards.
    Resume(Box<ResumeArgs>),
    /// Write a manifest with comments to standard output, to change and to run.
    Init(InitArgs),
    /// Run manifests on this machine: each account with its own runtime, ledger and bridge, and each feed, in this one
    /// process. An indicator is an account too.
    Run(Box<RunArgs>),
    /// List the numbered sources of an account, let one begin again, or forget sources.
    ///
    /// A source in a cluster can be reset without this command, by the annotation `intuition.dev/reset-source` of its
    /// resource: `{"channel": "quotes", "source": "nyse", "era": 0, "last": 1234}`.
    #[command(subcommand)]
    Sources(SourcesCommand),
    /// Report all errors in manifests, and show the quotes that they read from messages.
    ///
    /// Exit code 2: a manifest has an error, or no channel selects the topic of a sample. Exit code 1: a sample has a dead letter,
    /// or no quote that is taken.
    Validate(ValidateArgs),
}

/// The manifests.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// YAML file of `TradingAlgo`, `Algorithm`, `Feed` and `Indicator` manifests, several documents if need be; `-` reads standard input. Repeatable.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// `intuition validate`.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The manifests.
    #[command(flatten)]
    pub(crate) manifests: ManifestArgs,
    /// Message on a topic, in a file: each quote and each dead letter that the manifests read from it is printed. Repeatable.
    #[arg(long = "sample", value_name = "TOPIC=FILE")]
    pub(crate) samples: Vec<Sample>,
    /// MQTT user property of the samples. Repeatable.
    #[arg(long = "sample-property", value_name = "NAME=VALUE", requires = "samples")]
    pub(crate) properties: Vec<Property>,
}

/// `intuition run`.
#[derive(Debug, Args)]
// A built-in algorithm stands for the manifests.
#[command(mut_arg("files", |files| files.required(false)))]
#[command(group = clap::ArgGroup::new("algorithms").required(true).args(["files", "builtin"]))]
// Missing parts of a backend are reported without the log, too.
#[command(mut_arg("log", |log| log.default_value("warn,algo_runtime::backend=error,rumqttc=error,mqtt5=error")))]
pub(crate) struct RunArgs {
    /// The manifests.
    #[command(flatten)]
    pub(crate) manifests: ManifestArgs,
    /// Built-in algorithm to run with its defaults, as the account default/NAME, in place of manifests, such as
    /// `random` or `sma-crossover`: `intuition backends` lists them. `intuition init` writes its manifest.
    #[arg(long, value_name = "NAME", conflicts_with = "algorithm_address")]
    pub(crate) builtin: Option<Choice>,
    /// Algorithm that decides instead of those in the manifests: a server of the gRPC service `intuition.v1.Algorithm` at
    /// `http://host:port` or `unix:/path`. The run waits for it.
    #[arg(long, value_name = "URL")]
    pub(crate) algorithm_address: Option<algo_runtime::backend::Address>,
    /// Broker to use instead of the embedded one: `mqtt://host[:1883]` or `mqtts://host[:8883]`.
    ///
    /// Topics of the accounts begin with `intuition-local/`, also the topic in `spec.channels.publish`, and client ids with
    /// `intuition-local.`, so that the run stays apart from a cluster at the same broker. With --data-dir the client ids
    /// stay the same from run to run, and the broker keeps quotes for a run that is away for less than a day. The run
    /// ends with exit code 2 where another session of an account is online.
    #[arg(long, value_name = "URL")]
    pub(crate) broker: Option<Address>,
    /// Use the topics and the client ids that a cluster uses by default, `intuition/` and `intuition.`: for an account that
    /// runs in no cluster at this broker.
    #[arg(long, requires = "broker")]
    pub(crate) as_cluster: bool,
    /// Start although another session of an account is online at the broker.
    #[arg(long, requires = "broker")]
    pub(crate) force: bool,
    /// User name at the broker.
    #[arg(long, value_name = "NAME", requires = "broker")]
    pub(crate) mqtt_username: Option<String>,
    /// File that holds the password at the broker.
    #[arg(long, value_name = "FILE", requires = "broker")]
    pub(crate) mqtt_password_file: Option<PathBuf>,
    /// PEM file of the authorities to trust instead of the machine's own.
    #[arg(long, value_name = "FILE", requires = "broker")]
    pub(crate) mqtt_ca_file: Option<PathBuf>,
    /// The files to publish.
    #[command(flatten)]
    pub(crate) feed: FeedArgs,
    /// Folder of the files that `Feed` manifests read from a claim or a `ConfigMap`. Without it, the folder of each manifest.
    #[arg(long, value_name = "DIR")]
    pub(crate) files_dir: Option<PathBuf>,
    /// File with the certificates that the exchanges' TLS is to trust in place of the machine's, PEM: the content of the
    /// Secret in `caSecretRef`.
    #[arg(long, value_name = "FILE")]
    pub(crate) exchange_ca: Option<PathBuf>,
    /// File with the URL of the database that `Feed` manifests read tables of, as in
    /// `postgresql://user:password@host:5432/database`: the key `postgres-url` of the Secret in `secretRef`.
    #[arg(long, value_name = "FILE")]
    pub(crate) postgres_url_file: Option<PathBuf>,
    /// PEM file of the authorities that the database's certificate comes from: the key `postgres-ca.crt` of that Secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) postgres_ca: Option<PathBuf>,
    /// End the run after so long, such as 20s or 5m, with its summary and exit code 0.
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub(crate) time: Option<Duration>,
    /// Folder of the ledgers, `DIR/NAMESPACE/NAME`; another run takes them up. Without it they are temporary.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address where the runtime of the first manifest listens, each further one on the next port; with port 0, on free
    /// ports. `intuition halt`, `reduce`, `resume`, `close` and `sources` take it as --runtime. Without this flag free
    /// ports of the loopback interface are used. A run without a feed, or with this flag, prints the addresses at its
    /// start. Calls need no password: keep the address on this machine.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) runtime_addr: Option<SocketAddr>,
    /// Format of decisions and summaries on standard output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Format,
    /// Format of logs.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// `intuition backends`.
#[derive(Debug, Args)]
pub(crate) struct BackendsArgs {
    /// The directory of a cluster, `http://HOST:PORT`: the operator's port 50052.
    #[arg(long, value_name = "URL")]
    pub(crate) directory: Option<backend::Address>,
    /// A server of algorithms, `http://HOST:PORT` or `unix:/PATH`. Repeatable.
    #[arg(long = "address", value_name = "URL")]
    pub(crate) addresses: Vec<backend::Address>,
    /// Only the algorithms of the directory in this namespace.
    #[arg(long, value_name = "NAMESPACE", requires = "directory")]
    pub(crate) namespace: Option<String>,
    /// Format of the list on standard output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: AnswerFormat,
}

/// `intuition init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Built-in algorithm of the manifest, such as `random` or `sma-crossover`: `intuition backends` lists them.
    #[arg(long, value_name = "NAME", default_value = "random")]
    pub(crate) builtin: Choice,
}

/// `intuition conform`.
#[derive(Debug, Args)]
pub(crate) struct ConformArgs {
    /// The server, `http://HOST:PORT` or `unix:/PATH`.
    #[arg(long, value_name = "URL")]
    pub(crate) address: backend::Address,
    /// Parameters to run it with, one JSON object without the threshold. Required parameters that are
    /// missing in it are filled in with values that the schema takes.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) parameters: String,
    /// The threshold to run it with.
    #[arg(long, default_value_t = 0.5)]
    pub(crate) threshold: f64,
    /// Longest time for an answer, and for the start of the server, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    pub(crate) deadline: f64,
    /// Process of the server. At the end the command sends SIGTERM to it and checks that it shuts down in order.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Format of the report on standard output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: AnswerFormat,
}

/// `intuition sources`.
#[derive(Debug, Subcommand)]
pub(crate) enum SourcesCommand {
    /// List every numbered source with its era and its last number.
    List(RuntimeArgs),
    /// Let a source begin again under its name, with any number.
    ///
    /// Applies only while the source is in that era and stands at that last number, so that the same reset can be given
    /// twice. Stop the publisher first: a reset is refused while quotes of the source are being decided.
    Reset(ResetArgs),
    /// Forget sources for good. Their quotes go to the dead-letter topic from then on.
    Forget(ForgetArgs),
}

/// The runtime to call.
#[derive(Debug, Args)]
pub(crate) struct RuntimeArgs {
    /// The runtime, `http://HOST:PORT`. One in a cluster is reached by
    /// `kubectl port-forward -n NAMESPACE service/NAME-runtime 50051`.
    #[arg(long, value_name = "URL")]
    pub(crate) runtime: backend::Address,
    /// The account of the runtime.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(crate) account: String,
    /// Format of the answer on standard output.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: AnswerFormat,
}

/// `intuition sources reset`.
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    /// uid of the resource, as `kubectl get ta NAME -o jsonpath={.metadata.uid}` shows it. None for a runtime that was
    /// started by flags alone.
    #[arg(long, value_name = "UID", default_value = "")]
    pub(crate) uid: String,
    /// Topic that the source publishes on.
    #[arg(long, value_name = "TOPIC")]
    pub(crate) channel: String,
    /// The source's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: String,
    /// The source's era, as `list` shows it.
    #[arg(long)]
    pub(crate) era: u64,
    /// The source's last number, as `list` shows it.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) last: i64,
}

/// `intuition sources forget`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["source", "idle_for"]))]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    /// uid of the resource, as `kubectl get ta NAME -o jsonpath={.metadata.uid}` shows it. None for a runtime that was
    /// started by flags alone.
    #[arg(long, value_name = "UID", default_value = "")]
    pub(crate) uid: String,
    /// The source's name: it is forgotten on every channel.
    #[arg(value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// All sources with a last number of at least this age, such as 90d.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) idle_for: Option<Duration>,
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=600.0).contains(seconds));
    seconds.ok_or("must be a number of seconds from 0.1 to 600")
}
