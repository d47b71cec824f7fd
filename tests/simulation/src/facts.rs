//! The facts of a run, which the checker receives. The broker, the disk and the processes make them without knowing the checker.

use std::{fmt, rc::Rc, time::Duration};

use algo_runtime::ledger::{Changes, Snapshot};
use bytes::Bytes;
use intuition_api::v1;

/// Virtual time since the world began.
pub type Time = Duration;
/// Names a message that the broker took, in the order in which it took them, from 1. A repetition by the publisher is
/// another message.
pub type MessageId = u64;
/// Names a quote as its publisher made it, from 1. Repetitions of it have the same serial.
pub type Serial = u64;
/// Names a run of a process: grows with every start of any process.
pub type RunId = u64;
/// Names a connection between a client and the broker; never given twice.
pub type ConnectionId = u64;

/// The identity that a publisher gives a quote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// `source` and `seq`.
    Numbered {
        /// Name of the source.
        source: String,
        /// Number.
        seq: i64,
    },
    /// `id`.
    Id(String),
    /// `seq` without a source.
    NumberAlone(i64),
    /// None.
    Bare,
}

/// A quote as its publisher made it. The pair of symbol and price is unique for each serial, so that a decision names its
/// quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// See [`Serial`].
    pub serial: Serial,
    /// What it is recognised by.
    pub identity: Identity,
    /// Symbol.
    pub symbol: String,
    /// Price as published.
    pub price: String,
}

/// A place of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A quote that can be traded on.
    Quote(Quote),
    /// No quote; the dead letter has this reason.
    Unusable(&'static str),
}

/// A message as its publisher made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// MQTT 5 user properties.
    pub user_properties: Vec<(String, String)>,
    /// What the payload holds, in the order of the document.
    pub places: Vec<Place>,
}

/// Why the broker no longer has a message for the bridge, although it took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// No subscription of the bridge's session matched.
    NotSubscribed,
    /// The queue of the session was full.
    Overflow,
    /// The broker started again without its memory, or with an older file.
    Restart,
    /// The session expired or was discarded.
    SessionEnded,
}

/// A process of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// A bridge. A second one may run beside the first.
    Bridge,
    /// A runtime.
    Runtime,
    /// The broker.
    Broker,
    /// A remote algorithm.
    Algorithm,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// At once, as by `kill -9`, between the steps named here: a crash point.
    Crash(&'static str),
    /// In order, by SIGTERM.
    Stop,
    /// By itself, with this error.
    Exit,
}

