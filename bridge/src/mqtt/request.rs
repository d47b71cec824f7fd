//! Requests to a connection.

use super::{Ack, Message};

/// What a connection is to do. It is void unless `epoch` is the connection's. [`Request::Disconnect`] is about all of them.
#[derive(Debug)]
pub enum Request {
    /// Publish with `QoS` 1. Answered by [`Event::Published`](super::Event::Published) with the same token.
    Publish {
        /// The connection.
        epoch: u64,
        /// For the answer.
        token: u64,
        /// What to publish.
        message: Message,
    },
    /// Subscribe with `QoS` 1, without the messages that the broker kept. Answered by
    /// [`Event::Subscribed`](super::Event::Subscribed). The next SUBSCRIBE or UNSUBSCRIBE is sent behind the answer.
    Subscribe {
        /// The connection.
        epoch: u64,
        /// For the answer.
        token: u64,
        /// Topic filter.
        filter: String,
        /// Its identifier, which is sent if the broker takes one.
        subscription_id: u32,
    },
    /// Subscribe with `QoS` 1 and ask for the retained messages of the filter too. Answered by
    /// [`Event::Subscribed`](super::Event::Subscribed).
    LookUp {
        /// The connection.
        epoch: u64,
        /// For the answer.
        token: u64,
        /// Topic filter.
        filter: String,
    },
    /// End a subscription. Answered by [`Event::Unsubscribed`](super::Event::Unsubscribed).
    Unsubscribe {
        /// The connection.
        epoch: u64,
        /// For the answer.
        token: u64,
        /// Topic filter.
        filter: String,
    },
    /// Acknowledge messages, in the order they came. Answered by [`Event::AcksWritten`](super::Event::AcksWritten) and
    /// [`Event::AcksConfirmed`](super::Event::AcksConfirmed), one of each for many.
    Acknowledge {
        /// The connection.
        epoch: u64,
        /// One for each message.
        acks: Vec<Ack>,
    },
    /// Give the connection up, as after a takeover that the broker told of: the next attempt is made after a pause.
    StandDown {
        /// The connection.
        epoch: u64,
    },
    /// Say farewell, so that no last will is published, and make no further attempt.
    Disconnect,
}
