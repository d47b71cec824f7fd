//! The answers of a group, which wait for its commit.

use intuition_api::v1::{AccountResponse, ConfigureResponse, process_response::Message};
use tokio::time::Instant;

use super::{
    Writer,
    reply::{Reply, respond},
    sources, trading,
};
use crate::ledger::LedgerError;

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
            Answer::Stream { stream, message } => self.send(stream, message, now),
            Answer::Outbox => self.send_outbox(now),
            Answer::Account(reply) => respond(reply, Ok(self.account())),
            Answer::Configure(reply, response) => respond(reply, Ok(response)),
            Answer::Sources(answer) => answer.give(),
            Answer::Trading(answer) => answer.give(),
        }
    }
}
