//! The calls of one pass to a runtime.

use intuition_api::v1::{ConfigureRequest, ConfigureResponse, runtime_client::RuntimeClient};
use tonic::transport::{Channel, Endpoint};

use crate::{
    account::{plan::Plan, trading_state::RequestedState},
    kubernetes::owner::Owner,
    workload::pod_call::{ANSWER_TIMEOUT, AskError, CONNECT_TIMEOUT, address},
};

/// The calls of one pass to a runtime, and their arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Questions<'a> {
    /// The resource.
    pub owner: &'a Owner,
    /// The account, as the runtime knows it.
    pub account: &'a str,
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
