//! The feed of a run: its start, its progress and its end.

use std::{sync::Arc, time::Duration};

use bridge::mqtt::{Link, Options};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use intuition_common::{clock::SystemClock, readiness::Readiness};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    local::{Local, missing_parts},
    watchdog::MissingPart,
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
    /// For each algorithm, the lines that were sent when it began to want the topic; `None` while it does not.
    takers: Vec<Option<u64>>,
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
    /// A feed that starts behind the lines that all of `locals` decided earlier.
    pub(super) fn new(feed: Feed, topic: &str, rate: Rate, options: Options, locals: &[Local]) -> Self {
        let feed = Arc::new(feed);
        let total = feed.len();
        let takers: Vec<_> = locals.iter().map(|local| local.takes(topic).then_some(0)).collect();
        let already = settled(locals, &takers, topic, &feed).unwrap_or_default();
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
            takers,
            readiness,
            bar,
            settled,
            sent,
            stop: CancellationToken::new(),
            waiting: Some((publisher, options)),
            task: None,
        }
    }

    /// The number of lines that an algorithm decided earlier, and the number of all lines.
    pub(super) fn decided_earlier(&self, local: &Local) -> (u64, u64) {
        (local.mark_at_start(&self.topic, &self.feed.source).min(self.feed.len()), self.feed.len())
    }

    /// The feed itself.
    pub(super) fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }

    /// Its topic.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The progress bar, for other writers to the same terminal.
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

    /// Waits for an error of the publisher; for ever if there is none.
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

    /// Updates the decided lines, and the algorithms that want the topic. `false`: no algorithm wants it any more.
    pub(super) fn settle(&mut self, locals: &[Local]) -> bool {
        let sent = self.sent();
        for (taker, local) in self.takers.iter_mut().zip(locals) {
            // Lines that went by while it wanted other channels never come.
            *taker = local.takes(&self.topic).then(|| taker.unwrap_or(sent));
        }
        let Some(through) = settled(locals, &self.takers, &self.topic, &self.feed) else { return false };
        self.settled.send_if_modified(|settled| std::mem::replace(settled, through) != through);
        self.bar.set_position(through.min(self.feed.len()));
        true
    }

    /// Whether every line has its outcome.
    pub(super) fn is_complete(&self) -> bool {
        *self.settled.borrow() >= self.feed.len()
    }

    /// Whether lines are on their way that an algorithm could answer now.
    pub(super) fn can_come(&self, locals: &[Local]) -> bool {
        let takers = self.takers.iter().zip(locals).filter_map(|(taker, local)| Some((local, (*taker)?)));
        takers
            .filter(|(local, _)| local.backend().reason.is_empty())
            .any(|(local, since)| local.mark(&self.topic, &self.feed.source).max(since) < self.sent())
    }

    /// Lines sent.
    pub(super) fn sent(&self) -> u64 {
        *self.sent.borrow()
    }

    /// The quotes that were not sent, for a person.
    pub(super) fn unsent(&self) -> Option<String> {
        let (sent, total) = (self.sent(), self.feed.len());
        (sent < total).then(|| format!("the quotes {} to {total} of the feed were not sent", sent + 1))
    }

    /// The lines that one algorithm did not answer, for a person.
    pub(super) fn unanswered(&self, local: &Local) -> Option<String> {
        let (Feed { source, .. }, topic) = (&*self.feed, &self.topic);
        let mark = local.mark(topic, source);
        (local.takes(topic) && mark < self.sent()).then(|| {
            let (account, first, last) = (&local.account, mark + 1, self.sent());
            let backend = local.backend();
            let lacks = if backend.reason.is_empty() {
                String::new()
            } else {
                format!("; its algorithm: {} ({})", backend.message, backend.reason)
            };
            format!(
                "{account} gave no outcome for the quotes {first} to {last} of source {source} on topic {topic}{lacks}"
            )
        })
    }

    /// Its missing parts, once it has been started.
    pub(super) fn missing_parts(&self) -> Vec<MissingPart> {
        if self.task.is_some() { missing_parts("feed", &self.readiness, |_| true) } else { Vec::new() }
    }

    /// Publishes nothing more.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops and waits for the disconnect from the broker, within a bound.
    pub(super) async fn finish(mut self, timeout: Duration) {
        self.stop.cancel();
        self.bar.finish_and_clear();
        if let Some(task) = self.task.take()
            && let Err(elapsed) = tokio::time::timeout(timeout, task).await
        {
            tracing::warn!(%elapsed, "the feed did not end in time");
        }
    }
}

/// The line up to which all algorithms that want the topic have decided everything; `None` where none does.
fn settled(locals: &[Local], takers: &[Option<u64>], topic: &str, feed: &Feed) -> Option<u64> {
    let takers = locals.iter().zip(takers).filter_map(|(local, taker)| Some((local, (*taker)?)));
    takers.map(|(local, since)| local.mark(topic, &feed.source).max(since)).min()
}
