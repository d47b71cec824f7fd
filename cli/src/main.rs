//! The command `intuition`: checks manifests, and runs them on this machine with no cluster.
//!
//! - [`args`]: the flags.
//! - [`manifest`], [`validate`]: reads manifests, reports all errors in them. [`init`]: writes one.
//! - [`backends`]: lists algorithms with their parameters.
//! - [`conform`]: checks a server of algorithms against the contract.
//! - [`sources`]: the numbered sources of an account.
//! - [`trading`]: halts, reduces, resumes and closes accounts. [`cluster`]: the API server, and runtimes behind it.
//! - [`run`]: a local run: for each manifest the runtime and the bridge that a cluster would run, in this process.
//! - [`broker`]: the embedded broker. [`feed`]: files as quotes. [`source_topics`]: the topics of the feeds and indicators that accounts name. [`output`]: the output on the terminal.

mod args;
mod backends;
#[cfg(feature = "embedded-broker")]
mod broker;
mod cluster;
mod conform;
mod feed;
mod init;
mod manifest;
mod output;
mod run;
mod source_topics;
mod sources;
mod trading;
mod validate;

use std::process::ExitCode;

use crate::args::{Arguments, Command, FeedCommand};

fn main() -> ExitCode {
    let arguments = match intuition_common::args::parse::<Arguments>() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.command {
        Command::Backends(arguments) => backends::command(&arguments),
        Command::Close(arguments) => trading::close(&arguments),
        Command::Conform(arguments) => conform::command(&arguments),
        Command::Feed(FeedCommand::Inspect(arguments)) => feed::inspect::command(&arguments),
        Command::Halt(arguments) => trading::halt(&arguments),
        Command::Init(arguments) => init::command(&arguments),
        Command::Reduce(arguments) => trading::reduce(&arguments),
        Command::Resume(arguments) => trading::resume(&arguments),
        Command::Run(arguments) => run::command(&arguments),
        Command::Sources(arguments) => sources::command(&arguments),
        Command::Validate(arguments) => validate::command(&arguments),
    }
}
