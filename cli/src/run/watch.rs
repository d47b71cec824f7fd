//! Watches a run until it is over.

#![expect(clippy::disallowed_methods, reason = "an edge: it waits by the monotonic clock")]

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_stream::{StreamExt as _, StreamMap, wrappers::WatchStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    algorithms::{AlgorithmState, StateReporter},
    error::RunError,
    feeding::Feeding,
    feeds::Feeds,
    joined,
    local::{Local, LocalError},
    say, wanted,
    watchdog::{Verdict, Watchdog},
};

/// Interval of checks of the parts. Accounts are checked whenever they change.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Longest time for lines on their way after a signal.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The feed is done, or a run without a feed got a signal.
    Complete,
    /// A signal came before the end of the feed.
    Interrupted,
    /// The time of the run was over.
    Elapsed,
    /// Standard output was closed.
    Closed,
}

/// A run at work.
pub(super) struct Watch<'a> {
    locals: &'a [Local],
    feeding: Option<&'a mut Feeding>,
    feeds: &'a mut Feeds,
    reporter: StateReporter,
    tasks: &'a TaskTracker,
    watchdog: Watchdog,
    begun: Instant,
    ready: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Begins to watch algorithms that can decide; `reporter` has their states.
    pub(super) fn new(
        locals: &'a [Local],
        feeding: Option<&'a mut Feeding>,
        feeds: &'a mut Feeds,
        reporter: StateReporter,
        tasks: &'a TaskTracker,
    ) -> Self {
        let begun = Instant::now();
        Self { locals, feeding, feeds, reporter, tasks, watchdog: Watchdog::new(Duration::ZERO), begun, ready: None }
    }

    /// Time since every part was ready first.
    pub(super) fn elapsed(&self) -> Duration {
        self.ready.unwrap_or(self.begun).elapsed()
    }

    /// Watches until all quotes are decided, `signal` or `closed` is cancelled, `time` is over, or something fails.
    pub(super) async fn run(
        &mut self,
        signal: &CancellationToken,
        closed: &CancellationToken,
        time: Option<Duration>,
    ) -> Result<End, RunError> {
        let mut tallies: StreamMap<_, _> =
            self.locals.iter().map(|local| WatchStream::new(local.tally.clone())).enumerate().collect();
        let mut looks = interval(POLL_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (time_is_over, mut deadline) = (time.map(|time| self.begun + time), None);
        loop {
            tokio::select! {
                Some(_) = tallies.next() => {}
                _ = looks.tick() => self.look()?,
                () = told_to_end(signal, time_is_over), if deadline.is_none() => {
                    deadline = Some(Instant::now() + DRAIN_GRACE);
                    self.stop_quotes();
                }
                () = sleep_until(deadline.unwrap_or(self.begun)), if deadline.is_some() => {
                    return Ok(self.early_end(signal));
                }
                () = closed.cancelled() => return Ok(End::Closed),
                error = failed(&mut self.feeding) => return Err(RunError::Feed(error)),
                error = self.feeds.failed() => return Err(error),
            }
            if let Some(feeding) = &mut self.feeding
                && !feeding.settle(self.locals)
            {
                let (topic, channels) = (feeding.topic().to_owned(), wanted(self.locals));
                return Err(RunError::LoseTaker { topic, channels });
            }
            let are_feeds_complete = self.feeds.settle();
            if are_feeds_complete && self.is_complete() {
                return Ok(End::Complete);
            }
            if deadline.is_some() && are_feeds_complete && !self.can_come() {
                return Ok(self.early_end(signal));
            }
        }
    }

    fn look(&mut self) -> Result<(), RunError> {
        self.tell();
        if let Some((local, part)) = self.locals.iter().find_map(|local| Some((local, local.ended()?))) {
            return Err(RunError::local(local.account.clone(), LocalError::Lose(part)));
        }
        let mut missing: Vec<_> = self.locals.iter().flat_map(Local::missing_parts).collect();
        if missing.is_empty() {
            self.ready.get_or_insert_with(Instant::now);
            if let Some(feeding) = &mut self.feeding {
                feeding.start(self.tasks).map_err(RunError::Feed)?;
                missing = feeding.missing_parts();
            }
            self.feeds.start();
            missing.extend(self.feeds.missing_parts());
        }
        let (progress, is_waiting) = (self.progress(), self.is_waiting());
        match self.watchdog.look(self.begun.elapsed(), &missing, progress, is_waiting) {
            None => Ok(()),
            Some(Verdict::Stalled) => Err(RunError::Stall(self.unanswered().join("; "))),
            Some(Verdict::Refused(part)) => Err(RunError::Refused(part)),
            Some(Verdict::Gone(part)) => Err(RunError::Gone(part)),
        }
    }

    /// Reports changes of the algorithms' states.
    fn tell(&mut self) {
        let changes = self.reporter.changes(&AlgorithmState::all(self.locals), self.begun.elapsed());
        if changes.is_empty() {
            return;
        }
        match &self.feeding {
            // Hides the progress bar on the same terminal meanwhile.
            Some(feeding) => feeding.bar().suspend(|| say(&changes)),
            None => say(&changes),
        }
    }

    /// A number that changes with every outcome and every publication.
    fn progress(&self) -> u64 {
        let accounts = self.locals.iter().map(|local| {
            let tally = local.tally.borrow();
            tally.ticks() + tally.position + tally.published_through
        });
        accounts.sum::<u64>() + self.feeding.as_ref().map_or(0, |feeding| feeding.sent()) + self.feeds.published()
    }

    fn is_waiting(&self) -> bool {
        let is_waiting = self.feeding.as_ref().is_some_and(|feeding| feeding.is_waiting());
        !self.is_published()
            || is_waiting
            || !self.feeds.unanswered(self.locals).is_empty()
            || !joined::unanswered(self.locals).is_empty()
    }

    /// Whether waiting for lines on their way makes sense: a missing algorithm may stay missing.
    fn can_come(&self) -> bool {
        let can_come = self.feeding.as_ref().is_some_and(|feeding| feeding.can_come(self.locals));
        !self.is_published() || can_come || self.feeds.can_come(self.locals) || joined::can_come(self.locals)
    }

    fn is_published(&self) -> bool {
        self.locals.iter().all(|local| local.unpublished() == 0)
    }

    /// Whether every quote has its outcome, given that all feeds are complete.
    fn is_complete(&self) -> bool {
        let has_quotes = self.feeding.is_some() || !self.feeds.is_empty();
        let is_complete = self.feeding.as_ref().is_none_or(|feeding| feeding.is_complete());
        has_quotes
            && is_complete
            && self.is_published()
            && self.feeds.unanswered(self.locals).is_empty()
            && joined::unanswered(self.locals).is_empty()
    }

    fn stop_quotes(&mut self) {
        if let Some(feeding) = &self.feeding {
            feeding.stop();
        }
        self.feeds.stop();
    }

    fn early_end(&self, signal: &CancellationToken) -> End {
        match (signal.is_cancelled(), &self.feeding) {
            (false, _) => End::Elapsed,
            (true, Some(_)) => End::Interrupted,
            (true, None) => End::Complete,
        }
    }

    /// The reason of the wait, for a person.
    fn unanswered(&self) -> Vec<String> {
        let quotes = self.locals.iter().filter_map(|local| self.feeding.as_ref()?.unanswered(local));
        let messages = self.locals.iter().filter(|local| local.unpublished() > 0).map(|local| {
            format!("{} has {} messages that the broker did not take", local.account, local.unpublished())
        });
        let unsent = self.feeding.as_ref().and_then(|feeding| feeding.unsent());
        let sources = self.feeds.unanswered(self.locals).into_iter().chain(joined::unanswered(self.locals));
        quotes.chain(messages).chain(unsent).chain(sources).collect()
    }
}

/// Waits for the signal, or for the end of the run's time.
async fn told_to_end(signal: &CancellationToken, time_is_over: Option<Instant>) {
    let elapsed = async {
        match time_is_over {
            Some(instant) => sleep_until(instant).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = signal.cancelled() => {}
        () = elapsed => {}
    }
}

async fn failed(feeding: &mut Option<&mut Feeding>) -> crate::feed::publisher::PublishError {
    match feeding {
        Some(feeding) => feeding.failed().await,
        None => std::future::pending().await,
    }
}
