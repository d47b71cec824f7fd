//! The parts of the bench. Each can run alone.

pub mod latency;
pub mod limits;
pub mod open;
pub mod ours;
pub mod rest;

use std::time::Duration;

use clap::ValueEnum;

use crate::{report::Figures, stage::Stage};

/// A part, by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Publisher, mosquitto, a subscriber that only acknowledges.
    Limit,
    /// The same with a bare relay between: a message for each quote.
    Relay,
    /// An account with a built-in algorithm: every quote a decision, every second one, none; many symbols.
    Ours,
    /// An account with a remote algorithm: the examples in Rust and Python.
    Remote,
    /// From publication to decision, by a schedule of 100 to 10,000 quotes a second.
    Latency,
    /// Memory and processor time of an idle account, and the time from its start to its first decision.
    Rest,
    /// A million quotes as fast as the broker takes them.
    Flood,
    /// Ten minutes at full rate.
    Soak,
    /// Opening ledgers of 10 thousand to 10 million decisions, and their size.
    Open,
}

impl Part {
    /// Whether it runs in each round. The others take long, and run once.
    const fn is_in_rounds(self) -> bool {
        !matches!(self, Self::Flood | Self::Soak | Self::Open)
    }
}

/// How much each part does.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Rounds, and openings of each ledger.
    pub rounds: usize,
    /// Quotes of a run at full rate.
    pub quotes: u64,
    /// Quotes of a run with a remote algorithm.
    pub remote_quotes: u64,
    /// Quotes of the flood.
    pub flood_quotes: u64,
    /// Length of a run by a schedule.
    pub paced: Duration,
    /// Length of a look at an idle account.
    pub idle: Duration,
    /// Length of the soak.
    pub soak: Duration,
    /// Decisions of the ledgers that are opened.
    pub ledgers: &'static [u64],
    /// Bound on those ledgers, decisions: larger ledgers are left out.
    pub largest_ledger: u64,
}

impl Extent {
    /// For figures that are written down.
    pub const FULL: Self = Self {
        rounds: 3,
        quotes: 300_000,
        remote_quotes: 100_000,
        flood_quotes: 1_000_000,
        paced: Duration::from_secs(30),
        idle: Duration::from_secs(30),
        soak: Duration::from_mins(10),
        ledgers: &[10_000, 100_000, 1_000_000, 10_000_000],
        largest_ledger: u64::MAX,
    };

    /// For a look within a few minutes.
    pub const QUICK: Self = Self {
        rounds: 1,
        quotes: 60_000,
        remote_quotes: 20_000,
        flood_quotes: 100_000,
        paced: Duration::from_secs(5),
        idle: Duration::from_secs(5),
        soak: Duration::from_secs(20),
        ledgers: &[10_000, 100_000, 200_000],
        largest_ledger: u64::MAX,
    };
}

/// Runs these parts: those that take little time round by round, so that a machine that becomes slower hits all of
/// them.
pub async fn run(stage: &Stage, parts: &[Part], extent: Extent, note: impl Fn(&str)) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let (in_rounds, once): (Vec<Part>, Vec<Part>) = parts.iter().partition(|part| part.is_in_rounds());
    for round in 1..=extent.rounds {
        for part in &in_rounds {
            note(&format!("round {round} of {}: {part:?}", extent.rounds));
            execute(*part, stage, extent, &mut figures, &note).await?;
        }
    }
    for part in once {
        note(&format!("{part:?}"));
        execute(part, stage, extent, &mut figures, &note).await?;
    }
    figures.record_ratio();
    Ok(figures)
}

async fn execute(
    part: Part,
    stage: &Stage,
    extent: Extent,
    figures: &mut Figures,
    note: &impl Fn(&str),
) -> anyhow::Result<()> {
    match part {
        Part::Limit => limits::limit(stage, extent, figures).await,
        Part::Relay => limits::relay(stage, extent, figures).await,
        Part::Ours => ours::built_in(stage, extent, figures).await,
        Part::Remote => ours::remote(stage, extent, figures, note).await,
        Part::Flood => ours::flood(stage, extent, figures).await,
        Part::Soak => ours::soak(stage, extent, figures, note).await,
        Part::Latency => latency::measure(stage, extent, figures).await,
        Part::Rest => rest::measure(stage, extent, figures).await,
        Part::Open => open::measure(stage, extent, figures, note).await,
    }
}
