//! The command line.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    num::NonZero,
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, anyhow};
use clap::{Parser, Subcommand};

use crate::{
    bounds,
    callgrind::{self, Counts},
    case::{CASES, Case},
    check, path,
};

/// Counts the instructions that the data path takes for each tick.
#[derive(Debug, Parser)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Count all cases, and fail where a count is above its bound.
    Check {
        /// The stored numbers.
        bounds: PathBuf,
    },
    /// Count all cases, and store the counts.
    Accept {
        /// The stored numbers.
        bounds: PathBuf,
    },
    /// Run one case without counting: for callgrind.
    Run {
        /// Its name.
        case: String,
    },
}

/// Carries a command out.
pub fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.task {
        Task::Run { case } => path::run(Case::find(case).with_context(|| format!("there is no case {case:?}"))?)?,
        Task::Accept { bounds: file } => std::fs::write(file, bounds::write(&count_all()?))?,
        Task::Check { bounds: file } => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let counted = count_all()?;
            let findings = check::findings(&counted, &bounds::read(&text)?);
            let mut output = io::stderr().lock();
            for finding in &findings {
                writeln!(output, "error: {finding}")?;
            }
            if !findings.is_empty() {
                writeln!(
                    output,
                    "If the new numbers are intended: make accept-instructions, and give the reason in the commit."
                )?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts all cases, on all processors, and prints the table.
fn count_all() -> anyhow::Result<Vec<(&'static str, Counts)>> {
    let program = std::env::current_exe()?;
    // The last case takes the longest time: it begins first.
    let waiting = Mutex::new(CASES.to_vec());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let count = || {
        let mut counted = Vec::new();
        while let Some(case) = next() {
            counted.push((case.name, callgrind::count(&program, case)?));
        }
        anyhow::Ok(counted)
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let counted = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(count)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(anyhow!("a worker panicked"))))
            .collect::<Vec<_>>()
    });
    let counted: BTreeMap<_, _> =
        counted.into_iter().collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect();
    let counted = CASES.iter().filter_map(|case| Some((case.name, *counted.get(case.name)?))).collect::<Vec<_>>();
    io::stdout().write_all(bounds::write(&counted).as_bytes())?;
    Ok(counted)
}
