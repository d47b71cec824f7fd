//! The looks at a table, one after the other, and the connection that they need.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use intuition_common::{
    backoff::Backoff,
    clock::{Clock, Now},
};
use intuition_resources::{self as resources, Postgres};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    barrier::Barrier,
    connection::{Connection, ConnectionError},
    login::DatabaseFiles,
    row::Values,
    table::{Layout, TableError},
    window::Window,
};
use crate::{
    quote::Quote,
    source::{Condition, Position, SourceEvent},
};

/// Rows of a page.
const PAGE_ROWS: i64 = 1_000;
/// Time between two looks, where the spec has none.
const INTERVAL: Duration = Duration::from_secs(1);
/// Rows of so long a time are counted again, where the spec has no time.
const SETTLE: Duration = Duration::from_mins(1);
/// Time between two looks while rows wait for open transactions, at the beginning.
const SHORT_INTERVAL: Duration = Duration::from_millis(100);
/// Rows that wait for so long are shown.
const LONG: Duration = Duration::from_secs(10);
/// Time between two judgements of the catalogue.
const CATALOGUE_INTERVAL: Duration = Duration::from_secs(30);
/// Time between two judgements of a table that does not meet the conditions.
const REFUSED_INTERVAL: Duration = Duration::from_secs(2);
/// Pauses between attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Rows before the position that a start takes for known.
const KNOWN_ROWS: i64 = 10_000;
/// Rows wait for an open transaction.
const LONG_TRANSACTION: &str = "LongTransaction";
/// Bound on the rows of one run that the log lists as passed over.
const MAX_LISTED: u64 = 100;

/// The end of a look before its time.
enum Stop {
    /// The connection is gone.
    Connection(ConnectionError),
    /// The receiver of events is gone.
    Receiver,
}

impl From<ConnectionError> for Stop {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

/// The way through one table.
struct Course {
    source: Arc<str>,
    /// The last number that was read.
    last: i64,
    /// No earlier run can have published larger numbers, since there were none.
    new_behind: i64,
    barrier: Barrier,
    window: Window,
    passed_over: u64,
}

/// Reads a table behind a position.
pub(super) struct Reader {
    spec: Postgres,
    position: Position,
    events: mpsc::Sender<SourceEvent>,
    clock: Arc<dyn Clock>,
    course: Option<Course>,
    shown: Option<Condition>,
}

impl Reader {
    pub(super) fn new(
        spec: Postgres,
        position: Position,
        events: mpsc::Sender<SourceEvent>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { spec, position, events, clock, course: None, shown: None }
    }

    /// Reads until `stop`, or until the receiver is gone. Connections that end are made again.
    pub(super) async fn run(mut self, login: &DatabaseFiles, seed: u64, stop: CancellationToken) {
        let mut pauses = Backoff::new(PAUSES.0, PAUSES.1, seed);
        loop {
            let connecting = tokio::select! {
                () = stop.cancelled() => return,
                connecting = Connection::open(login) => connecting,
            };
            let stopped = match connecting {
                Ok(connection) => {
                    let stopped = tokio::select! {
                        () = stop.cancelled() => None,
                        stopped = self.read(&connection, &mut pauses) => Some(stopped),
                    };
                    connection.close().await;
                    stopped
                }
                Err(error) => Some(Stop::Connection(error)),
            };
            let Some(Stop::Connection(error)) = stopped else { return };
            if self.events.send(SourceEvent::Disconnected { count: 1 }).await.is_err() {
                return;
            }
            let missing = Condition::Missing { reason: error.reason(), message: error.to_string() };
            tokio::select! {
                () = stop.cancelled() => return,
                shown = self.show(missing) => if shown.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pauses.pause()) => {}
            }
        }
    }

    /// Looks at the table until the connection ends.
    async fn read(&mut self, connection: &Connection, pauses: &mut Backoff) -> Stop {
        loop {
            let judged = match connection.table(&self.spec).await {
                Ok(judged) => judged,
                Err(error) => return error.into(),
            };
            let until = self.now().instant + CATALOGUE_INTERVAL;
            let read = match judged {
                Ok(layout) => self.looks(connection, &layout, until, pauses).await,
                Err(error) => self.refuse(&error).await,
            };
            if let Err(stop) = read {
                return stop;
            }
        }
    }

    async fn refuse(&mut self, error: &TableError) -> Result<(), Stop> {
        self.show(Condition::Missing { reason: error.reason(), message: error.to_string() }).await?;
        sleep(REFUSED_INTERVAL).await;
        Ok(())
    }

    /// Looks at a usable table until the catalogue is to be judged again.
    async fn looks(
        &mut self,
        connection: &Connection,
        layout: &Layout,
        until: Instant,
        pauses: &mut Backoff,
    ) -> Result<(), Stop> {
        if self.course.as_ref().is_none_or(|course| *course.source != *layout.source) {
            self.course = Some(self.begin(connection, layout).await?);
        }
        loop {
            let Some(mut course) = self.course.take() else { return Ok(()) };
            let looked = self.look(connection, layout, &mut course).await;
            self.course = Some(course);
            let pause = looked?;
            pauses.reset();
            sleep(pause).await;
            if self.now().instant >= until {
                return Ok(());
            }
        }
    }

