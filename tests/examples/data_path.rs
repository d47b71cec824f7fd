//! Compares builds of bridge and algo-runtime: quotes decided a second, and processor time for each.
//!
//! ```sh
//! cargo run --release -p e2e --example data_path -- before=/old/release after=target/release
//! ```
//!
//! Each build is a label and a folder with both binaries. In every round each build gets the same quotes from a mosquitto of
//! its own, decides every one of them, and publishes the decisions, which a subscriber counts. Builds take turns, so that a
//! machine that becomes slower hits all of them. Rates are taken between the first fifth of the decisions and the last one.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use e2e::{
    mosquitto::{Config, Mosquitto},
    mqtt::{self, Message, Subscriber},
    system::{Process, Settings, System},
    wait,
};

const QUOTES: u32 = 100_000;
const ROUNDS: u32 = 3;
/// How often decisions are counted: counting takes time from what is measured.
const LOOK: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_mins(5);

struct Build {
    label: String,
    folder: PathBuf,
    runs: Vec<Run>,
}

/// One round of one build.
#[derive(Clone, Copy)]
struct Run {
    quotes_a_second: f64,
    /// Microseconds of processor time for each quote.
    bridge: f64,
    runtime: f64,
    /// MiB at the end.
    bridge_memory: f64,
    runtime_memory: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut builds = std::env::args().skip(1).map(|argument| build(&argument)).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(!builds.is_empty(), "name at least one build: LABEL=FOLDER");
    for round in 1..=ROUNDS {
        for build in &mut builds {
            let run = measure(build).await.with_context(|| format!("round {round} of {}", build.label))?;
            report(&format!("{} {round}", build.label), run);
            build.runs.push(run);
        }
    }
    for build in &builds {
        report(&format!("{} median", build.label), median(&build.runs));
    }
    if let [first, .., last] = &builds[..] {
        let (before, after) = (median(&first.runs), median(&last.runs));
        let processor = (after.bridge + after.runtime) / (before.bridge + before.runtime);
        let rate = after.quotes_a_second / before.quotes_a_second;
        show(&format!("{} / {}: quotes/s x {rate:.2}, processor time x {processor:.2}", last.label, first.label));
    }
    Ok(())
}

fn build(argument: &str) -> anyhow::Result<Build> {
    let (label, folder) = argument.split_once('=').with_context(|| format!("{argument:?} is not LABEL=FOLDER"))?;
    Ok(Build { label: label.to_owned(), folder: std::path::absolute(folder)?, runs: Vec::new() })
}

async fn measure(build: &Build) -> anyhow::Result<Run> {
    let folder = tempfile::tempdir()?;
    let broker = Mosquitto::start(&folder.path().join("broker"), &Config::quiet()).await?;
    let algorithm =
        "--algorithm random --threshold 0 --seed 7 --starting-cash 100000 --portfolio fixed-amount --amount 0.01";
    let settings = Settings {
        binaries: Some(build.folder.clone()),
        ..Settings::new("bench/random", &broker.url(), &format!("{algorithm} --channel quotes"))
    };
    let mut system = System::start(folder.path(), settings).await?;
    let consumer = Subscriber::start_for_now(broker.port(), &None, "intuition/bench/random/decisions").await?;
    let quotes: Vec<Message> = (1..=QUOTES).map(quote).collect();
    let (port, nameless) = (broker.port(), None);
    let publishing = mqtt::publish_all(port, &nameless, &quotes);
    let counting = async {
        let started = reached(&consumer, QUOTES / 5).await?;
        let before = times(&system)?;
        let ended = reached(&consumer, QUOTES).await?;
        let after = times(&system)?;
        anyhow::Ok((started, before, ended, after))
    };
    let (published, counted) = tokio::join!(publishing, counting);
    published?;
    let ((first, started), before, (last, ended), after) = counted?;
    let decided = f64::from(last.saturating_sub(first));
    let each = |part: fn((Duration, Duration)) -> Duration| {
        part(after).saturating_sub(part(before)).as_secs_f64() * 1e6 / decided
    };
    let run = Run {
        quotes_a_second: decided / ended.duration_since(started).as_secs_f64(),
        bridge: each(|(bridge, _)| bridge),
        runtime: each(|(_, runtime)| runtime),
        bridge_memory: mebibytes(system.meter(Process::Bridge)?.memory()?)?,
        runtime_memory: mebibytes(system.meter(Process::Runtime)?.memory()?)?,
    };
    system.stop().await?;
    Ok(run)
}

fn quote(number: u32) -> Message {
    Message::new("quotes", format!(r#"{{"sid":"GOOG","quote":"345.67","source":"bench","seq":{number}}}"#))
}

async fn reached(consumer: &Subscriber, wanted: u32) -> anyhow::Result<(u32, Instant)> {
    let what = format!("{wanted} decisions");
    wait::until_every(LOOK, LIMIT, &what, async || {
        let count = u32::try_from(consumer.count("decisions"))?;
        Ok((count >= wanted).then(|| (count, Instant::now())))
    })
    .await
}

/// Processor time of bridge and runtime.
fn times(system: &System) -> anyhow::Result<(Duration, Duration)> {
    Ok((system.meter(Process::Bridge)?.processor_time()?, system.meter(Process::Runtime)?.processor_time()?))
}

/// Of each figure by itself.
fn median(runs: &[Run]) -> Run {
    let middle = |figure: fn(&Run) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    Run {
        quotes_a_second: middle(|run| run.quotes_a_second),
        bridge: middle(|run| run.bridge),
        runtime: middle(|run| run.runtime),
        bridge_memory: middle(|run| run.bridge_memory),
        runtime_memory: middle(|run| run.runtime_memory),
    }
}

fn report(label: &str, run: Run) {
    show(&format!(
        "{label:<16} {:>7.0} quotes/s  bridge {:>5.1} us, {:>5.1} MiB  runtime {:>5.1} us, {:>5.1} MiB",
        run.quotes_a_second, run.bridge, run.bridge_memory, run.runtime, run.runtime_memory,
    ));
}

fn mebibytes(bytes: u64) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(bytes >> 10)?) / 1024.0)
}

#[expect(clippy::print_stdout, reason = "its result")]
fn show(line: &str) {
    println!("{line}");
}
