//! The feed of a run: its start, its progress and its end.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use intuition_common::{clock::SystemClock, readiness::Readiness};
use intuition_mqtt::{Link, Options};
use quote_files::{FileError, Merged};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    local::{Local, missing_parts},
    watchdog::MissingPart,
};
use crate::feed::{
    files::OpenFile,
    flight::Flight,
    publisher::{Progress, PublishError, Publisher, READY_PART},
    quote::Sources,
    rate::Rate,
    reading::{self, ReadError},
    resume::{self, Names, ResumeError},
    source::MarkOf,
};

const REDRAW_HZ: u8 = 10;
const STYLE: &str = "{bar:40} {percent}% of {total_bytes}, {msg} quotes, {eta} left";
/// Without a known size.
const OPEN_STYLE: &str = "{spinner} {msg} quotes";

/// A feed and the task that publishes it.
pub(super) struct Feeding {
    sources: Arc<Sources>,
    topic: String,
    /// For each algorithm, the rows that were sent when it began to want the topic; `None` while it does not.
    takers: Vec<Option<u64>>,
    readiness: Readiness,
    bar: ProgressBar,
    /// Rows that were sent, and those among them that have an outcome from every algorithm that takes them.
    flight: Arc<Mutex<Flight>>,
    settled: watch::Sender<u64>,
    progress: watch::Receiver<Progress>,
    stop: CancellationToken,
    /// Until the start.
    waiting: Option<(Publisher, Options)>,
    /// From the start to the end.
    task: Option<JoinHandle<Result<(), PublishError>>>,
}

/// The files of a feed, and how to publish them.
pub(super) struct Plan<'a> {
    pub(super) files: Vec<OpenFile>,
    pub(super) names: Names<'a>,
    pub(super) rate: Rate,
    pub(super) allow_bad_lines: bool,
}

