//! One MQTT 5 connection, and the only crate that knows rumqttc, of which it uses the codec (ADR 0020).
//!
//! A task of its own reads and writes the socket; requests go in without waiting, events come out by [`Events`]. Every
//! connection that the broker accepts is a new *epoch*. Requests name the epoch that they belong to and are void in any
//! other: an acknowledgement of one connection must never reach the next one, where the same packet id may mean
//! another message. Requests without an answer are forgotten when a connection ends; their submitter sees
//! [`Event::Disconnected`] and submits them again.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "unit tests read clocks"))]

mod address;
mod args;
mod attempts;
pub mod codes;
mod connection;
mod credentials;
mod deadlines;
mod dial;
mod error;
mod events;
mod liveness;
mod output;
mod packets;
mod pauses;
mod protocol;
mod request;
mod sizes;
mod socket;
mod task;
mod tls;
mod underway;

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};
use tokio_util::task::TaskTracker;

pub use self::{
    address::{Address, AddressError},
    args::{BrokerArgs, PasswordError},
    attempts::Attempts,
    credentials::{Credentials, Fixed},
    error::{Awaited, LinkError},
    events::{Events, Lanes, lanes},
    output::Output,
    packets::{Accepted, Malformed, Packet},
    pauses::Pauses,
    protocol::{Ended, Protocol, Settings, Work},
    request::Request,
    sizes::Sizes,
};

/// Messages that the broker may send by default before the first of them is acknowledged.
pub const RECEIVE_MAXIMUM: u16 = 1024;
/// How often a packet is sent to the broker at least, by default.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a connection may take by default, from the look-up of the host to the CONNACK: a broker may ask another
/// service about a login, which takes seconds where that is busy.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an answer of the broker may take by default.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Options of a connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the broker.
    pub address: Address,
    /// Credentials, and trusted authorities.
    pub credentials: Credentials,
    /// Client id: names the session.
    pub client_id: String,
    /// Whether a session that the broker kept is thrown away.
    pub clean_start: bool,
    /// How long the broker keeps the session without a connection.
    pub session_expiry: Duration,
    /// Unacknowledged `QoS` 1 messages that the broker may have on the way to us. Not every broker keeps to it.
    pub receive_maximum: u16,
    /// The message that the broker publishes when the connection ends without a DISCONNECT.
    pub last_will: Option<Message>,
    /// Messages and answers to subscriptions that wait to be taken, before reading from the broker stops.
    pub event_capacity: usize,
    /// A packet is sent to the broker at least this often, whole seconds; a broker that asks for another interval in its
    /// CONNACK gets that.
    pub keep_alive: Duration,
    /// How long a connection may take, from the look-up of the host to the CONNACK.
    pub connect_timeout: Duration,
    /// How long a PUBLISH, SUBSCRIBE or UNSUBSCRIBE may be without an answer, and bytes without being taken. The
    /// connection is given up then, by [`LinkError::NoAnswer`].
    pub answer_timeout: Duration,
}

impl Options {
    /// A connection without a session that outlives it.
    pub fn new(address: Address, client_id: String) -> Self {
        Self {
            address,
            credentials: Credentials::default(),
            client_id,
            clean_start: true,
            session_expiry: Duration::ZERO,
            receive_maximum: RECEIVE_MAXIMUM,
            last_will: None,
            event_capacity: 1024,
            keep_alive: KEEP_ALIVE,
            connect_timeout: CONNECT_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }
}

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// The payload.
    pub payload: Bytes,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// Seconds until the broker forgets it.
    pub expiry_seconds: Option<u32>,
    /// MQTT 5 user properties, in order.
    pub user_properties: Vec<(String, String)>,
}

impl Message {
    /// A message that is neither retained nor forgotten.
    pub const fn new(topic: String, payload: Bytes) -> Self {
        Self { topic, payload, retain: false, expiry_seconds: None, user_properties: Vec::new() }
    }
}

/// A message from the broker. While it exists it counts against the bytes that may wait.
#[derive(Debug)]
pub struct Incoming {
    /// The connection that it came on, which may have ended by the time the message is taken.
    pub epoch: u64,
    /// Topic it came on.
    pub topic: String,
    /// The payload.
    pub payload: Bytes,
    /// Packet identifier to acknowledge; 0: nothing to acknowledge.
    pub packet_id: u16,
    /// The broker sent it before.
    pub duplicate: bool,
    /// It was kept by the broker from before the subscription.
    pub retained: bool,
    /// Identifiers of the subscriptions that it was sent for.
    pub subscription_ids: Vec<u32>,
    /// MQTT 5 user properties, in order.
    pub user_properties: Vec<(String, String)>,
    /// Bytes of memory, about.
    size: usize,
    room: Option<OwnedSemaphorePermit>,
}

impl Incoming {
    /// A message that was sent for the first time, to a subscriber that was there: without identifiers and properties.
    pub fn new(epoch: u64, packet_id: u16, topic: String, payload: Bytes) -> Self {
        let size = size_of::<Self>() + topic.len() + payload.len();
        Self {
            epoch,
            topic,
            payload,
            packet_id,
            duplicate: false,
            retained: false,
            subscription_ids: Vec::new(),
            user_properties: Vec::new(),
            size,
            room: None,
        }
    }
}

/// A reason code of MQTT 5 with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The value on the wire.
    pub value: u8,
    /// The name in CamelCase, after the specification.
    pub name: &'static str,
}

impl Code {
    /// Whether the code is below 0x80: the broker carried the request out.
    pub const fn is_success(self) -> bool {
        self.value < 0x80
    }
}

