//! The feed as a step function: events of broker and source and the time in, requests out. Pure.
//!
//! The way of a run: `lookup` finds the position of the run before; the source starts behind it; `numbers` judges each quote
//! that comes; `flight` keeps it from its publication to its acknowledgement; `position` is stored by the times of `keeper`.
//! The position is looked up on every connection. A run that finds the position of another one forgets everything and begins
//! behind it: that one had the client id meanwhile.

mod flight;
mod keeper;
mod lookup;
mod numbers;
mod position;
mod publishing;
mod retry;
mod shutdown;
mod starting;
mod storing;
mod tokens;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use intuition_api::topic::FeedTopics;
use intuition_common::{clock::Now, readiness::Readiness};
use intuition_mqtt::{Event, Request};
use serde_json::value::RawValue;
use tokio::time::Instant;

use self::{
    flight::Flight,
    keeper::Keeper,
    lookup::Lookup,
    numbers::{SourceNumbers, Taken},
    retry::Retry,
};
pub use self::{numbers::Gap, shutdown::Phase};
use crate::{
    metrics::Metrics,
    quote::Quote,
    readiness::{PUBLISHING, Reporter, SOURCE},
    source::{Beginning, Condition, Position, SourceEvent, State},
};

/// The longest time between two calls of [`Machine::advance`].
const HEARTBEAT: Duration = Duration::from_secs(10);
/// No quote came for the time of `staleAfter`.
const STALE: &str = "Stale";
/// The source has given its last quote.
const ENDED: &str = "SourceEnded";
/// Rows of the source came when later numbers had been published.
const LATE: &str = "LateRows";
/// The most numbers of late rows that one message lists.
const MAX_LISTED: usize = 20;

/// The settings of a feed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `<namespace>/<name>`.
    pub feed: String,
    /// Its topics.
    pub topics: FeedTopics,
    /// Whether every quote is marked as one of the past.
    pub backfill: bool,
    /// A warning is given when no quote came for so long.
    pub stale_after: Option<Duration>,
}

/// The last quote of a source on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The topic.
    pub topic: String,
    /// Name of the source.
    pub source: Arc<str>,
    /// Its number.
    pub seq: u64,
}

/// An event of the world.
#[derive(Debug)]
pub enum Input {
    /// Of the connection to the broker.
    Broker(Event),
    /// Of the source that was started last.
    Source(SourceEvent),
    /// The source that was started last has ended.
    SourceGone,
}

/// A request to the world.
#[derive(Debug)]
pub enum Action {
    /// To the connection to the broker.
    Broker(Request),
    /// Start the source behind a position.
    Start(Position),
    /// Stop the source; none of its events counts any more.
    Stop,
}

/// The connection to the broker.
#[derive(Debug, Clone, Copy)]
struct Connection {
    epoch: u64,
    /// Quotes that may be without an acknowledgement.
    window: usize,
    retain: bool,
    /// Number of the last acknowledgement.
    acks: u64,
}

/// The outcome of a start.
#[derive(Debug)]
struct Run {
    numbers: SourceNumbers,
    keeper: Keeper,
    /// Whether every quote may have been published before.
    replay: bool,
    /// Quotes that were published for the first time.
    sent: u64,
    /// The last number that the broker has, by symbol and source.
    lasts: BTreeMap<(Arc<str>, Arc<str>), u64>,
    /// The name of the run that stored the position at its beginning; empty without one.
    behind: String,
    /// The state of the run before, which counts until the source gives another one: a source that fails at once gives none.
    stored_state: Option<Box<RawValue>>,
}