    /// The way behind the position. Rows that are there now are known: the numbers before the position are not, one by one.
    async fn begin(&self, connection: &Connection, layout: &Layout) -> Result<Course, ConnectionError> {
        let start = self.spec.cursor.start;
        let position = self.position.numbers.get(&layout.source).map(|last| last.cast_signed());
        let last = position.unwrap_or(start).max(start);
        let new_behind = connection.snapshot(layout).await?.highest.unwrap_or(start);
        let present = connection.last_numbers(layout, (start, last), KNOWN_ROWS).await?;
        let is_whole = present.len() < usize::try_from(KNOWN_ROWS).unwrap_or(usize::MAX);
        let behind = present.first().filter(|_| !is_whole).map_or(start, |first| first - 1);
        let settle = seconds(self.spec.settle.as_ref(), SETTLE);
        tracing::info!(source = layout.source, last, "reads the table {}", layout.table);
        Ok(Course {
            source: layout.source.as_str().into(),
            last,
            new_behind,
            barrier: Barrier::new(last),
            window: Window::new(settle, behind, last, present, self.now().instant),
            passed_over: 0,
        })
    }

    /// One look. Returns the pause behind it.
    async fn look(&mut self, connection: &Connection, layout: &Layout, course: &mut Course) -> Result<Duration, Stop> {
        let snapshot = connection.snapshot(layout).await?;
        course.barrier.look(snapshot, self.now().instant);
        let interval = seconds(self.spec.interval.as_ref(), INTERVAL);
        if let Some(complaint) = self.pages(connection, layout, course).await? {
            self.show(Condition::Missing { reason: "RowUnusable", message: complaint }).await?;
            return Ok(interval.max(REFUSED_INTERVAL));
        }
        self.count_late(connection, layout, course).await?;
        let Some((highest, since)) = course.barrier.waiting() else {
            self.show(Condition::Working).await?;
            return Ok(interval);
        };
        if self.now().instant < since + LONG {
            if !matches!(self.shown, Some(Condition::Missing { reason: LONG_TRANSACTION, .. })) {
                self.show(Condition::Working).await?;
            }
            return Ok(interval.min(SHORT_INTERVAL));
        }
        let held_by = connection.oldest_transaction().await?;
        let held_by = held_by.map_or_else(String::new, |held_by| format!("; the oldest one is the {held_by}"));
        let message = format!(
            "rows up to {highest} wait for transactions that have been open for more than {} seconds{held_by}: end it",
            LONG.as_secs()
        );
        self.show(Condition::Missing { reason: LONG_TRANSACTION, message }).await?;
        Ok(interval)
    }

    /// Hands over the released rows. Returns the complaint about a row that keeps those behind it back.
    async fn pages(
        &mut self,
        connection: &Connection,
        layout: &Layout,
        course: &mut Course,
    ) -> Result<Option<String>, Stop> {
        let released = course.barrier.released();
        while course.last < released {
            let page = connection.page(layout, (course.last, released), PAGE_ROWS).await?;
            let is_last = page.len() < usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
            let (quotes, numbers, complaint) = self.quotes(layout, course, page);
            let end = if is_last && complaint.is_none() { Some(released) } else { numbers.last().copied() };
            if !quotes.is_empty() {
                self.send(SourceEvent::Quotes { quotes, state: None }).await?;
            }
            if let Some(end) = end {
                course.window.note(numbers.into_iter(), end, self.now().instant);
                course.last = end;
            }
            if complaint.is_some() {
                return Ok(complaint);
            }
        }
        Ok(None)
    }

    /// The quotes of a page, the numbers of its rows, and the complaint at which both end.
    fn quotes(
        &self,
        layout: &Layout,
        course: &mut Course,
        page: Vec<(i64, Values)>,
    ) -> (Vec<Quote>, Vec<i64>, Option<String>) {
        let (mut quotes, mut numbers) = (Vec::with_capacity(page.len()), Vec::with_capacity(page.len()));
        let now = self.now().micros;
        for (number, values) in page {
            match values.quote(&course.source, now) {
                Ok(quote) => {
                    quotes.extend(quote.map(|quote| Quote { is_new: number > course.new_behind, ..quote }));
                }
                Err(complaint) if self.spec.allow_bad_rows => {
                    course.passed_over += 1;
                    if course.passed_over <= MAX_LISTED {
                        tracing::warn!(source = layout.source, number, "passed over: {complaint}");
                    }
                }
                Err(complaint) => {
                    let table = &layout.table;
                    let complaint = format!(
                        "the row {number} of {table} cannot be used: {complaint}: correct or delete it, or set allowBadRows"
                    );
                    return (quotes, numbers, Some(complaint));
                }
            }
            numbers.push(number);
        }
        (quotes, numbers, None)
    }

    /// Counts the last rows again, and reports those that were not there before.
    async fn count_late(&mut self, connection: &Connection, layout: &Layout, course: &mut Course) -> Result<(), Stop> {
        let Some(range) = course.window.range(self.now().instant) else { return Ok(()) };
        if connection.count(layout, range.behind, range.last).await? == range.known {
            return Ok(());
        }
        let found: BTreeSet<i64> = connection.last_numbers(layout, (range.behind, range.last), i64::MAX).await?;
        let numbers: Vec<u64> = course.window.compare(found).into_iter().map(i64::cast_unsigned).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        self.send(SourceEvent::Late { source: Arc::clone(&course.source), numbers }).await
    }

    async fn show(&mut self, condition: Condition) -> Result<(), Stop> {
        if self.shown.as_ref() == Some(&condition) {
            return Ok(());
        }
        self.send(SourceEvent::Condition(condition.clone())).await?;
        self.shown = Some(condition);
        Ok(())
    }

    async fn send(&self, event: SourceEvent) -> Result<(), Stop> {
        self.events.send(event).await.map_err(|_| Stop::Receiver)
    }

    fn now(&self) -> Now {
        Now::read(self.clock.as_ref())
    }
}

fn seconds(given: Option<&resources::Duration>, default: Duration) -> Duration {
    given.map_or(default, |given| Duration::from_secs(given.seconds()))
}
