//! Messages between the state machine of a backend, its link and the engine.

use std::time::Duration;

use intuition_api::v1::{
    EventBatch, EventBatchResult, InitializeRequest, InitializeResponse, Reconfigure, ReconfigureResponse,
};

#[cfg(doc)]
use super::Backend;
use super::{condition::BackendError, describe::Described, reply::BatchResult};
use crate::algorithm::FieldErrors;

/// A command to a link.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkCommand {
    /// Drop the stream, wait, connect, and call Describe. All events from then on belong to this attempt.
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
        /// It serves to find a quote that is never answered: wait for a part of the deadline ([`super::link::SEARCH_PARTS`]).
        is_search: bool,
    },
    /// Send this on the stream.
    Reconfigure(Reconfigure),
}

/// An event of a link.
#[derive(Debug, Clone)]
pub struct LinkEvent {
    /// See [`LinkCommand::Call`].
    pub attempt: u64,
    /// The reply to the last command, or the end of the attempt.
    pub reply: Result<BackendReply, BackendError>,
}

/// A backend's reply.
#[derive(Debug, Clone)]
pub enum BackendReply {
    /// To [`LinkCommand::Call`], with its schema compiled.
    Described(Described),
    /// To [`LinkCommand::Initialize`].
    Initialized(InitializeResponse),
    /// To [`LinkCommand::Batch`].
    Result(EventBatchResult),
    /// To [`LinkCommand::Reconfigure`].
    Reconfigured(ReconfigureResponse),
    /// To no command: the initialized stream has been open for [`super::link::STEADY_AFTER`] with nothing to answer.
    Steady,
}

/// The meaning of a link's event for the engine.
#[derive(Debug)]
pub enum BackendEvent {
    /// None, or none yet.
    Nothing,
    /// The backend answers and fits the contract: [`Backend::initialize`] it.
    Described,
    /// It can be asked; it wants these channels.
    Initialized(Vec<String>),
    /// It answered the batch.
    Answered(BatchResult),
    /// It took the new parameters and wants these channels, none for the same as before; or it refuses them.
    Reconfigured(Result<Vec<String>, FieldErrors>),
    /// It failed. The batch has to be asked anew.
    Failed,
}
