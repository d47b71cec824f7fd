//! One run: quotes at full rate through an account, with a check that each got its one outcome.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use e2e::{
    meter::Meter,
    system::{Process, System},
    wait,
};

use crate::{
    consumer::{Consumer, Expected},
    progress::Progress,
    publisher::{self, Amount, Load},
    quotes,
    rate::{self, Mark, float},
    stage::{Algorithm, DECISIONS, Decided, Remote, Running, Stage},
};

/// Interval of looks at the runtime's counters.
const LOOK: Duration = Duration::from_millis(50);
/// Interval of looks at memory.
const SAMPLE: Duration = Duration::from_secs(1);
/// Longest time for the outcomes of all quotes once they are published.
const PATIENCE: Duration = Duration::from_mins(30);
const MIB: f64 = 1024.0 * 1024.0;

/// The quotes of a run.
#[derive(Debug, Clone, Copy)]
pub struct Quotes {
    /// Their end.
    pub amount: Amount,
    /// Symbols that they go round.
    pub symbols: u64,
    /// See [`Load::ahead`].
    pub ahead: Option<u64>,
}

/// Anonymous memory at one moment, and the quotes that decisions had come for.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Seconds since the start.
    pub seconds: f64,
    /// MiB.
    pub bridge: f64,
    /// MiB.
    pub runtime: f64,
    /// Number of the last decided quote.
    pub reached: u64,
}

/// Microseconds of processor time for each quote.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Of the bridge.
    pub bridge: f64,
    /// Of algo-runtime.
    pub runtime: f64,
    /// Of mosquitto.
    pub broker: f64,
    /// Of the remote algorithm.
    pub algorithm: Option<f64>,
}

/// The figures of a run.
pub struct Run {
    /// Quotes a second, from the first fifth of the decisions to the last one.
    pub rate: f64,
    /// Quotes.
    pub quotes: u64,
    /// Decisions.
    pub decisions: u64,
    /// Processor time.
    pub cost: Cost,
    /// Each second.
    pub samples: Vec<Sample>,
    /// Bytes of the ledger's files after an orderly end.
    pub ledger_bytes: u64,
}

/// Sends quotes through an account with this algorithm.
pub async fn account(stage: &Stage, algorithm: Algorithm, quotes: Quotes) -> anyhow::Result<Run> {
    let running = stage.account(algorithm).await?;
    let progress = Arc::new(Progress::default());
    let expected = Expected {
        port: running.broker.port(),
        topic: DECISIONS,
        marker: quotes::IN_DECISION,
        progress: &progress,
        schedule: None,
    };
    let consumer = Consumer::start(&expected)?;
    let load =
        Load { port: running.broker.port(), amount: quotes.amount, symbols: quotes.symbols, ahead: quotes.ahead };
    let before = Times::read(&running)?;
    let publishing = publisher::run(&progress, move |progress| publisher::flood(&load, progress));
    let is_silent = algorithm == Algorithm::BuiltIn(Decided::None);
    let work = async {
        if let (true, Amount::Quotes(count)) = (is_silent, quotes.amount) {
            // No decision shows how far the account is: its counters do.
            tokio::try_join!(publishing, counted(&running.system, count, Some(&progress)))
        } else {
            let published = publishing.await?;
            Ok((published, counted(&running.system, published, None).await?))
        }
    };
    let ((published, outcomes), samples) = sampled(&running.system, &progress, work).await?;
    progress.want(outcomes.decided);
    let received = consumer.join().await?;
    let cost = Times::read(&running)?.since(before, published);
    received.tally.check(outcomes.decided)?;
    check(algorithm, published, outcomes.decided)?;
    let marks = if is_silent { &outcomes.marks } else { &received.marks };
    let rate = rate::quotes_per_second(marks).context("the run is too short for a rate")?;
    let folder = running.stop().await?;
    let ledger_bytes = size(&folder.path().join("data"))?;
    Ok(Run { rate, quotes: published, decisions: outcomes.decided, cost, samples, ledger_bytes })
}

/// Bytes of the files in a folder.
pub fn size(folder: &std::path::Path) -> anyhow::Result<u64> {
    let sizes = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len()));
    sizes.sum()
}

/// Anonymous memory in MiB.
pub fn mebibytes(meter: Meter) -> anyhow::Result<f64> {
    Ok(float(meter.anonymous_memory()?) / MIB)
}

