//! Calls to the pods of an account: their deadline and their errors.

use std::{net::IpAddr, time::Duration};

use intuition_api::v1::{ConfigureRequest, ConfigureResponse, runtime_client::RuntimeClient};
use tonic::transport::{Channel, Endpoint};

use crate::{
    kubernetes::owner::Owner,
    trading_algo::{plan::Plan, trading_state::RequestedState},
};

/// Deadline of a call: a runtime commits to disk before it answers.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Errors of a call to a pod.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// The pod has no valid address.
    #[error("invalid pod address {0:?}")]
    ParseAddress(String),
    /// The pod does not accept connections.
    #[error("{address} does not answer")]
    Connect {
        /// Where.
        address: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The runtime refused the call.
    #[error("the runtime answered {}: {}", .0.code(), .0.message())]
    Call(#[source] Box<tonic::Status>),
    /// The page cannot be parsed.
    #[error("{address} did not answer with its readiness")]
    ParseReadiness {
        /// Where.
        address: String,
        /// The parse error.
        source: serde_json::Error,
    },
    /// The pod did not answer in time.
    #[error("{address} did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TimeOut {
        /// Where.
        address: String,
    },
}

/// The calls of one pass to a runtime, and their arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Questions<'a> {
    /// The resource.
    pub owner: &'a Owner,
    /// Its generation.
    pub generation: i64,
    /// The trading state that it asks for.
    pub trading: &'a RequestedState,
    /// Its settings; `None` if its spec is not accepted.
    pub plan: Option<&'a Plan>,
    /// The text of the settings file in the cluster: where the plan has no settings, an old runtime is halted by these.
    pub stored: Option<&'a str>,
}

pub(crate) async fn send(
    client: &mut RuntimeClient<Channel>,
    request: ConfigureRequest,
) -> Result<ConfigureResponse, AskError> {
    let answer = client.configure(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| AskError::Call(Box::new(status)))
}

pub(crate) async fn connect(ip: &str, port: i32) -> Result<RuntimeClient<Channel>, AskError> {
    let address = address(ip, port)?;
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| AskError::ParseAddress(ip.to_owned()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT);
    let channel = endpoint.connect().await.map_err(|error| AskError::Connect { address, source: error.into() })?;
    Ok(RuntimeClient::new(channel))
}

pub(crate) fn address(ip: &str, port: i32) -> Result<String, AskError> {
    match ip.parse() {
        Ok(IpAddr::V4(ip)) => Ok(format!("{ip}:{port}")),
        Ok(IpAddr::V6(ip)) => Ok(format!("[{ip}]:{port}")),
        Err(_) => Err(AskError::ParseAddress(ip.to_owned())),
    }
}
