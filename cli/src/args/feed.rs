//! The flags of feeds.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use intuition_api::topic::check_filter;
use jiff::tz::TimeZone;
use quote_files::TimeFormat;

use crate::feed::rate::Rate;

/// The feed of a run.
#[derive(Debug, Args)]
pub(crate) struct FeedArgs {
    /// The files.
    #[command(flatten)]
    pub(crate) files: FileArgs,
    /// Files of quotes (CSV, plain or compressed by gzip or zstd), merged by time and published; `-` reads standard input.
    /// The run ends when every row has its outcome; without a feed it runs until Ctrl-C, or for the time of --for.
    ///
    /// Delimiter, header and the layouts of common sources are recognised; `intuition feed inspect FILE` shows them. The
    /// first 10,000 rows are checked before the run starts: exit code 2. A later row that cannot be used ends the run
    /// with exit code 1, behind the rows before it. The exit code is 1 if no row could be used.
    #[arg(id = "feed", long = "feed", value_name = "FILE", num_args = 1..)]
    pub(crate) paths: Vec<PathBuf>,
    /// Name of the source of the rows, in place of the name of the file. Once for each file.
    ///
    /// With --data-dir a source is decided once: another run goes on behind its last row, and ends with exit code 2 if a
    /// row before that has changed. Another name is another source, and all its rows are new.
    #[arg(long, value_name = "NAME", requires = "feed")]
    pub(crate) source: Vec<String>,
    /// Decide all rows again, as the source NAME#2, or the next number that no account knows.
    #[arg(long, requires = "feed")]
    pub(crate) restart: bool,
    /// Pass over rows that cannot be used, and list them on standard error.
    #[arg(long, requires = "feed")]
    pub(crate) allow_bad_lines: bool,
    /// Topic that the feed is published on.
    #[arg(long, default_value = "quotes", requires = "feed", value_parser = topic)]
    pub(crate) topic: String,
    /// Rows of the feed a second, or max: as fast as they are decided.
    #[arg(long, value_name = "N|max", default_value = "max", requires = "feed", allow_hyphen_values = true)]
    pub(crate) rate: Rate,
}

/// The form of files, where they do not show it themselves.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Column with the times: its name, or its number from 1.
    #[arg(long, value_name = "NAME", requires = "feed")]
    pub(crate) time_column: Option<String>,
    /// Column with the symbols: its name, or its number from 1.
    #[arg(long, value_name = "NAME", requires = "feed")]
    pub(crate) sid_column: Option<String>,
    /// Column with the prices: its name, or its number from 1. It is no part of a row's identity: with --data-dir, rows
    /// decided earlier stay decided, also those decided by another column.
    #[arg(long, alias = "column", value_name = "NAME", requires = "feed")]
    pub(crate) price_column: Option<String>,
    /// Symbol of all rows, where no column has it. Once for all files, or once for each.
    #[arg(long, value_name = "NAME", requires = "feed", value_parser = symbol)]
    pub(crate) sid: Vec<String>,
    /// Form of the times: `seconds`, `milliseconds`, `microseconds`, `nanoseconds`, or a pattern such as `%d/%m/%Y %H:%M`.
    #[arg(long, value_name = "FORM", requires = "feed")]
    pub(crate) time_format: Option<TimeFormat>,
    /// Zone of times that have none, such as `America/New_York`. Without it they are UTC.
    #[arg(long, value_name = "ZONE", requires = "feed", value_parser = zone)]
    pub(crate) time_zone: Option<TimeZone>,
    /// Character between two cells, or `tab`.
    #[arg(long, value_name = "CHARACTER", requires = "feed", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// Read files from the end to the beginning: for files that are newest first.
    #[arg(long, requires = "feed")]
    pub(crate) reverse: bool,
}

/// `intuition feed`.
#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Show how files are read: layout, columns, first rows as quotes, span, symbols, rows that cannot be used.
    ///
    /// Exit code 2: a run would not start with a file.
    Inspect(InspectArgs),
}

/// `intuition feed inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Files of quotes; `-` reads standard input.
    #[arg(id = "feed", value_name = "FILE", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The form of the files.
    #[command(flatten)]
    pub(crate) files: FileArgs,
}

fn symbol(text: &str) -> Result<String, &'static str> {
    let is_symbol = (1..=64).contains(&text.chars().count());
    if is_symbol { Ok(text.to_owned()) } else { Err("must have 1 to 64 characters") }
}

fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|error| format!("must be a time zone such as America/New_York: {error}"))
}

fn delimiter(text: &str) -> Result<u8, &'static str> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err("must be one character such as ; or |, or tab"),
    }
}

/// A topic that can be published to.
fn topic(text: &str) -> Result<String, &'static str> {
    let is_topic = !text.contains(['+', '#']) && !text.starts_with('$') && check_filter(text).is_ok();
    if is_topic { Ok(text.to_owned()) } else { Err("must be a topic without wildcards that does not begin with $") }
}
