//! See `bench --help`.

use std::path::PathBuf;

use anyhow::bail;
use bench::{
    machine,
    part::{self, Extent, Part},
    stage::Stage,
};
use clap::{Parser, ValueEnum as _};
use tokio::signal::unix::{SignalKind, signal};

/// Measures bridge and algo-runtime on this machine, beside the limits of its broker and its disk.
#[derive(Debug, Parser)]
struct Arguments {
    /// Parts to run; all without one.
    parts: Vec<Part>,
    /// A few minutes in all: fewer quotes, one round, small ledgers.
    #[arg(long)]
    quick: bool,
    /// Rounds, and openings of each ledger [default: 3; 1 with --quick].
    #[arg(long)]
    runs: Option<usize>,
    /// The largest ledger of the part `open`, in decisions: ten million take some gigabytes while they are written.
    #[arg(long)]
    largest_ledger: Option<u64>,
    /// Folder on the disk that is measured; made where it does not exist.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Folder of bridge, algo-runtime and breakout [default: the folder of this binary].
    #[arg(long)]
    binaries: Option<PathBuf>,
    /// A Python with the SDK [default: sdk-python/bin/python in the target folder].
    #[arg(long)]
    python: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let extent = if arguments.quick { Extent::QUICK } else { Extent::FULL };
    let extent = Extent {
        rounds: arguments.runs.unwrap_or(extent.rounds),
        largest_ledger: arguments.largest_ledger.unwrap_or(u64::MAX),
        ..extent
    };
    let parts = if arguments.parts.is_empty() { Part::value_variants().to_vec() } else { arguments.parts };
    let stage = Stage::new(&arguments.folder, arguments.binaries, arguments.python)?;
    for fact in machine::facts(stage.folder()) {
        show(&fact);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // The processes of a run end with the run.
    let figures = tokio::select! {
        figures = part::run(&stage, &parts, extent, note) => figures?,
        _ = terminate.recv() => bail!("ended by SIGTERM"),
        _ = interrupt.recv() => bail!("ended by SIGINT"),
    };
    show(&format!("\n{}\n{}", figures.table(), figures.json()));
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the progress of a run that takes long")]
fn note(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the figures")]
fn show(text: &str) {
    println!("{text}");
}
