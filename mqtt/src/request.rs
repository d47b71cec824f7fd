//! Requests to a connection.

use super::{Ack, Message};

/// A request to a link. Its `epoch` names the connection that it is for: in another epoch it has no effect.
/// [`Request::Disconnect`] is for every epoch.
#[derive(Debug)]
pub enum Request {
    /// Publish with `QoS` 1. Answered by [`Event::Published`](super::Event::Published) with the same token.
    Publish {
        /// The connection.
        epoch: u64,
        /// For the answer.
        token: u64,
        /// The message.
        message: Message,
    },
    /// Publish with `QoS` 0, behind the publications that wait. Answered by [`Event::Published`](super::Event::Published) with the same
    /// token once it is on its way to the socket: the broker answers nothing, and a connection that ends may take it along.
    PublishUnconfirmed {
        /// The connection.
        epoch: u64,
        /// For the answer.
        token: u64,
        /// The message.
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
    /// Give the connection up and connect again, so that the broker redelivers unacknowledged messages.
    Renew {
        /// The connection.
        epoch: u64,
    },
    /// Give the connection up. The next attempt is made after a pause, as after a takeover of the session.
    StandDown {
        /// The connection.
        epoch: u64,
    },
    /// Send DISCONNECT, so that the broker publishes no last will, and make no further attempt to connect.
    Disconnect,
}
