//! The end of a run: no further quotes, the acknowledgements of those in flight, a last position, DISCONNECT. Each wait has a bound.

use std::time::Duration;

use intuition_common::clock::Now;
use intuition_mqtt::Request;
use tokio::time::Instant;

use super::{Action, Machine};

/// Longest wait for acknowledgements and for the last position, each.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It publishes.
    Working,
    /// It waits for acknowledgements of quotes.
    Draining {
        /// No longer than this.
        until: Instant,
    },
    /// It waits for the last position to be stored.
    Storing {
        /// No longer than this.
        until: Instant,
    },
    /// It ends the connection.
    Disconnecting {
        /// No longer than this.
        until: Instant,
    },
}

impl Phase {
    pub(super) const fn until(self) -> Option<Instant> {
        match self {
            Self::Working => None,
            Self::Draining { until } | Self::Storing { until } | Self::Disconnecting { until } => Some(until),
        }
    }

    /// Whether the position that is stored is the last one.
    pub(super) const fn is_last(self) -> bool {
        matches!(self, Self::Storing { .. })
    }
}

impl Machine {
    /// The phase.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Ends the run.
    pub fn begin_shutdown(&mut self, now: Now) {
        self.actions.push(Action::Stop);
        self.waiting.clear();
        self.phase = Phase::Draining { until: now.instant + TIMEOUT };
        self.advance(now);
    }

    /// Goes on to the next phase when the present one is over.
    pub(super) fn drain(&mut self, now: Now) {
        let is_over = self.phase.until().is_some_and(|until| until <= now.instant);
        let until = now.instant + TIMEOUT;
        match self.phase {
            Phase::Draining { .. } if is_over || self.flight.len() == 0 || self.connection.is_none() => {
                self.phase = Phase::Storing { until };
                if let Some(run) = &mut self.run {
                    run.keeper.note();
                }
                self.store(now);
                self.drain(now);
            }
            Phase::Storing { .. } => {
                let is_settled = self.run.as_ref().is_none_or(|run| run.keeper.is_settled());
                if is_over || is_settled || self.connection.is_none() {
                    self.phase = Phase::Disconnecting { until };
                    self.actions.push(Action::Broker(Request::Disconnect));
                }
            }
            Phase::Working | Phase::Draining { .. } | Phase::Disconnecting { .. } => {}
        }
    }
}
