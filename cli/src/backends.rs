//! `intuition backends`: lists algorithms with their parameters.
//!
//! - [`mod@probe`]: asks a server. [`directory`]: asks a cluster's operator.
//! - [`text`], [`mod@schema`]: the text output.

mod directory;
mod probe;
mod schema;
mod text;

use std::{io, process::ExitCode};

use algo_runtime::algorithm::BUILTINS;
use intuition_api::v1::AlgorithmBackend;
use intuition_common::exit;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use self::{directory::DirectoryError, probe::Probe};
use crate::{
    args::BackendsArgs,
    output::{self, AnswerFormat},
};

/// Errors of the command as a whole.
#[derive(Debug, thiserror::Error)]
enum BackendsError {
    #[error("cannot start the async runtime")]
    StartTokio(#[source] io::Error),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// The whole list.
#[derive(Debug, Serialize)]
struct Listing {
    builtins: Vec<BuiltIn>,
    /// Servers at addresses in the order of the flags, then those of the directory.
    backends: Vec<Backend>,
}

/// An algorithm that comes with the runtime.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BuiltIn {
    name: &'static str,
    version: &'static str,
    summary: &'static str,
    parameters_schema: Option<Value>,
}

/// A server of an algorithm. Texts are empty where they are not known.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Backend {
    /// Namespace of its resource; `None` for a server that was named by its address.
    namespace: Option<String>,
    /// Name of its resource, or else its own name.
    name: String,
    address: String,
    /// Its own name.
    algorithm: String,
    version: String,
    contract: String,
    /// Schema of the parameters; `None`: any object.
    parameters_schema: Option<Value>,
    channels: Vec<String>,
    healthy: bool,
    reason: String,
    message: String,
    used_by: Vec<String>,
}

impl Listing {
    fn new(backends: Vec<Backend>) -> Self {
        let builtins = BUILTINS.iter().map(|builtin| BuiltIn {
            name: builtin.name,
            version: builtin.version,
            summary: builtin.summary,
            parameters_schema: schema(builtin.parameters_schema),
        });
        Self { builtins: builtins.collect(), backends }
    }
}

impl From<AlgorithmBackend> for Backend {
    fn from(entry: AlgorithmBackend) -> Self {
        Self {
            namespace: Some(entry.namespace),
            name: entry.name,
            address: entry.address,
            algorithm: entry.algorithm,
            version: entry.version,
            contract: entry.contract,
            parameters_schema: schema(&entry.parameters_schema_json),
            channels: entry.channels,
            healthy: entry.healthy,
            reason: entry.reason,
            message: entry.message,
            used_by: entry.used_by,
        }
    }
}

/// A schema as a value; a text that is no JSON, as a string.
fn schema(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

/// Runs `intuition backends`.
pub(crate) fn command(arguments: &BackendsArgs) -> ExitCode {
    match try_command(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => exit::report(&error, 1),
    }
}

/// Whether every address answers by the contract.
fn try_command(arguments: &BackendsArgs) -> Result<bool, BackendsError> {
    let tokio = tokio::runtime::Runtime::new().map_err(BackendsError::StartTokio)?;
    let (probed, directory) = tokio.block_on(async {
        let directory = async {
            match &arguments.directory {
                Some(address) => directory::list(address, arguments.namespace.as_deref().unwrap_or_default()).await,
                None => Ok(Vec::new()),
            }
        };
        tokio::join!(probe(arguments), directory)
    });
    // A pending name resolution must not delay the exit.
    tokio.shutdown_background();
    let all_answer = probed.iter().all(|backend| backend.healthy);
    let (entries, missing) = match directory {
        Ok(entries) => (entries, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let listing = Listing::new(probed.into_iter().chain(entries.into_iter().map(Backend::from)).collect());
    write(arguments.output, &listing).map_err(BackendsError::Write)?;
    missing.map_or(Ok(all_answer), |error| Err(error.into()))
}

/// Asks all addresses at the same time.
async fn probe(arguments: &BackendsArgs) -> Vec<Backend> {
    let probe = Probe::new();
    let mut asked = JoinSet::new();
    for (index, address) in arguments.addresses.iter().cloned().enumerate() {
        let probe = probe.clone();
        asked.spawn(async move { (index, probe.ask(&address).await) });
    }
    let mut found = asked.join_all().await;
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, backend)| backend).collect()
}

fn write(format: AnswerFormat, listing: &Listing) -> io::Result<()> {
    let written = match format {
        AnswerFormat::Text => output::put_text(&text::listing(listing)),
        AnswerFormat::Json => output::put(format!("{}\n", serde_json::to_string(listing)?).as_bytes()),
    };
    // A closed pipe is no error: the reader has enough.
    output::is_open(written).map(drop)
}
