//! `intuition conform`: checks a server of `intuition.v1.Algorithm` against the contract, and reports failures with reasons.
//!
//! - [`row`]: the checks, each with the rule of the contract. [`checks`]: the code of each check.
//! - [`judge`]: answers against the contract, without I/O. [`run`]: a run over many quotes. [`client`]: the only I/O.
//! - [`quotes`], [`indicators`], [`parameters`]: the questions. [`report`]: the findings.

#![expect(clippy::disallowed_methods, reason = "an edge: it waits by the monotonic clock, and draws a tag")]

mod checks;
mod client;
mod indicators;
mod judge;
mod parameters;
mod quotes;
mod report;
mod row;
mod run;

use std::{io, process::ExitCode, sync::atomic::AtomicU32, time::Duration};

use intuition_common::{exit, text::printable};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::{
    checks::Kit,
    client::{CallError, Target},
    parameters::{Parameters, Schema},
    report::Report,
};
use crate::{
    args::ConformArgs,
    output::{self, AnswerFormat},
};

/// Pause between attempts to reach a server that is starting.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
enum ConformError {
    #[error("--parameters: must be one JSON object without threshold, such as {{\"fast\": 20}}")]
    UseParameters,
    #[error("cannot start the async runtime")]
    StartTokio(#[source] io::Error),
    #[error("{address}: {error}; it was tried for {seconds} s")]
    Reach { address: String, error: CallError, seconds: f64 },
    #[error("give --parameters that fit the schema of {name}: {problems}")]
    Parameters { name: String, problems: String },
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// Runs `intuition conform`: 0 where nothing fails, 1 where something does, 2 where nothing could be checked.
pub(crate) fn command(args: &ConformArgs) -> ExitCode {
    match try_command(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => exit::report(&error, exit::USAGE),
    }
}

fn try_command(args: &ConformArgs) -> Result<bool, ConformError> {
    let given = match serde_json::from_str(&args.parameters) {
        Ok(Value::Object(given)) if !given.contains_key("threshold") => given,
        _ => return Err(ConformError::UseParameters),
    };
    let tokio = tokio::runtime::Runtime::new().map_err(ConformError::StartTokio)?;
    let (title, report) = tokio.block_on(conform(args, given))?;
    // A server that hangs in a call must not hold up the end.
    tokio.shutdown_background();
    let text = match args.output {
        AnswerFormat::Text => format!("{}\n{}", printable(&title), report.text()),
        AnswerFormat::Json => {
            let (passed, failed, skipped) = report.counts();
            let all = json!({"server": title, "passed": passed, "failed": failed, "skipped": skipped, "checks": report.json()});
            format!("{all}\n")
        }
    };
    output::put(text.as_bytes()).map_err(ConformError::Write)?;
    Ok(report.counts().1 == 0)
}

async fn conform(args: &ConformArgs, given: Parameters) -> Result<(String, Report), ConformError> {
    let target = Target { address: args.address.clone(), deadline: Duration::from_secs_f64(args.deadline) };
    let described = match started(&target).await {
        Ok(described) => described,
        Err(error @ CallError::Unreachable(_)) => {
            let address = target.address.to_string();
            return Err(ConformError::Reach { address, error, seconds: args.deadline });
        }
        // The server is there: the report has the fault of its Describe.
        Err(_) => intuition_api::v1::DescribeResponse::default(),
    };
    let schema = Schema::compile(&described.parameters_schema_json).unwrap_or_default();
    let mut given = schema.filled(given);
    let problems = schema.problems(&given);
    if !problems.is_empty() {
        // A runtime sends no such parameters, so that an error at them would be no fault of the server.
        let name = printable(&described.name).into_owned();
        return Err(ConformError::Parameters { name, problems: printable(&problems.join(", ")).into_owned() });
    }
    // A seed makes the algorithm reproducible.
    if schema.knows("seed") {
        given.entry("seed").or_insert_with(|| json!(7));
    }
    let title = format!("{} {} at {}", described.name, described.version, target.address);
    let kit = Kit {
        parameters: checks::json(&given, args.threshold),
        target,
        given,
        threshold: args.threshold,
        schema,
        pid: args.pid,
        tag: rand::random(),
        accounts: AtomicU32::new(0),
    };
    Ok((title, checks::all(&kit).await))
}

/// The answer to Describe of a server that may just be starting.
async fn started(target: &Target) -> Result<intuition_api::v1::DescribeResponse, CallError> {
    let until = Instant::now() + target.deadline;
    loop {
        match target.describe().await {
            Err(error) if error.is_of_a_start() && Instant::now() + RETRY_PAUSE < until => {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            answer => return answer,
        }
    }
}
