//! Errors that end a run, and their exit codes.

use std::{io, path::PathBuf};

use feed::FeedError;
use intuition_api::reason::PARAMETERS_REFUSED;
use intuition_common::exit;
use quote_files::FileError;

use super::{
    feed_plan::PlanError, local::LocalError, names::NamesError, presence::PresenceError, watchdog::MissingPart,
};
use crate::feed::{files::OpenError, publisher::PublishError, reading::ReadError, resume::ResumeError};

/// A permanent error of an algorithm, which ends the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PermanentError {
    /// `<namespace>/<name>`.
    pub(super) account: String,
    /// CamelCase code.
    pub(super) reason: String,
    /// A sentence for a person, with the address.
    pub(super) message: String,
}

impl PermanentError {
    /// Whether the parameters are wrong, and not the algorithm.
    pub(super) fn is_usage(&self) -> bool {
        self.reason == PARAMETERS_REFUSED
    }
}

/// Errors that end a run.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error(transparent)]
    OpenFeed(OpenError),
    #[error(transparent)]
    CheckFeed(FileError),
    #[error(transparent)]
    Resume(ResumeError),
    #[cfg(not(feature = "embedded-broker"))]
    #[error("this build has no embedded broker: name one by --broker")]
    NeedBroker,
    #[error("cannot read the password file {}", path.display())]
    ReadPassword { path: PathBuf, source: io::Error },
    #[error("no algorithm takes the topic {topic}: {channels}")]
    MissTaker { topic: String, channels: String },
    #[error("no algorithm takes the topic {topic} any more: {channels}")]
    LoseTaker { topic: String, channels: String },
    #[error("cannot make a temporary folder for the ledgers")]
    MakeFolder(#[source] io::Error),
    #[error("cannot start the async runtime")]
    StartTokio(#[source] io::Error),
    #[error("cannot wait for signals")]
    WaitForSignals(#[source] io::Error),
    #[cfg(feature = "embedded-broker")]
    #[error(transparent)]
    Broker(crate::broker::BrokerError),
    #[error(transparent)]
    Names(NamesError),
    #[error(transparent)]
    Presence(PresenceError),
    #[error("{account}")]
    Local { account: String, source: Box<LocalError> },
    #[error("the feed failed")]
    Feed(#[source] PublishError),
    #[error(transparent)]
    PlanFeed(PlanError),
    #[error(
        "{account}: {field} names {missing}, which is in none of the manifests of this run: add it by -f, or take it from a broker by --broker"
    )]
    MissSource { account: String, field: &'static str, missing: String },
    #[error("{account}")]
    Indicator { account: String, source: serde_json::Error },
    #[error("{feed}")]
    EndFeed { feed: String, source: FeedError },
    #[error("a feed ended unexpectedly")]
    LoseFeed,
    #[error("no progress for 30 seconds: {0}")]
    Stall(String),
    #[error("{}: {}", .0.part, .0.message)]
    Refused(MissingPart),
    #[error("{}: the algorithm at {} ({})", .0.account, .0.message, .0.reason)]
    Algorithm(PermanentError),
    #[error("{}: missing for 60 seconds: {} ({})", .0.part, .0.message, .0.reason)]
    Gone(MissingPart),
    #[error("{0}: no row could be used")]
    NothingUsable(String),
    #[error("--filename and --feed cannot both read standard input")]
    ShareStdin,
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

impl RunError {
    pub(super) fn local(account: String, source: LocalError) -> Self {
        Self::Local { account, source: Box::new(source) }
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::OpenFeed(_)
            | Self::CheckFeed(_)
            | Self::ReadPassword { .. }
            | Self::MissTaker { .. }
            | Self::MissSource { .. }
            | Self::Names(_)
            | Self::Presence(PresenceError::Online(_))
            | Self::PlanFeed(_)
            | Self::ShareStdin => exit::USAGE,
            Self::EndFeed { source, .. } if source.is_usage() => exit::USAGE,
            Self::Resume(ResumeError::Source(_) | ResumeError::Read(ReadError::Changed(_) | ReadError::File(_)))
            | Self::Feed(PublishError::Read(ReadError::Changed(_))) => exit::USAGE,
            Self::Algorithm(error) if error.is_usage() => exit::USAGE,
            Self::Local { source, .. } if source.is_usage() => exit::USAGE,
            #[cfg(not(feature = "embedded-broker"))]
            Self::NeedBroker => exit::USAGE,
            _ => 1,
        }
    }
}
