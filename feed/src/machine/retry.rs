//! The next start of a source that has failed. A person may have corrected the cause meanwhile, outside of the feed.

use std::time::Duration;

use intuition_common::{backoff::Backoff, clock::Now};
use tokio::time::Instant;

use super::{Machine, Phase};

/// The first pause is at most so long, and at least half of it.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The time of the next start, with pauses that grow while starts fail.
#[derive(Debug)]
pub(super) struct Retry {
    pauses: Backoff,
    at: Option<Instant>,
}

impl Retry {
    pub(super) fn new(seed: u64) -> Self {
        Self { pauses: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed), at: None }
    }

    /// The source has failed.
    pub(super) fn failed(&mut self, now: Now) {
        self.at = Some(now.instant + self.pauses.pause());
    }

    /// The source has been started.
    pub(super) const fn started(&mut self) {
        self.at = None;
    }

    /// The broker has a quote of the source.
    pub(super) const fn works(&mut self) {
        self.pauses.reset();
    }

    /// When the source is to be started again.
    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }
}

impl Machine {
    /// Starts a source that has failed once more, behind the position that the broker has. Quotes on their way
    /// and their position come first.
    pub(super) fn retry(&mut self, now: Now) {
        let is_due = self.retry.at().is_some_and(|at| at <= now.instant);
        let is_stored = self.run.as_ref().is_some_and(|run| run.keeper.is_settled());
        let is_settled = self.waiting.is_empty() && self.flight.len() == 0 && is_stored;
        let Some(connection) = self.connection.filter(|_| is_due && is_settled) else { return };
        if self.lookup.is_some() || self.phase != Phase::Working {
            return;
        }
        tracing::info!(feed = self.settings.feed, "starts the source that has failed again");
        self.end_run();
        if connection.retain {
            self.look_up(now);
        } else {
            self.begin(None, now);
        }
    }
}