fn check(algorithm: Algorithm, quotes: u64, decisions: u64) -> anyhow::Result<()> {
    let is_right = match algorithm {
        Algorithm::BuiltIn(Decided::Every) | Algorithm::Remote(Remote::Python) => decisions == quotes,
        // It cannot compare the first price with any.
        Algorithm::Remote(Remote::Rust) => decisions + 1 == quotes,
        // Random numbers do not reach these bounds.
        Algorithm::BuiltIn(Decided::Half) => (quotes * 4 / 10..quotes * 6 / 10).contains(&decisions),
        Algorithm::BuiltIn(Decided::None) => decisions == 0,
    };
    ensure!(is_right, "{algorithm:?} decided {decisions} of {quotes} quotes");
    Ok(())
}

/// Looks at memory until the work is done.
async fn sampled<T>(
    system: &System,
    progress: &Progress,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Vec<Sample>)> {
    let start = Instant::now();
    let mut samples = Vec::new();
    let mut times = tokio::time::interval(SAMPLE);
    tokio::pin!(work);
    loop {
        let done = tokio::select! {
            done = &mut work => Some(done?),
            _ = times.tick() => None,
        };
        samples.push(Sample {
            seconds: start.elapsed().as_secs_f64(),
            bridge: mebibytes(system.meter(Process::Bridge)?)?,
            runtime: mebibytes(system.meter(Process::Runtime)?)?,
            reached: progress.reached(),
        });
        if let Some(done) = done {
            return Ok((done, samples));
        }
    }
}

/// The outcomes of a runtime.
struct Outcomes {
    decided: u64,
    /// At each look, in quotes.
    marks: Vec<Mark>,
}

/// Waits until the runtime has counted an outcome for so many quotes, and reports its progress.
async fn counted(system: &System, quotes: u64, progress: Option<&Progress>) -> anyhow::Result<Outcomes> {
    let start = Instant::now();
    let mut marks = Vec::new();
    wait::until_every(LOOK, PATIENCE, &format!("{quotes} quotes have outcomes"), async || {
        let page = system.metrics(Process::Runtime).await?.context("algo-runtime does not answer")?;
        let count = sum(&page, "tradingalgo_runtime_ticks_total{");
        if count > 0 {
            let micros = u64::try_from(start.elapsed().as_micros())?;
            marks.push(Mark { received: count, quote: count, micros });
        }
        if let Some(progress) = progress {
            progress.advance(count);
        }
        let decided = "tradingalgo_runtime_ticks_total{outcome=\"decided\"}";
        Ok((count >= quotes).then(|| sum(&page, decided)))
    })
    .await
    .map(|decided| Outcomes { decided, marks })
}

/// Sum of the series of a metrics page that begin so.
fn sum(page: &str, series: &str) -> u64 {
    let values = page.lines().filter(|line| line.starts_with(series)).filter_map(|line| line.rsplit(' ').next());
    values.filter_map(|value| value.parse::<u64>().ok()).sum()
}

/// Processor times at one moment.
#[derive(Clone, Copy)]
struct Times {
    bridge: Duration,
    runtime: Duration,
    broker: Duration,
    algorithm: Option<Duration>,
}

impl Times {
    fn read(running: &Running) -> anyhow::Result<Self> {
        Ok(Self {
            bridge: running.system.meter(Process::Bridge)?.processor_time()?,
            runtime: running.system.meter(Process::Runtime)?.processor_time()?,
            broker: running.broker.meter().processor_time()?,
            algorithm: running.backend.as_ref().map(|backend| backend.meter().processor_time()).transpose()?,
        })
    }

    fn since(self, before: Self, quotes: u64) -> Cost {
        let each =
            |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / float(quotes.max(1));
        Cost {
            bridge: each(self.bridge, before.bridge),
            runtime: each(self.runtime, before.runtime),
            broker: each(self.broker, before.broker),
            algorithm: self.algorithm.zip(before.algorithm).map(|(after, before)| each(after, before)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_a_metrics_page_are_summed_by_their_beginning() {
        let page =
            "# TYPE ticks counter\nticks_total{outcome=\"decided\"} 7\nticks_total{outcome=\"no_signal\"} 5\nother 9\n";
        assert_eq!(sum(page, "ticks_total{"), 12);
        assert_eq!(sum(page, "ticks_total{outcome=\"decided\"}"), 7);
        assert_eq!(sum(page, "absent"), 0);
    }
}
