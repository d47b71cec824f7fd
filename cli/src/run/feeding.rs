//! The feed from the run's side: when it starts, how far it is, and that it ends.

use std::{sync::Arc, time::Duration};

use bridge::mqtt::{Link, Options};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use intuition_common::{clock::SystemClock, readiness::Readiness};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    local::{Local, away},
    watchdog::Away,
};
use crate::feed::{
    Feed,
    publisher::{PublishError, Publisher, READY_PART},
    window::{Rate, Window},
};

const REDRAW_HZ: u8 = 10;
const STYLE: &str = "{bar:40} {pos}/{len} lines, {eta} left";

/// A feed and the task that publishes it.
pub(super) struct Feeding {
    feed: Arc<Feed>,
    topic: String,
    readiness: Readiness,
    bar: ProgressBar,
    /// Lines that have an outcome from every algorithm that takes them.
    settled: watch::Sender<u64>,
    /// Lines sent.
    sent: watch::Receiver<u64>,
    stop: CancellationToken,
    /// Until the start.
    waiting: Option<(Publisher, Options)>,
    /// From the start to the end.
    task: Option<JoinHandle<Result<(), PublishError>>>,
}

impl Feeding {
    /// A feed that starts behind what all of `locals` decided earlier.
    pub(super) fn new(feed: Feed, topic: &str, rate: Rate, options: Options, locals: &[Local]) -> Self {
        let feed = Arc::new(feed);
        let total = feed.len();
        let already = settled(locals, topic, &feed);
        let (settled, settled_here) = watch::channel(already);
        let (sent_here, sent) = watch::channel(already);
        let readiness = Readiness::new(&[READY_PART], Arc::new(SystemClock));
        let publisher = Publisher {
            feed: Arc::clone(&feed),
            topic: topic.to_owned(),
            window: Window::new(rate, total, already),
            settled: settled_here,
            sent: sent_here,
            readiness: readiness.clone(),
        };
        // Hidden by itself where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(REDRAW_HZ));
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style);
        }
        bar.set_position(already);
        bar.reset_eta();
        Self {
            feed,
            topic: topic.to_owned(),
            readiness,
            bar,
            settled,
            sent,
            stop: CancellationToken::new(),
            waiting: Some((publisher, options)),
            task: None,
        }
    }

    /// How many lines of the feed an algorithm decided earlier, of how many.
    pub(super) fn decided_earlier(&self, local: &Local) -> (u64, u64) {
        (local.mark_at_start(&self.topic, &self.feed.source).min(self.feed.len()), self.feed.len())
    }

    /// The progress bar, to be shared with whoever writes to the same terminal.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Starts to publish. Once is enough.
    pub(super) fn start(&mut self, tasks: &TaskTracker) -> Result<(), PublishError> {
        if let Some((publisher, options)) = self.waiting.take() {
            let (link, events) = Link::start(options, tasks).map_err(PublishError::Connect)?;
            self.task = Some(tasks.spawn(publisher.run(link, events, self.stop.clone())));
        }
        Ok(())
    }

    /// Waits for an error of the publisher; for ever where there is none.
    pub(super) async fn failed(&mut self) -> PublishError {
        if let Some(task) = &mut self.task {
            let outcome = task.await;
            self.task = None;
            if let Ok(Err(error)) = outcome {
                return error;
            }
        }
        std::future::pending().await
    }

    /// Takes up what the algorithms have decided by now.
    pub(super) fn settle(&self, locals: &[Local]) {
        let through = settled(locals, &self.topic, &self.feed);
        self.settled.send_if_modified(|settled| std::mem::replace(settled, through) != through);
        self.bar.set_position(through.min(self.feed.len()));
    }

    /// Whether every line has its outcome.
    pub(super) fn is_complete(&self) -> bool {
        *self.settled.borrow() >= self.feed.len()
    }

    /// Whether lines are on their way without an outcome.
    pub(super) fn is_under_way(&self) -> bool {
        self.sent() > *self.settled.borrow()
    }

    /// Lines sent.
    pub(super) fn sent(&self) -> u64 {
        *self.sent.borrow()
    }

    /// The lines that one algorithm did not answer, for a person.
    pub(super) fn unanswered(&self, local: &Local) -> Option<String> {
        let (Feed { source, .. }, topic) = (&*self.feed, &self.topic);
        let mark = local.mark(topic, source);
        (local.takes(topic) && mark < self.sent()).then(|| {
            let (account, first, last) = (&local.account, mark + 1, self.sent());
            format!("{account} gave no outcome for the quotes {first} to {last} of source {source} on topic {topic}")
        })
    }

    /// What it lacks, once it has been started.
    pub(super) fn away(&self) -> Vec<Away> {
        if self.task.is_some() { away("feed", &self.readiness) } else { Vec::new() }
    }

    /// Publishes nothing more.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops and waits for the farewell to the broker, but not for ever.
    pub(super) async fn finish(mut self, patience: Duration) {
        self.stop.cancel();
        self.bar.finish_and_clear();
        if let Some(task) = self.task.take()
            && let Err(elapsed) = tokio::time::timeout(patience, task).await
        {
            tracing::warn!(%elapsed, "the feed did not end in time");
        }
    }
}

/// The line up to which all algorithms that take the topic have decided everything.
fn settled(locals: &[Local], topic: &str, feed: &Feed) -> u64 {
    let takers = locals.iter().filter(|local| local.takes(topic));
    takers.map(|local| local.mark(topic, &feed.source)).min().unwrap_or_default()
}
