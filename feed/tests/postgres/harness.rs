//! A database, and a source that reads a table of it.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use feed::{
    postgres::{DatabaseFiles, PostgresSource},
    quote::Quote,
    source::{Condition, Position, Source as _, SourceEvent, SourceEvents},
};
use intuition_common::clock::SystemClock;
use local_postgres::Server;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The longest time until a condition holds.
const PATIENCE: Duration = Duration::from_mins(1);
/// The source of [`table`].
pub(crate) const SOURCE: &str = "postgres:postgres.public.trades";
/// The columns of a usable table.
pub(crate) const COLUMNS: &str = "id bigserial PRIMARY KEY, sid text DEFAULT 'ACME', price numeric DEFAULT 1.5";

/// A server, and the file with its URL.
pub(crate) struct Database {
    pub(crate) folder: TempDir,
    pub(crate) server: Server,
    tasks: TaskTracker,
}

/// The fields of a source that reads the table `trades`.
pub(crate) fn table() -> Value {
    json!({
        "secretRef": { "name": "db" }, "table": "public.trades", "cursor": { "column": "id" },
        "columns": { "sid": "sid", "price": "price" },
    })
}

impl Database {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let server = Server::start(folder.path(), "max_prepared_transactions = 2\n").unwrap();
        let database = Self { folder, server, tasks: TaskTracker::new() };
        database.set_url(&database.server.url("postgres"));
        database
    }

    /// A server with the empty table `trades`.
    pub(crate) fn with_table() -> Self {
        let database = Self::start();
        database.sql(&format!("CREATE TABLE trades ({COLUMNS})"));
        database
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.server.sql("postgres", statements).unwrap()
    }

    pub(crate) fn set_url(&self, url: &str) {
        fs::write(self.url_file(), url).unwrap();
    }

    pub(crate) fn url_file(&self) -> PathBuf {
        self.folder.path().join("url")
    }

    /// A connection of the superuser for transactions that stay open.
    pub(crate) async fn connect(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.server.url("postgres"), NoTls).await.unwrap();
        self.tasks.spawn(async move { drop(connection.await) });
        client
    }

    pub(crate) fn read(&self, fields: &Value, published: Option<u64>) -> Reading {
        self.read_with(fields, published, None)
    }

    /// Starts a source. `published`: its position. `authorities`: the file of `--postgres-ca`.
    pub(crate) fn read_with(&self, fields: &Value, published: Option<u64>, authorities: Option<PathBuf>) -> Reading {
        let spec = serde_json::from_value(fields.clone()).unwrap();
        let files = DatabaseFiles::Named { url: self.url_file(), authorities };
        let source = PostgresSource::new(spec, files, Arc::new(SystemClock), self.tasks.clone());
        let numbers = published.map(|number| (SOURCE.to_owned(), number)).into_iter().collect();
        let stop = CancellationToken::new();
        let events = source.start(Position { numbers, state: None }, stop.clone());
        Reading { events, stop, quotes: Vec::new(), late: Vec::new(), condition: None, disconnections: 0 }
    }
}

/// A started source, and its events so far.
pub(crate) struct Reading {
    events: SourceEvents,
    stop: CancellationToken,
    pub(crate) quotes: Vec<Quote>,
    pub(crate) late: Vec<u64>,
    pub(crate) condition: Option<Condition>,
    pub(crate) disconnections: u64,
}

impl Reading {
    /// Takes events until the condition holds.
    pub(crate) async fn until(&mut self, condition: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                match self.events.recv().await.unwrap() {
                    SourceEvent::Quotes { quotes, .. } => self.quotes.extend(quotes),
                    SourceEvent::Late { numbers, .. } => self.late.extend(numbers),
                    SourceEvent::Condition(condition) => self.condition = Some(condition),
                    SourceEvent::Disconnected { count } => self.disconnections += count,
                    SourceEvent::Gap { .. } => panic!("tables have no gaps"),
                }
            }
        };
        let waited = timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{condition}: {:?}, late {:?}, {:?}", self.numbers(), self.late, self.condition);
    }

    /// The next event. It is not kept.
    pub(crate) async fn next(&mut self) -> SourceEvent {
        timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }

    /// Waits for so many quotes in all, and returns their numbers.
    pub(crate) async fn count(&mut self, count: usize) -> Vec<u64> {
        self.until(&format!("{count} quotes"), |reading| reading.quotes.len() >= count).await;
        self.numbers()
    }

    /// Waits for a missing part, and returns its message.
    pub(crate) async fn missing(&mut self, reason: &str) -> String {
        self.until(reason, |reading| reading.message(reason).is_some()).await;
        self.message(reason).unwrap()
    }

    pub(crate) async fn working(&mut self) {
        self.until("at work", |reading| reading.condition == Some(Condition::Working)).await;
    }

    /// Stops the source, and waits for the end of its connection.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let ended = timeout(PATIENCE, async { while self.events.recv().await.is_some() {} }).await;
        assert!(ended.is_ok(), "the source does not end");
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.quotes.iter().map(|quote| quote.seq).collect()
    }

    fn message(&self, expected: &str) -> Option<String> {
        match &self.condition {
            Some(Condition::Missing { reason, message }) if *reason == expected => Some(message.clone()),
            _ => None,
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
