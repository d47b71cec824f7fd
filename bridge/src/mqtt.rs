//! One MQTT 5 connection, and the only module that knows rumqttc.
//!
//! A task of its own polls the client library and nothing else; events come out of it by a bounded queue, requests go in
//! without waiting. Every connection that the broker accepts is a new *epoch*. Requests name the epoch that they belong
//! to and are void in any other: an acknowledgement of the connection before must never reach the one after, where the
//! same packet id may mean another message. What was under way when a connection ends is forgotten here; who submitted
//! it sees [`Event::Disconnected`] and submits it again.

mod address;
mod codes;
mod credentials;
mod library;
mod task;
mod tls;
mod underway;

use std::{error::Error, io, path::PathBuf, time::Duration};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::task::TaskTracker;

pub use self::{
    address::{Address, AddressError},
    credentials::{Credentials, Fixed},
};

/// How to connect, and as whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the broker is.
    pub address: Address,
    /// As whom, and whom to trust.
    pub credentials: Credentials,
    /// Client id: names the session.
    pub client_id: String,
    /// Whether a session that the broker kept is thrown away.
    pub clean_start: bool,
    /// How long the broker keeps the session without a connection.
    pub session_expiry: Duration,
    /// Unacknowledged `QoS` 1 messages that the broker may have on the way to us. Not every broker keeps to it.
    pub receive_maximum: u16,
    /// What the broker publishes when the connection ends without a farewell.
    pub last_will: Option<Message>,
    /// Events that wait for whoever takes them, before reading from the broker stops.
    pub event_capacity: usize,
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
            receive_maximum: 1024,
            last_will: None,
            event_capacity: 1024,
        }
    }
}

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// What it says.
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
    /// Topic it came on.
    pub topic: String,
    /// What it says.
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
    room: Option<OwnedSemaphorePermit>,
}

/// A reason code of MQTT 5 with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// As on the wire.
    pub value: u8,
    /// CamelCase, after the specification.
    pub name: &'static str,
}

impl Code {
    /// Below 0x80: the broker did what it was asked to.
    pub const fn is_success(self) -> bool {
        self.value < 0x80
    }
}

/// What happened on the connection.
#[derive(Debug)]
pub enum Event {
    /// The broker accepted the connection.
    Connected {
        /// Names the connection from here on; grows.
        epoch: u64,
        /// The broker still had the session.
        session_present: bool,
        /// `QoS` 1 messages that the broker takes without having acknowledged them.
        receive_maximum: u16,
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

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A file with a user name or a password cannot be read.
    #[error("cannot read the credentials {}", path.display())]
    ReadCredential {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The file of authorities cannot be read.
    #[error("cannot read the CA file {}", path.display())]
    ReadCaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// The file of authorities holds something else.
    #[error("cannot use the CA file {}", path.display())]
    UseCaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The file of authorities holds none.
    #[error("there is no PEM certificate in the CA file {}", .0.display())]
    EmptyCaFile(PathBuf),
    /// Nobody to trust.
    #[error(
        "this machine trusts no certificate authority: name one by --mqtt-ca-file, or as ca.crt in --mqtt-credentials-dir"
    )]
    NoCertificates,
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    SetUpTls(#[source] rustls::Error),
    /// The broker cannot be trusted, or does not trust us.
    #[error("no secure connection to the broker")]
    Secure(#[source] Box<dyn Error + Send + Sync>),
    /// The broker answered with a refusal.
    #[error("the broker refused the connection: {} (0x{:02x})", .0.name, .0.value)]
    Refuse(Code),
    /// The broker answered with a refusal, and there was no user name to tell it.
    #[error(
        "the broker refused the connection: {} (0x{:02x}); {} holds no username: does the Secret that is mounted there exist?",
        code.name, code.value, folder.display()
    )]
    RefuseNameless {
        /// What the broker said.
        code: Code,
        /// Where the user name should be.
        folder: PathBuf,
    },
    /// The broker ended the connection with a reason.
    #[error("the broker ended the connection: {} (0x{:02x})", .0.name, .0.value)]
    End(Code),
    /// The broker cannot be reached, or the connection broke.
    #[error("no connection to the broker")]
    Reach(#[source] Box<dyn Error + Send + Sync>),
    /// Events were not taken for so long that the connection was given up.
    #[error("more came in than could be worked off: the connection was given up until there is room")]
    Overflow,
    /// Given up in favour of another bridge; the next attempt is made after a pause.
    #[error("another bridge has taken over: the connection was given up for now")]
    StandDown,
}

impl LinkError {
    /// CamelCase code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ReadCredential { .. } => "BadCredentials",
            Self::ReadCaFile { .. } | Self::UseCaFile { .. } | Self::EmptyCaFile(_) => "BadCertificate",
            Self::NoCertificates => "NoCertificates",
            Self::SetUpTls(_) | Self::Secure(_) => "TlsFailed",
            Self::Refuse(code) | Self::RefuseNameless { code, .. } | Self::End(code) => code.name,
            Self::Reach(_) => "Unreachable",
            Self::Overflow => "Overloaded",
            Self::StandDown => "TakenOver",
        }
    }

    /// User name and password, or what they may do, are wrong: trying again helps only once the broker is changed.
    pub const fn is_refused_identity(&self) -> bool {
        matches!(self, Self::Refuse(Code { value: 0x86 | 0x87, .. }))
    }

    /// Somebody else works under the same client id.
    pub(crate) const fn is_taken_over(&self) -> bool {
        matches!(self, Self::End(Code { value: 0x8e, .. }) | Self::StandDown)
    }
}

