//! The feeds of a run at work: each in a task of this process.

use std::{sync::Arc, time::Duration};

use feed::{FeedDeps, FeedError, Mark, Metrics, PARTS, PUBLISHING};
use intuition_common::{
    clock::{Clock, SystemClock},
    heartbeat::Heartbeat,
    readiness::Readiness,
};
use tokio::{sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    error::RunError,
    feed_plan::Planned,
    local::{Local, missing_parts},
    watchdog::MissingPart,
};
use crate::output::FeedSummary;

/// The reason of parts that have not been judged yet.
const STARTING: &str = "Starting";

/// All feeds of a run.
pub(super) struct Feeds {
    all: Vec<RunFeed>,
    tasks: JoinSet<(String, Result<(), FeedError>)>,
    stop: CancellationToken,
    has_started: bool,
}

/// One feed.
struct RunFeed {
    planned: Planned,
    readiness: Readiness,
    metrics: Metrics,
    completion: Completion,
}

/// The last quotes of a feed.
enum Completion {
    /// There may be more.
    Open(Option<oneshot::Receiver<Vec<Mark>>>),
    /// There are no more: the source has ended, or the feed was stopped.
    Complete(Vec<Mark>),
}

impl Feeds {
    /// Feeds that wait for [`Feeds::start`].
    pub(super) fn new(planned: Vec<Planned>) -> Self {
        let feeds = planned.into_iter().map(|planned| RunFeed {
            planned,
            readiness: Readiness::new(&PARTS, Arc::new(SystemClock)),
            metrics: Metrics::default(),
            completion: Completion::Open(None),
        });
        Self { all: feeds.collect(), tasks: JoinSet::new(), stop: CancellationToken::new(), has_started: false }
    }

    /// Whether the run has no feed.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Starts to publish. Once is enough.
    pub(super) fn start(&mut self) {
        if std::mem::replace(&mut self.has_started, true) || self.stop.is_cancelled() {
            return;
        }
        for feed in &mut self.all {
            let (sender, marks) = oneshot::channel();
            feed.completion = Completion::Open(Some(marks));
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let deps = FeedDeps {
                readiness: feed.readiness.clone(),
                metrics: feed.metrics.clone(),
                clock,
                heartbeat: Heartbeat::new(),
                ends_with_source: true,
                marks: Some(sender),
            };
            let (config, stop) = (feed.planned.config.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                let outcome = feed::run(&config, deps, stop).await;
                (config.feed, outcome)
            });
        }
    }

    /// Waits for a feed that ends by itself; for ever if there is none.
    pub(super) async fn failed(&mut self) -> RunError {
        match self.tasks.join_next().await {
            Some(Ok((feed, Err(source)))) => RunError::EndFeed { feed, source },
            // A feed that was stopped has ended in order.
            Some(Ok((_, Ok(())))) | None => std::future::pending().await,
            Some(Err(_)) => RunError::LoseFeed,
        }
    }

    /// Missing parts of started feeds. A feed that had no quote to publish yet lacks nothing.
    pub(super) fn missing_parts(&self) -> Vec<MissingPart> {
        if !self.has_started {
            return Vec::new();
        }
        let missing = self.all.iter().flat_map(|feed| {
            let quiet = feed.readiness.missing().into_iter();
            let is_quiet = quiet.into_iter().any(|missing| missing.part == PUBLISHING && missing.reason == STARTING);
            missing_parts(&feed.planned.config.feed, &feed.readiness, |part| !(is_quiet && part == PUBLISHING))
        });
        missing.collect()
    }

    /// Quotes that the broker has taken from all feeds.
    pub(super) fn published(&self) -> u64 {
        self.all.iter().map(|feed| feed.metrics.published.get()).sum()
    }

    /// Takes the news of completed feeds. Whether every feed has published its last quote.
    pub(super) fn settle(&mut self) -> bool {
        for feed in &mut self.all {
            if let Completion::Open(Some(marks)) = &mut feed.completion
                && let Ok(marks) = marks.try_recv()
            {
                feed.completion = Completion::Complete(marks);
            }
        }
        self.all.iter().all(|feed| matches!(feed.completion, Completion::Complete(_)))
    }

    /// Whether an account that can decide now has no outcome for a quote of a complete feed.
    pub(super) fn can_come(&self, locals: &[Local]) -> bool {
        self.undecided(locals).any(|(local, _)| local.backend().reason.is_empty())
    }

    /// The quotes of complete feeds that accounts did not answer, for a person.
    pub(super) fn unanswered(&self, locals: &[Local]) -> Vec<String> {
        let line = |(local, mark): (&Local, &Mark)| {
            let (account, Mark { topic, source, seq }) = (&local.account, mark);
            format!("{account} gave no outcome for the quote {seq} of source {source} on topic {topic}")
        };
        self.undecided(locals).map(line).collect()
    }

    /// The last quotes of complete feeds that accounts have yet to decide.
    fn undecided<'a>(&'a self, locals: &'a [Local]) -> impl Iterator<Item = (&'a Local, &'a Mark)> {
        let marks = self.all.iter().flat_map(|feed| match &feed.completion {
            Completion::Complete(marks) => marks.as_slice(),
            Completion::Open(_) => &[],
        });
        marks.flat_map(move |mark| {
            let is_undecided =
                |local: &&Local| local.takes(&mark.topic) && local.mark(&mark.topic, &mark.source) < mark.seq;
            locals.iter().filter(is_undecided).map(move |local| (local, mark))
        })
    }

    /// The topic of each feed, as a line of output.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |feed: &RunFeed| format!("{}: quotes go to {}", feed.planned.config.feed, feed.planned.filter);
        self.all.iter().map(line).collect()
    }

    /// Returns a sentence about each feed without an account that takes its quotes.
    pub(super) fn untaken(&self, locals: &[Local], wanted: &str) -> Vec<String> {
        let untaken = self.all.iter().filter(|feed| !locals.iter().any(|local| local.takes_some(&feed.planned.filter)));
        let line = |feed: &RunFeed| {
            let Planned { config, filter, .. } = &feed.planned;
            format!("{}: no algorithm of this run takes its topic {filter}: {wanted}", config.feed)
        };
        untaken.map(line).collect()
    }

    /// Publishes nothing more.
    pub(super) fn stop(&mut self) {
        self.stop.cancel();
        if !self.has_started {
            self.all.iter_mut().for_each(|feed| feed.completion = Completion::Complete(Vec::new()));
        }
    }

    /// Stops and waits for the ends of all feeds, within a bound. Gives their summaries.
    pub(super) async fn finish(mut self, timeout: Duration) -> Vec<FeedSummary> {
        self.stop.cancel();
        let ends = async { while self.tasks.join_next().await.is_some() {} };
        if let Err(elapsed) = tokio::time::timeout(timeout, ends).await {
            tracing::warn!(%elapsed, "the feeds did not end in time");
        }
        let summary = |feed: &RunFeed| FeedSummary {
            name: feed.planned.config.feed.clone(),
            published: feed.metrics.published.get(),
        };
        self.all.iter().map(summary).collect()
    }
}
