//! A table of PostgreSQL as a source: its rows by the numbers in one column.
//!
//! A look (`reading`) asks for the state of the database, by which the `barrier` releases numbers; reads the released rows in pages
//! and makes quotes of them (`row`); and counts the numbers of the last rows again (`window`). At each `connection` the catalogue is
//! judged first (`table`). ADR 0045 has the decisions.

mod address;
mod barrier;
mod connection;
mod login;
mod reading;
mod row;
mod sql;
mod table;
mod tls;
mod window;
mod wire;

use std::{fmt, sync::Arc};

use intuition_common::clock::Clock;
use intuition_resources as resources;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::login::DatabaseFiles;
use self::reading::Reader;
use crate::source::{Beginning, Position, Source, SourceEvents};

/// A table as a source.
pub struct PostgresSource {
    spec: resources::Postgres,
    login: DatabaseFiles,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
}

impl fmt::Debug for PostgresSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, login, .. } = self;
        f.debug_struct("PostgresSource").field("spec", spec).field("login", login).finish_non_exhaustive()
    }
}

impl PostgresSource {
    /// A table with validated fields.
    pub fn new(spec: resources::Postgres, login: DatabaseFiles, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        Self { spec, login, clock, tasks }
    }
}

impl Source for PostgresSource {
    fn beginning(&self) -> Beginning {
        Beginning::First
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the pauses")]
    fn start(&self, position: Position, stop: CancellationToken) -> SourceEvents {
        let (events, receiver) = mpsc::channel(1);
        let (login, clock) = (self.login.clone(), Arc::clone(&self.clock));
        let reader = Reader::new(self.spec.clone(), position, events, clock);
        let seed = rand::random();
        self.tasks.spawn(async move { reader.run(&login, seed, stop).await });
        receiver
    }
}