/// The way to the polling task. All requests return at once; each is void unless `epoch` is the connection's.
#[derive(Debug, Clone)]
pub struct Link {
    // Unbounded, and bounded all the same: whoever submits waits for answers, so that at most a window of publishes,
    // the acknowledgements of what was read, and a few subscriptions are ever in it.
    requests: mpsc::UnboundedSender<Request>,
}

#[derive(Debug)]
enum Request {
    Publish { epoch: u64, token: u64, message: Message },
    Subscribe { epoch: u64, token: u64, filter: String, subscription_id: u32 },
    Unsubscribe { epoch: u64, token: u64, filter: String },
    Acknowledge { epoch: u64, packet_id: u16 },
    StandDown { epoch: u64 },
    Disconnect,
}

impl Link {
    /// Starts connecting, in a task of `tasks`. Only [`Fixed`] credentials can fail here. The task ends when the events' receiver or all links are dropped, or after
    /// [`Link::disconnect`].
    pub fn start(options: Options, tasks: &TaskTracker) -> Result<(Self, mpsc::Receiver<Event>), LinkError> {
        let (requests, receiver) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::channel(options.event_capacity);
        let task = task::Task::new(options, receiver, sender)?;
        tasks.spawn(task.run());
        Ok((Self { requests }, events))
    }

    /// Gives the connection up, as after a takeover that the broker told of: the next attempt is made after a pause.
    pub(crate) fn stand_down(&self, epoch: u64) {
        self.submit(Request::StandDown { epoch });
    }

    /// Publishes with `QoS` 1. Answered by [`Event::Published`] with the same token.
    pub fn publish(&self, epoch: u64, token: u64, message: Message) {
        self.submit(Request::Publish { epoch, token, message });
    }

    /// Subscribes with `QoS` 1, without the messages that the broker kept. Answered by [`Event::Subscribed`].
    pub fn subscribe(&self, epoch: u64, token: u64, filter: String, subscription_id: u32) {
        self.submit(Request::Subscribe { epoch, token, filter, subscription_id });
    }

    /// Ends a subscription. Answered by [`Event::Unsubscribed`].
    pub fn unsubscribe(&self, epoch: u64, token: u64, filter: String) {
        self.submit(Request::Unsubscribe { epoch, token, filter });
    }

    /// Acknowledges a message. To be called in the order the messages came.
    pub fn acknowledge(&self, epoch: u64, packet_id: u16) {
        self.submit(Request::Acknowledge { epoch, packet_id });
    }

    /// Says farewell, so that no last will is published, and ends the task.
    pub fn disconnect(&self) {
        self.submit(Request::Disconnect);
    }

    fn submit(&self, request: Request) {
        // It fails only when the task has ended, and with it every epoch.
        drop(self.requests.send(request));
    }
}
