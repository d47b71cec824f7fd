//! Orders of a backend's state machine to its link, and the link's reports.

use std::time::Duration;

use intuition_api::v1::{
    EventBatch, EventBatchResult, InitializeRequest, InitializeResponse, Reconfigure, ReconfigureResponse,
};

#[cfg(doc)]
use super::{Backend, link};
use super::{Failure, answer::Answer, describe::Described};
use crate::algorithm::FieldErrors;

/// An order to a link.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Drop the stream, wait, connect, and call Describe. All reports from then on belong to this attempt.
    Call {
        /// Number of the attempt, from 1, growing.
        attempt: u64,
        /// How long to wait first.
        pause: Duration,
    },
    /// Open the stream and send this first.
    Initialize(InitializeRequest),
    /// Send this on the stream.
    Batch {
        /// The batch.
        batch: EventBatch,
        /// It serves to find a quote that is never answered: wait for a part of the deadline ([`link::SEARCH_PARTS`]).
        is_search: bool,
    },
    /// Send this on the stream.
    Reconfigure(Reconfigure),
}

/// A report of a link.
#[derive(Debug, Clone)]
pub struct Report {
    /// See [`Order::Call`].
    pub attempt: u64,
    /// The answer to the last order, or how the attempt ended.
    pub said: Result<Said, Failure>,
}

/// A backend's answer.
#[derive(Debug, Clone)]
pub enum Said {
    /// To [`Order::Call`], with its schema compiled.
    Described(Described),
    /// To [`Order::Initialize`].
    Initialized(InitializeResponse),
    /// To [`Order::Batch`].
    Result(EventBatchResult),
    /// To [`Order::Reconfigure`].
    Reconfigured(ReconfigureResponse),
    /// To nothing: the initialized stream has been open for [`link::STEADY`] with nothing to answer.
    Steady,
}

/// The meaning of a report for the engine.
#[derive(Debug)]
pub enum Heard {
    /// Nothing, or nothing yet.
    Nothing,
    /// It is there and fit: [`Backend::initialize`] it.
    Fit,
    /// It can be asked; these channels it wants.
    Initialized(Vec<String>),
    /// It answered the batch.
    Answered(Answer),
    /// It took the new parameters and wants these channels, none for the same as before; or it refuses them.
    Reconfigured(Result<Vec<String>, FieldErrors>),
    /// It failed. The batch has to be asked anew.
    Failed,
}
