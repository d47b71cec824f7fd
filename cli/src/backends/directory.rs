//! Asks a cluster's directory, which the operator serves.

use std::time::Duration;

use algo_runtime::backend::Address;
use intuition_api::v1::{AlgorithmBackend, ListBackendsRequest, backends_client::BackendsClient};
use tokio::time::timeout;
use tonic::{Code, Status};

use super::probe::ANSWER_TIMEOUT;

/// Largest list, bytes: a schema may have 256 KiB, and a cluster has many.
const MAX_LIST_BYTES: usize = 256 << 20;

/// No list came.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot list the directory {address}: {error}; a cluster's is reached by `kubectl port-forward -n intuition-system \
     service/intuition-operator 50052` and --directory http://127.0.0.1:50052"
)]
pub(super) struct DirectoryError {
    address: Address,
    error: ListError,
}

#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error("no server answers: {}", intuition_common::exit::with_causes(.0))]
    Connect(tonic::transport::Error),
    #[error("{}", ended(.0))]
    Call(Box<Status>),
    #[error("it did not answer within {} s", .0.as_secs_f64())]
    Late(Duration),
}

/// All of that namespace; of all namespaces, where it is empty.
pub(super) async fn list(address: &Address, namespace: &str) -> Result<Vec<AlgorithmBackend>, DirectoryError> {
    let listed =
        timeout(ANSWER_TIMEOUT, call(address, namespace)).await.unwrap_or(Err(ListError::Late(ANSWER_TIMEOUT)));
    listed.map_err(|error| DirectoryError { address: address.clone(), error })
}

async fn call(address: &Address, namespace: &str) -> Result<Vec<AlgorithmBackend>, ListError> {
    let endpoint = address.endpoint().map_err(ListError::Connect)?;
    let channel = endpoint.connect().await.map_err(ListError::Connect)?;
    let mut client = BackendsClient::new(channel).max_decoding_message_size(MAX_LIST_BYTES);
    let listed = client.list(ListBackendsRequest { namespace: namespace.to_owned() }).await;
    listed.map(|response| response.into_inner().backends).map_err(|status| ListError::Call(Box::new(status)))
}

fn ended(status: &Status) -> String {
    if let Some(error) = std::error::Error::source(status) {
        let causes = intuition_common::exit::with_causes(error);
        return format!("the connection broke, or the server speaks no gRPC: {causes}");
    }
    match status.code() {
        Code::Unimplemented => "the server does not serve intuition.v1.Backends".to_owned(),
        code => format!("List ended with {code:?}: {}", status.message()),
    }
}
