//! The end of a bridge. Quotes that are under way are decided, published, acknowledged and confirmed first, so that the next
//! process repeats none of them. Each part has a bound: a broker or a runtime that does not answer must not hold up the end.

use std::time::Duration;

use tokio::time::{self, Instant};

use super::Driver;

/// For quotes that are under way.
const DRAIN: Duration = Duration::from_secs(2);
/// In the first part of it, deliveries that have been received go to the runtime. The second part is for their outcomes: a
/// delivery that the runtime decides after the end comes again.
const SENDING: Duration = Duration::from_secs(1);
/// For the state `offline` and the last report to the runtime.
const LAST_MESSAGES: Duration = Duration::from_secs(1);
/// For both connections to the broker.
const DISCONNECT: Duration = Duration::from_secs(2);

impl Driver {
    /// Takes no more messages, lets quotes that are under way come to their end, publishes `offline`, confirms, and
    /// disconnects. The broker publishes no last will.
    pub(super) async fn farewell(mut self) {
        self.drain().await;
        let until = Instant::now() + LAST_MESSAGES;
        self.publisher.announce(false, Instant::now(), self.clock.as_ref());
        while self.publisher.awaits_state() && Instant::now() < until && self.go_on(until).await {}
        self.report();
        // Otherwise the report would be lost with the stream that it waits in.
        drop(time::timeout_at(until, self.session.finish()).await);
        let (publisher, quotes) = (&mut self.publisher, &mut self.quotes);
        drop(time::timeout(DISCONNECT, async { tokio::join!(publisher.farewell(), quotes.farewell()) }).await);
    }

    async fn drain(&mut self) {
        let start = Instant::now();
        let (sending_until, until) = (start + SENDING, start + DRAIN);
        loop {
            let now = Instant::now();
            let is_sending = now < sending_until;
            self.pass_on(now, is_sending);
            if self.is_drained(is_sending) || now >= until {
                break;
            }
            if !self.go_on(if is_sending { sending_until } else { until }).await {
                break;
            }
        }
        let unacknowledged = self.quotes.inflight.unacknowledged();
        tracing::info!(unacknowledged, unpublished = self.publisher.outbox.unpublished(), "drained");
    }

    /// Every quote that is under way has come to its end, or waits for a connection that is missing.
    fn is_drained(&self, is_sending: bool) -> bool {
        let inflight = &self.quotes.inflight;
        let has_unsent = is_sending && inflight.has_unsent();
        let is_decided = !(self.session.is_open() && (has_unsent || self.session.awaits_outcomes()));
        let is_published = !self.publisher.is_connected() || self.publisher.outbox.unpublished() == 0;
        is_decided && is_published && !inflight.awaits_written()
    }

    /// Handles the next event that is no message, or wakes in time for the next thing to do. False: a connection has lost
    /// its task.
    async fn go_on(&mut self, until: Instant) -> bool {
        let wake = self.publisher.wake(Instant::now()).map_or(until, |wake| wake.min(until));
        tokio::select! {
            event = self.quotes.next_control() => match event {
                Some(event) => self.on_quotes(event),
                None => return false,
            },
            event = self.publisher.next() => match event {
                Some(event) => self.on_publisher(event),
                None => return false,
            },
            said = self.session.next() => self.on_session(said),
            () = time::sleep_until(wake) => {}
        }
        true
    }
}