/// An event of the connection.
#[derive(Debug)]
pub enum Event {
    /// The broker accepted the connection.
    Connected {
        /// Names the connection from here on; grows.
        epoch: u64,
        /// When its CONNECT was sent. The broker gave it the session later.
        asked: Instant,
        /// The broker still had the session.
        session_present: bool,
        /// The capabilities of the broker.
        capabilities: Capabilities,
    },
    /// Acknowledgements were written to the socket.
    AcksWritten {
        /// The connection.
        epoch: u64,
        /// The number in the last of them; all before it are written too.
        through: u64,
    },
    /// The broker has read acknowledgements: it answered a PINGREQ that was sent after them.
    AcksConfirmed {
        /// The connection.
        epoch: u64,
        /// The number in the last of them; the broker has read all before it too.
        through: u64,
    },
    /// The connection ended, or could not be made. The next attempt follows by itself.
    Disconnected(LinkError),
    /// A message came in.
    Message(Incoming),
    /// The broker answered a publish.
    Published {
        /// As given to [`Link::publish`].
        token: u64,
        /// The broker's answer.
        code: Code,
    },
    /// The broker answered a subscribe.
    Subscribed {
        /// As given to [`Link::subscribe`].
        token: u64,
        /// The broker's answer.
        code: Code,
    },
    /// The broker answered an unsubscribe.
    Unsubscribed {
        /// As given to [`Link::unsubscribe`].
        token: u64,
        /// The broker's answer.
        code: Code,
    },
}

/// The capabilities of a broker, from its CONNACK (section 3.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// `QoS` 1 messages that it takes without having acknowledged them.
    pub receive_maximum: u16,
    /// Bytes of the largest packet that it takes; `None` for no bound of its own.
    pub max_packet_size: Option<u32>,
    /// It keeps retained messages.
    pub retain: bool,
    /// It takes Subscription Identifiers.
    pub subscription_ids: bool,
    /// The highest `QoS` that it takes publications with: 0, 1 or 2.
    pub max_qos: u8,
    /// Seconds that it keeps the session without a connection; `None`: as long as was asked for.
    pub session_expiry: Option<u32>,
}

impl Capabilities {
    /// Those of a CONNACK without properties.
    pub const UNLIMITED: Self = Self {
        receive_maximum: u16::MAX,
        max_packet_size: None,
        retain: true,
        subscription_ids: true,
        max_qos: 2,
        session_expiry: None,
    };
}

/// An acknowledgement of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The message's packet identifier, never 0.
    pub packet_id: u16,
    /// Names the acknowledgement in events. It grows on one connection.
    pub number: u64,
}

/// The way to the connection's task. All requests return at once; each is void unless `epoch` is the connection's.
#[derive(Debug, Clone)]
pub struct Link {
    // The channel needs no bound: the driver waits for answers, so that it holds at most a window of publishes, an
    // acknowledgement for each message read, and a few subscriptions.
    requests: mpsc::UnboundedSender<Request>,
}

impl Link {
    /// Starts connecting, in a task of `tasks`. Only [`Fixed`] credentials can fail here. The task
    /// ends when the events or all links are dropped, or after [`Link::disconnect`].
    pub fn start(options: Options, tasks: &TaskTracker) -> Result<(Self, Events), LinkError> {
        let (requests, receiver) = mpsc::unbounded_channel();
        let (lanes, events) = events::lanes(options.event_capacity, &Sizes::default());
        let task = task::Task::new(options, receiver, lanes)?;
        tasks.spawn(task.run());
        Ok((Self { requests }, events))
    }

    /// A link without the task of [`Link::start`]: the owner of the receiver carries out its requests.
    pub const fn new(requests: mpsc::UnboundedSender<Request>) -> Self {
        Self { requests }
    }

    /// Publishes with `QoS` 1. Answered by [`Event::Published`] with the same token.
    pub fn publish(&self, epoch: u64, token: u64, message: Message) {
        self.submit(Request::Publish { epoch, token, message });
    }

    /// Subscribes with `QoS` 1, without the messages that the broker kept, and with the identifier if the broker takes
    /// one. Answered by [`Event::Subscribed`]. The next SUBSCRIBE or UNSUBSCRIBE is sent behind the answer.
    pub fn subscribe(&self, epoch: u64, token: u64, filter: String, subscription_id: u32) {
        self.submit(Request::Subscribe { epoch, token, filter, subscription_id });
    }

    /// Subscribes with `QoS` 1 and asks for the retained messages of the filter too. Answered by [`Event::Subscribed`].
    pub fn look_up(&self, epoch: u64, token: u64, filter: String) {
        self.submit(Request::LookUp { epoch, token, filter });
    }

    /// Ends a subscription. Answered by [`Event::Unsubscribed`].
    pub fn unsubscribe(&self, epoch: u64, token: u64, filter: String) {
        self.submit(Request::Unsubscribe { epoch, token, filter });
    }

    /// Acknowledges messages, in the order they came. Answered by [`Event::AcksWritten`] and [`Event::AcksConfirmed`], one
    /// of each for many.
    pub fn acknowledge(&self, epoch: u64, acks: Vec<Ack>) {
        self.submit(Request::Acknowledge { epoch, acks });
    }

    /// Sends DISCONNECT, so that the broker publishes no last will, and ends the task.
    pub fn disconnect(&self) {
        self.submit(Request::Disconnect);
    }

    /// Requests anything, and returns at once.
    pub fn submit(&self, request: Request) {
        // It fails only when the task has ended, and with it every epoch.
        drop(self.requests.send(request));
    }
}
