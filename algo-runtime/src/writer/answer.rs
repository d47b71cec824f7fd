//! The answers of a group, which wait for its commit.

use intuition_api::v1::{AccountResponse, ConfigureResponse, process_response::Message};
use tokio::time::Instant;
use tonic::Status;

use super::{Reply, Writer, sources, trading};
use crate::{engine::RequestError, ledger::LedgerError};

/// An answer that waits for the commit.
pub(super) enum Answer {
    Stream {
        stream: u64,
        message: Message,
    },
    /// The outbox, from the ledger.
    Outbox,
    Account(Reply<AccountResponse>),
    Configure(Reply<ConfigureResponse>, ConfigureResponse),
    Sources(sources::Answer),
    Trading(trading::Answer),
}

/// The answers of a group that was not committed, and the error of the ledger.
pub(super) type Uncommitted = Box<(Vec<Answer>, LedgerError)>;

impl Writer {
    /// Gives an answer: the commit is durable.
    pub(super) fn answer(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Stream { stream, message } => self.say(stream, message, now),
            Answer::Outbox => self.send_outbox(now),
            Answer::Account(reply) => respond(reply, Ok(self.account())),
            Answer::Configure(reply, response) => respond(reply, Ok(response)),
            Answer::Sources(answer) => answer.give(),
            Answer::Trading(answer) => answer.give(),
        }
    }
}

pub(super) fn status_of(error: &RequestError) -> Status {
    match error {
        RequestError::OtherAccount { .. } => Status::not_found(error.to_string()),
        RequestError::BreakContract(_) => Status::invalid_argument(error.to_string()),
        RequestError::Overload(_) => Status::resource_exhausted(error.to_string()),
        RequestError::ReadLedger { .. } => Status::internal(error.to_string()),
    }
}

/// A caller that has gone misses no answer.
pub(super) fn respond<T>(reply: Reply<T>, answer: Result<T, Status>) {
    drop(reply.send(answer));
}
