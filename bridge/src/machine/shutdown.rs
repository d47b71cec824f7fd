//! The end of a bridge. Quotes that are under way are decided, published, acknowledged and confirmed first, so that the next
//! process repeats none of them. Each part has a bound: a broker or a runtime that does not answer must not hold up the end.

use std::time::Duration;

use intuition_common::clock::Now;
use intuition_mqtt::Request;
use tokio::time::Instant;

use super::{Action, Machine};

/// Time for quotes in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// The first part of [`DRAIN_TIMEOUT`], in which received deliveries still go to the runtime. The second part is for their
/// outcomes: a delivery that the runtime decides after the end comes again.
const SENDING_PERIOD: Duration = Duration::from_secs(1);
/// Batches at the runtime in the first part: enough to keep it busy, and few enough to get their outcomes in the second.
const DRAIN_BATCHES: usize = 2;
/// Time for the state `offline` and the last report to the runtime.
const LAST_MESSAGES_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for the end of both connections to the broker.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The phase of a bridge's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No shutdown has begun.
    Working,
    /// Quotes that are under way come to their end, and the state `offline` is published. All events are passed in but messages.
    Draining,
    /// The stream to the runtime ends, by [`Action::Finish`]. Its end is awaited, and nothing else.
    Finishing {
        /// The end of this phase at the latest.
        until: Instant,
    },
    /// Both connections to the broker were asked to disconnect. Once they have, the bridge is at its end.
    Disconnecting {
        /// The end of this phase at the latest.
        until: Instant,
    },
}

/// The current step of a shutdown.
#[derive(Debug, Clone, Copy)]
pub(super) enum ShutdownStep {
    Draining { sending_until: Instant, until: Instant },
    Announcing { until: Instant },
    Finishing { until: Instant },
    Disconnecting { until: Instant },
}

impl ShutdownStep {
    /// `to_send`: when an entry of the outbox is to be sent. The state has its time after the draining.
    pub(super) fn wake(self, to_send: Option<Instant>, now: Instant) -> Instant {
        match self {
            Self::Draining { sending_until, until } => {
                let until = if now < sending_until { sending_until } else { until };
                to_send.map_or(until, |to_send| to_send.min(until))
            }
            Self::Announcing { until } | Self::Finishing { until } | Self::Disconnecting { until } => until,
        }
    }
}

impl Machine {
    /// The current phase.
    pub const fn phase(&self) -> Phase {
        match self.shutdown {
            None => Phase::Working,
            Some(ShutdownStep::Draining { .. } | ShutdownStep::Announcing { .. }) => Phase::Draining,
            Some(ShutdownStep::Finishing { until }) => Phase::Finishing { until },
            Some(ShutdownStep::Disconnecting { until }) => Phase::Disconnecting { until },
        }
    }

    /// Takes no more messages from now on, lets quotes that are under way come to their end, publishes `offline`, reports to
    /// the runtime, and disconnects. The broker publishes no last will.
    pub fn begin_shutdown(&mut self, now: Now) {
        if self.shutdown.is_none() {
            let (sending_until, until) = (now.instant + SENDING_PERIOD, now.instant + DRAIN_TIMEOUT);
            self.shutdown = Some(ShutdownStep::Draining { sending_until, until });
            self.advance_shutdown(now);
        }
    }

    /// Ends the current step of the shutdown, because the answer that it waits for cannot come or is late.
    pub fn next_step(&mut self, now: Now) {
        match self.shutdown {
            None | Some(ShutdownStep::Disconnecting { .. }) => {}
            Some(ShutdownStep::Draining { .. }) => {
                let unacknowledged = self.subscriber.inflight.unacknowledged();
                tracing::info!(unacknowledged, unpublished = self.publisher.outbox.unpublished(), "drained");
                self.publisher.send_values(true, now.instant, &mut self.actions);
                self.publisher.announce(false, now, &mut self.actions);
                self.shutdown = Some(ShutdownStep::Announcing { until: now.instant + LAST_MESSAGES_TIMEOUT });
            }
            Some(ShutdownStep::Announcing { until }) => {
                self.report();
                // Otherwise the report would be lost with the stream that it waits in.
                if self.stream.finish(now.instant, &mut self.actions) {
                    self.shutdown = Some(ShutdownStep::Finishing { until });
                } else {
                    self.disconnect(now.instant);
                }
            }
            Some(ShutdownStep::Finishing { .. }) => self.disconnect(now.instant),
        }
    }

    fn disconnect(&mut self, now: Instant) {
        self.actions.extend([Action::Publishing(Request::Disconnect), Action::Subscribing(Request::Disconnect)]);
        self.shutdown = Some(ShutdownStep::Disconnecting { until: now + DISCONNECT_TIMEOUT });
    }

    pub(super) fn advance_shutdown(&mut self, now: Now) {
        if let Some(ShutdownStep::Draining { sending_until, until }) = self.shutdown {
            let is_sending = now.instant < sending_until;
            self.pass_on(now.instant, if is_sending { DRAIN_BATCHES } else { 0 });
            if self.is_drained(is_sending) || now.instant >= until {
                self.next_step(now);
            }
        }
        if let Some(ShutdownStep::Announcing { until }) = self.shutdown
            && (!self.publisher.awaits_state() || now.instant >= until)
        {
            self.next_step(now);
        }
        if let Some(ShutdownStep::Finishing { until }) = self.shutdown
            && now.instant >= until
        {
            self.next_step(now);
        }
    }

    /// Every quote that is under way has come to its end, or waits for a connection that is missing.
    fn is_drained(&self, is_sending: bool) -> bool {
        let inflight = &self.subscriber.inflight;
        let has_unsent = is_sending && inflight.has_unsent();
        let is_decided = !(self.stream.is_open() && (has_unsent || self.stream.awaits_outcomes()));
        let is_published = !self.publisher.is_connected() || self.publisher.outbox.unpublished() == 0;
        is_decided && is_published && !inflight.awaits_written()
    }
}
