//! The runtime: its writer, on a ledger in a file that is never synced.

use std::{path::Path, sync::Arc, time::Duration};

use algo_runtime::{
    ledger::sqlite::{Durability, Opening, SqliteLedger},
    metrics::Metrics,
    portfolio::Policy,
    responses::{Reader, responses},
    settings::{AlgorithmRef, Initial, LiveSettings, Settings, SettingsSource, Topics},
    sizes,
    writer::{Command, Sizes, Writer, WriterDeps},
};
use anyhow::Context as _;
use intuition_api::{
    decimal::Money,
    part,
    v1::{Open, ProcessRequest, ProcessResponse},
};
use intuition_common::{
    clock::{Clock, Now},
    readiness::Readiness,
};
use prometheus_client::registry::Registry;
use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;

use crate::{case::Case, path::ACCOUNT, stage};

const STREAM: u64 = 1;
const SEED: u64 = 7;
/// Outcomes in memory. So few that every case fills the window before it is counted: rows have to leave it as well.
pub(crate) const WINDOW: u64 = 2_048;

/// See the module.
pub(crate) struct Runtime {
    writer: Option<Writer>,
    reader: Option<Reader>,
    commands: Vec<Command>,
}

impl Runtime {
    pub(crate) fn start(case: &Case, folder: &Path, clock: Arc<dyn Clock>, now: Now) -> anyhow::Result<Self> {
        let engine =
            sizes::Sizes { window: WINDOW, turn_ticks: 1_024, acknowledged_rows: 1_024, ..sizes::Sizes::DESIGN };
        let opening = Opening { sizes: engine, seed: SEED, durability: Durability::Process };
        let ledger = SqliteLedger::open_as(folder, ACCOUNT, opening)?;
        let deps = WriterDeps {
            settings: settings(case),
            sizes: Sizes { engine, ..Sizes::default() },
            metrics: Metrics::register(&mut Registry::default()),
            readiness: Readiness::new(&part::runtime::ALL, clock),
            seed: SEED,
            stopwatch: Box::new(|| Duration::ZERO),
        };
        let writer = Writer::start(Box::new(ledger), deps, now)?;
        Ok(Self { writer: Some(writer), reader: None, commands: Vec::new() })
    }

    pub(crate) fn open(&mut self, open: Open) {
        let (responses, reader) = responses(algo_runtime::responses::Sizes::default(), || {});
        self.reader = Some(reader);
        self.commands.push(Command::Open { stream: STREAM, open, responses, ended: CancellationToken::new() });
    }

    /// Takes a group of requests, and returns the answers to it.
    pub(crate) fn take(&mut self, requests: Vec<ProcessRequest>, now: Now) -> anyhow::Result<Vec<ProcessResponse>> {
        let messages = requests.into_iter().filter_map(|request| request.message);
        self.commands.extend(messages.map(|message| Command::Request { stream: STREAM, message, room: None }));
        let (writer, reader) = (self.writer.take(), self.reader.as_mut());
        let (writer, reader) = writer.zip(reader).context("no stream is open")?;
        let (writer, responses) = stage::decide(writer, reader, std::mem::take(&mut self.commands), now)?;
        self.writer = Some(writer);
        Ok(responses)
    }
}

fn settings(case: &Case) -> Settings {
    Settings {
        account: ACCOUNT.to_owned(),
        live: LiveSettings {
            algorithm: AlgorithmRef::Builtin("random".to_owned()),
            threshold: case.threshold,
            parameters: [("seed".to_owned(), json!(1))].into_iter().collect::<Map<_, _>>(),
            starting_cash: "1000000000".to_owned(),
            suspend: false,
            retention: None,
        },
        source: SettingsSource::Start,
        policy: Policy::FixedAmount(Money::from_cents(100)),
        topics: Topics::default(),
        subscribe: Some(case.filters()),
        inputs: Vec::new(),
        initial: Initial::default(),
    }
}
