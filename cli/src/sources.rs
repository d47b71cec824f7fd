//! `intuition sources`: lists the numbered sources of an account, lets one begin again, and forgets sources.
//!
//! - [`text`]: the tables and sentences on standard output.

mod text;

use std::{io, process::ExitCode, time::Duration};

use algo_runtime::backend::Address;
use intuition_api::v1::{
    ForgetSourcesRequest, Refusal, ResetSourceRequest, Source, SourcesRequest, runtime_client::RuntimeClient,
};
use intuition_common::exit;
use serde::Serialize;
use serde_json::json;
use tonic::{Code, Status, transport::Channel};

use crate::{
    args::{ForgetArgs, ResetArgs, RuntimeArgs, SourcesCommand},
    output::{self, AnswerFormat},
};

/// Longest time that a runtime may take to connect, and for a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Errors of the command as a whole.
#[derive(Debug, thiserror::Error)]
enum SourcesError {
    #[error("cannot start the async runtime")]
    StartTokio(#[source] io::Error),
    #[error(
        "cannot reach the runtime at {address}; one in a cluster is reached by \
         `kubectl port-forward -n NAMESPACE service/NAME-runtime 50051` and --runtime http://127.0.0.1:50051"
    )]
    Connect { address: Address, source: tonic::transport::Error },
    #[error("{address} did not answer within {} s", CALL_TIMEOUT.as_secs())]
    TimeOut { address: Address },
    #[error("the runtime is of a release that does not serve sources: it has to be upgraded")]
    MissService,
    #[error("the runtime answered {}: {}", .0.code(), .0.message())]
    Call(Box<Status>),
    #[error("{}: {}", .0.reason, .0.message)]
    Refuse(Refusal),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// A source in the JSON output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    channel: String,
    source: String,
    era: u64,
    last: Option<i64>,
    /// The time of the last number, RFC 3339; `None` if it is not known.
    last_time: Option<String>,
    /// Dead letters in a row.
    conflicts: u32,
    conflict_reason: String,
    conflict_message: String,
}

impl From<Source> for Row {
    fn from(source: Source) -> Self {
        let Source { channel, name, era, last, last_micros, conflicts, conflict_reason, conflict_message } = source;
        let last_time = (last_micros > 0).then(|| intuition_common::clock::rfc3339_millis(last_micros));
        Self { channel, source: name, era, last, last_time, conflicts, conflict_reason, conflict_message }
    }
}

/// Runs `intuition sources`: 0 for success, 1 if the call was refused or the runtime cannot be reached.
pub(crate) fn command(command: &SourcesCommand) -> ExitCode {
    match try_command(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, 1),
    }
}

fn try_command(command: &SourcesCommand) -> Result<(), SourcesError> {
    let tokio = tokio::runtime::Runtime::new().map_err(SourcesError::StartTokio)?;
    let runtime = match command {
        SourcesCommand::List(runtime) => runtime,
        SourcesCommand::Reset(reset) => &reset.runtime,
        SourcesCommand::Forget(forget) => &forget.runtime,
    };
    let answer = tokio.block_on(async {
        let answer = tokio::time::timeout(CALL_TIMEOUT, ask(command, runtime)).await;
        answer.unwrap_or_else(|_| Err(SourcesError::TimeOut { address: runtime.runtime.clone() }))
    });
    // A pending name resolution must not delay the exit.
    tokio.shutdown_background();
    output::is_open(output::put(answer?.as_bytes())).map(drop).map_err(SourcesError::Write)
}

/// The text for standard output.
async fn ask(command: &SourcesCommand, runtime: &RuntimeArgs) -> Result<String, SourcesError> {
    let mut client = connect(&runtime.runtime).await?;
    match command {
        SourcesCommand::List(_) => list(&mut client, runtime).await,
        SourcesCommand::Reset(reset) => begin_again(&mut client, reset).await,
        SourcesCommand::Forget(forget) => forget_for_good(&mut client, forget).await,
    }
}

async fn connect(address: &Address) -> Result<RuntimeClient<Channel>, SourcesError> {
    let failed = |source| SourcesError::Connect { address: address.clone(), source };
    let channel = address.endpoint().map_err(failed)?.connect().await.map_err(failed)?;
    Ok(RuntimeClient::new(channel))
}

async fn list(client: &mut RuntimeClient<Channel>, runtime: &RuntimeArgs) -> Result<String, SourcesError> {
    let request = SourcesRequest { account: runtime.account.clone() };
    let mut stream = client.sources(request).await.map_err(refused)?.into_inner();
    let mut sources = Vec::new();
    while let Some(source) = stream.message().await.map_err(refused)? {
        sources.push(Row::from(source));
    }
    Ok(match runtime.output {
        AnswerFormat::Text => text::table(&sources),
        AnswerFormat::Json => format!("{}\n", json!({ "sources": sources })),
    })
}

async fn begin_again(client: &mut RuntimeClient<Channel>, arguments: &ResetArgs) -> Result<String, SourcesError> {
    let ResetArgs { runtime, uid, channel, source, era, last } = arguments;
    let request = ResetSourceRequest {
        account: runtime.account.clone(),
        resource_uid: uid.clone(),
        channel: channel.clone(),
        source: source.clone(),
        era: *era,
        last: *last,
    };
    let answer = client.reset_source(request).await.map_err(refused)?.into_inner();
    if let Some(refusal) = answer.refusal {
        return Err(SourcesError::Refuse(refusal));
    }
    let now = answer.source.map(Row::from);
    Ok(match runtime.output {
        AnswerFormat::Text => text::reset(source, channel, answer.applied, now.as_ref().map_or(0, |now| now.era)),
        AnswerFormat::Json => format!("{}\n", json!({ "applied": answer.applied, "source": now })),
    })
}

async fn forget_for_good(client: &mut RuntimeClient<Channel>, arguments: &ForgetArgs) -> Result<String, SourcesError> {
    let ForgetArgs { runtime, uid, source, idle_for } = arguments;
    let request = ForgetSourcesRequest {
        account: runtime.account.clone(),
        resource_uid: uid.clone(),
        source: source.clone().unwrap_or_default(),
        idle_seconds: idle_for.map_or(0, |idle| idle.as_secs()),
    };
    let answer = client.forget_sources(request).await.map_err(refused)?.into_inner();
    if let Some(refusal) = answer.refusal {
        return Err(SourcesError::Refuse(refusal));
    }
    Ok(match runtime.output {
        AnswerFormat::Text => text::forgotten(answer.forgotten),
        AnswerFormat::Json => format!("{}\n", json!({ "forgotten": answer.forgotten })),
    })
}

fn refused(status: Status) -> SourcesError {
    if status.code() == Code::Unimplemented { SourcesError::MissService } else { SourcesError::Call(Box::new(status)) }
}
