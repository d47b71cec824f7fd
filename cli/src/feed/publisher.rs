//! Publishes a feed, as fast as its window allows.

#![expect(clippy::disallowed_methods, reason = "an edge: it measures the rate by the monotonic clock")]

use std::{error::Error, sync::Arc};

use bridge::mqtt::{Code, Event, Events, Link, LinkError, Message};
use intuition_common::readiness::Readiness;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Feed, window::Window};

/// The part of [`Readiness`] that the publisher provides.
pub(crate) const READY_PART: &str = "feed";
/// Marks a quote that may have been published by an earlier run.
const REPLAY: (&str, &str) = ("replay", "true");

/// Errors of publishing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The broker refuses the credentials.
    #[error("the feed cannot connect")]
    Connect(#[source] LinkError),
    /// The broker does not take a quote.
    #[error("{place}: the broker refused it on topic {topic}: {} (0x{:02x})", .code.name, .code.value)]
    Refuse {
        /// File and line.
        place: String,
        /// Topic it was published on.
        topic: String,
        /// The broker's answer.
        code: Code,
    },
}

/// Publishes a feed.
pub(crate) struct Publisher {
    /// The feed.
    pub(crate) feed: Arc<Feed>,
    /// The topic.
    pub(crate) topic: String,
    /// Bound on the lines on their way.
    pub(crate) window: Window,
    /// Every line up to this one has its outcome.
    pub(crate) settled: watch::Receiver<u64>,
    /// The last line sent.
    pub(crate) sent: watch::Sender<u64>,
    /// Lacks [`READY_PART`] while there is no connection.
    pub(crate) readiness: Readiness,
}

/// The capabilities of the connection.
#[derive(Clone, Copy)]
struct Connection {
    epoch: u64,
    receive_maximum: u16,
}

impl Publisher {
    /// Publishes until `stop`, or until the link ends.
    pub(crate) async fn run(
        mut self,
        link: Link,
        mut events: Events,
        stop: CancellationToken,
    ) -> Result<(), PublishError> {
        let mut connection = None;
        let start = Instant::now();
        loop {
            if let Some(Connection { epoch, receive_maximum }) = connection {
                while let Some(line) = self.window.next(start.elapsed(), receive_maximum) {
                    self.publish(&link, epoch, line);
                }
                self.sent.send_replace(self.window.sent());
            }
            // A time in the past is awaited too, since it may be the only event that wakes the loop.
            let due = connection.and_then(|connection| self.window.waits_until(connection.receive_maximum));
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.take(event, &link, &mut connection)?,
                    None => return Ok(()),
                },
                Ok(()) = self.settled.changed() => {
                    let settled = *self.settled.borrow_and_update();
                    self.window.settle(settled);
                }
                () = sleep_until(start + due.unwrap_or_default()), if due.is_some() => {}
                () = stop.cancelled() => {
                    link.disconnect();
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, event: Event, link: &Link, connection: &mut Option<Connection>) -> Result<(), PublishError> {
        match event {
            Event::Connected { epoch, capabilities, .. } => {
                *connection = Some(Connection { epoch, receive_maximum: capabilities.receive_maximum });
                for line in self.window.unanswered() {
                    self.publish(link, epoch, line);
                }
                self.readiness.set_ready(READY_PART);
            }
            Event::Disconnected(error) if error.is_refused_identity() => return Err(PublishError::Connect(error)),
            Event::Disconnected(error) => {
                *connection = None;
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                self.readiness.set_missing(READY_PART, error.reason(), &format!("{error}{cause}"));
            }
            Event::Published { token, code } if code.is_success() => self.window.answered(token),
            Event::Published { token, code } => {
                return Err(PublishError::Refuse { place: self.feed.place(token), topic: self.topic.clone(), code });
            }
            Event::Message(_)
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::AcksWritten { .. }
            | Event::AcksConfirmed { .. } => {}
        }
        Ok(())
    }

    fn publish(&self, link: &Link, epoch: u64, number: u64) {
        let mut message = Message::new(self.topic.clone(), self.feed.payload(number));
        message.user_properties = vec![(REPLAY.0.to_owned(), REPLAY.1.to_owned())];
        link.publish(epoch, number, message);
    }
}
