//! `intuition feed inspect`: how files are read.

use std::{collections::BTreeSet, fmt::Write as _, io, process::ExitCode};

use intuition_api::quote::Details;
use intuition_common::{
    exit,
    text::{printable, shortened},
};
use quote_files::{Columns, Compression, Content, DataRow, FileError, QuoteFile, Role, Row, moment};

use super::files::{self, OpenError};
use crate::{args::InspectArgs, output};

/// Rows that are shown as quotes.
const MAX_SHOWN_ROWS: usize = 5;
/// Rows that cannot be used that are shown.
const MAX_SHOWN_BAD: usize = 20;
/// Symbols that are counted.
const MAX_SYMBOLS: usize = 10_000;
/// Symbols that are shown.
const MAX_SHOWN_SYMBOLS: usize = 20;
/// Bound on the characters of the columns' names.
const MAX_NAMES_CHARS: usize = 300;

/// The parts of a row with the names that quotes have for them.
const PARTS: [(&str, Role); 11] = [
    ("time", Role::Time),
    ("time of day", Role::TimeOfDay),
    ("symbol", Role::Sid),
    ("price", Role::Price),
    ("open", Role::Open),
    ("high", Role::High),
    ("low", Role::Low),
    ("volume", Role::Volume),
    ("bid", Role::Bid),
    ("ask", Role::Ask),
    ("size", Role::Size),
];

/// Errors of the command.
#[derive(Debug, thiserror::Error)]
enum InspectError {
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    File(FileError),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// Runs `intuition feed inspect`.
pub(crate) fn command(args: &InspectArgs) -> ExitCode {
    match inspect(args) {
        Ok(code) => code,
        Err(InspectError::Write(source)) => exit::report(&InspectError::Write(source), 1),
        Err(error) => exit::report(&error, exit::USAGE),
    }
}

fn inspect(args: &InspectArgs) -> Result<ExitCode, InspectError> {
    let mut code = ExitCode::SUCCESS;
    for open in files::open(&args.paths, &args.files, false).map_err(InspectError::Open)? {
        let mut file = open.file;
        let checked = file.check(false);
        let (head, notes) = (head(&file), file.notes());
        let contents = Contents::of(&mut file);
        let (contents, broken) = match contents {
            (contents, Ok(())) => (contents, None),
            (contents, Err(error)) => (contents, Some(error)),
        };
        let text = head + &contents.describe();
        if !output::is_open(output::put_text(&text)).map_err(InspectError::Write)? {
            return Ok(ExitCode::SUCCESS);
        }
        output::say(&notes);
        for error in checked.err().into_iter().chain(broken).take(1) {
            code = exit::report(&InspectError::File(error), exit::USAGE);
        }
    }
    Ok(code)
}

/// The form of a file.
fn head(file: &QuoteFile) -> String {
    let columns = file.columns();
    let compression = match file.compression() {
        Compression::None => "",
        Compression::Gzip => ", compressed by gzip",
        Compression::Zstd => ", compressed by zstd",
    };
    let mut text = format!("{}{compression}\n", printable(file.name()));
    let mut line = |name: &str, value: &str| {
        let _written = writeln!(text, "  {name:<12} {}", printable(value));
    };
    line("layout", columns.layout.unwrap_or("none that is known, columns by options"));
    line("delimiter", delimiter(columns));
    let names = columns.names.join(", ");
    line(
        "header",
        if names.is_empty() { "none" } else { &names }.chars().take(MAX_NAMES_CHARS).collect::<String>().as_str(),
    );
    for (part, role) in PARTS {
        if let Some(name) = columns.name(role) {
            line(part, &name);
        }
    }
    if let Some(sid) = &columns.sid {
        line("symbol", &format!("{sid} (--sid)"));
    }
    if let Some(written) = file.written_times() {
        line("times", &written.describe());
    }
    text
}

const fn delimiter(columns: &Columns) -> &'static str {
    match columns.delimiter {
        b',' => "comma",
        b';' => "semicolon",
        b'\t' => "tab",
        b'|' => "|",
        _ => "as given by --delimiter",
    }
}

