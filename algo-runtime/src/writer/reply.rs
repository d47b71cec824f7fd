//! The replies to calls, and the codes of refused ones.

use tokio::sync::oneshot;
use tonic::Status;

use crate::engine::RequestError;

/// The sender of the answer to a call. If it is dropped without an answer, the writer has ended.
pub type Reply<T> = oneshot::Sender<Result<T, Status>>;

/// Refuses a call at once.
pub(super) fn refuse<T>(reply: Reply<T>, error: &RequestError) {
    respond(reply, Err(status_of(error)));
}

pub(super) fn status_of(error: &RequestError) -> Status {
    match error {
        RequestError::OtherAccount { .. } => Status::not_found(error.to_string()),
        RequestError::BreakContract(_) => Status::invalid_argument(error.to_string()),
        RequestError::UnfitBridge(_) => Status::failed_precondition(error.to_string()),
        RequestError::Overload(_) => Status::resource_exhausted(error.to_string()),
        RequestError::ReadLedger { .. } => Status::internal(error.to_string()),
    }
}

/// The receiver may be gone: its call was cancelled.
pub(super) fn respond<T>(reply: Reply<T>, answer: Result<T, Status>) {
    drop(reply.send(answer));
}
