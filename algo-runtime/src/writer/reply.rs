//! The answers to calls.

use tokio::sync::oneshot;
use tonic::Status;

/// The channel for the answer to a call. Dropped without an answer: the writer has ended.
pub type Reply<T> = oneshot::Sender<Result<T, Status>>;
