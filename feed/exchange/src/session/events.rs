//! The events that go into a session, and the actions that come out of it.

use std::time::Duration;

use super::{connection::ConnectionId, recovery::RequestId};

/// An event around a session.
#[derive(Debug)]
pub enum Event {
    /// A connection is open.
    Opened(ConnectionId),
    /// A text frame came.
    Text(ConnectionId, String),
    /// Another frame came: a ping, a pong, or a binary one.
    Frame(ConnectionId),
    /// A connection, or the attempt to open one, has ended. The text is the reason.
    Ended(ConnectionId, String),
    /// A REST request is answered.
    Fetched(RequestId, Result<String, FetchError>),
}

/// A REST request without a usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The exchange answered with another status than 200.
    #[error("the exchange answers with status {status}: {found}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The time that the exchange asks clients to wait.
        retry_after: Option<Duration>,
        /// The beginning of the answer.
        found: String,
    },
    /// There is no answer.
    #[error("the exchange does not answer: {0}")]
    Reach(String),
}

/// A request to the loop around the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a connection to [`Config::url`](crate::Config::url).
    Open(ConnectionId),
    /// Send a text frame.
    Send(ConnectionId, String),
    /// Send a ping frame.
    Ping(ConnectionId),
    /// Close the connection. Further events of it have no effect.
    Close(ConnectionId),
    /// Fetch this path, with its query, below [`Config::rest_url`](crate::Config::rest_url).
    Fetch(RequestId, String),
}
