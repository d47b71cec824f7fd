//! `intuition halt`, `reduce`, `resume` and `close`: stops the trading of accounts, ends the stop, and sells holdings.
//!
//! - [`verb`]: the commands as annotations and causes. [`object`]: the state of a resource. [`report`]: the output. All
//!   pure.
//! - [`resources`]: in a cluster, by annotations. [`runtime`]: at a runtime, by its calls.
//! - [`mod@close`]: sales by hand, at a runtime or through the API server.

mod close;
mod object;
mod report;
mod resources;
mod runtime;
mod verb;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use algo_runtime::backend::Address;
use intuition_common::exit;

pub(crate) use self::verb::{HALT_ANNOTATION, REDUCE_ANNOTATION};
use self::{
    report::{Report, one_line},
    runtime::{Account, RuntimeError},
    verb::Verb,
};
use crate::{
    args::{AccountsArgs, AtArgs, CloseArgs, HaltArgs, ResumeArgs, WaitArgs},
    cluster::{Cluster, ClusterError},
    output::{self, AnswerFormat},
};

/// Name in the text of a stop, if flags, kubeconfig and environment have none.
const SOMEBODY: &str = "intuition";

/// A command that failed as a whole.
#[derive(Debug, thiserror::Error)]
enum TradingError {
    #[error("cannot start the async runtime")]
    StartTokio(#[source] io::Error),
    #[error(transparent)]
    Cluster(ClusterError),
    #[error(transparent)]
    Runtime(RuntimeError),
    #[error("no TradingAlgo in {place}{labels}: nothing was changed")]
    SelectNone { place: String, labels: String },
    #[error("{} for the next quote after {seconds} s: {}", count(.symbols.len(), "still waits", "still wait"), .symbols.join(", "))]
    Wait { seconds: u64, symbols: Vec<String> },
    #[error("{} dropped and still held: {}", count(.0.len(), "is", "are"), .0.join(", "))]
    Drop(Vec<String>),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

fn count(symbols: usize, one: &str, many: &str) -> String {
    if symbols == 1 { format!("1 symbol {one}") } else { format!("{symbols} symbols {many}") }
}

/// Runs `intuition halt`.
pub(crate) fn halt(args: &HaltArgs) -> ExitCode {
    stop(args, Verb::Halt)
}

/// Runs `intuition reduce`.
pub(crate) fn reduce(args: &HaltArgs) -> ExitCode {
    stop(args, Verb::Reduce)
}

fn stop(args: &HaltArgs, verb: impl Fn(String) -> Verb) -> ExitCode {
    let change = Change { accounts: &args.accounts, wait: &args.wait, output: args.output };
    change.run(|user| {
        let names = [args.by.as_deref(), user, args.login.as_deref()];
        let who = names.into_iter().flatten().find(|name| !name.trim().is_empty()).unwrap_or(SOMEBODY);
        verb(verb::text(who, args.reason.as_deref()))
    })
}

/// Runs `intuition resume`.
pub(crate) fn resume(args: &ResumeArgs) -> ExitCode {
    let change = Change { accounts: &args.accounts, wait: &args.wait, output: args.output };
    change.run(|_| Verb::Resume)
}

/// Runs `intuition close`.
pub(crate) fn close(args: &CloseArgs) -> ExitCode {
    match in_tokio(close::close(args)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) | Err(error) => exit::report(&error, 1),
    }
}

/// A change of the trading state.
struct Change<'a> {
    accounts: &'a AccountsArgs,
    wait: &'a WaitArgs,
    output: AnswerFormat,
}

impl Change<'_> {
    /// `verb` gets the user of the kubeconfig's context. 0: all accounts have the requested state; 1: at least one has not.
    fn run(&self, verb: impl FnOnce(Option<&str>) -> Verb) -> ExitCode {
        match self.try_run(verb) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => exit::report(&error, 1),
        }
    }

    fn try_run(&self, verb: impl FnOnce(Option<&str>) -> Verb) -> Result<bool, TradingError> {
        let (verb, reports) = in_tokio(async {
            if let Some(address) = &self.accounts.at.runtime {
                let verb = verb(None);
                let report = at_runtime(address, &self.accounts.at, &verb).await;
                return Ok((verb, vec![report]));
            }
            let cluster = Cluster::of(&self.accounts.cluster).await.map_err(TradingError::Cluster)?;
            let verb = verb(cluster.user.as_deref());
            let targets = resources::targets(&cluster, self.accounts).await?;
            let reports = resources::change(&cluster, targets, &verb, self.wait, tell).await;
            Ok((verb, reports))
        })??;
        for line in report::errors(&reports) {
            tell(&line);
        }
        write(&report::output(&reports, self.output))?;
        Ok(reports.iter().all(|report| report.is_success(&verb, self.wait.no_wait)))
    }
}

async fn at_runtime(address: &Address, args: &AtArgs, verb: &Verb) -> Report {
    let name = args.account.clone().unwrap_or_default();
    let changed = async {
        let channel = runtime::connect(address).await?;
        Account::new(channel, name.clone(), args.uid.clone()).change(verb).await
    };
    match changed.await {
        Ok(in_force) => Report::confirmed(&name, in_force),
        Err(error) => Report::failed(&name, exit::with_causes(&error)),
    }
}

/// Runs to the end. A pending name resolution must not delay the exit.
fn in_tokio<T>(command: impl Future<Output = T>) -> Result<T, TradingError> {
    let tokio = tokio::runtime::Runtime::new().map_err(TradingError::StartTokio)?;
    let outcome = tokio.block_on(command);
    tokio.shutdown_background();
    Ok(outcome)
}

fn write(text: &str) -> Result<(), TradingError> {
    output::is_open(output::put(text.as_bytes())).map(drop).map_err(TradingError::Write)
}

/// A line for a person.
fn tell(line: &str) {
    // With a closed stderr there is no way to report the error.
    drop(writeln!(io::stderr(), "{}", one_line(line)));
}
