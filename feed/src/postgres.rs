//! A table of PostgreSQL as a source: its rows by the numbers in one column.
//!
//! A look ([`reading`]) asks for the state of the database, by which the `barrier` releases numbers; reads the released rows in pages
//! and makes quotes of them (`row`); and counts the numbers of the last rows again (`window`). At each `connection` the catalogue is
//! judged first (`table`). ADR 0045 has the decisions.

mod address;
mod barrier;
mod connection;
mod reading;
mod row;
mod sql;
mod table;
mod tls;
mod window;
mod wire;

use std::{fmt, path::PathBuf, sync::Arc};

use intuition_common::clock::Clock;
use intuition_resources as resources;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{connection::Login, reading::Reader};
use crate::source::{Beginning, Position, Source, SourceEvents};

/// A table as a source.
pub struct PostgresSource {
    spec: resources::Postgres,
    login: Login,
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
    /// A table with validated fields. `url`: the file with the URL of the database. `authorities`: PEM certificates to trust. Both
    /// are read at each attempt to connect.
    pub fn new(
        spec: resources::Postgres,
        url: PathBuf,
        authorities: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Self {
        Self { spec, login: Login { url, authorities }, clock, tasks }
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