/// See the module.
pub struct Machine {
    settings: Settings,
    beginning: Beginning,
    metrics: Metrics,
    reporter: Reporter,
    /// Names this run in markers.
    nonce: u64,
    lookups: u64,
    connection: Option<Connection>,
    lookup: Option<Lookup>,
    run: Option<Run>,
    waiting: VecDeque<Quote>,
    state: Option<Arc<dyn State>>,
    flight: Flight,
    /// Nothing is published before, since the broker refused a quote.
    paused_until: Option<Instant>,
    /// When the last quote reached the broker, or the run began.
    last_quote: Option<Instant>,
    /// Whether the source has reported that it gives no further quote.
    has_ended: bool,
    failure: Option<(&'static str, String)>,
    retry: Retry,
    phase: Phase,
    actions: Vec<Action>,
}

impl Machine {
    /// A feed at its start. `nonce` is a random number.
    pub fn new(settings: Settings, beginning: Beginning, metrics: Metrics, readiness: Readiness, nonce: u64) -> Self {
        Self {
            reporter: Reporter::new(readiness, &settings.feed),
            settings,
            beginning,
            metrics,
            nonce,
            lookups: 0,
            connection: None,
            lookup: None,
            run: None,
            waiting: VecDeque::new(),
            state: None,
            flight: Flight::default(),
            paused_until: None,
            last_quote: None,
            has_ended: false,
            failure: None,
            retry: Retry::new(nonce),
            phase: Phase::Working,
            actions: Vec::new(),
        }
    }

