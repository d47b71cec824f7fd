//! Calls to pods at their addresses: their deadline and their errors.

use std::{net::IpAddr, time::Duration};

/// Deadline of a call: a runtime commits to disk before it answers.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time until a pod accepts a connection.
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
    #[error("{address} did not answer with the page {page}")]
    ParsePage {
        /// Where.
        address: String,
        /// Its path.
        page: &'static str,
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

/// The address of a port of a pod.
pub(crate) fn address(ip: &str, port: i32) -> Result<String, AskError> {
    match ip.parse() {
        Ok(IpAddr::V4(ip)) => Ok(format!("{ip}:{port}")),
        Ok(IpAddr::V6(ip)) => Ok(format!("[{ip}]:{port}")),
        Err(_) => Err(AskError::ParseAddress(ip.to_owned())),
    }
}