/// What happened to a ledger beside the commits of its runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// An older copy, or the file without the last commits.
    Older,
    /// A new, empty one.
    New,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Fact {
    /// The broker took a message for the input topics, whether or not its publisher heard so.
    Taken {
        /// Its number.
        message: MessageId,
        /// What it is.
        body: Rc<Body>,
    },
    /// The broker will not deliver a message to the bridge's session of this client id any more.
    Lost {
        /// Which.
        message: MessageId,
        /// MQTT client id of the session.
        client_id: String,
        /// Why.
        loss: Loss,
    },
    /// The broker's memory went back to an older file: messages that it holds may be delivered again.
    BrokerWentBack,
    /// The broker wrote a message to a bridge.
    Delivered {
        /// Which.
        message: MessageId,
        /// On which connection.
        connection: ConnectionId,
        /// With which packet identifier.
        packet_id: u16,
        /// With the flag DUP.
        duplicate: bool,
        /// For subscriptions with these identifiers.
        subscription_ids: Vec<u32>,
    },
    /// The broker read the PUBACK of a message.
    Acknowledged {
        /// Which.
        message: MessageId,
        /// On which connection.
        connection: ConnectionId,
    },
    /// The broker took a publication of a bridge (`QoS` 1).
    Publication {
        /// Topic.
        topic: String,
        /// Payload.
        payload: Bytes,
        /// MQTT 5 user properties.
        user_properties: Vec<(String, String)>,
    },
    /// The broker refused a publication of a bridge.
    Refused {
        /// Topic.
        topic: String,
        /// Reason code of MQTT 5, 0x80 or above.
        code: u8,
    },
    /// A bridge handed a publication to its connection.
    Publishing {
        /// The run of the bridge.
        bridge: RunId,
        /// Topic.
        topic: String,
        /// Payload.
        payload: Bytes,
    },
    /// A bridge received the broker's refusal of a publication.
    RefusedTo {
        /// The run of the bridge.
        bridge: RunId,
        /// Topic.
        topic: String,
        /// Payload.
        payload: Bytes,
    },
    /// A consumer received a publication.
    Consumed {
        /// Topic.
        topic: String,
        /// Payload.
        payload: Bytes,
    },
    /// A runtime opened the ledger and found this.
    LedgerOpened {
        /// Which run.
        run: RunId,
        /// Its state.
        snapshot: Rc<Snapshot>,
    },
    /// Changes are durable, whether or not the runtime heard so.
    Committed {
        /// Which run.
        run: RunId,
        /// All of them.
        changes: Rc<Changes>,
    },
    /// The ledger on the disk is another one from now on. The next [`Fact::LedgerOpened`] shows it.
    LedgerReplaced {
        /// In which way.
        replaced: Replaced,
    },
    /// A bridge received an outcome.
    Outcome {
        /// The run of the bridge.
        bridge: RunId,
        /// As received.
        outcome: v1::DeliveryOutcome,
    },
    /// A bridge handed a delivery to the runtime's stream.
    Sent {
        /// The run of the bridge.
        bridge: RunId,
        /// As sent.
        delivery: v1::Delivery,
    },
    /// An `Open` reached a runtime.
    Opening {
        /// The run of the bridge.
        bridge: RunId,
        /// As received.
        open: Box<v1::Open>,
    },
    /// A stream of a bridge was opened.
    Opened {
        /// The run of the bridge.
        bridge: RunId,
        /// As received.
        opened: v1::Opened,
    },
    /// A call that sets the trading state came to a runtime, perhaps late or a second time.
    TradingAsked {
        /// The request.
        request: v1::SetTradingStateRequest,
    },
    /// A call that brings settings came to a runtime, perhaps late or a second time.
    ConfigureAsked {
        /// The request.
        request: v1::ConfigureRequest,
    },
    /// The trading state was confirmed to its caller.
    TradingConfirmed {
        /// What was asked for.
        request: v1::SetTradingStateRequest,
        /// The answer.
        response: v1::SetTradingStateResponse,
    },
    /// A sale by hand was confirmed to its caller.
    CloseConfirmed {
        /// What was asked for.
        request: v1::CloseRequest,
        /// The answer.
        response: v1::CloseResponse,
    },
    /// Settings were confirmed to their caller.
    ConfigureConfirmed {
        /// What was asked for.
        request: v1::ConfigureRequest,
        /// The answer.
        response: v1::ConfigureResponse,
    },
    /// A source was reset, and its caller heard so.
    ResetConfirmed {
        /// What was asked for.
        request: v1::ResetSourceRequest,
        /// The answer.
        response: v1::ResetSourceResponse,
    },
    /// A process began.
    Started {
        /// Which.
        process: Process,
        /// Its run.
        run: RunId,
    },
    /// A process ended.
    Ended {
        /// Which.
        process: Process,
        /// Its run.
        run: RunId,
        /// How.
        ending: Ending,
    },
    /// A measure of memory with the bound that is promised for it.
    Measured {
        /// What is measured.
        what: &'static str,
        /// Now.
        value: usize,
        /// At most.
        bound: usize,
    },
    /// A fault that is not a fact above was injected, for the table of coverage.
    Injected(&'static str),
    /// Part and reason of a warning, or of something that is missing, on the `/readyz` of a process.
    Shown {
        /// Which process.
        process: Process,
        /// Part and reason.
        reasons: Vec<(String, String)>,
    },
    /// The broker refuses this topic to the end of the run. What this makes impossible is no broken promise.
    RefusedForEver {
        /// Topic.
        topic: String,
    },
    /// No more faults from here on: the system has to settle.
    FaultsEnded,
    /// The end of the run: the account's answer, `None` where nobody answered, and whether both processes are ready.
    Settled {
        /// The account.
        account: Option<Box<v1::AccountResponse>>,
        /// The runtime lacks nothing.
        runtime_ready: bool,
        /// The bridge lacks nothing.
        bridge_ready: bool,
        /// Messages that the broker still holds for the bridge.
        waiting: Vec<MessageId>,
        /// Filters of the bridge's session at the broker, in order.
        subscribed: Vec<String>,
    },
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise, as a short name, for example `one-outcome`.
    pub promise: &'static str,
    /// What was seen, with the names of quote, decision and message.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.promise, self.text)
    }
}
