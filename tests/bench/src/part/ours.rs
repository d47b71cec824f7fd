//! Accounts at full rate.

use crate::{
    publisher::Amount,
    rate::{self, float},
    report::{Figures, Unit, names},
    run::{self, Quotes, Run, Sample},
    stage::{Algorithm, Decided, Remote, Stage},
};

use super::Extent;

/// Quotes that are published before the decision about the first of them has come: enough for the account never to
/// wait, and few enough for a run of any length.
pub const AHEAD: u64 = 10_000;
/// Symbols of the runs with many. An account takes 10,000 at most.
const SYMBOLS: [u64; 2] = [1_000, 10_000];
/// A soak shows growth after this part of its time: buffers and windows have been full once by then.
const SETTLED: f64 = 0.2;

/// See [`super::Part::Ours`].
pub async fn built_in(stage: &Stage, extent: Extent, figures: &mut Figures) -> anyhow::Result<()> {
    let quotes = Quotes { amount: Amount::Quotes(extent.quotes), symbols: 1, ahead: Some(AHEAD) };
    let run = run::account(stage, Algorithm::BuiltIn(Decided::Every), quotes).await?;
    figures.record(names::OURS, Unit::PerSecond, run.rate);
    figures.record(names::CPU_BRIDGE, Unit::MicrosPerQuote, run.cost.bridge);
    figures.record(names::CPU_RUNTIME, Unit::MicrosPerQuote, run.cost.runtime);
    figures.record(names::CPU_BOTH, Unit::MicrosPerQuote, run.cost.bridge + run.cost.runtime);
    figures.record("ours, processor time of mosquitto", Unit::MicrosPerQuote, run.cost.broker);
    for (decided, name) in
        [(Decided::Half, "ours: every second quote a decision"), (Decided::None, "ours: no quote a decision")]
    {
        let run = run::account(stage, Algorithm::BuiltIn(decided), quotes).await?;
        rate_and_cost(figures, name, &run);
    }
    for symbols in SYMBOLS {
        let run = run::account(stage, Algorithm::BuiltIn(Decided::Every), Quotes { symbols, ..quotes }).await?;
        rate_and_cost(figures, &format!("ours: every quote a decision, {symbols} symbols"), &run);
    }
    Ok(())
}

/// See [`super::Part::Remote`].
pub async fn remote(stage: &Stage, extent: Extent, figures: &mut Figures, note: &impl Fn(&str)) -> anyhow::Result<()> {
    let quotes = Quotes { amount: Amount::Quotes(extent.remote_quotes), symbols: 1, ahead: Some(AHEAD) };
    for (remote, name) in [(Remote::Rust, names::RUST), (Remote::Python, names::PYTHON)] {
        if !stage.has(remote) {
            note(&format!("left out: {name}: the environment of the SDK is not there, `make test-sdk` makes it"));
            continue;
        }
        let run = run::account(stage, Algorithm::Remote(remote), quotes).await?;
        rate_and_cost(figures, name, &run);
        if let Some(algorithm) = run.cost.algorithm {
            figures.record(&format!("{name}, processor time of the algorithm"), Unit::MicrosPerQuote, algorithm);
        }
    }
    Ok(())
}

/// See [`super::Part::Flood`].
pub async fn flood(stage: &Stage, extent: Extent, figures: &mut Figures) -> anyhow::Result<()> {
    let quotes = Quotes { amount: Amount::Quotes(extent.flood_quotes), symbols: 1, ahead: None };
    let run = run::account(stage, Algorithm::BuiltIn(Decided::Every), quotes).await?;
    let name = format!("flood: {} quotes at once", run.quotes);
    rate_and_cost(figures, &name, &run);
    let most = |of: fn(&Sample) -> f64| run.samples.iter().map(of).fold(0.0, f64::max);
    figures.record("flood, anonymous memory of the bridge", Unit::Mebibytes, most(|sample| sample.bridge));
    figures.record(names::FULL_RUNTIME, Unit::Mebibytes, most(|sample| sample.runtime));
    let bytes = float(run.ledger_bytes) / float(run.decisions);
    figures.record("flood, bytes of the ledger for each decision", Unit::Bytes, bytes);
    Ok(())
}

/// See [`super::Part::Soak`].
pub async fn soak(stage: &Stage, extent: Extent, figures: &mut Figures, note: &impl Fn(&str)) -> anyhow::Result<()> {
    let quotes = Quotes { amount: Amount::Time(extent.soak), symbols: 1, ahead: Some(AHEAD) };
    let run = run::account(stage, Algorithm::BuiltIn(Decided::Every), quotes).await?;
    note(&format!("{} quotes in {} s", run.quotes, extent.soak.as_secs()));
    rate_and_cost(figures, "soak", &run);
    let start = extent.soak.as_secs_f64() * SETTLED;
    let settled: Vec<Sample> = run.samples.iter().copied().filter(|sample| sample.seconds >= start).collect();
    for (part, rate) in thirds(&run.samples) {
        figures.record(&format!("soak, {part} third"), Unit::PerSecond, rate);
    }
    for (process, of) in
        [("the bridge", (|sample| sample.bridge) as fn(&Sample) -> f64), ("algo-runtime", |sample| sample.runtime)]
    {
        let values: Vec<f64> = settled.iter().map(of).collect();
        if let Some(memory) = rate::median(&values) {
            figures.record(&format!("soak, anonymous memory of {process}"), Unit::Mebibytes, memory);
        }
        let points: Vec<(f64, f64)> = settled.iter().map(|sample| (sample.seconds / 60.0, of(sample))).collect();
        if let Some(growth) = rate::slope(&points) {
            figures.record(&format!("soak, growth of {process}"), Unit::MebibytesPerMinute, growth);
        }
    }
    Ok(())
}

/// Rates of the first and the last third of a run: the ledger grows in between.
fn thirds(samples: &[Sample]) -> Vec<(&'static str, f64)> {
    let rate = |from: usize, to: usize| {
        let (first, last) = (samples.get(from)?, samples.get(to)?);
        let seconds = last.seconds - first.seconds;
        (seconds > 0.0).then(|| float(last.reached - first.reached) / seconds)
    };
    let (third, last) = (samples.len() / 3, samples.len().saturating_sub(1));
    let rates = [("first", rate(0, third)), ("last", rate(last - third, last))];
    rates.into_iter().filter_map(|(part, rate)| Some((part, rate?))).collect()
}

fn rate_and_cost(figures: &mut Figures, name: &str, run: &Run) {
    figures.record(name, Unit::PerSecond, run.rate);
    let both = run.cost.bridge + run.cost.runtime;
    figures.record(&format!("{name}, processor time of both"), Unit::MicrosPerQuote, both);
}
