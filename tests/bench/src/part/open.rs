//! Opening ledgers, and their size.

use std::time::{Duration, Instant};

use algo_runtime::sizes::Sizes;
use e2e::system::{Process, System};

use super::Extent;
use crate::{
    ledger,
    rate::float,
    report::{Figures, Unit, names},
    run,
    stage::{self, Decided, Stage},
};

/// Longest time of an opening.
const PATIENCE: Duration = Duration::from_mins(10);

/// See [`super::Part::Open`]: from the start of algo-runtime until it is ready, with the file in the page cache.
pub async fn measure(stage: &Stage, extent: Extent, figures: &mut Figures, note: &impl Fn(&str)) -> anyhow::Result<()> {
    let mut sizes = Vec::new();
    for decisions in extent.ledgers.iter().copied().filter(|decisions| *decisions <= extent.largest_ledger) {
        let folder = stage.fresh()?;
        let data = folder.path().join("data");
        let start = Instant::now();
        let written = data.clone();
        tokio::task::spawn_blocking(move || ledger::write(&written, decisions)).await??;
        note(&format!("wrote {decisions} decisions in {:.0} s", start.elapsed().as_secs_f64()));
        sizes.push((decisions, run::size(&data)?));
        for _ in 0..extent.rounds {
            // No bridge is started.
            let settings = stage.settings("mqtt://127.0.0.1", &stage::built_in(Decided::Every));
            let mut system = System::prepare(folder.path(), settings)?;
            let start = Instant::now();
            system.start_runtime_within(PATIENCE).await?;
            figures.record(&format!("opening {decisions} decisions"), Unit::Seconds, start.elapsed().as_secs_f64());
            let memory = run::mebibytes(system.meter(Process::Runtime)?)?;
            figures.record(&format!("anonymous memory after {decisions} decisions"), Unit::Mebibytes, memory);
            system.stop_runtime().await?;
        }
    }
    // The difference between the two largest: with full windows the rest of the file does not grow.
    if let [.., (fewer, small), (more, large)] = &sizes[..]
        && *fewer > Sizes::DESIGN.window
        && let Some(bytes) = large.checked_sub(*small)
    {
        figures.record(names::DECISION, Unit::Bytes, float(bytes) / float(more - fewer));
    }
    Ok(())
}
