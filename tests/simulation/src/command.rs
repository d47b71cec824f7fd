//! The command line: runs seeds, plays one again, and looks for mistakes that are planted.

mod planted;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{
    report,
    run::{self, Request, World},
};

/// Runs the data path in virtual time: publishers, a model broker, the real cores of bridge and runtime, and faults. Each
/// seed gives the same run each time.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs many seeds, and prints how often each fault and each outcome occurred.
    Run(RunArguments),
    /// Runs one seed again.
    Replay {
        /// The seed.
        seed: u64,
        /// Print every fact.
        #[arg(long)]
        trace: bool,
        /// Log what the processes log, for example `debug`, on stderr.
        #[arg(long, value_name = "FILTER")]
        logs: Option<String>,
        /// Make this planted mistake. Needs a build with `--cfg planted`.
        #[arg(long, value_name = "NAME")]
        planted: Option<String>,
    },
    /// Makes planted mistakes, one after the other, and runs seeds until each is found. Needs a build with `--cfg planted`.
    Planted {
        /// Mistakes by name; all of them where none is given.
        names: Vec<String>,
        /// Two mistakes only, other ones for each number: all have had their turn after half as many numbers as there are
        /// mistakes. CI gives the day.
        #[arg(long, value_name = "NUMBER", conflicts_with = "names")]
        turn: Option<u64>,
        /// Seeds within which a mistake has to be found.
        #[arg(long, default_value_t = 1_000)]
        within: u64,
        /// Threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

#[derive(Debug, Args)]
struct RunArguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Begin at a random seed, which is printed.
    #[arg(long, conflicts_with = "from")]
    fresh: bool,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Begin no further seed after so many have failed.
    #[arg(long, default_value_t = 5)]
    failures: usize,
    /// Make this planted mistake in every run. Needs a build with `--cfg planted`.
    #[arg(long, value_name = "NAME")]
    planted: Option<String>,
}

/// Does what the arguments ask for. Output goes to standard output, progress to standard error. The code is 1 where a promise
/// was broken or a planted mistake was not found.
pub fn execute(arguments: Arguments, world: World) -> ExitCode {
    let (mut output, mut progress) = (io::stdout(), io::stderr());
    match carry_out(arguments, world, &mut output, &mut progress) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => intuition_common::exit::report(&error, 1),
    }
}

/// Whether everything holds.
fn carry_out(
    arguments: Arguments,
    world: World,
    output: &mut dyn Write,
    progress: &mut (dyn Write + Send),
) -> io::Result<bool> {
    match arguments.command {
        Command::Run(arguments) => run_seeds(&arguments, world, output, progress),
        Command::Replay { seed, trace, logs, planted } => {
            if !planted::switch_on(planted.as_deref(), output)? {
                return Ok(false);
            }
            if let Some(filter) = logs {
                let filter = EnvFilter::new(filter);
                tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).without_time().init();
            }
            replay(seed, trace, world, output)
        }
        Command::Planted { names, turn, within, threads } => {
            planted::find((&names, turn), (within, threads), world, output, progress)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an edge: it draws the first of the fresh seeds")]
fn run_seeds(
    arguments: &RunArguments,
    world: World,
    output: &mut dyn Write,
    progress: &mut (dyn Write + Send),
) -> io::Result<bool> {
    if !planted::switch_on(arguments.planted.as_deref(), output)? {
        return Ok(false);
    }
    let from = if arguments.fresh { u64::from(rand::random::<u32>()) << 16 } else { arguments.from };
    let RunArguments { seeds, threads, failures, .. } = *arguments;
    writeln!(output, "seeds {from} to {}, {threads} threads", from.saturating_add(seeds).saturating_sub(1))?;
    let request = Request { from, seeds, threads, failures };
    let summary = run::many(request, |seed| run::one(world, seed, &mut |_, _| {}), progress)?;
    summary.coverage.write(output)?;
    for (seed, violation) in &summary.failures {
        writeln!(output, "{}", report::failure(*seed, violation))?;
    }
    let (runs, failed) = (summary.coverage.runs(), summary.failures.len());
    writeln!(output, "{failed} of {runs} seeds broke a promise")?;
    Ok(summary.failures.is_empty())
}

fn replay(seed: u64, trace: bool, world: World, output: &mut dyn Write) -> io::Result<bool> {
    let mut written = Ok(());
    let (_, result) = run::one(world, seed, &mut |at, fact| {
        if trace && written.is_ok() {
            written = writeln!(output, "{}", report::line(at, fact));
        }
    });
    written?;
    match &result {
        Ok(()) => writeln!(output, "seed {seed}: every promise holds")?,
        Err(violation) => writeln!(output, "{}", report::failure(seed, violation))?,
    }
    Ok(result.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::Bounds,
        facts::{Fact, Time, Violation},
        plan::Plan,
        run::Sink,
    };

    fn story(plan: &Plan, sink: Sink<'_>) -> Result<(), Violation> {
        sink(Time::from_secs(1), &Fact::Measured { what: "entries", value: usize::from(plan.seed == 3), bound: 0 })?;
        let is_late = plan.seed == 4;
        sink(Time::from_secs(2), &Fact::FaultsEnded)?;
        let account = Some(Box::new(intuition_api::v1::AccountResponse {
            cash: "0".to_owned(),
            invested: "0".to_owned(),
            realised: "0".to_owned(),
            deposits: "0".to_owned(),
            ..Default::default()
        }));
        sink(
            Time::from_secs(3),
            &Fact::Settled {
                account,
                runtime_ready: !is_late,
                bridge_ready: true,
                waiting: Vec::new(),
                subscribed: Vec::new(),
            },
        )
    }

    const WORLD: World = World { play: story, bounds: |_| Bounds { window: 8, least_trial: Time::from_secs(5) } };

    fn told(arguments: &[&str]) -> (bool, String) {
        let arguments = Arguments::try_parse_from(["simulate"].iter().chain(arguments)).unwrap();
        let mut output = Vec::new();
        let holds = carry_out(arguments, WORLD, &mut output, &mut io::sink()).unwrap();
        (holds, String::from_utf8(output).unwrap())
    }

    #[test]
    fn seeds_that_break_a_promise_are_printed_with_their_command() {
        let (holds, text) = told(&["run", "--seeds", "5", "--threads", "1"]);
        assert!(!holds);
        assert!(text.starts_with("seeds 0 to 4, 1 threads\n"), "{text}");
        assert!(
            text.contains("seed 3: bounds: at 1.000000 s: entries is 1, and at most 0 is promised\n  cargo run"),
            "{text}"
        );
        assert!(text.contains("seed 4: settled: at 3.000000 s: the runtime is not ready at the end"), "{text}");
        assert!(text.ends_with("2 of 5 seeds broke a promise\n"), "{text}");
        let (holds, text) = told(&["run", "--seeds", "3"]);
        assert!(holds && text.ends_with("0 of 3 seeds broke a promise\n"), "{text}");
    }

    #[test]
    fn a_replay_prints_every_fact_if_asked() {
        let (holds, text) = told(&["replay", "3", "--trace"]);
        assert!(!holds);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "    1.000000 Measured { what: \"entries\", value: 1, bound: 0 }");
        assert!(lines[1].starts_with("seed 3: bounds"), "{text}");
        assert_eq!(told(&["replay", "1"]), (true, "seed 1: every promise holds\n".to_owned()));
    }

    #[cfg(not(planted))]
    #[test]
    fn without_planted_mistakes_the_command_names_the_build_that_has_them() {
        let (holds, text) = told(&["planted"]);
        assert!(!holds && text.contains("--cfg planted"), "{text}");
    }
}
