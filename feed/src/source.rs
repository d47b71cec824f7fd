//! The interface of sources: each gives quotes with rising numbers behind a position.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::quote::Quote;

/// A position from which a source goes on: the last published number of each source name.
#[derive(Debug, Clone, Default)]
pub struct Position {
    /// The last published number, by the name of the source. A name that is not there begins at its start.
    pub numbers: BTreeMap<String, u64>,
    /// The state that the source stored with them, as its [`State`] wrote it.
    pub state: Option<Box<RawValue>>,
}

/// The state that a source keeps with its numbers. It may be ahead of them.
pub trait State: fmt::Debug + Send + Sync {
    /// The state as JSON. It is written at most once a second.
    fn to_json(&self) -> serde_json::Result<Box<RawValue>>;
}

/// The beginning of a source that has no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// At the first number. If the position of an earlier run is lost, that run may have published any number.
    First,
    /// At the present. No earlier run can have published later quotes.
    Present,
}

/// The condition of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It gives quotes as they come.
    Working,
    /// It gives none for now, and tries further.
    Missing {
        /// CamelCase code.
        reason: &'static str,
        /// A sentence for a person.
        message: String,
    },
    /// It has given its last quote.
    Ended,
    /// It gives no further quote until a person changes something.
    Failed {
        /// CamelCase code.
        reason: &'static str,
        /// A sentence for a person.
        message: String,
    },
}

/// An event of a source.
#[derive(Debug)]
pub enum SourceEvent {
    /// Quotes in their order.
    Quotes {
        /// The quotes. The number of each is above that of the quote before it from the same source; others are dropped.
        quotes: Vec<Quote>,
        /// The state of the source behind them, if it keeps one.
        state: Option<Arc<dyn State>>,
    },
    /// Numbers that the source could not get.
    Gap {
        /// Name of the source.
        source: Arc<str>,
        /// The first missing number.
        first: u64,
        /// The last missing number.
        last: u64,
    },
    /// Connections of the source have ended, or were not made.
    Disconnected {
        /// The number of connections.
        count: u64,
    },
    /// Rows with these numbers came when later numbers had been given. They are not given any more.
    Late {
        /// Name of the source.
        source: Arc<str>,
        /// The numbers, at least one.
        numbers: Vec<u64>,
    },
    /// The condition of the source has changed.
    Condition(Condition),
}

/// The events of a started source. A source stops reading while it waits for room.
pub type SourceEvents = mpsc::Receiver<SourceEvent>;

/// A source of numbered quotes.
pub trait Source: fmt::Debug + Send {
    /// The beginning of a run without a position.
    fn beginning(&self) -> Beginning;
    /// Starts behind a position. The source ends when `stop` is cancelled or the receiver is dropped; a source that ends
    /// otherwise drops its sender, behind [`Condition::Ended`] or [`Condition::Failed`].
    fn start(&self, position: Position, stop: CancellationToken) -> SourceEvents;
}
