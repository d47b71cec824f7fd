//! The commands to the writer.

use intuition_api::v1::{AccountResponse, ConfigureRequest, ConfigureResponse, Open, process_request};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{journal, reply::Reply, sources, trading};
use crate::{backend::LinkEvent, engine::LinkId, responses::Responses};

/// A command to the writer.
pub enum Command {
    /// A bridge opened a stream, which replaces the stream before.
    Open {
        /// Names the stream in later commands. No other stream of the process has the number.
        stream: u64,
        /// The first message on it.
        open: Open,
        /// The writer's end of its responses.
        responses: Responses,
        /// The writer cancels it when it ends the stream. Nothing more is read from the stream then.
        ended: CancellationToken,
    },
    /// A message on a stream. The writer passes over it once the stream has ended.
    Request {
        /// Of [`Command::Open`].
        stream: u64,
        /// The message.
        message: process_request::Message,
        /// Its share of the bytes that may wait for the writer, released once the message is handled.
        room: Option<OwnedSemaphorePermit>,
    },
    /// The responses of the stream were full and have room again: entries of the outbox go on.
    Room,
    /// The bridge closed its side, or its connection broke.
    Close {
        /// Of [`Command::Open`].
        stream: u64,
    },
    /// The call `Configure`.
    Configure {
        /// Its request.
        request: ConfigureRequest,
        /// Answered after the commit.
        reply: Reply<ConfigureResponse>,
    },
    /// The call `Account`.
    Account {
        /// `<namespace>/<name>`.
        account: String,
        /// Answered after the commit, with the account as of this commit.
        reply: Reply<AccountResponse>,
    },
    /// Lists, resets or forgets sources.
    Sources(sources::Command),
    /// Sets the trading state, or sells holdings by hand.
    Trading(trading::Command),
    /// Drops entries of the journal.
    Journal(journal::Command),
    /// An event of a link to a backend. The writer passes over events of earlier lives.
    LinkEvent {
        /// The life that [`Writer::take_link_actions`](super::Writer::take_link_actions) gave with the start of the link.
        life: u64,
        /// Which link.
        link: LinkId,
        /// The event.
        event: LinkEvent,
    },
    /// Comes about every 10 s. A bridge whose deliveries wait gets `Waiting`.
    Tick,
    /// Ends the loop that drives the writer. The loop settles the group before it, then stops the writer.
    Stop,
}

impl Command {
    /// Ticks that the command counts for in its group. See [`Sizes::group_ticks`](super::Sizes::group_ticks).
    pub fn ticks(&self) -> usize {
        match self {
            Self::Request { message: process_request::Message::Batch(batch), .. } => {
                batch.deliveries.iter().map(|delivery| delivery.ticks.len()).sum()
            }
            _ => 1,
        }
    }
}