/// The rows of a file, summed up.
#[derive(Default)]
struct Contents {
    rows: u64,
    quotes: u64,
    empty: u64,
    rounded: u64,
    bad: u64,
    shown: Vec<String>,
    shown_bad: Vec<String>,
    span: Option<(i64, i64)>,
    symbols: BTreeSet<String>,
    has_more_symbols: bool,
}

impl Contents {
    /// Reads all rows.
    fn of(file: &mut QuoteFile) -> (Self, Result<(), FileError>) {
        let mut contents = Self::default();
        loop {
            match file.next_row() {
                Ok(Some(row)) => contents.take(row),
                Ok(None) => return (contents, Ok(())),
                Err(error) => return (contents, Err(error)),
            }
        }
    }

    fn take(&mut self, DataRow { line, content, .. }: DataRow) {
        self.rows += 1;
        match content {
            Content::Quote(row) => self.quote(*row),
            Content::NoPrice => self.empty += 1,
            Content::Unusable { complaint, .. } => {
                self.bad += 1;
                if self.shown_bad.len() < MAX_SHOWN_BAD {
                    self.shown_bad.push(format!("line {line}: {complaint}"));
                }
            }
        }
    }

    fn quote(&mut self, row: Row) {
        self.quotes += 1;
        self.rounded += u64::from(row.is_rounded);
        let time = row.time_micros;
        self.span = self.span.map_or(Some((time, time)), |(first, last)| Some((first.min(time), last.max(time))));
        if self.shown.len() < MAX_SHOWN_ROWS {
            self.shown.push(shown(&row));
        }
        if self.symbols.contains(&row.sid) {
            return;
        }
        if self.symbols.len() < MAX_SYMBOLS {
            self.symbols.insert(row.sid);
        } else {
            self.has_more_symbols = true;
        }
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let _written = writeln!(text, "  {name:<12} {}", printable(value));
        };
        line("rows", &format!("{}, of them quotes: {}", self.rows, self.quotes));
        if self.empty > 0 {
            line("no price", &format!("rows that are passed over: {}", self.empty));
        }
        if self.rounded > 0 {
            line("rounded", &format!("prices, to 10 digits after the point: {}", self.rounded));
        }
        if let Some((first, last)) = self.span {
            line("span", &format!("{} to {}", moment(first), moment(last)));
        }
        let names: Vec<_> = self.symbols.iter().take(MAX_SHOWN_SYMBOLS).map(String::as_str).collect();
        let more = if self.has_more_symbols { "more than " } else { "" };
        let rest = if self.symbols.len() > names.len() { ", ..." } else { "" };
        line("symbols", &format!("{more}{}: {}{rest}", self.symbols.len(), names.join(", ")));
        for (name, lines) in [("quotes", &self.shown), ("unusable", &self.shown_bad)] {
            for (at, shown) in lines.iter().enumerate() {
                line(if at == 0 { name } else { "" }, &shortened(shown, MAX_NAMES_CHARS));
            }
        }
        if self.bad > self.shown_bad.len() as u64 {
            line("", &format!("and {} more", self.bad - self.shown_bad.len() as u64));
        }
        text
    }
}

fn shown(row: &Row) -> String {
    let mut text = format!("{} {} {}", moment(row.time_micros), row.sid, row.price);
    let Details { size, open, high, low, volume, bid, ask, interval_micros: _ } = row.details;
    let prices = [("open", open), ("high", high), ("low", low), ("bid", bid), ("ask", ask)];
    let quantities = [("volume", volume), ("size", size)];
    let prices = prices.into_iter().filter_map(|(name, price)| Some((name, price?.to_string())));
    let quantities = quantities.into_iter().filter_map(|(name, quantity)| Some((name, quantity?.to_string())));
    for (name, value) in prices.chain(quantities) {
        let _written = write!(text, " {name} {value}");
    }
    text
}