impl Feeding {
    /// Makes a feed that starts behind the last row that all of `locals` have decided, and sentences for the person at the terminal. A file
    /// with changed rows among the decided ones is an error.
    pub(super) fn new(plan: Plan<'_>, options: Options, locals: &[Local]) -> Result<(Self, Vec<String>), ResumeError> {
        let topic = plan.names.topic;
        let takers: Vec<_> = locals.iter().map(|local| local.takes(topic).then_some(0)).collect();
        let marks: Vec<_> = locals
            .iter()
            .filter(|local| local.takes(topic))
            .map(|local| (local.account.as_str(), move |source: &str| local.mark_at_start(topic, source)))
            .collect();
        let accounts: Vec<_> = marks.iter().map(|(account, mark)| (*account, mark as MarkOf<'_>)).collect();
        let (courses, notes) = resume::courses(&plan.files, &plan.names, &accounts)?;
        let sources = courses.iter().zip(&plan.files);
        let sources = sources.map(|(course, open)| (course.source.clone(), open.file.name().to_owned()));
        let sources = Arc::new(Sources(sources.collect()));
        let bar = progress_bar(&plan.files);
        let mut merged = Merged::new(plan.files.into_iter().map(|open| open.file).collect());
        merged.check(plan.allow_bad_lines).map_err(|error| ResumeError::Read(ReadError::File(error)))?;
        let batches = reading::start(merged, courses, plan.allow_bad_lines, bar.clone()).map_err(ResumeError::Read)?;
        let (settled, settled_here) = watch::channel(0);
        let (progress_here, progress) = watch::channel(Progress::Reading);
        let (readiness, flight) = (Readiness::new(&[READY_PART], Arc::new(SystemClock)), Arc::<Mutex<_>>::default());
        let publisher = Publisher {
            topic: topic.to_owned(),
            sources: Arc::clone(&sources),
            rate: plan.rate,
            batches,
            flight: Arc::clone(&flight),
            settled: settled_here,
            progress: progress_here,
            readiness: readiness.clone(),
        };
        let feeding = Self {
            sources,
            topic: topic.to_owned(),
            takers,
            readiness,
            bar,
            flight,
            settled,
            progress,
            stop: CancellationToken::new(),
            waiting: Some((publisher, options)),
            task: None,
        };
        Ok((feeding, notes))
    }

    /// The number of rows that an algorithm decided earlier.
    pub(super) fn decided_earlier(&self, local: &Local) -> u64 {
        self.sources.0.iter().map(|(source, _)| local.mark_at_start(&self.topic, source)).sum()
    }

    /// Its sources.
    pub(super) fn sources(&self) -> Arc<Sources> {
        Arc::clone(&self.sources)
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

    /// Updates the decided rows, and the algorithms that want the topic. `false`: no algorithm wants it any more.
    pub(super) fn settle(&mut self, locals: &[Local]) -> bool {
        let sent = self.sent();
        for (taker, local) in self.takers.iter_mut().zip(locals) {
            // Rows that went by while it wanted other channels never come.
            *taker = local.takes(&self.topic).then(|| taker.unwrap_or(sent));
        }
        let through = {
            let flight = self.flight();
            let takers = locals.iter().zip(&self.takers).filter_map(|(local, taker)| Some((local, (*taker)?)));
            takers.map(|(local, since)| flight.decided(since, self.has_outcome(local))).min()
        };
        let Some(through) = through else { return false };
        self.flight().settle(through);
        self.settled.send_if_modified(|settled| std::mem::replace(settled, through) != through);
        self.bar.set_message(through.to_string());
        true
    }

    /// Whether an account has the outcome of a row.
    fn has_outcome(&self, local: &Local) -> impl Fn(usize, u64) -> bool + use<> {
        let marks: Vec<_> = self.sources.0.iter().map(|(source, _)| local.mark(&self.topic, source)).collect();
        move |file, seq| marks.get(file).is_some_and(|mark| seq <= *mark)
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every row has its outcome.
    pub(super) fn is_complete(&self) -> bool {
        *self.progress.borrow() == Progress::Read && !self.is_under_way()
    }

    fn is_under_way(&self) -> bool {
        let flight = self.flight();
        flight.settled() < flight.sent()
    }

    /// Whether it waits for the broker or for outcomes. A source that is slow to give rows is no cause of a stall.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_under_way() || (self.task.is_some() && *self.progress.borrow() == Progress::Sending)
    }

    /// Whether rows are on their way that an algorithm could answer now.
    pub(super) fn can_come(&self, locals: &[Local]) -> bool {
        let takers = self.takers.iter().zip(locals).filter_map(|(taker, local)| Some((local, (*taker)?)));
        takers
            .filter(|(local, _)| local.backend().reason.is_empty())
            .any(|(local, since)| self.flight().undecided(since, self.has_outcome(local)).is_some())
    }

    /// Rows sent.
    pub(super) fn sent(&self) -> u64 {
        self.flight().sent()
    }

    /// The rest that was not sent, for a person.
    pub(super) fn unsent(&self) -> Option<String> {
        (*self.progress.borrow() != Progress::Read).then(|| "the rest of the feed was not sent".to_owned())
    }

    /// The rows that one algorithm did not answer, for a person.
    pub(super) fn unanswered(&self, local: &Local) -> Option<String> {
        let topic = &self.topic;
        let (first, last) = self.flight().undecided(0, self.has_outcome(local)).filter(|_| local.takes(topic))?;
        let account = &local.account;
        let row = |(file, seq): (usize, u64)| {
            let source = self.sources.0.get(file).map(|(source, _)| source.as_str()).unwrap_or_default();
            format!("{seq} of source {source}")
        };
        let backend = local.backend();
        let lacks = if backend.reason.is_empty() {
            String::new()
        } else {
            format!("; its algorithm: {} ({})", backend.message, backend.reason)
        };
        Some(format!(
            "{account} gave no outcome for the quotes {} to {} on topic {topic}{lacks}",
            row(first),
            row(last)
        ))
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

/// Checks the files, and returns sentences about them for a person.
pub(super) fn check(files: &[OpenFile], allow_bad_lines: bool) -> Result<Vec<String>, FileError> {
    files.iter().try_for_each(|open| open.file.check(allow_bad_lines))?;
    Ok(files.iter().flat_map(|open| open.file.notes()).collect())
}

fn progress_bar(files: &[OpenFile]) -> ProgressBar {
    let bytes = files.iter().map(|open| open.file.bytes()).sum::<Option<u64>>();
    // Hidden by itself where stderr is no terminal.
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr_with_hz(REDRAW_HZ));
    if let Ok(style) = ProgressStyle::with_template(if bytes.is_some() { STYLE } else { OPEN_STYLE }) {
        bar.set_style(style);
    }
    bar.set_message("0");
    bar
}