    /// Takes an event. [`Machine::advance`] is to follow, behind one or many.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Broker(event) => self.broker(event, now),
            Input::Source(event) => self.source(event, now),
            Input::SourceGone if self.has_ended => {}
            Input::SourceGone => {
                let message =
                    "the task of the source ended by itself: start the feed again, and report the log".to_owned();
                self.condition(Condition::Failed { reason: "SourceLost", message }, now);
            }
        }
    }

    /// Does everything that is possible now.
    pub fn advance(&mut self, now: Now) {
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.until() <= now.instant) {
            let expired = lookup.expire(now);
            match expired {
                Some(error) => self.lookup_failed(&error),
                None => self.look_up(now),
            }
        }
        if self.paused_until.is_some_and(|until| until <= now.instant) {
            self.paused_until = None;
        }
        self.retry(now);
        self.publish();
        self.store(now);
        self.judge_age(now);
        self.metrics.in_flight.set(i64::try_from(self.flight.sent()).unwrap_or(i64::MAX));
        self.drain(now);
    }

    /// When [`Machine::advance`] is to be called at the latest.
    pub fn wake(&self, now: Now) -> Instant {
        let position = self.run.as_ref().filter(|_| self.connection.is_some()).and_then(|run| run.keeper.wake());
        let stale = self.stale_at().filter(|at| *at > now.instant);
        let retry = self.retry.at().filter(|at| *at > now.instant);
        let lookup = self.lookup.as_ref().map(Lookup::until);
        let times = [lookup, self.paused_until, position, stale, retry, self.phase.until()];
        times.into_iter().flatten().fold(now.instant + HEARTBEAT, Instant::min)
    }

    /// Whether quotes of the source have room. Otherwise they wait at the source.
    pub fn takes_quotes(&self) -> bool {
        self.phase == Phase::Working && self.waiting.is_empty()
    }

    /// The actions since the last call, in their order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        mem::take(&mut self.actions)
    }

    /// The failure of the source, with its reason. The source is started again after a pause.
    pub fn failure(&self) -> Option<(&'static str, &str)> {
        self.failure.as_ref().map(|(reason, message)| (*reason, message.as_str()))
    }

    /// Whether the source has given all of its quotes, and the broker has them.
    pub fn is_complete(&self) -> bool {
        let has_all = self.has_ended && self.failure.is_none() && self.run.is_some();
        has_all && self.waiting.is_empty() && self.flight.len() == 0
    }

    /// The last quotes of this run that the broker has, by symbol and source.
    pub fn marks(&self) -> Vec<Mark> {
        let mark = |((sid, source), seq): (&(Arc<str>, Arc<str>), &u64)| Mark {
            topic: self.settings.topics.quotes_of(sid),
            source: Arc::clone(source),
            seq: *seq,
        };
        self.run.iter().flat_map(|run| &run.lasts).map(mark).collect()
    }

    fn broker(&mut self, event: Event, now: Now) {
        match event {
            Event::Connected { epoch, capabilities, .. } => self.connected(epoch, capabilities, now),
            Event::Disconnected(error) => self.disconnected(&error),
            Event::Message(message) => self.message(&message, now),
            Event::Published { token: tokens::MARKER, code } => {
                let published = self.lookup.as_mut().map_or(Ok(()), |lookup| lookup.published(code, now));
                self.judge(published);
            }
            Event::Published { token: tokens::POSITION, code } => self.stored(code),
            Event::Published { token, code } => self.published(token, code, now),
            Event::Subscribed { token: tokens::LOOKUP, code } => {
                let Some(marker) = self.lookup.as_mut().map(|lookup| lookup.subscribed(code, now)) else { return };
                match marker {
                    Ok(marker) => self.actions.push(Action::Broker(marker)),
                    Err(error) => self.lookup_failed(&error),
                }
            }
            Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::AcksWritten { .. }
            | Event::AcksConfirmed { .. } => {}
        }
    }

    fn source(&mut self, event: SourceEvent, now: Now) {
        let Some(run) = &mut self.run else { return };
        match event {
            SourceEvent::Quotes { quotes, state } => {
                self.state = state.or(self.state.take());
                for quote in quotes {
                    match run.numbers.take(&quote) {
                        Taken::New(gap) => {
                            report_gap(gap.as_ref(), &self.metrics, &self.reporter);
                            self.waiting.push_back(quote);
                        }
                        Taken::Repeated => drop(self.metrics.repeated.inc()),
                    }
                }
            }
            SourceEvent::Gap { source, first, last } => {
                report_gap(run.numbers.pass(&source, first, last).as_ref(), &self.metrics, &self.reporter);
            }
            SourceEvent::Disconnected { count } => drop(self.metrics.source_disconnections.inc_by(count)),
            SourceEvent::Late { source, numbers } => report_late(&source, &numbers, &self.metrics, &mut self.reporter),
            SourceEvent::Condition(condition) => self.condition(condition, now),
        }
    }

    fn condition(&mut self, condition: Condition, now: Now) {
        self.has_ended = matches!(condition, Condition::Ended | Condition::Failed { .. });
        match condition {
            Condition::Working => self.reporter.ready(SOURCE),
            Condition::Missing { reason, message } => self.reporter.missing(SOURCE, reason, &message),
            Condition::Ended => {
                self.reporter.ready(SOURCE);
                self.reporter.warn(SOURCE, ENDED, "the source has given its last quote");
                // The broker had all quotes before this run: none is to come that would show it.
                if self.waiting.is_empty() && self.flight.len() == 0 {
                    self.reporter.ready(PUBLISHING);
                }
            }
            Condition::Failed { reason, message } => {
                self.reporter.missing(SOURCE, reason, &message);
                self.failure = Some((reason, message));
                self.retry.failed(now);
            }
        }
    }

    fn stale_at(&self) -> Option<Instant> {
        Some(self.last_quote? + self.settings.stale_after?)
    }

    fn judge_age(&mut self, now: Now) {
        let (Some(at), Some(after)) = (self.stale_at(), self.settings.stale_after) else { return };
        if at > now.instant {
            self.reporter.clear_warning(SOURCE, STALE);
        } else {
            self.reporter.warn(SOURCE, STALE, &format!("no quote was published for {} seconds", after.as_secs()));
        }
    }
}

fn report_gap(gap: Option<&Gap>, metrics: &Metrics, reporter: &Reporter) {
    let Some(Gap { source, first, last }) = gap else { return };
    metrics.gaps.inc();
    metrics.missing.inc_by(last - first + 1);
    reporter.gap(source, *first, *last);
}

fn report_late(source: &str, numbers: &[u64], metrics: &Metrics, reporter: &mut Reporter) {
    metrics.late.inc_by(numbers.len() as u64);
    let listed: Vec<_> = numbers.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    let more = if numbers.len() > MAX_LISTED { ", ..." } else { "" };
    let numbers = format!("{}{more}", listed.join(", "));
    reporter.late(source, &numbers);
    let total = metrics.late.get();
    let message =
        format!("{total} rows came behind later ones and are not published; the last ones of {source}: {numbers}");
    reporter.warn(SOURCE, LATE, &message);
}

#[cfg(test)]
mod tests;
