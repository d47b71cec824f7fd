//! Logs, on stderr, as text or JSON.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// The flags that every process has for its logs.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// How logs look.
    #[arg(long, env = "INTUITION_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: a level, or directives such as `info,bridge=debug`.
    #[arg(long, env = "INTUITION_LOG", default_value = "info")]
    pub log: String,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("--log {filter:?} is no level and no list of directives such as `info,bridge=debug`")]
    ParseFilter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
}

/// Sets up logging for the whole process. A second call changes nothing.
pub fn init(args: &LogArgs) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&args.log)
        .map_err(|source| TelemetryError::ParseFilter { filter: args.log.clone(), source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let outcome = match args.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
    // It fails only where a subscriber is set already: then the first one stays.
    drop(outcome);
    Ok(())
}
