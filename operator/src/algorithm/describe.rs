//! How an algorithm describes itself, asked at its address.

use std::{error::Error as _, time::Duration};

use intuition_api::{
    channel,
    describe::{self, CONTRACT, Violation},
    limits::{MAX_CHANNELS, MAX_ERROR_CHARS, MAX_MESSAGE_BYTES, MAX_NAME_CHARS, MAX_SCHEMA_BYTES},
    status::CallEnd,
    v1::{DescribeRequest, DescribeResponse, InitializeRequest, InitializeResponse, algorithm_client::AlgorithmClient},
};
use intuition_common::exit::with_causes;
use serde_json::{Map, Value};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

use crate::reconcile::reason;

/// Deadline of one call.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The description of an algorithm.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Described {
    /// Its name, which is also the key of its saved state.
    pub name: String,
    /// Its version; empty if it names none.
    pub version: String,
    /// JSON Schema of its parameters; `None`: any object.
    pub schema: Option<Map<String, Value>>,
    /// The channels that it asks for with default parameters; empty if it refuses them.
    pub channels: Vec<String>,
}

/// Why there is no description. The reasons are those of the runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DescribeError {
    /// No server answers at the URL.
    #[error("no server answers there: {0}")]
    Connect(String),
    /// The server did not answer in time.
    #[error("it did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TimeOut,
    /// The server ended the call with an error.
    #[error("{0}")]
    Call(String),
    /// The server has another contract version, or another service.
    #[error("{0}")]
    Speak(String),
    /// The answer violates the contract.
    #[error("{0}")]
    Break(String),
}

impl DescribeError {
    /// Code for conditions and Events.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => reason::BACKEND_UNREACHABLE,
            Self::TimeOut => reason::BACKEND_TIMEOUT,
            Self::Call(_) => reason::BACKEND_ERROR,
            Self::Speak(_) => reason::CONTRACT_UNSUPPORTED,
            Self::Break(_) => reason::CONTRACT_BROKEN,
        }
    }
}

/// Calls Describe at `url`, then Initialize to learn the channels. `account`: the account in the Initialize call.
pub(crate) async fn describe(url: &str, account: &str) -> Result<Described, DescribeError> {
    let mut client = within(connect(url)).await?;
    let answer = within(async {
        let answer = client.describe(DescribeRequest {}).await;
        answer.map(tonic::Response::into_inner).map_err(|status| of_status(&status))
    });
    let mut described = read(&answer.await?)?;
    described.channels = channels(&mut client, account).await;
    Ok(described)
}

async fn within<T>(call: impl Future<Output = Result<T, DescribeError>>) -> Result<T, DescribeError> {
    tokio::time::timeout(ANSWER_TIMEOUT, call).await.unwrap_or(Err(DescribeError::TimeOut))
}

async fn connect(url: &str) -> Result<AlgorithmClient<Channel>, DescribeError> {
    let failed = |error: tonic::transport::Error| DescribeError::Connect(shown(&with_causes(&error)));
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(failed)?.connect_timeout(CONNECT_TIMEOUT);
    let channel = endpoint.connect().await.map_err(failed)?;
    Ok(AlgorithmClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// The channels with default parameters. An algorithm that requires parameters refuses the call, which is no fault.
async fn channels(client: &mut AlgorithmClient<Channel>, account: &str) -> Vec<String> {
    let parameters_json = r#"{"threshold":0.5}"#.to_owned();
    let request = InitializeRequest { account: account.to_owned(), parameters_json, state: bytes::Bytes::new() };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, client.initialize(request)).await;
    match answer.map(|answer| answer.map(tonic::Response::into_inner)) {
        Ok(Ok(InitializeResponse { channels, refusal })) if refusal.is_empty() && are_channels(&channels) => channels,
        _ => Vec::new(),
    }
}

fn are_channels(channels: &[String]) -> bool {
    channels.len() <= MAX_CHANNELS && channels.iter().all(|channel| channel::check(channel).is_ok())
}

fn read(answer: &DescribeResponse) -> Result<Described, DescribeError> {
    describe::check(answer).map_err(|violation| broken(&violation, answer))?;
    let schema = match answer.parameters_schema_json.as_str() {
        "" => None,
        text => Some(
            serde_json::from_str(text)
                .map_err(|error| DescribeError::Break(format!("its JSON Schema must be one JSON object: {error}")))?,
        ),
    };
    Ok(Described { name: answer.name.clone(), version: answer.version.clone(), schema, channels: Vec::new() })
}

fn broken(violation: &Violation, answer: &DescribeResponse) -> DescribeError {
    let message = match violation {
        Violation::Contract => {
            let contract = shown(&answer.contract);
            return DescribeError::Speak(format!(
                "this release speaks the contract {CONTRACT}, the server {contract:?}"
            ));
        }
        Violation::Name => {
            let name = shown(&answer.name);
            format!("its name must be 1 to {MAX_NAME_CHARS} letters, digits, '.', '_' and '-', is {name:?}")
        }
        Violation::Version => {
            format!("its version must be at most {MAX_NAME_CHARS} characters, none of them control")
        }
        Violation::SchemaSize => {
            let size = answer.parameters_schema_json.len();
            format!("its JSON Schema must have at most {MAX_SCHEMA_BYTES} bytes, has {size}")
        }
    };
    DescribeError::Break(message)
}

fn of_status(status: &Status) -> DescribeError {
    let message = shown(status.message());
    match CallEnd::of(status) {
        CallEnd::Broken => DescribeError::Connect(shown(&status.source().map(with_causes).unwrap_or_default())),
        CallEnd::Unavailable => DescribeError::Connect(message),
        CallEnd::Late => DescribeError::TimeOut,
        CallEnd::Unserved => DescribeError::Speak("the server does not serve intuition.v1.Algorithm".to_owned()),
        CallEnd::TooLarge => DescribeError::Break(format!("its description has more than {MAX_MESSAGE_BYTES} bytes")),
        CallEnd::Failed(code) => DescribeError::Call(format!("Describe ended with {code:?}: {message}")),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests;
