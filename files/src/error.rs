//! Errors that end the reading of a file.

use std::io;

use intuition_common::text::shortened;

/// Longest text of a file in an error, in characters.
const MAX_SHOWN_CHARS: usize = 60;

/// A cell or a line in an error, in quotes and cut.
pub(crate) fn shown(text: &[u8]) -> String {
    format!("{:?}", shortened(&String::from_utf8_lossy(text), MAX_SHOWN_CHARS))
}

/// A file that cannot be used, or no further.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct FileError {
    /// The path as given; `standard input`.
    pub file: String,
    /// The problem.
    #[source]
    pub problem: Problem,
}

/// The problem of a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be opened.
    #[error("cannot be read: {0}")]
    Open(io::Error),
    /// A file that is no text.
    #[error("is {0}")]
    Kind(&'static str),
    /// The file breaks off, or the disk does.
    #[error("line {line}: cannot be read further: {cause}{}", if is_short(.cause) {
        "; the compressed file is cut short: fetch it again"
    } else {
        ""
    })]
    Read {
        /// The line at which it breaks off.
        line: u64,
        /// The cause.
        cause: io::Error,
    },
    /// The temporary file for --reverse cannot be used.
    #[error("cannot keep its rows in a temporary file (--reverse): {0}")]
    Spool(io::Error),
    /// No line.
    #[error("is empty")]
    Empty,
    /// A header, and nothing below it.
    #[error("holds no quotes")]
    NoRows,
    /// The header cannot be used.
    #[error("line {line}: {complaint}")]
    Header {
        /// Its line.
        line: u64,
        /// The complaint, with the remedy.
        complaint: String,
    },
    /// A quoted cell without an end.
    #[error("line {line}: a quote (\") opens a cell that nothing closes: {text}")]
    Unclosed {
        /// The line with the opening quote.
        line: u64,
        /// The beginning of the line.
        text: String,
    },
    /// No row has a usable value in a column.
    #[error("line {line}: {complaint}; none of the first {rows} rows can be used: {remedy}")]
    Column {
        /// The first row's line.
        line: u64,
        /// The first row's complaint.
        complaint: String,
        /// Rows that were checked.
        rows: usize,
        /// The options that help.
        remedy: &'static str,
    },
    /// Most rows go back in time.
    #[error("line {line}: {complaint}; {}", if *.is_reversed {
        "the file is oldest first: it is read without --reverse"
    } else {
        "the file is newest first: --reverse reads it from its end"
    })]
    Backwards {
        /// The first row that goes back.
        line: u64,
        /// The complaint about it.
        complaint: String,
        /// Whether the file was read from its end.
        is_reversed: bool,
    },
    /// A row that cannot be used.
    #[error("line {line}: {complaint}; --allow-bad-lines passes over such rows and lists them")]
    Row {
        /// Its line.
        line: u64,
        /// The column, the value and the reason.
        complaint: String,
    },
}

fn is_short(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::UnexpectedEof
}

impl Problem {
    pub(crate) fn of(self, file: &str) -> FileError {
        FileError { file: file.to_owned(), problem: self }
    }
}
