//! The wait for the feed's own position at the start.
//!
//! A broker sends the retained message of a topic with the answer to the subscription or behind it, and nothing marks that there
//! is none. So the feed publishes a marker to the same topic behind the SUBACK: the broker has sent the retained message before
//! it sends the marker.

use std::time::Duration;

use bytes::Bytes;
use intuition_common::clock::Now;
use intuition_mqtt::{Code, Incoming, Message, Request};
use tokio::time::Instant;

use super::{
    position::{PositionError, Stored},
    tokens,
};

/// User property of the marker.
const MARKER: &str = "marker";
/// How long the marker may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The pause before another attempt.
const PAUSE: Duration = Duration::from_secs(5);

/// A reason why the position is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// The broker does not let the feed read or write the topic.
    #[error("the broker refused {request} the topic {topic}: {} (0x{:02x})", .code.name, .code.value)]
    Refuse {
        /// The request, as `to subscribe to`.
        request: &'static str,
        /// The topic.
        topic: String,
        /// The broker's answer.
        code: Code,
    },
    /// The marker did not come back.
    #[error(
        "a message that the feed published to {0} did not come back in 30 seconds: does its login have the right to read the topic?"
    )]
    NoMarker(String),
    /// The retained message cannot be used.
    #[error(
        "the retained message on {topic} cannot be used, so the feed does not know where to go on: to begin anew, clear it"
    )]
    Unreadable {
        /// The topic.
        topic: String,
        /// The cause.
        source: PositionError,
    },
}

impl LookupError {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Refuse { code, .. } => code.name,
            Self::NoMarker(_) => "NoAnswer",
            Self::Unreadable { .. } => "PositionUnreadable",
        }
    }
}

/// The outcome of a look-up.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It goes on.
    Open,
    /// There is no position.
    Nothing,
    /// The position of an earlier run.
    Found(Box<Stored>),
}

/// A look-up on one connection.
#[derive(Debug)]
pub(super) struct Lookup {
    epoch: u64,
    topic: String,
    nonce: String,
    found: Option<Bytes>,
    /// When it is given up, or tried again.
    until: Instant,
    has_failed: bool,
}

impl Lookup {
    /// Begins a look-up. `nonce` differs from that of every other one.
    pub(super) fn begin(epoch: u64, topic: &str, nonce: String, now: Now) -> (Self, Request) {
        let lookup = Self {
            epoch,
            topic: topic.to_owned(),
            nonce,
            found: None,
            until: now.instant + TIMEOUT,
            has_failed: false,
        };
        (lookup, Request::LookUp { epoch, token: tokens::LOOKUP, filter: topic.to_owned() })
    }

    /// The broker answered the subscription. Gives the marker.
    pub(super) fn subscribed(&mut self, code: Code, now: Now) -> Result<Request, LookupError> {
        if !code.is_success() {
            return Err(self.refused("to subscribe to", code, now));
        }
        let mut message = Message::new(self.topic.clone(), Bytes::new());
        message.user_properties.push((MARKER.to_owned(), self.nonce.clone()));
        Ok(Request::Publish { epoch: self.epoch, token: tokens::MARKER, message })
    }

    /// The broker answered the marker.
    pub(super) fn published(&mut self, code: Code, now: Now) -> Result<(), LookupError> {
        if code.is_success() { Ok(()) } else { Err(self.refused("to publish to", code, now)) }
    }

    /// A message came on the topic.
    pub(super) fn take(&mut self, message: &Incoming, feed: &str, now: Now) -> Result<Outcome, LookupError> {
        if message.topic != self.topic || self.has_failed {
            return Ok(Outcome::Open);
        }
        match message.user_properties.iter().find(|(name, _)| name == MARKER) {
            Some((_, nonce)) if *nonce == self.nonce => {}
            // The marker of another look-up.
            Some(_) => return Ok(Outcome::Open),
            None => {
                self.found = Some(message.payload.clone()).filter(|payload| !payload.is_empty());
                return Ok(Outcome::Open);
            }
        }
        let Some(payload) = self.found.take() else { return Ok(Outcome::Nothing) };
        Stored::read(&payload, feed).map(|stored| Outcome::Found(Box::new(stored))).map_err(|source| {
            self.fail(now);
            LookupError::Unreadable { topic: self.topic.clone(), source }
        })
    }

    /// When [`Lookup::expire`] has to be called.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// The time of the look-up is over. `None`: it failed before, and another one is due.
    pub(super) fn expire(&mut self, now: Now) -> Option<LookupError> {
        if self.has_failed {
            return None;
        }
        self.fail(now);
        Some(LookupError::NoMarker(self.topic.clone()))
    }

    fn refused(&mut self, request: &'static str, code: Code, now: Now) -> LookupError {
        self.fail(now);
        LookupError::Refuse { request, topic: self.topic.clone(), code }
    }

    fn fail(&mut self, now: Now) {
        self.has_failed = true;
        self.until = now.instant + PAUSE;
    }
}
