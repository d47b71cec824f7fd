//! Publishes a feed, as fast as its bounds allow.

#![expect(clippy::disallowed_methods, reason = "an edge: it measures the rate by the monotonic clock")]

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use intuition_common::readiness::Readiness;
use intuition_mqtt::{Code, Event, Events, Link, LinkError, Message};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    flight::Flight,
    quote::{Quote, Sources},
    rate::Rate,
    reading::ReadError,
};

/// The part of [`Readiness`] that the publisher provides.
pub(crate) const READY_PART: &str = "feed";
/// Marks a quote that may have been published by an earlier run.
const REPLAY: (&str, &str) = ("replay", "true");
/// Marks a quote behind rows that were left out: the missing numbers are no gap.
const SPARSE: (&str, &str) = ("numbering", "sparse");

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
    /// The files cannot be read further.
    #[error(transparent)]
    Read(ReadError),
}

/// The state of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Rows wait for room, for the broker or for their time.
    Sending,
    /// The next row has not been read yet.
    Reading,
    /// The files have no further row.
    Read,
}

/// Publishes a feed.
pub(crate) struct Publisher {
    /// The topic.
    pub(crate) topic: String,
    /// Sources, to name files.
    pub(crate) sources: Arc<Sources>,
    /// Rows a second.
    pub(crate) rate: Rate,
    /// Rows that come from the files.
    pub(crate) batches: mpsc::Receiver<Result<Vec<Quote>, ReadError>>,
    /// Rows on their way.
    pub(crate) flight: Arc<Mutex<Flight>>,
    /// Changes when rows have their outcomes.
    pub(crate) settled: watch::Receiver<u64>,
    /// The state.
    pub(crate) progress: watch::Sender<Progress>,
    /// Lacks [`READY_PART`] while there is no connection.
    pub(crate) readiness: Readiness,
}

/// The capabilities of the connection.
#[derive(Clone, Copy)]
struct Connection {
    epoch: u64,
    receive_maximum: u16,
}

/// Rows on this side of the broker.
#[derive(Default)]
struct Rows {
    waiting: VecDeque<Quote>,
    /// Sent without the broker's answer, by their number among the rows sent.
    unanswered: BTreeMap<u64, Quote>,
    sent: u64,
    is_over: bool,
    failed: Option<ReadError>,
}

impl Publisher {
    /// Publishes until `stop`, or until the link ends. An error of the files is returned once all rows before it have
    /// their outcomes.
    pub(crate) async fn run(
        mut self,
        link: Link,
        mut events: Events,
        stop: CancellationToken,
    ) -> Result<(), PublishError> {
        let (mut connection, mut rows) = (None, Rows::default());
        let start = Instant::now();
        loop {
            self.send(&link, connection, &mut rows, start.elapsed());
            self.report(&rows);
            if rows.failed.is_some() && self.is_settled() {
                link.disconnect();
                return rows.failed.map_or(Ok(()), |error| Err(PublishError::Read(error)));
            }
            // A time in the past is awaited too, since it may be the only event that wakes the loop.
            let due = connection.and_then(|connection| self.waits_until(connection, &rows));
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.take(event, &link, &mut connection, &mut rows)?,
                    None => return Ok(()),
                },
                batch = self.batches.recv(), if rows.waiting.is_empty() && !rows.is_over => match batch {
                    Some(Ok(batch)) => rows.waiting.extend(batch),
                    Some(Err(error)) => (rows.is_over, rows.failed) = (true, Some(error)),
                    None => rows.is_over = true,
                },
                Ok(()) = self.settled.changed() => drop(self.settled.borrow_and_update()),
                () = sleep_until(start + due.unwrap_or_default()), if due.is_some() => {}
                () = stop.cancelled() => {
                    link.disconnect();
                    return Ok(());
                }
            }
        }
    }

    fn send(&self, link: &Link, connection: Option<Connection>, rows: &mut Rows, elapsed: Duration) {
        let Some(connection) = connection else { return };
        while self.has_room(connection, rows)
            && self.rate.due(rows.sent).is_none_or(|due| due <= elapsed)
            && let Some(quote) = rows.waiting.pop_front()
        {
            self.flight.lock().unwrap_or_else(PoisonError::into_inner).push(quote.file, quote.seq);
            rows.sent += 1;
            self.publish(link, connection.epoch, rows.sent, &quote);
            rows.unanswered.insert(rows.sent, quote);
        }
    }

    fn has_room(&self, connection: Connection, rows: &Rows) -> bool {
        rows.unanswered.len() < usize::from(connection.receive_maximum)
            && self.flight.lock().unwrap_or_else(PoisonError::into_inner).has_room()
    }

    /// The time of the next row after the start; `None`: it does not wait for the time alone.
    fn waits_until(&self, connection: Connection, rows: &Rows) -> Option<Duration> {
        self.rate.due(rows.sent).filter(|_| !rows.waiting.is_empty() && self.has_room(connection, rows))
    }

    fn is_settled(&self) -> bool {
        let flight = self.flight.lock().unwrap_or_else(PoisonError::into_inner);
        flight.settled() == flight.sent()
    }

    fn report(&self, rows: &Rows) {
        let progress = match (rows.waiting.is_empty(), rows.is_over, &rows.failed) {
            (true, true, None) => Progress::Read,
            (true, false, _) => Progress::Reading,
            _ => Progress::Sending,
        };
        self.progress.send_if_modified(|known| std::mem::replace(known, progress) != progress);
    }

    fn take(
        &self,
        event: Event,
        link: &Link,
        connection: &mut Option<Connection>,
        rows: &mut Rows,
    ) -> Result<(), PublishError> {
        match event {
            Event::Connected { epoch, capabilities, .. } => {
                *connection = Some(Connection { epoch, receive_maximum: capabilities.receive_maximum });
                for (number, quote) in &rows.unanswered {
                    self.publish(link, epoch, *number, quote);
                }
                self.readiness.set_ready(READY_PART);
            }
            Event::Disconnected(error) if error.is_refused_identity() => return Err(PublishError::Connect(error)),
            Event::Disconnected(error) => {
                *connection = None;
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                self.readiness.set_missing(READY_PART, error.reason(), &format!("{error}{cause}"));
            }
            Event::Published { token, code } => {
                let quote = rows.unanswered.remove(&token);
                if !code.is_success() {
                    let known = quote.and_then(|quote| self.sources.recognise(&quote.payload));
                    let place = known.map(|known| known.place).unwrap_or_default();
                    return Err(PublishError::Refuse { place, topic: self.topic.clone(), code });
                }
            }
            Event::Message(_)
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::AcksWritten { .. }
            | Event::AcksConfirmed { .. } => {}
        }
        Ok(())
    }

    fn publish(&self, link: &Link, epoch: u64, number: u64, quote: &Quote) {
        let mut message = Message::new(self.topic.clone(), quote.payload.clone());
        let sparse = quote.is_behind_gap.then_some(SPARSE);
        message.user_properties = [Some(REPLAY), sparse].into_iter().flatten().map(owned).collect();
        link.publish(epoch, number, message);
    }
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}
